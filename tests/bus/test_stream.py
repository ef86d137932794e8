"""One stream's life: the slot, the hold, the keyframes, the events in order."""

import asyncio

import pytest

from arcly_actors.bus.events import (
    KeyframeRequested,
    PublishEnded,
    PublishHeld,
    PublishRefused,
    PublishResumed,
    PublishStarted,
    SubscriberEvicted,
    SubscriberJoined,
    SubscriberLeft,
    SubscriberRefused,
)
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import (
    Announce,
    Claim,
    Displaced,
    KeyframeWanted,
    Push,
    Release,
    RequestKeyframe,
    SeatEvicted,
    SeatLagged,
    StreamEnded,
    StreamHeld,
    StreamResumed,
    TracksChanged,
    Unsubscribe,
)
from arcly_actors.bus.policy import ApplicationPolicy, Conflict, Join
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.errors import Refusal, Refused
from arcly_actors.ingest.publisher import PublishLost
from arcly_actors.runtime import System
from tests.bus.frames import AUDIO, BOTH, VIDEO, audio, video
from tests.bus.stage import KEY, Source, Stage, times
from tests.support.virtual import Probe, in_virtual_time, pass_time

SECOND = NS_PER_S


async def claimed(stage: Stage, probe: Probe, *, answers_keyframes: bool = False) -> tuple[int, Probe]:
    lease = await stage.bus.claim(Claim(KEY, probe.ref, "test", "10.0.0.9", answers_keyframes))
    lease.stream.tell(Announce(lease.number, BOTH))
    return lease.number, probe


@in_virtual_time
async def test_events_come_in_order(system: System) -> None:
    stage = Stage(system)
    source = await stage.publish()
    viewer = await stage.view()
    await source.play(6)
    await source.leave()
    await pass_time(SECOND)
    again = await stage.publish()
    await again.play(6)
    viewer.view.stop()
    await again.leave()
    await pass_time(11 * SECOND)
    assert stage.names() == [
        "PublishStarted", "SubscriberJoined", "PublishHeld", "PublishResumed", "SubscriberLeft", "PublishHeld",
        "PublishEnded",
    ]  # fmt: skip
    assert stage.of(PublishStarted) == [PublishStarted(KEY, "test", "here")]
    assert stage.of(PublishHeld)[0] == PublishHeld(KEY, "the publisher left", 10 * SECOND)
    assert stage.of(PublishResumed) == [PublishResumed(KEY, "test", "here")]
    assert stage.of(PublishEnded) == [PublishEnded(KEY, "no publisher for 10 s")]


@in_virtual_time
async def test_a_second_publisher_is_rejected_and_the_first_goes_on(system: System) -> None:
    stage = Stage(system)
    source = await stage.publish()
    viewer = await stage.view()
    second = Source(stage)
    lost = await second.owner.next(PublishLost)
    assert lost.refusal is Refusal.BUSY
    assert not second.ref.is_alive()
    assert stage.of(PublishRefused)[0].refusal is Refusal.BUSY
    sent = await source.play(5)
    assert viewer.frames == sent


@in_virtual_time
async def test_a_second_publisher_may_take_over_and_viewers_stay(system: System) -> None:
    stage = Stage(system, ApplicationPolicy(on_conflict=Conflict.TAKEOVER))
    first = await stage.publish()
    viewer = await stage.view()
    sent = await first.play(7)
    second = await stage.publish()
    assert [lost.refusal for lost in first.lost] == [Refusal.BUSY]
    assert not first.ref.is_alive()
    sent += await second.play(7)
    assert viewer.frames == sent
    assert viewer.ended == []
    assert stage.of(PublishHeld) == []
    assert len(stage.of(PublishResumed)) == 1


@in_virtual_time
async def test_frames_of_an_old_lease_are_dropped_and_counted(system: System) -> None:
    stage = Stage(system, ApplicationPolicy(on_conflict=Conflict.TAKEOVER))
    old, _ = await claimed(stage, Probe(system))
    new, _ = await claimed(stage, Probe(system))
    stream = stage.actor("StreamActor")
    stream.tell(Push(old, video(0, key=True)))
    stream.tell(Announce(old, (AUDIO,)))
    stream.tell(Release(old, "late"))
    stream.tell(Push(new, video(0, key=True)))
    await asyncio.sleep(0)
    (report,) = stage.bus.reports()
    assert (report.dropped_frames, report.state, report.tracks) == (1, "live", BOTH)
    assert stage.bus._entries[KEY].channel.log.head == 1


