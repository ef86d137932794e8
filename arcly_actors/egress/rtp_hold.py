"""Sound that waits a little for the next picture, to leave in the same send to each viewer.

What the kernel does for a send costs more than to encrypt a packet, and sound comes in more sends than pictures do. So a
crowd's sound travels with the pictures where these are near: the larger the crowd, the longer it may wait.
"""

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S


class SoundHold:
    """Foresees pictures: as far apart as their times are, from when the last one came."""

    __slots__ = ("_came", "_dts", "_interval")

    def __init__(self) -> None:
        self._came = self._dts = self._interval = 0

    def picture(self, dts: int, now: int) -> None:
        """A picture came (stream and monotonic ns)."""
        self._interval = dts - self._dts
        self._dts, self._came = dts, now

    def wait(self, viewers: int, now: int) -> int:
        """How long (ns) sound that comes now may wait for the next picture; 0: none will come in that time."""
        most = min(viewers * limits.SOUND_HOLD_EACH, limits.SOUND_HOLD)
        if most < limits.SOUND_HOLD_LEAST or not 0 < self._interval < NS_PER_S:
            return 0
        return most if abs(self._came + self._interval - now) <= most else 0
