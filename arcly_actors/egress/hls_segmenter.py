"""Frames into segments: where each begins and ends, and where the playlist has to mark a discontinuity. Pure.

A segment begins at a keyframe of the leading track (the first video track; without one, any audio frame) and ends at the
first such frame at or after the target duration, so a GOP longer than the target is one segment. An *epoch* is a run of
segments that one initialisation segment and one continuous timeline are good for; it ends at a seam of the timeline and
when the tracks change. What cannot be placed (frames before a keyframe, codecs that the container lacks) is counted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track

_DRIFT_NS = NS_PER_S
"""How far the wall clock of capture may stray from the timeline before EXT-X-PROGRAM-DATE-TIME follows it anew."""


@dataclass(frozen=True, slots=True)
class SegmentRule:
    """When to cut (nanoseconds, payload bytes), and which codecs the container carries."""

    target_ns: int
    longest_ns: int
    largest: int
    codecs: frozenset[CodecId]

    @property
    def due_ns(self) -> int:
        """The age at which a keyframe ends a segment: a little early, since clocks of milliseconds round a GOP down."""
        return self.target_ns - min(self.target_ns // 10, 100 * NS_PER_MS)


@dataclass(frozen=True, slots=True)
class Segment:
    """The frames of one segment, not muxed yet.

    `epoch` is the number of the first segment of its epoch; a `discontinuity` stands before it in the playlist.
    `start_ns` is its first leading PTS on the stream's timeline, `wall_ns` the wall time of that frame (0: unknown).
    """

    number: int
    epoch: int
    discontinuity: bool
    tracks: tuple[Track, ...]
    frames: tuple[MediaFrame, ...]
    start_ns: int
    duration_ns: int
    wall_ns: int


@dataclass(slots=True)
class _Open:
    """The segment that is being filled."""

    discontinuity: bool
    first: MediaFrame
    wall_ns: int
    frames: list[MediaFrame] = field(default_factory=list)
    size: int = 0


class Segmenter:
    """Cuts one stream. `first_number` numbers the first segment; `wall_offset_ns` turns arrival into wall time."""

    def __init__(self, rule: SegmentRule, *, first_number: int = 0, wall_offset_ns: int = 0) -> None:
        self._rule = rule
        self._number = first_number
        self._wall_offset_ns = wall_offset_ns
        self._announced: Sequence[Track] | None = None
        self._chosen: dict[int, Track] = {}
        self._leader = -1
        self._epoch: int | None = None
        self._carried: dict[int, Track] = {}
        self._seen: set[int] = set()
        self._seam = False
        self._wall_anchor: int | None = None
        self._open: _Open | None = None
        self.open_ns = 0
        self.dropped: Counter[str] = Counter()

    @property
    def filling(self) -> int | None:
        """The number of the segment that is open; None while there is none."""
        return self._number if self._open is not None else None

    def push(self, frame: MediaFrame, tracks: Sequence[Track]) -> Segment | None:
        """Take the next frame, with the tracks in force at it; returns the segment that it closes, if any."""
        if tracks is not self._announced:
            self._choose(tracks)
        track = frame.track
        known = self._chosen.get(track.id)
        if known is None:
            self.dropped["not carried"] += 1
            return None
        if known is not track and not _interchangeable(known, track):
            self._chosen[track.id] = track
        starts = frame.keyframe and track.id == self._leader
        closed = self.seam(frame if starts else None) if self._breaks(frame) else None
        if self._open is None and starts:
            self._begin(frame)
        elif self._open is not None and starts and self._cuts(frame):
            closed = self._close(frame)
            self._begin(frame)
        elif self._open is not None and self._overgrown(frame):
            self.dropped["segment outgrew its bound"] += 1
            return self.seam()
        if self._open is None or track.id not in self._carried:
            self.dropped["before a keyframe"] += 1
        else:
            self._take(self._open, frame)
        return closed

    def seam(self, at: MediaFrame | None = None) -> Segment | None:
        """Close the open segment (returned) before frame `at`; the next one waits for a keyframe in a new epoch."""
        closed = self._close(at)
        self._seam = True
        return closed

    def renew(self) -> None:
        """Start a new epoch with the segment that is open now: what came before it was lost."""
        self._seam = True
        if self._open is not None:
            self._enter_epoch()
            self._open.discontinuity = True

    def _choose(self, tracks: Sequence[Track]) -> None:
        """One video and one audio track at most: players choose nothing inside a muxed segment."""
        self._announced = tracks
        carried = [track for track in tracks if track.codec in self._rule.codecs]
        chosen = [next((t for t in carried if t.kind is kind), None) for kind in (Kind.VIDEO, Kind.AUDIO)]
        fresh = [track for track in chosen if track is not None]
        self._chosen = {
            track.id: held if (held := self._chosen.get(track.id)) and _interchangeable(held, track) else track
            for track in fresh
        }
        self._leader = fresh[0].id if fresh else -1

    def _breaks(self, frame: MediaFrame) -> bool:
        """Whether the frame cannot be in the open epoch: its track changed, or goes on at another place."""
        carried = self._carried.get(frame.track.id)
        if self._open is None or carried is None:
            return False
        if carried is not frame.track and not _interchangeable(carried, frame.track):
            return True
        return frame.discontinuity and frame.track.id in self._seen

    def _cuts(self, frame: MediaFrame) -> bool:
        opened = self._open
        assert opened is not None
        return frame.pts - opened.first.pts >= self._rule.due_ns or self._tracks_changed()

    def _tracks_changed(self) -> bool:
        return list(self._carried) != list(self._chosen) or not all(
            _interchangeable(self._carried[key], track) for key, track in self._chosen.items()
        )

    def _overgrown(self, frame: MediaFrame) -> bool:
        opened = self._open
        assert opened is not None
        return (
            frame.dts - opened.first.dts > self._rule.longest_ns or opened.size + len(frame.payload) > self._rule.largest
        )

    def _begin(self, frame: MediaFrame) -> None:
        discontinuity = False
        if self._seam or self._epoch is None or self._tracks_changed():
            discontinuity = self._epoch is not None
            self._enter_epoch()
        self._open = _Open(discontinuity, frame, self._wall(frame))

    def _enter_epoch(self) -> None:
        self._epoch = self._number
        self._carried = dict(self._chosen)
        self._seen.clear()
        self._seam = False
        self._wall_anchor = None

    def _take(self, opened: _Open, frame: MediaFrame) -> None:
        opened.frames.append(frame)
        opened.size += len(frame.payload)
        self._seen.add(frame.track.id)
        self.open_ns = max(self.open_ns, frame.dts - opened.first.dts)

    def _close(self, until: MediaFrame | None) -> Segment | None:
        opened, self._open, self.open_ns = self._open, None, 0
        if opened is None or self._epoch is None:
            return None
        start = opened.first.pts
        end = until.pts if until is not None and not until.discontinuity else 0
        if end <= start:
            end = _end(opened.frames, opened.first.track)
        number, self._number = self._number, self._number + 1
        return Segment(
            number=number,
            epoch=self._epoch,
            discontinuity=opened.discontinuity,
            tracks=tuple(self._carried.values()),
            frames=tuple(opened.frames),
            start_ns=start,
            duration_ns=end - start,
            wall_ns=opened.wall_ns,
        )

    def _wall(self, frame: MediaFrame) -> int:
        """Wall time along the timeline, so that it does not carry the jitter of arrivals."""
        wall = frame.captured or (frame.arrival + self._wall_offset_ns if frame.arrival else 0)
        if not wall:
            return 0
        if self._wall_anchor is None or abs(self._wall_anchor + frame.pts - wall) > _DRIFT_NS:
            self._wall_anchor = wall - frame.pts
        return self._wall_anchor + frame.pts


def _interchangeable(one: Track, other: Track) -> bool:
    """Whether a decoder set up for one track can go on with the other."""
    return (one.codec, one.configuration, one.width, one.height, one.sample_rate, one.channels) == (
        other.codec,
        other.configuration,
        other.width,
        other.height,
        other.sample_rate,
        other.channels,
    )


def _end(frames: Sequence[MediaFrame], leader: Track) -> int:
    """Where the last picture (or sound) of the leading track ends: its PTS and the usual distance of two frames."""
    led = [frame for frame in frames if frame.track.id == leader.id]
    newest = max(frame.pts for frame in led)
    if len(led) > 1:
        return newest + max(1, (led[-1].dts - led[0].dts) // (len(led) - 1))
    return newest + int(NS_PER_S / (leader.frame_rate or 25.0))
