"""The actor of a rendition: it follows the stream's feed, and has transcoders work on what is not to pass.

What passes is appended within the feed's own call, so the picture loses no time. Transcoded sound comes back a little
later, from a thread: in the log it stands behind the pictures of its time, by the time of one frame and a hop between
threads (about 25 ms). So a joiner that starts at a keyframe finds the sound of the same span after it.

The *backlog*, which the log held before the first viewer came, is different: pictures of seconds would be in the log
before the first sound, and a segmenter would cut segments without any. So it is transcoded as a whole first and then
appended in the order of DTS; frames that come meanwhile wait in the stream's log. Of pictures to be transcoded only the
last few of the backlog are encoded: decoding catches up many times faster than encoding, and viewers want to be live.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from reactivex.abc import DisposableBase
from reactivex.disposable import Disposable

from arcly_actors import limits
from arcly_actors.bus.events import Events, TranscodeFailed, TranscodeLagged, TranscodeStarted, TranscodeStopped
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.renditions.audio_transcoder import AudioTranscoder
from arcly_actors.renditions.rendition import Rendition
from arcly_actors.renditions.video_transcoder import VideoTranscoder
from arcly_actors.renditions.worker import Transcode, Transcoded, Transcoder, TranscodeWorker
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.runtime.policy import Intensity, RestartWindow
from arcly_actors.runtime.receiver import Crash


@dataclass(frozen=True, slots=True)
class _CatchUpOver:
    """The backlog is waited for no longer."""


@dataclass(eq=False, slots=True)
class _Lane:
    """One track on its way through a worker. `skipping`: frames of a picture track skipped so far, up to a keyframe."""

    number: int
    source: Track
    worker: Ref
    in_flight: int = 0
    skipping: int = 0
    made: int = 0
    dropped: int = 0
    damaged: int = 0


class RenditionActor(LoopActor):
    """Drives one `Rendition`. Restarted after a crash, it goes on where that one stands."""

    def __init__(self, system: System, rendition: Rendition, events: Events, on_over: Callable[[], None]) -> None:
        super().__init__(system)
        self._rendition = rendition
        self._events = events
        self._on_over = on_over
        self._lanes: dict[int, _Lane] = {}
        self._lane_numbers = 0
        self._failures: dict[int, RestartWindow] = {}
        self._resting: dict[int, int] = {}  # a track whose transcoders fail too often, to when it is tried again
        self._cut: set[int] = set()  # picture tracks that have to wait for a keyframe
        self._backlog: list[MediaFrame] | None = None
        self._awaited: set[int] = set()
        self._seat: DisposableBase = Disposable()

    def on_start(self) -> None:
        """Take over the backlog, then follow the feed."""
        self._catch_up()
        crash = self.actor_ref

        def failed(error: Exception) -> None:
            notify(crash, Crash(error))

        self._seat = self._rendition.base.feed.subscribe(self._logged, failed, self._ended)

    def on_stop(self) -> None:
        """Give everything back."""
        self._leave()

    def on_failure(self, *_: object) -> None:
        """Give everything back; what is in the workers is lost."""
        self._leave()

    def _leave(self) -> None:
        self._seat.dispose()
        for track in tuple(self._lanes):
            self._stop_lane(track)
        self._rendition.tell_dropped()

    def _ended(self) -> None:
        self._rendition.end()
        self._on_over()

    # -- frames -------------------------------------------------------------------------------------------------------

    def _logged(self, _: MediaFrame) -> None:
        if self._backlog is None:
            self._follow()

    def _follow(self) -> None:
        rendition = self._rendition
        for frame, target in rendition.route():
            if target is None:
                if frame.track.id in self._lanes:
                    self._stop_lane(frame.track.id)
                rendition.append(frame)
            else:
                self._transcode(frame, target)
        if rendition.refused is not None:
            self._on_over()

    def _catch_up(self) -> None:
        """Route what the log holds; what is to be transcoded goes to its workers at once."""
        backlog: list[MediaFrame] = []
        work: dict[int, list[MediaFrame]] = {}
        for frame, target in self._rendition.route():
            if target is None:
                backlog.append(frame)
            else:
                work.setdefault(frame.track.id, []).append(frame)
        for track, frames in work.items():
            if self._begin_lane(frames):
                self._awaited.add(track)
        self._backlog = backlog
        if self._awaited:
            self.after(limits.RENDITION_CATCH_UP, _CatchUpOver())
        else:
            self._go_live()

    def _go_live(self) -> None:
        backlog, self._backlog = self._backlog or [], None
        self._awaited.clear()
        for frame in sorted(backlog, key=lambda frame: frame.dts):
            self._rendition.append(frame)
        self._follow()

    @receives(_CatchUpOver)
    def catch_up_over(self, _: _CatchUpOver) -> None:
        """Go on without what is not ready."""
        if self._backlog is not None:
            self._go_live()

    # -- transcoding --------------------------------------------------------------------------------------------------

    def _transcode(self, frame: MediaFrame, target: Track) -> None:
        track = frame.track.id
        if self._resting.get(track, 0) > self.system.clock.monotonic_ns():
            self._rendition.dropped["transcoder rests"] += 1
            return
        lane = self._lanes.get(track)
        if lane is not None and not _same(lane.source, frame.track):
            self._stop_lane(track)
            lane = None
        if lane is None:
            self._begin_lane([frame])
            return
        # Once full it is let drain by half: one that is too slow skips much now and then, not a little all the time.
        room = limits.TRANSCODE_IN_FLIGHT // (2 if lane.skipping else 1)
        if lane.in_flight >= room or (lane.skipping and not frame.keyframe):
            lane.skipping += 1
            lane.dropped += 1
            return
        if lane.skipping:
            self._events.emit(TranscodeLagged(*self._of(track), lane.skipping))
            lane.skipping = 0
        self._send(lane, (frame,))

    def _begin_lane(self, frames: list[MediaFrame]) -> bool:
        """Open a lane for these frames; False, and they are dropped, when it has to wait for a keyframe.

        Pictures in the middle of a GOP are decoded from its keyframe on, and encoded from where viewers are.
        """
        first, rendition = frames[0], self._rendition
        track, muted_until = first.track.id, None
        if first.track.kind is Kind.VIDEO and not (len(frames) == 1 and first.keyframe):
            frames = [] if track in self._cut else list(rendition.gop(track))
            muted_until = rendition.last_pts(track)
            if muted_until is None:
                muted_until = _recent(frames)
        if not frames:
            rendition.dropped["waits for a keyframe"] += 1
            return False
        self._cut.discard(track)
        self._send(self._open_lane(first, muted_until), tuple(frames))
        return True

    def _open_lane(self, first: MediaFrame, muted_until: int | None) -> _Lane:
        source, rendition = first.track, self._rendition
        target = rendition.targets[source.id]
        self._lane_numbers += 1
        make: Callable[[], Transcoder] = partial(AudioTranscoder, source, target)
        if source.kind is Kind.VIDEO:
            make = partial(VideoTranscoder, source, target, rendition.shapes[source.id], muted_until)
        worker = TranscodeWorker.start(self.system, self._lane_numbers, make)
        self.watch(worker)
        lane = self._lanes[source.id] = _Lane(self._lane_numbers, source, worker)
        self._events.emit(TranscodeStarted(*self._of(source.id), str(source.codec), str(target.codec)))
        return lane

    def _send(self, lane: _Lane, frames: tuple[MediaFrame, ...]) -> None:
        lane.in_flight += 1
        notify(lane.worker, Transcode(frames, self.actor_ref))

    @receives(Transcoded)
    def transcoded(self, message: Transcoded) -> None:
        """Log what came out; the backlog waits for all of its tracks."""
        track = next((track for track, lane in self._lanes.items() if lane.number == message.lane), None)
        if track is None:
            return  # from before the track changed
        lane = self._lanes[track]
        lane.in_flight -= 1
        lane.made += len(message.frames)
        lane.damaged = message.damaged
        made = self._rendition.take_made(lane.source, message.frames)
        if self._backlog is not None:
            self._backlog += made
            self._no_longer_awaited(track)
            return
        for frame in made:
            self._rendition.append(frame)

    def _no_longer_awaited(self, track: int) -> None:
        self._awaited.discard(track)
        if not self._awaited:
            self._go_live()

    def _stop_lane(self, track: int) -> None:
        lane = self._lanes.pop(track)
        self.unwatch(lane.worker)
        if lane.worker.is_alive():
            lane.worker.stop(block=False)
        self._events.emit(TranscodeStopped(*self._of(track), lane.made, lane.dropped, lane.damaged))

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """A transcoder failed: sound goes on with the next frame, pictures with the next keyframe."""
        track = next((track for track, lane in self._lanes.items() if lane.worker.actor_urn == exited.urn), None)
        if track is None:
            return
        now = self.system.clock.monotonic_ns()
        again = self._failures.setdefault(track, RestartWindow(Intensity())).admit(now)
        if not again:
            self._resting[track] = now + limits.RENDITION_RETRY
        if self._lanes[track].source.kind is Kind.VIDEO:
            self._cut.add(track)
        self._stop_lane(track)
        self._events.emit(TranscodeFailed(*self._of(track), repr(exited.error), not again))
        if self._backlog is not None:
            self._no_longer_awaited(track)

    def _of(self, track: int) -> tuple[StreamKey, str, int]:
        return self._rendition.base.key, str(self._rendition.wish), track


def _same(one: Track, other: Track) -> bool:
    """Whether a decoder for one track decodes the other."""
    return one is other or (one.codec, one.configuration, one.sample_rate, one.channels) == (
        other.codec,
        other.configuration,
        other.sample_rate,
        other.channels,
    )


def _recent(frames: list[MediaFrame]) -> int | None:
    """The presentation time up to which a backlog of pictures is decoded only; None when it is short."""
    times = sorted(frame.pts for frame in frames)
    return times[-_ENCODED_OF_BACKLOG - 1] if len(times) > _ENCODED_OF_BACKLOG else None


_ENCODED_OF_BACKLOG = 4
