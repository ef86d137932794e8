"""Real clients' bytes give exactly the events that were recorded with them, however they are cut."""

import random
from pathlib import Path

import pytest

from arcly_actors.protocols.rtsp.server import ServerRules
from tests.support.rtsp import RECORDINGS, Served, describe

ALL = sorted(RECORDINGS.glob("*.bin"), key=lambda path: path.name)


def expected(recording: Path) -> list[str]:
    return recording.with_suffix(".events").read_text().splitlines()


def replayed(*pieces: bytes) -> tuple[Served, list[str]]:
    served = Served(ServerRules())
    served.receive(*pieces)
    return served, [line for event in served.events for line in describe(event)]


def test_the_clients_are_there() -> None:
    assert {path.stem.split("-")[0] for path in ALL} == {"ffmpeg", "gstreamer"}


@pytest.mark.parametrize("recording", ALL, ids=lambda path: path.stem)
def test_replay_whole(recording: Path) -> None:
    served, told = replayed(recording.read_bytes())
    assert told == expected(recording)
    assert served.hangup is None
    assert all(answer.status == 200 for answer in served.answers())
    assert not served.server.drops


@pytest.mark.parametrize("recording", ALL, ids=lambda path: path.stem)
def test_replay_byte_by_byte(recording: Path) -> None:
    _, told = replayed(*(bytes((byte,)) for byte in recording.read_bytes()))
    assert told == expected(recording)


@pytest.mark.parametrize("recording", ALL, ids=lambda path: path.stem)
def test_replay_random_cuts(recording: Path) -> None:
    data = recording.read_bytes()
    dice = random.Random(recording.stem)
    for _ in range(5):
        cuts = sorted(dice.choices(range(len(data)), k=40))
        _, told = replayed(*(data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)))
        assert told == expected(recording)


@pytest.mark.parametrize("recording", ALL, ids=lambda path: path.stem)
def test_replay_truncated_anywhere_is_only_incomplete(recording: Path) -> None:
    data = recording.read_bytes()
    dice = random.Random(recording.stem)
    for length in dice.choices(range(len(data)), k=30):
        served, told = replayed(data[:length])
        assert told == expected(recording)[: len(told)]
        assert served.hangup is None
