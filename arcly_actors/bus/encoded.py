"""Encode once: a stream's frames as ready-made buffers of one output format, shared by all of its viewers.

Entry *p* of an encoded feed is frame *p* of the channel's log, so a join position found in one is good in the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from arcly_actors.bus.log import LogBound, Moment, SharedLog
from arcly_actors.bus.place import Opening
from arcly_actors.media.frame import MediaFrame, Track

if TYPE_CHECKING:
    from arcly_actors.bus.fanout import Fanout


class Encoder(Protocol):
    """Makes the bytes of one output format. Pure; called once per frame, however many viewers there are."""

    def opening(self, tracks: Sequence[Track], metadata: Mapping[str, str], dts: int) -> bytes:
        """What a viewer gets first: headers, metadata and the configuration of `tracks`, before a frame at `dts` (ns)."""
        ...

    def follow(self, tracks: Sequence[Track]) -> None:
        """These tracks are in force from the next frame on."""
        ...

    def configuration(self, track: Track, dts: int) -> bytes:
        """The new configuration of a track, in the middle of the stream."""
        ...

    def frame(self, frame: MediaFrame) -> bytes:
        """One frame; empty when the format cannot carry it."""
        ...

    def ending(self) -> bytes:
        """What closes the stream in this format; empty where nothing does."""
        ...


class Logged(NamedTuple):
    """A frame in the log with the tracks that were in force at that point (a shared tuple)."""

    frame: MediaFrame
    tracks: tuple[Track, ...]


class EncodedFeed:
    """The shared log of one format's buffers. `users` counts who holds it; the channel forgets it at zero."""

    def __init__(
        self, encoder: Encoder, frames: SharedLog[Logged], bound: LogBound, released: Callable[[], None]
    ) -> None:
        self.encoder = encoder
        self.users = 0
        self.encoded = 0
        self.failed: Exception | None = None
        self.fanout: Fanout | None = None
        self.on_appended: Callable[[], None] | None = None
        self._frames = frames
        self._released = released
        self._log: SharedLog[bytes] = SharedLog(bound)
        self._first = frames.tail
        self._tracks: tuple[Track, ...] = ()
        self._joined: dict[tuple[int, int], bytes] = {}
        for position in range(frames.tail, frames.head):
            self.take(frames[position], frames.moment(position).at)

    @property
    def head(self) -> int:
        """The position after the newest entry."""
        return self._first + self._log.head

    @property
    def tail(self) -> int:
        """The oldest position still here. An entry without its frame is of no use: its tracks are not known."""
        return max(self._first + self._log.tail, self._frames.tail)

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._log.size

    def take(self, logged: Logged, at: int) -> None:
        """Encode the frame that was just appended to the channel's log. An encoder that raises ends this feed only."""
        if self.failed is None:
            try:
                self._encode(logged, at)
            except Exception as error:  # noqa: BLE001 - one format's defect must not reach the publisher or other formats
                self.failed = error
            if self.on_appended is not None:
                self.on_appended()

    def opening(self, position: int, metadata: Mapping[str, str], make: Opening | None = None) -> bytes:
        """What a viewer that starts at `position` gets before that entry; `make` stands in for the format's own."""
        logged = self._frames[position]
        return (make or self.encoder.opening)(logged.tracks, metadata, logged.frame.dts)

    def configurations(self, position: int) -> bytes:
        """The configurations in force at `position`: what a viewer needs that skipped there."""
        logged = self._frames[position]
        return b"".join(self.encoder.configuration(track, logged.frame.dts) for track in logged.tracks)

    def joined(self, start: int, end: int) -> bytes:
        """Entries `start` … `end` - 1 as one buffer, made once for all viewers that stand at the same place."""
        if end - start == 1:
            return self._log[start - self._first]
        key = (start, end)
        data = self._joined.get(key)
        if data is None:
            data = b"".join(self._log.slice(start - self._first, end - self._first))
            if len(self._joined) >= _JOINED_KEPT:
                del self._joined[next(iter(self._joined))]
            self._joined[key] = data
        return data

    def reach(self, start: int, size: int) -> int:
        """The position up to which entries from `start` on fit into `size` bytes; at least one entry."""
        total = 0
        for position in range(start, self.head):
            total += len(self._log[position - self._first])
            if total > size:
                return max(position, start + 1)
        return self.head

    def moment(self, position: int) -> Moment:
        """The DTS of the entry at `position`, and when it came (ns)."""
        return self._log.moment(position - self._first)

    def release(self) -> None:
        """Give the feed back; the last user's release ends it."""
        self.users -= 1
        if self.users == 0:
            self._released()

    def _encode(self, logged: Logged, at: int) -> None:
        frame = logged.frame
        changed: list[Track] = []
        if logged.tracks is not self._tracks:
            changed = [track for track in logged.tracks if track not in self._tracks] if self._tracks else []
            self._tracks = logged.tracks
            self.encoder.follow(logged.tracks)
        data = self.encoder.frame(frame)
        if changed:
            data = b"".join([*(self.encoder.configuration(track, frame.dts) for track in changed), data])
        self._log.append(data, dts=frame.dts, size=len(data), at=at)
        self.encoded += 1


_JOINED_KEPT = 4
"""Joined buffers kept for the next viewer: those of the cohort being flushed, and of a few joiners."""
