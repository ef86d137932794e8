"""Large pictures leave in parts, in order, before the next one; nothing piles up."""

from itertools import pairwise

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS
from arcly_actors.media.codec import Kind
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp.extensions import abs_send_time
from arcly_actors.runtime import System
from tests.support.rtp_viewing import SEND_TIME, Fed, FedViewer, name, picture, sound
from tests.support.virtual import in_virtual_time, pass_time


def bursts(viewer: FedViewer) -> dict[int, int]:
    """The bytes of pictures by the time they left."""
    found: dict[int, int] = {}
    for at, packet in zip(viewer.times(), viewer.packets(), strict=True):
        found[at] = found.get(at, 0) + len(packet.payload)
    return found


@in_virtual_time
async def test_a_keyframe_leaves_in_parts_before_the_next_frame(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed, send_time=True)
    viewer.join()
    await fed.play(1)
    started = system.clock.monotonic_ns()
    fed.push(picture(40, key=True, size=380_000), sound(40))
    fed.clock = 2
    await pass_time(40 * NS_PER_MS)
    await fed.play(2, gop=100)
    leaving = {at: size for at, size in bursts(viewer).items() if started <= at < started + 40 * NS_PER_MS}
    assert [at - started for at in leaving] == [5 * NS_PER_MS * index for index in range(8)]
    assert max(leaving.values()) <= limits.PACER_BURST
    assert sum(leaving.values()) > 380_000
    assert viewer.names() == ["K@0", "K@40", "p@80", "p@120"]
    assert viewer.times(Kind.AUDIO)[2] == started, "sound does not wait"


@in_virtual_time
async def test_each_part_says_when_it_left(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed, send_time=True)
    viewer.join()
    await fed.play(3, size=100_000)
    late = FedViewer(fed, send_time=True)
    late.join()
    await pass_time(30 * NS_PER_MS)
    offset = system.clock.wall_ns() - system.clock.monotonic_ns()
    for each in (viewer, late):
        assert len({sent.at for sent in each.transport.rtp}) > 3
        for sent in each.transport.rtp:
            packet = rtp.parse(sent.data)
            assert dict(packet.extensions)[SEND_TIME] == abs_send_time(sent.at + offset)


@in_virtual_time
async def test_frames_stay_in_order_behind_a_large_one(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    await fed.play(1)
    made = [picture(40, key=True, size=250_000), *(picture(41 + index, size=200) for index in range(9))]
    for frame in made:
        fed.push(frame)
        await pass_time(NS_PER_MS)
    await pass_time(100 * NS_PER_MS)
    assert viewer.names()[1:] == [name(frame.payload) for frame in made]


@in_virtual_time
async def test_a_publisher_that_sends_in_bursts_does_not_pile_up_delay(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    fed.push(*(picture(index * 40, key=index == 0, size=200_000) for index in range(100)))
    await pass_time(limits.PACER_DELAY + limits.PACER_STEP)
    assert len(viewer.names()) == 100
    started = system.clock.monotonic_ns()
    fed.push(picture(4000))
    assert viewer.times()[-1] == started


@in_virtual_time
async def test_small_pictures_leave_at_once(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    await fed.play(10, size=10_000)
    assert all((after - before) % (40 * NS_PER_MS) == 0 for before, after in pairwise(viewer.times()))
