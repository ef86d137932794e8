"""`TimerHeap`: timers by their times, those of one time in the order in which they were set.

A cancelled one stays where it is until it is the first, or until cancelled ones are more than half of many.
"""

import asyncio
import heapq
import itertools
from typing import Generic, TypeVar

H = TypeVar("H", bound=asyncio.TimerHandle)

_MANY = 100
"""So many cancelled timers may stay whatever else is there."""


class TimerHeap(list[tuple[int, int, H]], Generic[H]):
    """See the module. Entries begin with the time (monotonic ns); `heap[0][0]` is the first, cancelled or not."""

    __slots__ = ("_cancelled", "_order")

    def __init__(self) -> None:
        super().__init__()
        self._order = itertools.count()
        self._cancelled = 0

    def push(self, due: int, timer: H) -> None:
        """Add one."""
        timer._scheduled = True  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio's own word for: in the heap
        heapq.heappush(self, (due, next(self._order), timer))

    def take(self) -> H:
        """Remove the first; it may be cancelled. IndexError when there is none."""
        timer = heapq.heappop(self)[2]
        timer._scheduled = False  # type: ignore[attr-defined]  # noqa: SLF001 - see `push`
        self._cancelled -= timer.cancelled()
        return timer

    def skip_cancelled(self) -> None:
        """Have the first one be one that is still to fire."""
        while self and self[0][2].cancelled():
            self.take()

    def cancelled(self, timer: asyncio.TimerHandle) -> None:
        """This one is about to be; asyncio tells its loop of it."""
        if not (self and timer._scheduled):  # type: ignore[attr-defined]  # noqa: SLF001 - see `push`
            return
        self._cancelled += 1
        if self._cancelled > _MANY and 2 * self._cancelled > len(self):
            self[:] = [entry for entry in self if not (entry[2].cancelled() or entry[2] is timer)]
            heapq.heapify(self)
            self._cancelled = 0
