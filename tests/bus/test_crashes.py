"""Injected crashes: what DESIGN §6 says about each actor of the bus happens, and nothing else."""

import asyncio
from itertools import pairwise

import pytest

from arcly_actors.bus.events import PublishEnded, PublishHeld, PublishResumed, PublishStarted
from arcly_actors.bus.gop import GopCacheActor
from arcly_actors.bus.policy import ApplicationPolicy, Conflict, GopBound
from arcly_actors.bus.stream import StreamActor
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.errors import Refusal
from arcly_actors.ingest.publisher import PublishLost
from arcly_actors.runtime import ChildRestarted, RestartPolicy, Strategy, Supervisor, System
from tests.bus.stage import KEY, RESTARTS, Injected, Source, Stage, Viewer
from tests.support.virtual import in_virtual_time, pass_time

SECOND = NS_PER_S


async def running(system: System, policy: ApplicationPolicy | None = None) -> tuple[Stage, Source, Viewer]:
    stage = Stage(system, policy)
    source = await stage.publish()
    return stage, source, await stage.view()


def is_part_of(part: list[str], whole: list[str]) -> bool:
    """Whether `part` is `whole` with something left out: no duplicate, nothing out of order."""
    rest = iter(whole)
    return all(token in rest for token in part)


@in_virtual_time
async def test_a_stream_actor_is_restarted_and_everybody_comes_back(system: System) -> None:
    stage, source, viewer = await running(system)
    sent = await source.play(12)
    stage.crash(stage.actor("StreamActor"))
    during = await source.play(8)
    after = await source.play(12)
    assert viewer.frames[:12] == sent
    assert viewer.frames[12].startswith("K")
    assert viewer.frames[-12:] == after
    assert is_part_of(viewer.frames, sent + during + after)
    assert (viewer.ended, source.lost) == ([], [])
    assert viewer.tokens.count("<open 0>") == 1
    node = stage.node("live/cam", "stream")
    assert (node.state, node.restarts, node.last_error) == ("running", 1, "Injected: injected")
    (report,) = stage.bus.reports()
    assert (report.state, len(report.seats)) == ("live", 1)
    assert len(stage.of(PublishStarted)) == len(stage.of(PublishResumed)) == 1
    assert stage.of(PublishHeld) == []


@in_virtual_time
async def test_timestamps_go_on_over_a_restart(system: System) -> None:
    stage, source, _ = await running(system)
    await source.play(12)
    stage.crash(stage.actor("StreamActor"))
    await source.play(30)
    log = stage.bus._entries[KEY].channel.log
    frames = [log[position].frame for position in range(log.head)]
    steps = [later.dts - earlier.dts for earlier, later in pairwise(frames)]
    assert all(0 < step <= 100 * NS_PER_MS for step in steps)
    assert sum(frame.discontinuity for frame in frames) == 1


@pytest.mark.parametrize("hold_s", [0, 1, 10])
@in_virtual_time
async def test_a_restart_takes_no_time_from_the_hold(system: System, hold_s: int) -> None:
    stage, source, viewer = await running(system, ApplicationPolicy(hold_ns=hold_s * SECOND))
    await source.play(3)
    for _ in range(3):
        stage.crash(stage.actor("StreamActor"))
        await source.play(50)
    assert (viewer.ended, source.lost) == ([], [])


@in_virtual_time
async def test_a_held_stream_that_is_restarted_still_ends(system: System) -> None:
    stage, source, viewer = await running(system)
    await source.play(3)
    await source.leave()
    await pass_time(SECOND)
    stage.crash(stage.actor("StreamActor"))
    await pass_time(11 * SECOND)
    assert len(viewer.ended) == len(stage.of(PublishEnded)) == 1
    assert stage.bus.reports() == ()


@in_virtual_time
async def test_a_slot_stays_its_publishers_while_the_stream_actor_is_restarted(system: System) -> None:
    """Found by simulation (seed 27 of 60 s): a newcomer that asked at the right moment was there first."""
    stage, source, viewer = await running(system)
    await source.play(3)
    for _ in range(3):
        stage.crash(stage.actor("StreamActor"))
        newcomer = Source(stage)
        lost = await newcomer.owner.next(PublishLost)
        assert lost.refusal is Refusal.BUSY
        await source.play(20)
    assert (viewer.ended, source.lost, stage.of(PublishHeld)) == ([], [], [])
    after = await source.play(10)
    assert viewer.frames[-10:] == after


@in_virtual_time
async def test_whose_slot_was_taken_over_while_the_stream_actor_was_down_does_not_take_it_back(system: System) -> None:
    stage, source, viewer = await running(system, ApplicationPolicy(on_conflict=Conflict.TAKEOVER))
    await source.play(3)
    stage.crash(stage.actor("StreamActor"))
    newcomer = await stage.publish()
    await pass_time(SECOND)
    assert (len(source.lost), newcomer.lost, viewer.ended) == (1, [], [])
    assert stage.of(PublishHeld) == []
    after = await newcomer.play(10)
    assert viewer.frames[-10:] == after


