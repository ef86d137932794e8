"""Pacing: when the frames of a file are due in real time. Pure."""

from arcly_actors.clock import NS_PER_S

_JUMP_NS = 10 * NS_PER_S
"""A step of the clock beyond this is not waited for: the timeline closes such a gap, too."""


class Pacer:
    """The first frame is due at once, each other as long after it as their DTS say. Times are monotonic ns."""

    def __init__(self) -> None:
        self._offset: int | None = None
        self._newest = 0

    def due(self, dts: int, now: int) -> int:
        """When a frame with this DTS is due."""
        if self._offset is None or abs(dts - self._newest) > _JUMP_NS:
            self._offset = now - dts
            self._newest = dts
        self._newest = max(self._newest, dts)
        return dts + self._offset
