"""The watchdog of a source: what has to come, and how soon. Pure; times are monotonic ns."""

from collections.abc import Sequence

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame, Track


class Watchdog:
    """Wants tracks within `limits.SOURCE_OPEN` of the dial, and from then on a frame every `stall_ns`.

    If there is video, it wants a picture as often; only those from the first keyframe on can be decoded, and count.
    """

    def __init__(self, stall_ns: int) -> None:
        self._stall = stall_ns
        self._dialled = 0
        self._connected = False
        self._has_video = False
        self._frame = 0
        self._picture = 0
        self._keyframe: int | None = None

    def begin(self, now: int) -> None:
        """A try begins."""
        self._dialled, self._connected, self._keyframe = now, False, None

    def connected(self, tracks: Sequence[Track], now: int) -> None:
        """The tracks are known, or have changed."""
        has_video = any(track.kind is Kind.VIDEO for track in tracks)
        if not self._connected:
            self._connected = True
            self._frame = self._picture = now
        elif has_video and not self._has_video:
            self._picture = now
        self._has_video = has_video

    def saw(self, frame: MediaFrame, now: int) -> None:
        """A frame came."""
        self._frame = now
        if frame.track.kind is Kind.VIDEO:
            if frame.keyframe:
                self._keyframe = now
            if self._keyframe is not None:
                self._picture = now  # one that can be decoded

    def due(self, now: int) -> int:
        """When there may be trouble at the soonest."""
        if not self._connected:
            return self._dialled + limits.SOURCE_OPEN
        return max(now, min(self._frame, self._picture if self._has_video else now) + self._stall)

    def trouble(self, now: int) -> str | None:
        """What has not come in time; None while all is well."""
        if not self._connected:
            return _late("no answer", limits.SOURCE_OPEN) if now - self._dialled >= limits.SOURCE_OPEN else None
        if now - self._frame >= self._stall:
            return _late("nothing came", self._stall)
        if self._has_video and now - self._picture >= self._stall:
            return _late("no keyframe" if self._keyframe is None else "no picture", self._stall)
        return None


def _late(what: str, ns: int) -> str:
    return f"{what} for {ns / NS_PER_S:g} s"