@in_virtual_time
async def test_a_publisher_that_left_while_the_stream_actor_was_down_leaves_a_held_stream(system: System) -> None:
    stage, source, viewer = await running(system)
    await source.play(3)
    stage.crash(stage.actor("StreamActor"))
    await pass_time(1)
    await source.leave()
    await pass_time(SECOND)
    assert len(stage.of(PublishHeld)) == 1
    again = await stage.publish()
    after = await again.play(10)
    assert viewer.frames[-10:] == after
    await again.leave()
    await pass_time(11 * SECOND)
    assert len(viewer.ended) == 1


@in_virtual_time
async def test_a_gop_cache_is_restarted_and_knows_the_gop_again(system: System) -> None:
    stage, source, viewer = await running(system)
    sent = await source.play(11)
    stage.crash(stage.actor("GopCacheActor"))
    sent += await source.play(1)
    waiting = await stage.view()
    assert waiting.frames == []
    sent += await source.play(10)
    assert viewer.frames == sent
    assert waiting.frames == sent[sent.index("K400") :]
    joiner = await stage.view()
    assert joiner.frames == sent[sent.index("K800") :]
    node = stage.node("live/cam", "gop-cache")
    assert (node.state, node.restarts, node.last_error) == ("running", 1, "Injected: injected")
    assert stage.node("live/cam", "stream").restarts == 0
    assert len(stage.bus._entries[KEY].channel.feed) == 1


@in_virtual_time
async def test_a_directory_is_restarted_and_no_stream_notices(system: System) -> None:
    stage, source, viewer = await running(system)
    sent = await source.play(5)
    stage.crash(stage.actor("Directory"))
    late = await stage.view()
    sent += await source.play(5)
    assert viewer.frames == late.frames == sent
    assert stage.node("directory").restarts == 1
    await source.leave()
    await pass_time(11 * SECOND)
    assert len(viewer.ended) == len(late.ended) == 1
    assert stage.bus.reports() == ()
    await stage.publish()
    assert len(stage.of(PublishStarted)) == 2


@in_virtual_time
async def test_a_stream_is_restarted_under_a_restarted_directory(system: System) -> None:
    stage, source, viewer = await running(system)
    await source.play(5)
    stage.crash(stage.actor("Directory"))
    await source.play(10)
    stage.crash(stage.actor("StreamActor"))
    await source.play(20)
    after = await source.play(10)
    assert viewer.frames[-10:] == after
    assert stage.node("live/cam", "stream").restarts == 1


@in_virtual_time
async def test_a_stream_that_ends_while_the_directory_is_down_is_cleared_away(system: System) -> None:
    stage, source, viewer = await running(system)
    await source.play(5)
    stage.crash(stage.actor("Directory"))
    stage.bus.end(KEY, "over")
    await pass_time(SECOND)
    assert len(viewer.ended) == len(source.lost) == 1
    assert (stage.bus.reports(), stage.bus._entries) == ((), {})
    assert stage.actors("GopCacheActor") == []


@in_virtual_time
async def test_a_description_outlives_a_crash_of_the_directory(system: System) -> None:
    """Found by simulation: an RTSP session that was looking a stream up failed with the directory."""
    stage, source, _ = await running(system)
    await source.play(2)
    looking = asyncio.ensure_future(stage.bus.tracks(KEY))
    stage.crash(stage.actor("Directory"))
    await pass_time(SECOND)
    assert [track.id for track in await looking] == [0, 1]


@in_virtual_time
async def test_directory_and_stream_may_crash_together(system: System) -> None:
    stage, source, viewer = await running(system)
    await source.play(5)
    stage.crash(stage.actor("Directory"))
    stage.crash(stage.actor("StreamActor"))
    await source.play(20)
    after = await source.play(10)
    assert viewer.frames[-10:] == after
    assert (viewer.ended, source.lost) == ([], [])


@pytest.mark.parametrize("others", [0, 40])
@in_virtual_time
async def test_a_subscriber_is_restarted_on_its_outlet_and_misses_nothing(system: System, others: int) -> None:
    stage, source, viewer = await running(system)
    audience = [await stage.view() for _ in range(others)]
    sent = await source.play(7)
    await pass_time(100 * NS_PER_MS)
    for _ in range(3):
        crashed = viewer.subscriber
        stage.crash(crashed)
        sent += await source.play(9)
        assert viewer.subscriber is not crashed
    await pass_time(200 * NS_PER_MS)
    assert [other.frames for other in (viewer, *audience)] == [sent] * (others + 1)
    assert viewer.tokens.count("<open 0>") == 1
    assert viewer.outlet.closed is False
    names = stage.names()
    assert (names.count("Failed"), names.count("ActorRestarted")) == (3, 3)
    assert len(stage.bus.reports()[0].seats) == others + 1


@in_virtual_time
async def test_subscriber_and_stream_may_crash_together(system: System) -> None:
    stage, source, viewer = await running(system)
    await source.play(7)
    stage.crash(viewer.subscriber)
    stage.crash(stage.actor("StreamActor"))
    await source.play(20)
    after = await source.play(10)
    assert viewer.frames[-10:] == after
    assert len(stage.bus.reports()[0].seats) == 1


