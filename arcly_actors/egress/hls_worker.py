"""The worker that muxes one stream's segments on a thread of its own."""

from dataclasses import dataclass
from typing import Any

import pykka

from arcly_actors.egress.hls_muxer import SegmentMuxer
from arcly_actors.egress.hls_policy import Container
from arcly_actors.egress.hls_segmenter import Segment
from arcly_actors.egress.hls_shelf import Shelved
from arcly_actors.media.codec import Kind
from arcly_actors.runtime import System, WorkerActor, receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class MuxSegment:
    """Mux this one; `SegmentMuxed` is told to `reply_to`."""

    segment: Segment
    reply_to: "pykka.ActorRef[Any]"


@dataclass(frozen=True, slots=True)
class SegmentMuxed:
    """A segment with the initialisation segment of its epoch (empty for MPEG-TS)."""

    shelved: Shelved
    init: bytes


class MuxWorker(WorkerActor):
    """Keeps the muxer of the present epoch. A segment that cannot be muxed is the end of it: its owner starts another."""

    def __init__(self, system: System, container: Container) -> None:
        super().__init__(system)
        self._container = container
        self._epoch = -1
        self._muxer: SegmentMuxer | None = None

    def on_stop(self) -> None:
        """Free FFmpeg's side."""
        self._close()

    def on_failure(self, *_: object) -> None:
        """Free FFmpeg's side."""
        self._close()

    @receives(MuxSegment)
    def mux(self, message: MuxSegment) -> None:
        """Mux one segment; a segment of another epoch gets a new muxer."""
        segment = message.segment
        if self._muxer is None or segment.epoch != self._epoch:
            self._close()
            self._muxer, self._epoch = SegmentMuxer(self._container, segment.tracks), segment.epoch
        data = self._muxer.mux(segment.frames, segment.number)
        shelved = Shelved(
            number=segment.number,
            epoch=segment.epoch,
            discontinuity=segment.discontinuity,
            tracks=segment.tracks,
            duration_ns=segment.duration_ns,
            wall_ns=segment.wall_ns,
            pictures=sum(frame.track.kind is Kind.VIDEO for frame in segment.frames),
            data=data,
        )
        notify(message.reply_to, SegmentMuxed(shelved, self._muxer.init))

    def _close(self) -> None:
        muxer, self._muxer = self._muxer, None
        if muxer is not None:
            muxer.close()