@in_virtual_time
async def test_viewers_are_held_and_go_on_with_the_next_publisher(system: System) -> None:
    stage = Stage(system)
    first = await stage.publish()
    viewer, seat = await stage.view(), Probe(system)
    await stage.seat(seat)
    sent = await first.play(12)
    await first.leave()
    await pass_time(9 * SECOND)
    assert stage.bus.reports()[0].state == "held"
    second = await stage.publish()
    sent += await second.play(12)
    assert viewer.frames == sent
    assert [type(message) for message in seat.messages] == [StreamHeld, StreamResumed]
    log = stage.bus._entries[KEY].channel.log
    frames = [log[position].frame for position in range(log.head)]
    assert times(frames) == sorted(times(frames))
    assert [number for number, frame in enumerate(frames) if frame.discontinuity] == [12]


@in_virtual_time
async def test_after_the_hold_viewers_get_a_proper_end_and_the_key_is_free(system: System) -> None:
    stage = Stage(system, ApplicationPolicy(hold_ns=2 * SECOND))
    source = await stage.publish()
    viewer = await stage.view()
    sent = await source.play(3)
    await source.leave()
    await pass_time(2 * SECOND + 1000)
    (ended,) = viewer.ended
    assert (ended.refusal, ended.ending) == (None, b"<end>")
    assert viewer.frames == sent
    assert stage.bus.reports() == ()
    with pytest.raises(Refused) as refused:
        await stage.seat(Probe(system))
    assert refused.value.refusal is Refusal.NOT_FOUND
    assert stage.of(SubscriberRefused)[0].refusal is Refusal.NOT_FOUND
    await stage.publish()
    assert len(stage.of(PublishStarted)) == 2


@in_virtual_time
async def test_a_publisher_that_comes_and_goes_within_the_hold_starts_it_anew(system: System) -> None:
    stage = Stage(system)
    for _ in range(3):
        source = await stage.publish()
        await source.leave()
        await pass_time(7 * SECOND)
    assert stage.of(PublishEnded) == []
    await pass_time(3 * SECOND + 1000)
    assert len(stage.of(PublishEnded)) == 1


@in_virtual_time
async def test_without_hold_the_stream_ends_with_its_publisher(system: System) -> None:
    stage = Stage(system, ApplicationPolicy(hold_ns=0))
    source = await stage.publish()
    viewer = await stage.view()
    sent = await source.play(3)
    await source.leave()
    await pass_time(1)
    assert viewer.frames == sent
    assert len(viewer.ended) == 1
    assert stage.bus.reports() == ()


@in_virtual_time
async def test_a_publisher_that_returns_while_its_stream_is_ending_gets_a_new_one(system: System) -> None:
    stage = Stage(system, ApplicationPolicy(hold_ns=0))
    for turn in range(5):
        source = await stage.publish()
        await source.play(2)
        source.ref.stop(block=False)
        assert len(stage.of(PublishStarted)) == turn + 1
    await pass_time(SECOND)
    assert len(stage.of(PublishEnded)) == 5
    assert stage.bus.reports() == ()


@in_virtual_time
async def test_a_publisher_that_sends_nothing_loses_its_slot(system: System) -> None:
    stage = Stage(system, ApplicationPolicy(idle_ns=5 * SECOND))
    source = await stage.publish()
    for _ in range(4):
        await pass_time(4 * SECOND)
        await source.send(audio(0))
    assert source.lost == []
    await pass_time(7 * SECOND)
    (lost,) = source.lost
    assert lost.refusal is Refusal.ENDED
    assert "no frame for 5 s" in lost.detail
    assert stage.bus.reports()[0].state == "held"


@in_virtual_time
async def test_the_arrival_that_a_program_writes_on_its_frames_does_not_decide_about_its_slot(system: System) -> None:
    stage = Stage(system, ApplicationPolicy(idle_ns=5 * SECOND))
    source = await stage.publish()
    for _ in range(20):
        await pass_time(SECOND)
        frame = audio(0)
        await source.send(frame.__class__(AUDIO, 0, 0, b"x", True, arrival=1))
    assert source.lost == []


@in_virtual_time
async def test_no_picture_goes_out_before_the_first_keyframe(system: System) -> None:
    stage = Stage(system)
    source = await stage.publish(keyframes=True)
    viewer = await stage.view()
    await source.send(video(0), audio(0), video(40), audio(40), video(80, key=True), video(120))
    await pass_time(1)
    assert [token for token in viewer.frames if not token.startswith("a")] == ["K80", "p120"]
    (report,) = stage.bus.reports()
    assert report.dropped_frames == 2
    assert source.wanted == [False]


@in_virtual_time
async def test_a_picture_track_that_comes_later_waits_for_its_keyframe_too(system: System) -> None:
    stage = Stage(system)
    source = await stage.publish(tracks=(AUDIO,))
    await source.send(audio(0), audio(20))
    source.announce(BOTH)
    await source.send(video(40), audio(40), video(80, key=True))
    log = stage.bus._entries[KEY].channel.log
    assert [bytes(log[position].frame.payload) for position in range(log.head)] == [b"a0;", b"a20;", b"a40;", b"K80;"]


