"""The built-in test pattern as a source, in virtual time."""

import pytest

from arcly_actors.bus.events import PublishHeld, PublishResumed
from arcly_actors.bus.policy import ApplicationPolicy, Conflict
from arcly_actors.clock import NS_PER_S
from arcly_actors.ingest.pattern import PatternShape, TestPattern
from arcly_actors.ingest.pattern_publisher import PatternSource
from arcly_actors.media.codec import Kind
from arcly_actors.media.describe import is_keyframe
from arcly_actors.runtime import ChildSpec, OnExceeded, StartChild, System
from tests.bus.stage import KEY, Stage
from tests.support.virtual import ask, in_virtual_time, pass_time

SMALL = PatternShape(width=160, height=96, frame_rate=10, gop=10, bit_rate=100_000)


def test_it_encodes_pictures_and_their_sound() -> None:
    pattern = TestPattern(SMALL)
    frames = [frame for _ in range(20) for frame in pattern.next()]
    pictures = [frame for frame in frames if frame.track.kind is Kind.VIDEO]
    assert [frame.dts for frame in pictures] == [number * NS_PER_S // 10 for number in range(20)]
    assert [number for number, frame in enumerate(pictures) if frame.keyframe] == [0, 10]
    assert all(is_keyframe(frame.track.codec, frame.payload) == frame.keyframe for frame in pictures)
    video, audio = pattern.tracks
    assert (video.width, video.height, video.frame_rate) == (160, 96, 10.0)
    assert (audio.sample_rate, audio.channels) == (48_000, 1)
    sound = [frame for frame in frames if frame.track is audio]
    assert len(sound) == pytest.approx(2 * 48_000 / 1024, abs=3)
    assert pattern.due_ns == 2 * NS_PER_S


def test_it_may_be_silent() -> None:
    pattern = TestPattern(PatternShape(width=160, height=96, sound=False))
    assert [track.kind for track in pattern.tracks] == [Kind.VIDEO]
    assert len(pattern.next()) == 1


async def sourced(stage: Stage) -> None:
    spec = ChildSpec(
        "pattern", lambda: PatternSource.start(stage.system, stage.bus, KEY, SMALL), on_exceeded=OnExceeded.DEGRADE
    )
    await ask(stage.root, StartChild(spec))
    await stage.bus.appears(KEY)


@in_virtual_time
async def test_it_publishes_in_real_time(system: System) -> None:
    stage = Stage(system)
    await sourced(stage)
    await pass_time(5 * NS_PER_S)
    (report,) = stage.bus.reports()
    assert [track.kind for track in report.tracks] == [Kind.VIDEO, Kind.AUDIO]
    assert report.qos.frame_rate == pytest.approx(10, abs=1)
    assert report.qos.gop_frames == 10
    assert report.dropped_frames == 0


@pytest.mark.parametrize("name", ["PatternSource", "PatternEncoder", "InProcessPublisher", "StreamActor"])
@in_virtual_time
async def test_it_goes_on_after_any_crash(system: System, name: str) -> None:
    stage = Stage(system)
    await sourced(stage)
    await pass_time(2 * NS_PER_S)
    stage.crash(stage.actor(name))
    await pass_time(3 * NS_PER_S)
    (report,) = stage.bus.reports()
    assert report.state == "live"
    assert report.qos.frame_rate == pytest.approx(10, abs=1)
    assert len(stage.of(PublishResumed)) == 1
    assert stage.node("pattern").restarts == (0 if name == "StreamActor" else 1)
    for kind in ("PatternSource", "PatternEncoder", "InProcessPublisher"):
        assert len(stage.actors(kind)) == 1


@in_virtual_time
async def test_it_comes_back_when_its_slot_is_taken(system: System) -> None:
    stage = Stage(system, ApplicationPolicy(on_conflict=Conflict.REJECT))
    source = await stage.publish()
    await sourced(stage)
    await pass_time(3 * NS_PER_S)
    assert "is being published" in stage.node("pattern").last_error
    assert source.lost == []
    await source.leave()
    await pass_time(5 * NS_PER_S)
    assert stage.bus.reports()[0].protocol == "pattern"
    assert len(stage.of(PublishHeld)) == 1
