"""What viewers ask for again: the very same bytes, as retransmissions where that was agreed, within bounds."""

import pytest

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.codec import Kind
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtx
from arcly_actors.runtime import System
from tests.support.rtp_viewing import RTX_TYPE, VIDEO_TYPE, Fed, FedViewer, picture
from tests.support.virtual import in_virtual_time, pass_time


@in_virtual_time
async def test_without_rtx_the_very_same_bytes_are_sent_again(system: System) -> None:
    fed = Fed(system)
    await fed.play(3, gop=100)
    viewer = FedViewer(fed, send_time=True)
    viewer.join()
    await fed.play(2, gop=100)
    sent = {rtp.parse(one.data).sequence: one.data for one in viewer.transport.rtp}
    own, shared = viewer.packets()[0].sequence, viewer.packets()[-1].sequence
    await pass_time(300 * NS_PER_MS)
    assert viewer.nack(own) == [sent[own]]
    assert viewer.nack(shared) == [sent[shared]]
    heard = viewer.packets(Kind.AUDIO)[0].sequence
    assert [rtp.parse(data).sequence for data in viewer.nack(heard, kind=Kind.AUDIO)] == [heard]


@in_virtual_time
async def test_with_rtx_the_original_is_wrapped_under_its_own_numbers(system: System) -> None:
    fed = Fed(system)
    await fed.play(3, gop=100)
    viewer = FedViewer(fed, rtx=True)
    viewer.join()
    await fed.play(2, gop=100)
    packets = viewer.packets()
    again = [rtp.parse(data) for data in viewer.nack(packets[0].sequence, packets[-1].sequence)]
    assert {packet.ssrc for packet in again} == {fed.feed.tracks[Kind.VIDEO].rtx_ssrc} != {viewer.ssrc}
    assert [packet.payload_type for packet in again] == [RTX_TYPE, RTX_TYPE]
    assert again[1].sequence == again[0].sequence + 1 & 0xFFFF
    assert [rtx.unwrap(packet, VIDEO_TYPE, viewer.ssrc) for packet in again] == [packets[0], packets[-1]]


@in_virtual_time
async def test_what_was_never_sent_or_is_too_old_is_not_answered(system: System) -> None:
    fed = Fed(system)
    other = FedViewer(fed)
    other.join()
    await fed.play(12)
    viewer = FedViewer(fed)
    viewer.join()
    first, last = viewer.packets()[0].sequence, viewer.packets()[-1].sequence
    assert viewer.nack(first - 1 & 0xFFFF, last + 1 & 0xFFFF, first + 0x8000 & 0xFFFF) == []
    assert other.nack(first - 1 & 0xFFFF) != [], "others had it"
    await pass_time(limits.HISTORY_TIME + NS_PER_MS)
    assert viewer.nack(first) == [], "its own packets are too old without another one being sent, too"
    await fed.play(1, gop=100)
    assert viewer.nack(last) == other.nack(last) == []


@in_virtual_time
async def test_a_viewer_does_not_get_again_what_was_sent_to_others_before_it_came(system: System) -> None:
    fed = Fed(system)
    other = FedViewer(fed)
    other.join()
    await fed.play(5, gop=100)
    fed.cache.anchor = None
    fed.channel.anchor_at(None)
    viewer = FedViewer(fed)
    assert not viewer.join()
    number = other.packets()[-1].sequence
    assert viewer.nack(number) == []
    fed.push(picture(fed.clock * 40, key=True))
    assert viewer.nack(number) == []
    assert len(viewer.nack(number + 1 & 0xFFFF)) == 1


@pytest.mark.parametrize("rtx", [False, True])
def test_after_renumbering_the_viewers_own_numbers_are_answered(rtx: bool) -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        fed = Fed(system)
        viewer = FedViewer(fed, rtx=rtx)
        viewer.join()
        await fed.play(5, gop=100)
        before = viewer.packets()[-1]
        assert viewer.viewer.replay(system.clock.monotonic_ns())
        await fed.play(5, gop=100)
        after = viewer.packets()[-1]
        assert after.sequence == before.sequence + 10
        asked = [rtp.parse(data) for data in viewer.nack(before.sequence, after.sequence)]
        if rtx:
            asked = [found for each in asked if (found := rtx_of(each, viewer.ssrc)) is not None]
        assert asked == [before, after]

    scenario()


def rtx_of(packet: rtp.RtpPacket, ssrc: int) -> rtp.RtpPacket | None:
    """The original of a retransmission."""
    return rtx.unwrap(packet, VIDEO_TYPE, ssrc)


@in_virtual_time
async def test_no_more_is_sent_again_than_the_bound(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    sent = 0
    for _ in range(3 * 25):
        await fed.play(1, gop=1000, size=100_000)
        newest = viewer.packets()[-1].sequence
        sent += sum(map(len, viewer.nack(*(newest - back & 0xFFFF for back in range(80)))))
    assert 2 * limits.RESEND_RATE < sent <= 4 * limits.RESEND_RATE + 2000, "one second's worth at first, then the rate"


@in_virtual_time
async def test_the_same_packet_is_not_sent_twice_within_half_a_round_trip(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    await fed.play(2)
    number = viewer.packets()[-1].sequence
    assert len(viewer.nack(number, number, number)) == 1
    await pass_time(NS_PER_S // 10)
    assert len(viewer.nack(number)) == 1


@in_virtual_time
async def test_a_long_list_is_read_as_far_as_it_could_be_answered(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    await fed.play(1)
    number = viewer.packets()[0].sequence
    nonsense = [number + 1000 + index & 0xFFFF for index in range(limits.NACK_PACKETS)]
    assert viewer.nack(*nonsense[:-1], number) != []
    await pass_time(NS_PER_S // 10)
    assert viewer.nack(*nonsense, number) == []