@in_virtual_time
async def test_viewers_are_told_of_other_tracks_once(system: System) -> None:
    stage = Stage(system)
    source = await stage.publish()
    probe = Probe(system)
    await stage.seat(probe)
    source.announce(BOTH)
    source.announce((VIDEO,))
    await pass_time(1)
    assert probe.of(TracksChanged) == [TracksChanged(KEY, (VIDEO,))]


@in_virtual_time
async def test_keyframe_requests_are_gathered_repeated_and_turn_from_pli_to_fir(system: System) -> None:
    stage = Stage(system)
    _, probe = await claimed(stage, Probe(system), answers_keyframes=True)
    seats = [await stage.seat(Probe(system)) for _ in range(20)]
    for seat in seats:
        seat.stream.tell(RequestKeyframe(seat.number))
    await pass_time(2600 * NS_PER_MS)
    assert [wanted.full_intra for wanted in probe.of(KeyframeWanted)] == [False] * 4 + [True] * 2
    seats[0].stream.tell(Push(1, video(0, key=True)))
    await pass_time(5 * SECOND)
    assert len(probe.of(KeyframeWanted)) == 6
    assert len(stage.of(KeyframeRequested)) == 6
    seats[0].stream.tell(RequestKeyframe(999))
    await pass_time(SECOND)
    assert len(probe.of(KeyframeWanted)) == 6


@in_virtual_time
async def test_a_live_joiner_asks_for_a_keyframe_and_an_instant_one_is_served_by_the_cache(system: System) -> None:
    stage = Stage(system)
    source = await stage.publish(keyframes=True)
    await source.play(2)
    await pass_time(SECOND)
    before = len(source.wanted)
    await stage.view()
    assert len(source.wanted) == before
    await stage.view(join=Join.LIVE)
    assert len(source.wanted) == before + 1


@in_virtual_time
async def test_a_publisher_that_cannot_answer_is_not_asked(system: System) -> None:
    stage = Stage(system)
    source = await stage.publish()
    await stage.view()
    await source.send(video(0))
    await pass_time(5 * SECOND)
    assert source.wanted == []


@in_virtual_time
async def test_what_nobody_can_want_any_more_is_forgotten_unless_somebody_watches(system: System) -> None:
    stage = Stage(system, ApplicationPolicy(unwatched_ns=300 * NS_PER_MS))
    source = await stage.publish()
    await source.play(13, gop=5)
    channel = stage.bus.channel(KEY)
    assert channel is not None
    assert (channel.log.tail, channel.anchor, channel.log.head) == (3, 10, 13)  # 280 ms of it at the keyframe
    viewer = await stage.view()
    await source.play(12, gop=5)
    assert (channel.log.tail, channel.anchor) == (3, 20)  # for who falls behind
    stage.crash(stage.actor("StreamActor"))
    await source.play(6, gop=5)
    assert channel.log.tail == 3
    await viewer.subscriber.stop(block=False)
    await source.play(5, gop=5)
    assert channel.log.tail > 15


@in_virtual_time
async def test_seats_are_counted_put_out_and_left(system: System) -> None:
    stage = Stage(system)
    await stage.publish()
    probe = Probe(system)
    seat = await stage.seat(probe)
    seat.stream.tell(SeatLagged(seat.number, 7))
    await pass_time(1)
    (report,) = stage.bus.reports()[0].seats
    assert (report.number, report.protocol, report.peer, report.skipped) == (seat.number, "test", "there", 7)
    seat.stream.tell(SeatEvicted(seat.number, Refusal.LAGGED, "too slow"))
    seat.stream.tell(Unsubscribe(seat.number, "again"))
    await pass_time(1)
    assert stage.bus.reports()[0].seats == ()
    assert stage.of(SubscriberEvicted) == [SubscriberEvicted(KEY, seat.number, Refusal.LAGGED, "too slow")]
    assert [left.reason for left in stage.of(SubscriberLeft)] == ["too slow"]


@in_virtual_time
async def test_a_subscriber_that_is_gone_without_a_word_leaves_its_seat(system: System) -> None:
    stage = Stage(system)
    await stage.publish()
    probe, other = Probe(system), Probe(system)
    await stage.seat(probe)
    await stage.seat(other)
    await probe.ref.stop(block=False)
    stage.crash(other.ref)
    await pass_time(1)
    assert stage.bus.reports()[0].seats == ()
    assert [left.reason for left in stage.of(SubscriberLeft)] == ["gone", "failed: injected"]


