"""Spreading bursts: a keyframe of 200 kB sent at once overruns the buffers on the way to a player.

One pacer serves one outgoing stream, so its cost is not per viewer. It is pure: times in, times out.
"""

from collections import deque
from collections.abc import Sequence

from arcly_actors import limits
from arcly_actors.media.timebase import MILLISECOND, SECOND

_SLICE = 5 * MILLISECOND


class Pacer:
    """Lets `burst` bytes go at once and what is more at `rate` bits per second, yet none later than `delay` nanoseconds.

    Packets leave in slices of 5 ms, so that segmentation offload still has several to send together. The bound in time
    is also the bound of the memory: what is over due all leaves at once.
    """

    def __init__(self, rate: int, burst: int = limits.PACER_BURST, delay: int = limits.PACER_DELAY) -> None:
        self.rate = rate
        self._burst = burst
        self._delay = delay
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._queued = 0
        self._allowance = burst
        self._at: int | None = None

    def push(self, packets: Sequence[bytes], now: int) -> list[bytes]:
        """The packets of a frame; returned are those that leave now, in order with those of before."""
        deadline = now + self._delay
        self._waiting.extend((deadline, packet) for packet in packets)
        self._queued += sum(map(len, packets))
        return self.pop(now)

    def pop(self, now: int) -> list[bytes]:
        """The packets that leave now."""
        self._refill(now)
        leaving: list[bytes] = []
        while self._waiting and (self._allowance > 0 or self._waiting[0][0] <= now):
            packet = self._waiting.popleft()[1]
            leaving.append(packet)
            self._allowance -= len(packet)
            self._queued -= len(packet)
        if not self._waiting:
            self._allowance = max(self._allowance, 0)
        return leaving

    @property
    def wake_at(self) -> int | None:
        """When `pop` is due; None while nothing waits."""
        if not self._waiting or self._at is None:
            return None
        return min(self._at + _SLICE, self._waiting[0][0])

    def _refill(self, now: int) -> None:
        before = now if self._at is None else self._at
        elapsed, self._at = now - before, now
        speed = self.rate
        if self._waiting:  # what waits must be gone in time, whatever the rate is
            left = max(self._waiting[-1][0] - before, _SLICE)
            speed = max(speed, self._queued * 8 * SECOND // left)
        self._allowance = min(self._burst, self._allowance + elapsed * speed // (8 * SECOND))
