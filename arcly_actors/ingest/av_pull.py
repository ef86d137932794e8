"""Any URL that FFmpeg can read, as a pull: a worker reads in its thread, an actor paces what has an end and passes it on.

A native call can hang for good (a name server that does not answer, a driver). Then the pull is stopped like any other,
its worker is left behind, and what that may still say goes nowhere. `AvPulls` counts such workers and bounds them.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.events import Events, WorkerAbandoned
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.ingest.av_input import AvInput
from arcly_actors.ingest.av_worker import AvWorker, Opened, OpenInput, PacketRead, Read, ReadOver, Recall
from arcly_actors.ingest.pacing import Pacer
from arcly_actors.ingest.played_pull import MayRead, may_read
from arcly_actors.ingest.publisher import KeyframeNeeded
from arcly_actors.ingest.pull import PullEnded, PullFailed, PullFrames, PullRequest, PullTracks
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime import Exited, LoopActor, System, Timer, receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class _FrameDue:
    """The next frame's time has come."""


class AvPull(LoopActor):
    """See the module."""

    def __init__(
        self,
        system: System,
        request: PullRequest,
        owner: Ref,
        open_input: OpenInput = AvInput,
        keep: Callable[[Ref], None] | None = None,
    ) -> None:
        super().__init__(system)
        self._request = request
        self._owner = owner
        self._recall = Recall()
        self._pacer: Pacer | None = None
        self._metadata: dict[str, str] = {}
        self._tracks: tuple[Track, ...] = ()
        self._early: list[MediaFrame] = []
        self._due: deque[PacketRead] = deque()
        self._timer: Timer | None = None
        self._over: ReadOver | None = None
        self._used = 0  # packets passed on since more were asked for
        self.dropped_frames = 0
        self._worker = AvWorker.start(system, request, self.actor_ref, self._recall, open_input)
        if keep is not None:
            keep(self._worker)

    def on_start(self) -> None:
        """Ask whether to begin."""
        self.watch(self._worker)
        self.spawn(may_read(self.system, self._request), then=MayRead)

    @receives(MayRead)
    def begun(self, begun: MayRead) -> None:
        """Have the worker open the input and read a first window of packets."""
        if begun.failed is not None:
            notify(self._owner, begun.failed)
            self.stop_self("refused")
            return
        notify(self._worker, Read(limits.FFMPEG_PACKETS))

    def on_stop(self) -> None:
        """Let the worker go."""
        self._leave_worker()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._leave_worker()

    def _leave_worker(self) -> None:
        self._recall.recalled = True
        self._worker.stop(block=False)

    @receives(Opened)
    def opened(self, opened: Opened) -> None:
        """Slow it down if it has to be."""
        self._metadata = opened.metadata
        self._pacer = Pacer() if opened.paced else None

    @receives(PacketRead)
    def packet(self, packet: PacketRead) -> None:
        """Pass it on, now or when it is due."""
        if self._pacer is None:
            self._pass(packet)
            return
        self._due.append(packet)
        if self._timer is None:
            self._pass_due()

    @receives(_FrameDue)
    def frame_due(self, _: _FrameDue) -> None:
        """Pass on what is due by now."""
        self._timer = None
        self._pass_due()

    def _pass_due(self) -> None:
        now = self.system.clock.monotonic_ns()
        while self._due and self._pacer is not None:
            frame = self._due[0].frame
            due = now if frame is None else self._pacer.due(frame.dts, now)
            if due > now:
                self._timer = self.after(due - now, _FrameDue())
                return
            self._pass(self._due.popleft())
        if self._over is not None:
            self._finish(self._over)

    def _pass(self, packet: PacketRead) -> None:
        if packet.tracks is not None and packet.tracks != self._tracks:
            self._tracks = packet.tracks
            self._say(PullTracks(packet.tracks, self._metadata))
            early, self._early = self._early, []
            known = {track.id for track in packet.tracks}
            self._tell(tuple(frame for frame in early if frame.track.id in known))
        if packet.frame is not None:
            if self._tracks:
                self._tell((packet.frame,))
            elif len(self._early) < limits.EARLY_FRAMES:
                self._early.append(packet.frame)  # another track's configuration is waited for
            else:
                self.dropped_frames += 1
        self._used += 1
        if self._used >= limits.FFMPEG_PACKETS // 2:
            notify(self._worker, Read(self._used))
            self._used = 0

    def _tell(self, frames: tuple[MediaFrame, ...]) -> None:
        if frames:
            self._say(PullFrames(frames))

    def _say(self, message: PullTracks | PullFrames | PullFailed | PullEnded) -> None:
        self.system.seams.read(self._request.remote, message)
        notify(self._owner, message)

    @receives(ReadOver)
    def read_over(self, over: ReadOver) -> None:
        """The end, once what was read before it is passed on."""
        self._over = over
        if not self._due:
            self._finish(over)

    def _finish(self, over: ReadOver) -> None:
        error = over.error
        if error is not None:
            self._say(PullFailed(str(error), error.timed_out))
        elif self._pacer is not None:
            self._say(PullEnded("it came to its end"))
        else:
            self._say(PullFailed("the server ended it"))
        self.stop_self("over")

    @receives(Exited)
    def worker_failed(self, exited: Exited) -> None:
        """The worker never ends first, unless it has a defect: the try failed."""
        if exited.error is not None:
            raise exited.error

    @receives(KeyframeNeeded)
    def keyframe_needed(self, _: KeyframeNeeded) -> None:
        """FFmpeg's clients have no way to ask for one."""


class AvPulls:
    """The factory of these pulls (`PullFactory`), which remembers their workers until they end."""

    def __init__(self, events: Events, open_input: OpenInput = AvInput) -> None:
        self._events = events
        self._open_input = open_input
        self._left: dict[StreamKey, list[Ref]] = {}
        self._known: set[str] = set()  # URNs of those that were told of
        self.abandoned = 0  # workers that still hung when their successor was wanted, so far

    def __call__(self, system: System, request: PullRequest, owner: Ref) -> Ref:
        """Start a pull, though workers of this source still hang, unless `limits.HUNG_WORKERS` do."""
        hanging = [worker for worker in self._left.pop(request.key, ()) if worker.is_alive()]
        new = {worker.actor_urn for worker in hanging} - self._known
        if new:
            self._known |= new
            self.abandoned += len(new)
            self._events.emit(WorkerAbandoned(request.key, str(request.url), len(hanging)))
        left = self._left[request.key] = hanging
        if len(hanging) >= limits.HUNG_WORKERS:
            return _Refuser.start(system, owner, f"{len(hanging)} of its workers hang in FFmpeg: none is added")
        return AvPull.start(system, request, owner, self._open_input, left.append)


class _Refuser(LoopActor):
    """Stands in for a pull that is not even tried."""

    def __init__(self, system: System, owner: Ref, detail: str) -> None:
        super().__init__(system)
        self._owner = owner
        self._detail = detail

    def on_start(self) -> None:
        """Say why."""
        notify(self._owner, PullFailed(self._detail))
        self.stop_self(self._detail)