@in_virtual_time
async def test_a_publisher_that_crashes_leaves_its_stream_held(system: System) -> None:
    stage, source, viewer = await running(system)
    sent = await source.play(7)
    stage.crash(source.ref)
    await pass_time(SECOND)
    assert [held.reason for held in stage.of(PublishHeld)] == ["failed: injected"]
    again = await stage.publish()
    sent += await again.play(7)
    assert viewer.frames == sent
    assert viewer.ended == []


@in_virtual_time
async def test_a_stream_that_fails_too_often_ends_for_everybody_and_the_key_is_free(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, source, viewer = await running(system)
    feed = stage.bus._entries[KEY].channel.feed
    await source.play(3)

    def fail(_: StreamActor) -> None:
        raise Injected("again")

    monkeypatch.setattr(StreamActor, "on_start", fail)
    stage.crash(stage.actor("StreamActor"))
    await pass_time(5 * SECOND)
    monkeypatch.undo()
    assert feed.ended
    assert len(stage.of(PublishEnded)) == 1
    assert "failed too often" in stage.of(PublishEnded)[0].reason
    await pass_time(10 * SECOND)
    assert len(viewer.ended) == 1
    assert stage.of(PublishEnded)[0].key == KEY
    assert source.lost == []  # it claimed the key again, and got a new stream
    (report,) = stage.bus.reports()
    assert report.state == "live"
    source.clock = 0
    sent = await source.play(5)
    assert (await stage.view()).frames == sent


@in_virtual_time
async def test_a_viewer_of_an_old_stream_is_not_left_with_a_seat_at_a_new_one(system: System) -> None:
    """Both ask again at the same time; whoever is first, the viewer's numbers are of the old stream."""
    stage, source, viewer = await running(system)
    await source.play(30)
    entries = stage.bus._entries
    old = entries[KEY].channel
    stage.crash(stage.actor("StreamActor"))
    supervisor = entries[KEY].supervisor
    assert supervisor is not None
    stage.crash(supervisor)
    await pass_time(2 * SECOND)
    assert entries[KEY].channel is not old
    assert len(viewer.ended) == 1
    assert (viewer.ended[0].refusal, viewer.ended[0].ending) == (None, b"<end>")


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
@in_virtual_time
async def test_a_strategy_that_restarts_groups_keeps_the_stream(system: System, strategy: Strategy) -> None:
    stage = Stage(system, restarts=RestartPolicy(strategy, RESTARTS.intensity, RESTARTS.backoff))
    source = await stage.publish()
    viewer = await stage.view()
    await source.play(5)
    stage.crash(stage.actor("GopCacheActor"))
    await source.play(20)
    stage.crash(stage.actor("StreamActor"))
    await source.play(20)
    after = await source.play(10)
    assert viewer.frames[-10:] == after
    assert (viewer.ended, source.lost, stage.of(PublishEnded)) == ([], [], [])


@in_virtual_time
async def test_the_bus_itself_may_be_started_anew(system: System) -> None:
    stage, source, viewer = await running(system)
    await source.play(5)
    stage.crash(stage.root)
    await pass_time(1)
    stage.root = Supervisor.start(system, "bus", policy=RESTARTS)
    stage.bus.start_directory(stage.root, RESTARTS)
    await pass_time(SECOND)
    assert len(viewer.ended) == 1
    await source.play(10)
    assert source.lost == []
    assert (await stage.view()).frames


@in_virtual_time
async def test_frames_while_the_actor_is_down_are_counted(system: System) -> None:
    stage, source, _ = await running(system)
    await source.play(5)
    actor = source.ref._mailbox.actor  # type: ignore[attr-defined]  # its count is what is looked at
    stage.crash(stage.actor("StreamActor"))
    await source.play(20)
    (report,) = stage.bus.reports()
    log = stage.bus._entries[KEY].channel.log
    assert log.head + actor.dropped_frames + report.dropped_frames == 25
    assert actor.dropped_frames > 0


@in_virtual_time
async def test_the_supervisors_tell_what_they_restart(system: System) -> None:
    stage, source, _ = await running(system)
    await source.play(2)
    for kind in ("StreamActor", "GopCacheActor", "Directory"):
        stage.crash(stage.actor(kind))
        await pass_time(SECOND)
    restarted = [event for event in stage.supervision if isinstance(event, ChildRestarted)]
    assert [(event.supervisor, event.id) for event in restarted] == [
        ("live/cam", "stream"),
        ("live/cam", "gop-cache"),
        ("bus", "directory"),
    ]
    assert stage.node().state == "running"


@in_virtual_time
async def test_an_outgrown_gop_stays_outgrown_over_a_restart_of_the_cache(system: System) -> None:
    stage = Stage(system, ApplicationPolicy(gop=GopBound(frames=5)))
    source = await stage.publish()
    await source.play(8, gop=100)
    assert stage.names().count("GopOutgrown") == 1
    stage.crash(stage.actor("GopCacheActor"))
    await pass_time(SECOND)
    assert stage.actors(GopCacheActor.__name__) != []
    assert stage.bus._entries[KEY].channel.anchor is None
