"""Decoding times for streams that tell only when a picture is shown (RTP): pictures come in decoding order."""

import heapq

from arcly_actors import limits
from arcly_actors.media.timebase import MILLISECOND, SECOND


class DecodingTimes:
    """Gives each picture of one track, in decoding order, a DTS from the PTS of all; both in nanoseconds.

    `depth` is how many pictures may be decoded before one that is shown earlier (num_reorder_frames, max_num_reorder);
    the DTS of a picture is then the smallest PTS that none of the last `depth` pictures has used. A stream that turns out
    to need more, because its headers did not say, teaches it; without reordering DTS is PTS.
    """

    def __init__(self, depth: int = 0) -> None:
        self._waiting: list[int] = []
        self._recent: list[int] = []
        self._last: int | None = None
        self.depth = min(depth, limits.RTSP_REORDER)

    def place(self, pts: int) -> int:
        """The DTS of the next picture: it rises, and is not after `pts` unless the depth has only just been learnt."""
        step = pts - max(self._recent, default=pts)
        if not -_APART <= step <= _FORWARD:
            self.restart()
        elif step > _APART:
            self._waiting.clear()
        self._learn(pts)
        heapq.heappush(self._waiting, pts)
        if len(self._waiting) > self.depth:
            while len(self._waiting) > self.depth + 1:
                heapq.heappop(self._waiting)
            dts = heapq.heappop(self._waiting)
        else:  # the first pictures: none can be told apart yet, so they are put closely before the first one shown
            dts = self._waiting[0] - (self.depth + 1 - len(self._waiting)) * _LEAD
        dts = min(dts, pts) if self._last is None else max(dts, self._last + 1)
        self._last = dts
        return dts

    def restart(self) -> None:
        """The clock started over or was set: what was before says nothing about what comes."""
        self._waiting, self._recent, self._last = [], [], None

    def _learn(self, pts: int) -> None:
        if self._recent and pts <= max(self._recent):
            overtaken = sum(shown > pts for shown in self._recent)
            self.depth = max(self.depth, min(overtaken, limits.RTSP_REORDER))
        self._recent.append(pts)
        del self._recent[: -limits.RTSP_REORDER]


_APART = SECOND
"""No reordering reaches so far: a PTS that is so far back is of a clock that started over, and one that is so far ahead
comes after a pause, in which all those before it were shown: else it would be decoded that much before its time."""

_FORWARD = 10 * SECOND
"""One that is so far ahead is no pause but a clock that was set."""

_LEAD = 10 * MILLISECOND
"""Nanoseconds between the first pictures, before which none is known: less than any frame lasts."""
