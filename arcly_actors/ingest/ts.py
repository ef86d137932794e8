"""The publisher of one programme of a transport stream, however that came."""

from collections import deque
from dataclasses import dataclass
from typing import ClassVar

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import PacketsMissing, StreamScrambled
from arcly_actors.bus.messages import Ref
from arcly_actors.ingest.publisher import Granted, Publisher, Publishing
from arcly_actors.ingest.track_gathering import TracksGathered
from arcly_actors.ingest.ts_source import TsItem
from arcly_actors.media.frame import MediaFrame
from arcly_actors.media.mpegts.events import ContinuityLost, Scrambled
from arcly_actors.runtime import System, receives


@dataclass(frozen=True, slots=True)
class TsItems:
    """To a `TsPublisher`: what its programme is and brings, in order."""

    items: tuple[TsItem, ...]


@dataclass(frozen=True, slots=True)
class _Report:
    """Tell what went missing since the last time."""


class TsPublisher(Publisher):
    """See the module. What comes before its slot is granted waits for it, up to `limits.EARLY_FRAMES`."""

    media_types: ClassVar[tuple[type, ...]] = (TsItems,)

    def __init__(self, system: System, bus: Bus, publishing: Publishing, owner: Ref | None) -> None:
        super().__init__(system, bus, publishing, owner)
        self._early: deque[MediaFrame] | None = deque()
        self._missing = 0
        self._reporting = False

    @receives(TsItems)
    def items(self, message: TsItems) -> None:
        """Announce and push; lost packets are told to the stream, which may ask for a keyframe, and in events."""
        for item in message.items:
            if isinstance(item, MediaFrame):
                self._take(item)
            elif isinstance(item, TracksGathered):
                self.announce(item.tracks)
            elif isinstance(item, ContinuityLost):
                self.lost_references()
                self._missing += 1
                if not self._reporting:
                    self._report()
            elif isinstance(item, Scrambled):
                self._bus.events.emit(StreamScrambled(self._publishing.key, self._publishing.peer, item.pid))

    @receives(Granted)
    def granted(self, granted: Granted) -> None:
        """The slot is ours (again): what waited goes first."""
        super().granted(granted)
        early, self._early = self._early, None
        for frame in early or ():
            self.push(frame)

    @receives(_Report)
    def report(self, _: _Report) -> None:
        """See `_Report`."""
        self._reporting = False
        if self._missing:
            self._report()

    def _take(self, frame: MediaFrame) -> None:
        if self._early is None:
            self.push(frame)
        elif len(self._early) < limits.EARLY_FRAMES:
            self._early.append(frame)
        else:
            self.dropped_frames += 1

    def _report(self) -> None:
        missing, self._missing, self._reporting = self._missing, 0, True
        self._bus.events.emit(PacketsMissing(self._publishing.key, self._publishing.peer, missing))
        self.after(limits.TS_DAMAGE_REPORT, _Report())
