"""The worker that transcodes one track of a rendition, on a thread of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pykka

from arcly_actors.media.frame import MediaFrame
from arcly_actors.runtime import System, WorkerActor, receives
from arcly_actors.runtime.notify import notify


class Transcoder(Protocol):
    """Makes the frames of one track out of those of another; blocks. It is made in the worker's thread."""

    damaged: int

    def transcode(self, frame: MediaFrame) -> list[MediaFrame]:
        """Take the next frame; what is ready after it."""
        ...


@dataclass(frozen=True, slots=True)
class Transcode:
    """Transcode these, in order; `Transcoded` is told to `reply_to`, once, also when nothing is ready."""

    frames: tuple[MediaFrame, ...]
    reply_to: "pykka.ActorRef[Any]"


@dataclass(frozen=True, slots=True)
class Transcoded:
    """The answer to one `Transcode`. `damaged` counts the packets so far that did not decode."""

    lane: int
    frames: tuple[MediaFrame, ...]
    damaged: int


class TranscodeWorker(WorkerActor):
    """Runs one transcoder for the lane of this number. An error in it is its end; its owner starts another.

    Its inbox has no media lane: one that dropped pictures would hand on broken references. What may wait is counted by
    the owner (`limits.TRANSCODE_IN_FLIGHT`), which knows where it can go on.
    """

    def __init__(self, system: System, lane: int, make: Callable[[], Transcoder]) -> None:
        super().__init__(system)
        self._lane = lane
        self._make = make
        self._transcoder: Transcoder | None = None

    @receives(Transcode)
    def transcode(self, message: Transcode) -> None:
        """Do it."""
        if self._transcoder is None:
            self._transcoder = self._make()
        made = [out for frame in message.frames for out in self._transcoder.transcode(frame)]
        notify(message.reply_to, Transcoded(self._lane, tuple(made), self._transcoder.damaged))
