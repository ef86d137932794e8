"""A rendition that cannot keep up, or was away for too long: what is skipped, and what is said."""

from collections.abc import Callable
from typing import Any

import pytest

from arcly_actors import limits
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.events import Events, TranscodeFailed, TranscodeLagged
from arcly_actors.bus.policy import ApplicationPolicy, GopBound
from arcly_actors.clock import NS_PER_S
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.renditions import RenditionPolicy, Wish
from arcly_actors.renditions import rendition_actor as actor_module
from arcly_actors.renditions.rendition import Rendition
from arcly_actors.renditions.worker import Transcode, Transcoded
from arcly_actors.runtime import LoopActor, System, receives
from tests.bus.stage import KEY
from tests.renditions.clips import NONE, NORMAL, TICK, pictures, sound
from tests.renditions.scene import Scene, logged, on_air
from tests.support.virtual import in_virtual_time

STUCK: list["Stuck"] = []


class Stuck(LoopActor):
    """Stands in for a worker: it answers when it is let."""

    def __init__(self, system: System, lane: int, make: Callable[[], Any]) -> None:
        super().__init__(system)
        self._lane = lane
        self._transcoder = make()
        self._letters: list[Transcode] = []
        self.open = False
        STUCK.append(self)

    @receives(Transcode)
    def transcode(self, message: Transcode) -> None:
        self._letters.append(message)
        if self.open:
            self.work()

    def work(self) -> None:
        """Answer everything."""
        letters, self._letters = self._letters, []
        for letter in letters:
            made = [out for frame in letter.frames for out in self._transcoder.transcode(frame)]
            letter.reply_to.tell(Transcoded(self._lane, tuple(made), 0))


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> list[Stuck]:
    """The workers that were started; each is slow."""
    STUCK.clear()
    monkeypatch.setattr(actor_module, "TranscodeWorker", Stuck)
    return STUCK


@in_virtual_time
async def test_a_transcoder_that_is_too_slow_skips_to_a_keyframe_and_that_is_said(
    system: System, stuck: list[Stuck]
) -> None:
    scene = Scene(system)
    show = await on_air(scene, pictures(NORMAL, 220))
    await show.play(0.8)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await show.play(0.1)
    stuck[0].work()
    await show.play(4.1)
    assert scene.of(TranscodeLagged) == []
    stuck[0].open = True
    stuck[0].work()
    await show.play(4)
    (lagged,) = scene.of(TranscodeLagged)
    frames = logged(channel, Kind.VIDEO)
    gap = next(number for number in range(1, len(frames)) if frames[number].pts - frames[number - 1].pts > 2 * TICK)
    assert frames[gap].keyframe
    assert frames[gap].pts > 5 * NS_PER_S
    missing = (frames[gap].pts - frames[gap - 1].pts) // TICK - 1
    assert abs(lagged.frames - missing) <= 4  # the decoder had some of them
    assert lagged.frames > 20


@in_virtual_time
async def test_sound_that_is_too_slow_skips_now_and_then(system: System, stuck: list[Stuck]) -> None:
    scene = Scene(system)
    show = await on_air(scene, sound(CodecId.AAC, 8.0))
    await show.play(0.2)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await show.play(3)
    stuck[0].open = True
    stuck[0].work()
    await show.play(2)
    (lagged,) = scene.of(TranscodeLagged)
    assert lagged.frames == pytest.approx(3 * 48_000 / 1024 - limits.TRANSCODE_IN_FLIGHT, abs=4)
    assert len(logged(channel)) > 100


@in_virtual_time
async def test_a_transcoder_that_hangs_is_replaced(system: System, stuck: list[Stuck]) -> None:
    scene = Scene(system)
    show = await on_air(scene, sound(CodecId.AAC, 16.0))
    await show.play(0.2)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await show.play(9.9)
    assert scene.of(TranscodeFailed) == []
    await show.play(0.4)
    (failed,) = scene.of(TranscodeFailed)
    assert "10 s" in failed.error
    stuck[1].open = True
    stuck[1].work()
    stuck[0].work()  # too late: nobody listens to it
    await show.play(2)
    assert len(logged(channel)) > 90
    assert logged(channel)[0].dts > 9 * NS_PER_S
    (report,) = scene.renditions.reports()
    assert report.dropped["transcoder too slow"] > 300


@in_virtual_time
async def test_the_backlog_is_not_waited_for_for_ever(system: System, stuck: list[Stuck]) -> None:
    scene = Scene(system)
    show = await on_air(scene, pictures(NONE, 200), sound(CodecId.AAC, 8.0))
    await show.play(0.5)
    channel = scene.renditions.acquire(scene.base, Wish.WEBRTC)
    await show.play(1.9)
    assert logged(channel) == []
    await show.play(0.2)
    assert logged(channel, Kind.VIDEO) == logged(scene.base, Kind.VIDEO)
    assert logged(channel, Kind.AUDIO) == []
    stuck[0].open = True
    stuck[0].work()
    await show.play(0.5)
    assert len(logged(channel, Kind.AUDIO)) > 50


@in_virtual_time
async def test_after_a_gap_pictures_go_on_at_a_keyframe(system: System) -> None:
    base = Channel(KEY, ApplicationPolicy(gop=GopBound(10, 2**20, 10**9)))
    clip = pictures(NONE)
    base.tracks = (clip[0].track,)
    rendition = Rendition(base, Wish.WEBRTC, RenditionPolicy(), Events(), system.clock)
    rendition.begin()
    for frame in clip[:5]:
        base.append(frame, frame.dts)
    rendition.pass_on()
    for turn in range(20):
        for frame in clip[5:]:
            late = turn * 3 * NS_PER_S
            base.append(frame.at(pts=frame.pts + late, dts=frame.dts + late), frame.dts + late)
    rendition.pass_on()
    frames = logged(rendition.channel)
    assert all(frame.dts > 30 * NS_PER_S for frame in frames[-100:])
    assert rendition.dropped["log overrun"] > 0
    assert rendition.dropped["waits for a keyframe"] > 0
    first = next(frame for frame in frames if frame.dts > 3 * NS_PER_S)
    assert first.keyframe
