"""A crowd's sound travels with the pictures: when it waits, for how long, and that nothing else changes by that."""

from collections.abc import Sequence
from typing import Any

import pytest

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS
from arcly_actors.egress.rtp_hold import SoundHold
from arcly_actors.media.codec import Kind
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.runtime import System
from arcly_actors.transport.srtp_batch import SharedPackets, grouped
from tests.support.rtp_viewing import Fed, FedViewer, picture, sound
from tests.support.scripted_transport import OneByOne
from tests.support.virtual import in_virtual_time, pass_time

CROWD = 60
HOLD = CROWD * limits.SOUND_HOLD_EACH // NS_PER_MS
PICTURES = 40
"""Milliseconds between pictures."""


class Sends(OneByOne):
    """A crowd that notes what was sent in one go."""

    def __init__(self, members: Sequence[Any] = (), noted: list[SharedPackets] | None = None) -> None:
        super().__init__(members)
        self.noted = [] if noted is None else noted

    def rank(self, members: Sequence[Any]) -> "Sends":
        return Sends(members, self.noted)

    def send(self, packets: SharedPackets) -> Sequence[Any]:
        self.noted.append(packets)
        return super().send(packets)


async def crowd(fed: Fed, count: int = CROWD) -> tuple[list[FedViewer], Sends]:
    """So many viewers that watch, right after a picture."""
    viewers, sends = [FedViewer(fed) for _ in range(count)], Sends()
    for viewer in viewers:
        viewer.transport.crowd = sends
    fed.push(picture(0, key=True), sound(0))
    for viewer in viewers:
        viewer.join()
    await pass_time(PICTURES * NS_PER_MS)
    fed.push(picture(PICTURES))
    sends.noted.clear()
    return viewers, sends


def kinds(fed: Fed, packets: SharedPackets) -> str:
    """``v`` and ``a`` for each packet, in order."""
    video = fed.feed.tracks[Kind.VIDEO].ssrc
    return "".join("v" if rtp.parse(packet).ssrc == video else "a" for packet in packets.packets)


@in_virtual_time
async def test_sound_shortly_before_a_picture_leaves_in_its_train(system: System) -> None:
    fed = Fed(system)
    viewers, sends = await crowd(fed)
    await pass_time((PICTURES - HOLD + 2) * NS_PER_MS)
    fed.push(sound(80))
    await pass_time((HOLD - 2) * NS_PER_MS)
    assert sends.noted == []
    fed.push(picture(80, size=5000))
    (train,) = sends.noted
    assert kinds(fed, train) == "vvvvva"
    assert len(grouped(train.packets, 16)) == 1, "one segmented send"
    assert all(len(viewer.units(Kind.AUDIO)) == 1 and len(viewer.units()) == 3 for viewer in viewers)


@in_virtual_time
async def test_a_picture_that_is_shorter_comes_behind_the_sound(system: System) -> None:
    fed = Fed(system)
    viewers, sends = await crowd(fed)
    await pass_time((PICTURES - 5) * NS_PER_MS)
    fed.push(sound(75, size=200))
    fed.push(picture(80, size=90))
    (train,) = sends.noted
    assert kinds(fed, train) == "av"
    assert len(grouped(train.packets, 16)) == 1
    assert viewers[0].names()[-1] == "p@80"


@in_virtual_time
async def test_sound_far_from_a_picture_leaves_at_once(system: System) -> None:
    fed = Fed(system)
    viewers, _ = await crowd(fed)
    await pass_time((PICTURES - HOLD - 5) * NS_PER_MS)
    fed.push(sound(60))
    assert [viewer.times(Kind.AUDIO)[-1] for viewer in viewers] == [system.clock.monotonic_ns()] * CROWD


@in_virtual_time
async def test_sound_does_not_wait_for_a_picture_that_is_late(system: System) -> None:
    fed = Fed(system)
    viewers, _ = await crowd(fed)
    await pass_time((PICTURES - 2) * NS_PER_MS)
    came = system.clock.monotonic_ns()
    sizes = (60, 90, 40)
    for index, size in enumerate(sizes):
        fed.push(sound(80 + index, size=size))
    await pass_time(2 * HOLD * NS_PER_MS)
    for viewer in viewers:
        assert viewer.times(Kind.AUDIO) == [came + HOLD * NS_PER_MS] * len(sizes)
        assert [len(unit.payload) for unit in viewer.units(Kind.AUDIO)] == list(sizes), "in their order"


@in_virtual_time
async def test_a_feed_that_ends_sends_nothing_that_waits(system: System) -> None:
    fed = Fed(system)
    viewers, sends = await crowd(fed)
    await pass_time((PICTURES - 2) * NS_PER_MS)
    fed.push(sound(80))
    fed.feed.close()
    await pass_time(2 * HOLD * NS_PER_MS)
    assert sends.noted == []
    assert viewers[0].transport.closed is None


@pytest.mark.parametrize(
    ("viewers", "after", "waits"),
    [
        (1, 39, 0),
        (9, 39, 0),
        (10, 39, 2),
        (100, 10, 0),
        (100, 21, 20),
        (100, 45, 20),
        (100, 61, 0),
        (10_000, 11, 30),
        (10_000, 9, 0),
    ],
)
def test_the_larger_the_crowd_the_longer_sound_may_wait(viewers: int, after: int, waits: int) -> None:
    hold = SoundHold()
    for at in (0, PICTURES):
        hold.picture(at * NS_PER_MS, at * NS_PER_MS)
    assert hold.wait(viewers, (PICTURES + after) * NS_PER_MS) == waits * NS_PER_MS


def test_without_pictures_nothing_waits() -> None:
    hold = SoundHold()
    assert hold.wait(1000, 0) == 0
    hold.picture(5_000 * NS_PER_MS, 0)
    assert hold.wait(1000, NS_PER_MS) == 0
