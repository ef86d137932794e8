"""What a viewer reports and is told: keyframes, the GOP again, keyframes only on a bad path, sender reports."""

from dataclasses import replace
from itertools import pairwise

import pytest

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp
from arcly_actors.protocols.rtp.feedback import Fir, Pli, Remb
from arcly_actors.protocols.rtp.reporting import ReceiverReport, ReportBlock, Sdes, SenderReport
from arcly_actors.protocols.rtp.sender_clock import from_ntp
from arcly_actors.runtime import System
from tests.support.rtp_viewing import PICTURES, SOUND, TICKS_PER_MS, Fed, FedViewer, picture, sound
from tests.support.virtual import in_virtual_time, pass_time


@in_virtual_time
async def test_requests_for_a_keyframe(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    assert viewer.tell(Pli(1, viewer.ssrc))
    assert not viewer.tell(Pli(1, viewer.ssrc + 2)), "not of what it is sent"
    assert viewer.tell(Fir(1, ((viewer.ssrc, 7),)))
    assert not viewer.tell(Fir(1, ((viewer.ssrc, 7),))), "the same number is the same request"
    assert viewer.tell(Fir(1, ((1, 1), (viewer.ssrc, 8))))
    assert not viewer.tell(Fir(1, ((1, 9),)))
    assert not viewer.viewer.heard(b"\x80\xce\x00\x09", 0, 0)
    assert viewer.viewer.malformed == 1


@in_virtual_time
async def test_the_cached_gop_is_given_again_under_new_numbers(system: System) -> None:
    fed = Fed(system)
    viewer, other = FedViewer(fed), FedViewer(fed)
    viewer.join()
    other.join()
    sent = await fed.play(14)
    assert viewer.viewer.replay(system.clock.monotonic_ns())
    assert viewer.names() == sent + sent[10:]
    assert not viewer.viewer.replay(system.clock.monotonic_ns()), "at most once in a while"
    more = await fed.play(3)
    assert viewer.names() == sent + sent[10:] + more
    stamps = [unit.timestamp for unit in viewer.units()]
    assert stamps == sorted(set(stamps)), "its times are after what was shown and before what comes"
    assert other.names() == sent + more
    await pass_time(limits.REPLAY_INTERVAL)
    assert viewer.viewer.replay(system.clock.monotonic_ns())


@in_virtual_time
@pytest.mark.parametrize("pictures", [11, 14])
async def test_a_gop_that_is_given_again_twice_is_later_each_time(system: System, pictures: int) -> None:
    """Nothing came in between: a player drops pictures whose times it has passed. Seeds 5, 20 and 28 of a simulation."""
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    await fed.play(pictures)
    for _ in range(3):
        viewer.miss()
        assert viewer.viewer.replay(system.clock.monotonic_ns())
        await pass_time(limits.REPLAY_INTERVAL)
    fed.push(picture(pictures * 40 - 39))  # sooner than the ones before
    await fed.play(2)
    assert len(viewer.names()) == pictures + 3 * (pictures - 10) + 3
    stamps = [unit.timestamp for unit in viewer.units()]
    assert stamps == sorted(set(stamps))


@in_virtual_time
async def test_there_is_an_end_to_giving_the_same_gop_again(system: System) -> None:
    """Between two pictures there is room for so many times only."""
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    await fed.play(19)
    given = 0
    while viewer.viewer.replay(system.clock.monotonic_ns()):
        given += 1
        viewer.miss()
        await pass_time(limits.REPLAY_INTERVAL)
    assert 4 <= given < 1000
    await fed.play(1)
    stamps = [unit.timestamp for unit in viewer.units()]
    assert stamps == sorted(set(stamps))


@in_virtual_time
@pytest.mark.parametrize(("every", "most"), [(2 * NS_PER_S, 10), (100 * NS_PER_MS, 11)])
async def test_who_asks_by_habit_sees_the_gop_again_more_and_more_rarely(system: System, every: int, most: int) -> None:
    """MediaMTX asks every 2 s for as long as it takes a stream; of each GOP that came again its viewers saw a rewind."""
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    given = 0
    for _ in range(600 * NS_PER_S // every):
        assert viewer.tell(Pli(1, viewer.ssrc))
        if viewer.viewer.replay(system.clock.monotonic_ns()):
            given += 1
        fed.push(picture(fed.clock * 40, key=not fed.clock % 10))
        fed.clock += 1
        await pass_time(every)
    assert 3 <= given <= most
    for _ in range(3):
        viewer.miss()
        assert viewer.viewer.replay(system.clock.monotonic_ns()), "this is no habit"
        await fed.play(25)


@in_virtual_time
async def test_who_asks_rarely_is_given_the_gop_each_time(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    for _ in range(10):
        await fed.play(4)
        assert viewer.viewer.replay(system.clock.monotonic_ns())
        await pass_time(10 * NS_PER_S)


@in_virtual_time
async def test_the_gop_is_not_given_again_in_the_middle_of_a_picture(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    sent = await fed.play(14)
    fed.push(picture(14 * 40, size=200_000))
    await pass_time(7 * NS_PER_MS)
    assert not viewer.viewer.replay(system.clock.monotonic_ns())
    await pass_time(33 * NS_PER_MS)
    assert viewer.viewer.replay(system.clock.monotonic_ns()), "that try did not count"
    await pass_time(20 * NS_PER_MS)
    whole = [*sent[10:], "p@560"]
    assert viewer.names() == sent + whole[-1:] + whole


@in_virtual_time
async def test_a_viewer_is_sent_nothing_of_another_codec_than_it_agreed_to(system: System) -> None:
    """Seed 42 of a simulation: whose stream became another codec asked for a keyframe, and was given the cached GOP."""
    fed = Fed(system)
    viewer, steady, late = FedViewer(fed), FedViewer(fed), FedViewer(fed)
    viewer.join()
    steady.join()
    sent = await fed.play(4)
    viewer.viewer.pause()
    other = replace(PICTURES, codec=CodecId.VP8, configuration=b"")
    fed.channel.tracks = (other, SOUND)
    fed.push(picture(160, key=True, size=200_000, track=other))
    await pass_time(5 * NS_PER_MS)
    viewer.join()
    assert not late.join()
    viewer.miss()
    assert not viewer.viewer.replay(system.clock.monotonic_ns())
    assert steady.nack(*(steady.packets()[-1].sequence + each & 0xFFFF for each in range(1, 20))) == []
    fed.channel.tracks = (PICTURES, SOUND)  # while the other's is still on its way, part by part
    fed.push(picture(200, key=True), picture(240))
    await pass_time(NS_PER_S)
    assert viewer.names() == [*sent, "K@200", "p@240"]
    assert len(steady.packets()) == len(sent) + 2
    assert late.names() == ["K@200", "p@240"]


@in_virtual_time
async def test_a_viewer_that_waits_after_a_crash_is_given_the_cached_gop(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    before = await fed.play(3, gop=1000)
    viewer.viewer.pause()
    missed = await fed.play(40, gop=1000)
    assert not viewer.join()
    assert viewer.viewer.replay(system.clock.monotonic_ns())
    assert not viewer.viewer.waiting
    after = await fed.play(2, gop=1000)
    assert viewer.names() == before + before + missed + after
    stamps = [unit.timestamp for unit in viewer.units()]
    assert stamps == sorted(set(stamps))


@in_virtual_time
async def test_after_a_pause_in_the_stream_a_replay_stays_close_to_what_was_shown(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    fed.push(picture(0, key=True), picture(40), picture(4000))
    assert viewer.viewer.replay(system.clock.monotonic_ns())
    fed.push(picture(4040))
    stamps = [unit.timestamp for unit in viewer.units()]
    assert stamps == sorted(set(stamps))


@in_virtual_time
async def test_without_a_cached_gop_there_is_nothing_to_give_again(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    assert not viewer.viewer.replay(0)
    await fed.play(3)
    fed.channel.anchor_at(None)
    assert not viewer.viewer.replay(system.clock.monotonic_ns())
    assert len(viewer.packets()) == 3


@in_virtual_time
async def test_a_bad_path_gets_keyframes_only_and_nobody_else_notices(system: System) -> None:
    fed = Fed(system)
    viewer, other = FedViewer(fed), FedViewer(fed)
    viewer.join()
    other.join()
    sent = await fed.play(10, gop=100)
    for _ in range(12):
        viewer.lose(0.3)
        sent += await fed.play(7, gop=100)
    viewer.lose(0.3)
    assert viewer.viewer.degraded
    got = viewer.names()
    assert got == sent[: len(got)]
    sent += await fed.play(10, gop=100)
    assert viewer.names() == [*got, "K@4000"]
    assert viewer.viewer.qos().skipped == len(sent) - len(viewer.names())
    sent += await fed.play(100, gop=100)
    assert viewer.viewer.bandwidth.open
    assert viewer.names() == [*got, "K@4000", *sent[200:]]
    assert viewer.transport.nonces.gaps(viewer.ssrc) == []
    assert other.names() == sent
    assert len(viewer.names(Kind.AUDIO)) == 2 * len(sent), "sound goes on"


@in_virtual_time
async def test_a_remb_that_falls_with_a_queue_degrades(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    for second in range(6):
        await fed.play(25, gop=50, size=10_000)
        viewer.viewer.report(system.clock.wall_ns(), system.clock.monotonic_ns())
        late = system.clock.wall_ns() - (20 if second < 2 else 400) * NS_PER_MS
        last = next(each for each in reports(viewer) if isinstance(each, SenderReport)).ntp
        elapsed = system.clock.wall_ns() - from_ntp(last)
        block = ReportBlock(
            viewer.ssrc, last_report=last >> 16 & 0xFFFFFFFF, delay=_short(elapsed - _since(system, late))
        )
        viewer.tell(ReceiverReport(1, (block,)), Remb(1, 3_000_000 - 400_000 * second, (viewer.ssrc,)))
    assert viewer.viewer.degraded


def _since(system: System, wall: int) -> int:
    return system.clock.wall_ns() - wall


def _short(ns: int) -> int:
    return max(0, ns * 65_536 // NS_PER_S)


@in_virtual_time
async def test_a_socket_that_takes_less_than_it_is_given_degrades(system: System) -> None:
    fed = Fed(system)
    viewer, other = FedViewer(fed), FedViewer(fed)
    viewer.join()
    other.join()

    async def second(blocked: int) -> bool:
        for index in range(25):
            viewer.transport.blocked = index < blocked
            await fed.play(1, gop=100)
        viewer.viewer.report(system.clock.wall_ns(), system.clock.monotonic_ns())
        other.viewer.report(system.clock.wall_ns(), system.clock.monotonic_ns())
        return viewer.viewer.degraded

    assert not await second(2), "a burst"
    assert await second(3)
    shown = len(viewer.packets())
    assert await second(0)
    assert await second(0)
    assert len(viewer.packets()) == shown, "there was no keyframe"
    assert not await second(0)
    assert len(viewer.packets()) == shown + 25
    assert not other.viewer.degraded


def reports(viewer: FedViewer) -> list[rtcp.RtcpPacket]:
    """All RTCP that it was sent."""
    return [packet for sent in viewer.transport.rtcp for packet in rtcp.parse(sent.data)]


@in_virtual_time
async def test_sender_reports_tie_both_tracks_to_one_moment(system: System) -> None:
    fed = Fed(system)
    fed_before = await fed.play(30)
    viewer = FedViewer(fed)
    viewer.join()
    await fed.play(20)
    viewer.viewer.report(system.clock.wall_ns(), system.clock.monotonic_ns())
    first, second, names = reports(viewer)
    assert isinstance(first, SenderReport)
    assert isinstance(second, SenderReport)
    assert isinstance(names, Sdes)
    assert first.ntp == second.ntp
    assert abs(from_ntp(first.ntp) - system.clock.wall_ns()) <= 1
    assert names.names == ((first.ssrc, "arcly"), (second.ssrc, "arcly"))
    for report, kind in ((first, Kind.VIDEO), (second, Kind.AUDIO)):
        packets = [rtp.parse(sent.data) for sent in viewer.transport.rtp]
        own = [packet for packet in packets if packet.ssrc == report.ssrc]
        assert (report.packets, report.octets) == (len(own), sum(len(each.payload) for each in own)), kind
    assert fed_before


@in_virtual_time
async def test_sound_and_picture_agree_with_the_streams_timeline(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    moments = []
    for index in range(40):
        fed.push(picture(index * 40, key=index == 0), sound(index * 40))
        viewer.viewer.report(system.clock.wall_ns(), system.clock.monotonic_ns())
        told = {each.ssrc: each for each in reports(viewer)[-3:] if isinstance(each, SenderReport)}
        seen = viewer.packets()[-1], viewer.packets(Kind.AUDIO)[-1]
        rates = 90_000, 48_000
        walls = [
            from_ntp(told[packet.ssrc].ntp) + _signed(packet.timestamp - told[packet.ssrc].timestamp) * NS_PER_S // rate
            for packet, rate in zip(seen, rates, strict=True)
        ]
        moments.append(walls[0])
        assert abs(walls[0] - walls[1]) < NS_PER_MS, "taken at the same moment"
        assert abs(walls[0] - system.clock.wall_ns()) < 5 * NS_PER_MS
        await pass_time((35 if index % 2 else 45) * NS_PER_MS)
    assert all(abs(after - before - 40 * NS_PER_MS) < 2 * NS_PER_MS for before, after in pairwise(moments))


def _signed(ticks: int) -> int:
    return (ticks + 0x80000000 & 0xFFFFFFFF) - 0x80000000


@pytest.mark.parametrize("kind", [Kind.VIDEO, Kind.AUDIO])
def test_counts_go_on_over_joining_renumbering_and_restarts(kind: Kind) -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        fed = Fed(system)
        await fed.play(30)
        viewer = FedViewer(fed)
        viewer.join()
        await fed.play(3)
        viewer.viewer.replay(system.clock.monotonic_ns())
        await fed.play(3)
        viewer.viewer.pause()
        await fed.play(3)
        viewer.join()
        await fed.play(12)
        viewer.viewer.report(system.clock.wall_ns(), system.clock.monotonic_ns())
        ssrc = fed.feed.tracks[kind].ssrc
        told = next(each for each in reports(viewer) if isinstance(each, SenderReport) and each.ssrc == ssrc)
        own = viewer.packets(kind)
        assert (told.packets, told.octets) == (len(own), sum(len(packet.payload) for packet in own))

    scenario()


@in_virtual_time
async def test_nothing_is_reported_before_something_was_sent(system: System) -> None:
    fed = Fed(system)
    viewer = FedViewer(fed)
    viewer.join()
    viewer.viewer.report(system.clock.wall_ns(), system.clock.monotonic_ns())
    assert viewer.transport.rtcp == []


@in_virtual_time
async def test_nobody_is_left_in_a_feed_whose_viewers_paused(system: System) -> None:
    fed = Fed(system)
    viewers = [FedViewer(fed, rtx=bool(index % 2)) for index in range(6)]
    for viewer in viewers:
        viewer.join()
    await fed.play(3)
    for viewer in viewers:
        viewer.viewer.pause()
        viewer.viewer.pause()
    assert fed.feed._audience._groups == {}
    assert TICKS_PER_MS == 90
