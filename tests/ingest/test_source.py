"""A source in virtual time: whatever its pulls do, its key is held, its viewers stay and it is tried again."""

import asyncio
from dataclasses import replace

import pytest

from arcly_actors import limits
from arcly_actors.bus.events import (
    PublishEnded,
    PublishHeld,
    PublishResumed,
    PublishStarted,
    SourceConnected,
    SourceFailed,
    SourceStalled,
)
from arcly_actors.bus.messages import Claim, TracksChanged
from arcly_actors.bus.policy import ApplicationPolicy
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.errors import ConfigurationError, Refusal, Refused
from arcly_actors.ingest.publisher import KeyframeNeeded
from arcly_actors.ingest.pull import PullEnded, PullFailed
from arcly_actors.runtime import System
from tests.bus.frames import AUDIO, BOTH, VIDEO, audio, video
from tests.bus.stage import KEY, Stage
from tests.support.remotes import Site
from tests.support.virtual import Probe, in_virtual_time, pass_time

SHOWN = "rtsp://***@camera.example/stream?***"


@in_virtual_time
async def test_what_it_pulls_is_published(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    viewer = await site.stage.view()
    await pull.play(10)
    assert [token[0] for token in viewer.frames] == list("KppppKpppp")
    assert site.stage.of(SourceConnected) == [SourceConnected(KEY, SHOWN)]
    (report,) = site.stage.bus.reports()
    assert (report.protocol, report.peer, report.state) == ("rtsp", SHOWN, "live")


@in_virtual_time
async def test_frames_that_come_before_the_slot_is_granted_are_not_lost(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await asyncio.gather(pull.connect(), pull.send(video(0, key=True), video(40)))
    viewer = await site.stage.view()
    assert [token[0] for token in viewer.frames] == ["K", "p"]


@in_virtual_time
async def test_a_first_dial_that_fails_is_tried_again_and_the_error_is_seen(system: System) -> None:
    site = Site(system)
    await site.source()
    await (await site.pull(1)).fail("camera.example: connection refused")
    assert site.node.state == "waiting"
    assert "camera.example: connection refused" in site.node.last_error
    assert site.stage.of(SourceFailed) == [SourceFailed(KEY, SHOWN, "camera.example: connection refused")]
    await (await site.pull(2)).connect()
    assert (site.node.state, site.node.restarts) == ("running", 1)
    assert [event.key for event in site.stage.of(PublishStarted)] == [KEY]


@in_virtual_time
async def test_a_failed_try_is_no_defect_in_the_log_and_a_crash_is_one(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(system)
    await site.source()
    await (await site.pull(1)).fail()
    assert caplog.messages == []
    site.stage.crash((await site.pull(2)).ref)
    await pass_time(NS_PER_MS)
    assert len(caplog.messages) == 1


@in_virtual_time
async def test_it_is_tried_for_ever_and_never_waits_longer_than_the_cap(system: System) -> None:
    site = Site(system)
    await site.source()
    for number in range(1, 30):
        before = system.clock.monotonic_ns()
        pull = await site.pull(number)
        assert system.clock.monotonic_ns() - before <= limits.RECONNECT_CAP + 20 * NS_PER_MS
        await pull.fail()
    assert site.node.state == "degraded"
    await (await site.pull(30)).connect()
    assert site.node.state == "running"


@in_virtual_time
async def test_viewers_stay_for_as_long_as_the_source_is_away(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    viewer = await site.stage.view()
    await pull.play(10)
    before = len(viewer.frames)
    await pull.fail("the server ended it")
    assert len(site.stage.of(PublishHeld)) == 1
    for number in range(2, 12):  # far beyond `hold`
        await pass_time(limits.RECONNECT_CAP)
        await (await site.pull(number)).fail()
    assert viewer.ended == []
    again = await site.pull(12)
    await again.connect()
    await again.play(10)
    assert len(viewer.frames) == before + 10
    assert len(site.stage.of(PublishResumed)) == 1
    assert site.stage.of(PublishEnded) == []


@in_virtual_time
async def test_a_stream_that_nobody_watches_ends_with_its_hold(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    await pull.play(1)
    await pull.fail()
    await pass_time(11 * NS_PER_S)
    assert len(site.stage.of(PublishEnded)) == 1
    await (await site.pull(2)).connect()
    assert len(site.stage.of(PublishStarted)) == 2


@in_virtual_time
async def test_past_its_hold_a_stream_ends_when_its_last_viewer_leaves(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    viewers = [await site.stage.view(), await site.stage.view()]
    await pull.fail()
    await pass_time(30 * NS_PER_S)
    viewers[0].view.stop()
    await pass_time(NS_PER_S)
    assert site.stage.of(PublishEnded) == []
    viewers[1].view.stop()
    await pass_time(NS_PER_S)
    assert len(site.stage.of(PublishEnded)) == 1


@in_virtual_time
async def test_a_source_that_sends_nothing_more_is_dialled_anew(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    await pull.play(5)
    await pass_time(limits.SOURCE_STALL + NS_PER_S)
    assert site.stage.of(SourceStalled) == [SourceStalled(KEY, SHOWN, "nothing came for 10 s")]
    assert pull.stopped
    assert not (await site.pull(2)).stopped


@in_virtual_time
async def test_a_source_that_pauses_for_less_than_that_goes_on(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    for _ in range(5):
        await pull.play(2)
        await pass_time(limits.SOURCE_STALL - NS_PER_S)
    assert site.stage.of(SourceStalled) == []
    assert len(site.pulls) == 1


@in_virtual_time
async def test_a_camera_that_sends_no_keyframe_is_dialled_anew(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    for number in range(300):
        await pull.send(video(number * 40), audio(number * 40))
        await pass_time(40 * NS_PER_MS)
    assert site.stage.of(SourceStalled) == [SourceStalled(KEY, SHOWN, "no keyframe for 10 s")]


@in_virtual_time
async def test_a_picture_that_stops_while_the_sound_goes_on_is_a_stall(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    await pull.play(10)
    for number in range(300):
        await pull.send(audio(number * 40))
        await pass_time(40 * NS_PER_MS)
    assert site.stage.of(SourceStalled) == [SourceStalled(KEY, SHOWN, "no picture for 10 s")]


@in_virtual_time
async def test_a_patient_source_may_pause_for_longer_than_an_application_lets_publishers(system: System) -> None:
    site = Site(system, Stage(system, ApplicationPolicy(idle_ns=5 * NS_PER_S)))
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    await pull.play(5)
    await pass_time(9 * NS_PER_S)
    await pull.play(5)
    assert site.stage.of(PublishHeld) == []
    assert not pull.stopped


@in_virtual_time
async def test_sound_alone_is_no_stall(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect((AUDIO,))
    for number in range(1000):
        await pull.send(audio(number * 40))
        await pass_time(40 * NS_PER_MS)
    assert site.stage.of(SourceStalled) == []


@in_virtual_time
async def test_a_dial_without_an_answer_is_given_up(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pass_time(limits.SOURCE_OPEN + NS_PER_S)
    assert pull.stopped
    assert site.stage.of(SourceFailed) == [SourceFailed(KEY, SHOWN, "no answer for 15 s")]
    assert not (await site.pull(2)).stopped


@in_virtual_time
async def test_what_a_pull_that_was_given_up_still_says_is_ignored(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.fail()
    second = await site.pull(2)
    await second.connect()
    viewer = await site.stage.view()
    await pull.connect((AUDIO,))
    await pull.send(video(0, key=True))
    await second.play(3)
    assert len(viewer.frames) == 3


@in_virtual_time
async def test_other_tracks_are_announced(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    probe = Probe(system)
    await site.stage.seat(probe)
    await pass_time(NS_PER_S)
    larger = replace(VIDEO, configuration=b"avcC, larger", version=1)
    await pull.connect((larger, AUDIO))
    await pull.send(video(0, key=True, track=larger))
    assert probe.of(TracksChanged)[-1].tracks == (larger, AUDIO)


@in_virtual_time
async def test_nobody_else_may_publish_its_key(system: System) -> None:
    site = Site(system, Stage(system, ApplicationPolicy()))
    handle = await site.source()
    stranger = Probe(system)
    with pytest.raises(Refused) as caught:
        await site.stage.bus.claim(Claim(KEY, stranger.ref, "rtmp", "there"))
    assert caught.value.refusal is Refusal.BUSY
    with pytest.raises(ConfigurationError, match="has a source already"):
        await site.source()
    await handle.stop()
    assert (await site.stage.bus.claim(Claim(KEY, stranger.ref, "rtmp", "there"))).number == 1


@in_virtual_time
async def test_a_source_that_is_stopped_leaves_a_stream_like_any_other(system: System) -> None:
    site = Site(system)
    handle = await site.source()
    pull = await site.pull(1)
    await pull.connect()
    viewer = await site.stage.view()
    await handle.stop()
    await handle.stop()
    assert pull.stopped
    await pass_time(9 * NS_PER_S)
    assert viewer.ended == []
    await pass_time(2 * NS_PER_S)
    assert len(viewer.ended) == 1


@in_virtual_time
async def test_a_source_that_is_stopped_while_it_is_away_leaves_its_viewers_one_more_hold(system: System) -> None:
    site = Site(system)
    handle = await site.source()
    pull = await site.pull(1)
    await pull.connect()
    viewer = await site.stage.view()
    await pull.fail()
    await pass_time(60 * NS_PER_S)
    await handle.stop()
    await pass_time(9 * NS_PER_S)
    assert viewer.ended == []
    await pass_time(2 * NS_PER_S)
    assert len(viewer.ended) == 1


@in_virtual_time
async def test_a_file_that_is_over_ends_its_stream_after_its_last_frame(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    viewer = await site.stage.view()
    await pull.play(5)
    await pull.send(video(400, key=True))
    await pull.tell(PullEnded("it came to its end"))
    await pass_time(NS_PER_S)
    assert len(viewer.frames) == 6
    assert [ended.refusal for ended in viewer.ended] == [None]
    await pass_time(60 * NS_PER_S)
    assert len(site.pulls) == 1
    assert site.node.state == "running"


@in_virtual_time
async def test_the_streams_actor_may_crash_under_it(system: System) -> None:
    site = Site(system)
    await site.source(on_demand=True)
    viewing = asyncio.ensure_future(site.stage.view())
    pull = await site.pull(1)
    await pull.connect()
    viewer = await viewing
    await pull.play(5)
    site.stage.crash(site.stage.actor("StreamActor"))
    await pull.play(500)
    assert len(site.pulls) == 1
    assert viewer.ended == []
    assert len(viewer.frames) > 450
    viewer.view.stop()
    await pull.play(300)
    assert pull.stopped


@in_virtual_time
async def test_the_streams_actor_may_crash_while_the_source_is_away(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    viewer = await site.stage.view()
    await pull.fail()
    await pass_time(20 * NS_PER_S)
    site.stage.crash(site.stage.actor("StreamActor"))
    await pass_time(60 * NS_PER_S)
    assert viewer.ended == []


@in_virtual_time
async def test_a_pull_that_crashes_is_a_failed_try(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    site.stage.crash(pull.ref)
    await pass_time(NS_PER_S)
    assert [event.error for event in site.stage.of(SourceFailed)] == ["Injected in it"]
    assert not (await site.pull(2)).stopped


@in_virtual_time
async def test_a_keyframe_that_is_needed_is_asked_of_the_pull(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect()
    await pull.tell(KeyframeNeeded(full_intra=False))
    assert pull.ref.actor_inbox.actor.heard == [KeyframeNeeded(full_intra=False)]  # type: ignore[attr-defined]


@in_virtual_time
async def test_a_stall_that_the_pull_itself_sees_is_one(system: System) -> None:
    site = Site(system)
    await site.source()
    pull = await site.pull(1)
    await pull.connect(BOTH)
    await pull.tell(PullFailed("no answer in time", stalled=True))
    assert site.stage.of(SourceStalled) == [SourceStalled(KEY, SHOWN, "no answer in time")]
    assert site.stage.of(SourceFailed) == [SourceFailed(KEY, SHOWN, "no answer in time")]
