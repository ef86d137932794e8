"""The thread in which FFmpeg reads for one pull."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from arcly_actors.bus.messages import Ref
from arcly_actors.clock import Clock
from arcly_actors.ingest.av_input import AvFailed, AvInput
from arcly_actors.ingest.pull import PullRequest
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime import System, WorkerActor, receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class Read:
    """Read so many packets (the first: open the input before). Each is told as it comes."""

    packets: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The input is open; `paced`: its frames have to be slowed down to real time."""

    paced: bool
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True)
class PacketRead:
    """One packet was read: its frame, if it is one, and the tracks when they have changed."""

    frame: MediaFrame | None
    tracks: tuple[Track, ...] | None = None


@dataclass(frozen=True, slots=True)
class ReadOver:
    """Nothing follows: it failed with `error`, or came to its end (None)."""

    error: AvFailed | None


@dataclass(eq=False, slots=True)
class Recall:
    """Set by the pull that does not want anything more; looked at by the worker between two packets."""

    recalled: bool = False


OpenInput: TypeAlias = Callable[[PullRequest, Clock], AvInput]


class AvWorker(WorkerActor):
    """Reads one input for `reader`. `open_input` is `AvInput`, or what stands in for it in a test."""

    def __init__(self, system: System, request: PullRequest, reader: Ref, recall: Recall, open_input: OpenInput) -> None:
        super().__init__(system)
        self._request = request
        self._reader = reader
        self._recall = recall
        self._open_input = open_input
        self._input: AvInput | None = None
        self._frames: Iterator[MediaFrame | None] | None = None
        self._told: tuple[Track, ...] = ()

    def on_stop(self) -> None:
        """Free FFmpeg's side."""
        self._close()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._close()

    @receives(Read)
    def read(self, read: Read) -> None:
        """Read on. What it has to say to a pull that is gone is lost with it."""
        try:
            frames = self._frames or self._open()
            for _ in range(read.packets):
                try:
                    frame = next(frames)
                except StopIteration:
                    notify(self._reader, ReadOver(None))
                    return
                if self._recall.recalled:
                    return
                notify(self._reader, self._packet(frame))
        except AvFailed as failed:
            notify(self._reader, ReadOver(failed))

    def _open(self) -> Iterator[MediaFrame | None]:
        self._input = self._open_input(self._request, self.system.clock)
        self._frames = self._input.frames()
        notify(self._reader, Opened(self._input.paced, self._input.metadata))
        return self._frames

    def _packet(self, frame: MediaFrame | None) -> PacketRead:
        tracks = self._input.tracks if self._input is not None else ()
        if len(tracks) == len(self._told) and all(new is old for new, old in zip(tracks, self._told, strict=True)):
            return PacketRead(frame)
        self._told = tracks
        return PacketRead(frame, tracks)

    def _close(self) -> None:
        taken, self._input, self._frames = self._input, None, None
        if taken is not None:
            taken.close()
