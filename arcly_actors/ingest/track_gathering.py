"""Waiting until a sender's tracks are known: what is announced at first is what viewers negotiate."""

from collections.abc import Sequence
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame, Track


@dataclass(frozen=True, slots=True)
class TracksGathered:
    """The tracks from here on."""

    tracks: tuple[Track, ...]


class TrackGathering:
    """Holds frames back until each of the expected `sources` has sent one, for `limits.TRACKS_GATHERING` at most.

    Video has a configuration only from its first keyframe on, and players cannot be told of a track later. A source that
    comes after all, and a track that changes, is told when it does.
    """

    def __init__(self, sources: int) -> None:
        self._sources = sources
        self._tracks: dict[int, Track] = {}
        self._told: tuple[Track, ...] = ()
        self._held: list[MediaFrame] = []
        self._since: int | None = None
        self._open = False

    def add(self, frames: Sequence[MediaFrame], now: int) -> list[TracksGathered | MediaFrame]:
        """Frames that came at `now` (monotonic ns), and what is to be passed on."""
        if self._since is None:
            self._since = now
        passed: list[TracksGathered | MediaFrame] = []
        for frame in frames:
            if self._tracks.get(frame.track.id) is not frame.track:
                if self._open:
                    self._tracks[frame.track.id] = frame.track
                    passed += self._tell()
                self._tracks[frame.track.id] = frame.track
            if self._open:
                passed.append(frame)
            else:
                self._held.append(frame)
        return [*self.wake(now), *passed]

    def wake(self, now: int) -> list[TracksGathered | MediaFrame]:
        """Time went by."""
        if self._open or self._since is None:
            return []
        late = now - self._since >= limits.TRACKS_GATHERING or len(self._held) >= limits.RTP_LANE
        if len(self._tracks) < self._sources and not late:
            return []
        self._open = True
        held, self._held = self._held, []
        return [*self._tell(), *held]

    def _tell(self) -> list[TracksGathered | MediaFrame]:
        """Video first, as people and formats expect it."""
        tracks = tuple(sorted(self._tracks.values(), key=lambda track: (track.kind is not Kind.VIDEO, track.id)))
        if tracks == self._told:
            return []
        self._told = tracks
        return [TracksGathered(tracks)]
