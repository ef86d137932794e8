"""What real clients sent, played to a listener again: as it came, and with some of it lost, doubled or late."""

import random

import pytest

from arcly_actors.protocols.srt.events import Established, Received
from tests.support.record_srt import DATA, Playing, load, replay, summary

NAMES = sorted(path.stem for path in DATA.glob("*.bin"))


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_comes_to_the_same_again(name: str) -> None:
    assert summary(replay(name)) == (DATA / f"{name}.events").read_text(encoding="utf-8")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NAMES)
def test_a_recording_that_suffers_on_its_way_breaks_nothing(name: str, seed: int) -> None:
    chance = random.Random(seed)
    whole = Playing()
    for at, (now, data) in enumerate(load(name)):
        if at < 2 or chance.random() > 0.1:
            whole.receive(data, now)
        if chance.random() < 0.1:
            whole.receive(data, now)
            whole.receive(data[: chance.randrange(len(data))], now)
    assert any(isinstance(event, Established) for event in whole.events)
    payloads = [payload for event in whole.events if isinstance(event, Received) for payload in event.payloads]
    assert all(payload[0] == 0x47 for payload in payloads)  # whole TS packets, decrypted where they were not


def test_there_are_recordings() -> None:
    assert len(NAMES) >= 4