@in_virtual_time
async def test_a_stream_that_is_ended_tells_everybody(system: System) -> None:
    stage = Stage(system)
    publisher, viewer = Probe(system), Probe(system)
    await claimed(stage, publisher)
    await stage.seat(viewer)
    stage.bus.end(KEY, "by the operator")
    stage.bus.end(StreamKey("live", "other"), "nobody there")
    assert (await publisher.next(Displaced)).detail == "by the operator"
    assert (await viewer.next(StreamEnded)).detail == "by the operator"
    await pass_time(1)
    assert stage.bus.reports() == ()


@in_virtual_time
async def test_unknown_applications_and_full_houses_are_refused(system: System) -> None:
    stage = Stage(system, most=2)
    for key, refusal in ((StreamKey("vod", "x"), Refusal.UNKNOWN_APPLICATION), (KEY, Refusal.NOT_FOUND)):
        with pytest.raises(Refused) as refused:
            await stage.seat(Probe(system), key=key)
        assert refused.value.refusal is refusal
    with pytest.raises(Refused, match="there is live"):
        await stage.bus.claim(Claim(StreamKey("vod", "x"), Probe(system).ref, "test", "here"))
    with pytest.raises(Refused):
        await stage.bus.appears(StreamKey("vod", "x"))
    await stage.publish()
    second = await stage.publish(key=StreamKey("live", "two"))
    with pytest.raises(Refused) as refused:
        await stage.bus.claim(Claim(StreamKey("live", "three"), Probe(system).ref, "test", "here"))
    assert refused.value.refusal is Refusal.LIMIT
    assert [event.refusal for event in stage.of(PublishRefused)] == [Refusal.UNKNOWN_APPLICATION, Refusal.LIMIT]
    await second.leave()
    await pass_time(11 * SECOND)
    await stage.publish(key=StreamKey("live", "three"))
    assert [str(report.key) for report in stage.bus.reports()] == ["live/cam", "live/three"]


@in_virtual_time
async def test_it_is_known_when_a_stream_appears(system: System) -> None:
    stage = Stage(system, ApplicationPolicy(hold_ns=0))
    waiting = asyncio.ensure_future(stage.bus.appears(KEY))
    await pass_time(SECOND)
    assert not waiting.done()
    source = await stage.publish()
    await waiting
    await stage.bus.appears(KEY)
    await source.leave()
    await pass_time(1)
    again = asyncio.ensure_future(stage.bus.appears(KEY))
    await pass_time(SECOND)
    assert not again.done()
    again.cancel()
    await pass_time(1)
    assert len(stage.events.observable) == 1


@in_virtual_time
async def test_the_figures_of_a_stream_and_its_viewers(system: System) -> None:
    stage = Stage(system)
    source = await stage.publish()
    await source.play(1)
    viewer = await stage.view()
    await source.play(75)
    (report,) = stage.bus.reports()
    assert report.qos.frame_rate == pytest.approx(25, abs=1)
    assert report.qos.gop_frames == 5
    assert report.formats == ("tokens",)
    (seat,) = report.seats
    assert seat.qos is not None
    assert (seat.qos.frames, seat.qos.size) == (76, len(viewer.outlet.received))


@in_virtual_time
async def test_ten_thousand_viewers_leave_nothing_behind(system: System) -> None:
    stage = Stage(system)
    source = await stage.publish()
    await source.play(3)
    resident = await stage.view()
    before = len(system.actors())
    for round_ in range(100):
        viewer = await stage.view()
        probes = [Probe(system) for _ in range(99)]
        seats = [await stage.seat(probe) for probe in probes]
        await source.play(1)
        for seat in seats[::2]:
            seat.stream.tell(Unsubscribe(seat.number, "left"))
        for probe in probes:
            probe.ref.stop(block=False)
        viewer.view.stop()
        viewer.session.stop(block=False)
        viewer.probe.ref.stop(block=False)
        await pass_time(1)
        assert len(stage.of(SubscriberJoined)) == 1 + 100 * (round_ + 1)
    stream = stage.actor("StreamActor")
    actor = stream._mailbox.actor  # type: ignore[attr-defined]  # what it keeps is the question
    assert len(system.actors()) == before
    assert (len(actor._seats), len(actor._numbers)) == (1, 1)
    assert len(actor._watching) == 2  # the publisher and the resident viewer
    assert len(stream.monitors.watchers) == 4  # type: ignore[attr-defined]  # supervisor, directory, publisher, viewer
    assert resident.view is not None
    fanout = next(iter(stage.bus._entries[KEY].channel._encoded.values())).fanout
    assert fanout is not None
    assert (len(fanout), len(fanout._by_outlet), len(fanout._bursts)) == (1, 1, 0)
