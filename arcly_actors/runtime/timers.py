"""`Timers`: what an engine does later, by the time for which it was asked for, one after the other.

Two timers fire in the order of their times, however late the machine is. A loop's own do not: uvloop counts in
milliseconds from the beginning of a turn. While a tape records, what came last has some turns of the loop before timers
have theirs, and to each of them the engine's clock shows its own time: so it is in a replay, where nothing takes any
time. An input that comes before a timer which is due already is `late` by as much; its replay does the two in that order.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVarTuple

from arcly_actors.clock import NS_PER_MS, NS_PER_S, SteppedClock
from arcly_actors.runtime.run_queue import RunQueue
from arcly_actors.runtime.timer_heap import TimerHeap
from arcly_actors.runtime.turns import FEW, Turns

_Arguments = TypeVarTuple("_Arguments")

_ROUNDED = NS_PER_MS // 2
"""So much more is waited for: uvloop rounds to the nearest ms, and who wakes up too early has to do so twice."""


class Later(Protocol):
    """What sets timers: `Timers`, or a virtual loop itself."""

    def call_later(
        self, delay: float, callback: Callable[[*_Arguments], object], *args: *_Arguments
    ) -> asyncio.TimerHandle:
        """Call it in `delay` seconds, unless the handle is cancelled before."""
        ...


class Timers:
    """See the module. `turns` are those of the tapes that record at present, None when there is none."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: SteppedClock, queue: RunQueue) -> None:
        self._loop = loop
        self._clock = clock
        self._now = clock.monotonic_ns
        self._queue = queue
        self._heap: TimerHeap[asyncio.TimerHandle] = TimerHeap()
        self._timer_handle_cancelled = self._heap.cancelled  # asyncio's word from a timer that somebody cancels
        self._armed: asyncio.Handle | None = None
        self._armed_for = 0
        self._put_off = 0
        self._fired = 0
        self.turns: Turns | None = None

    def call_later(
        self, delay: float, callback: Callable[[*_Arguments], object], *args: *_Arguments
    ) -> asyncio.TimerHandle:
        """See `Later`."""
        when = self._now() / NS_PER_S + delay
        due = round(when * NS_PER_S)
        timer = asyncio.TimerHandle(when, callback, args, self)  # type: ignore[arg-type] # what of a loop it needs is below
        self._heap.push(due, timer)
        if self._armed is None or due < self._armed_for:
            self._arm(due)
        return timer

    def late(self, at: int) -> int:
        """For how long the first timer that has not fired was due at that time (ns); 0 when none was."""
        heap = self._heap
        heap.skip_cancelled()
        # One that was set, for at once, by what has fired at that very time is none of those that came before it.
        return max(0, at - max(heap[0][0], self._fired + 1) + 1) if heap else 0

    def close(self) -> None:
        """Forget all of them: the engine is over, and what they would have called is to be free."""
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
        timers = [timer for _, _, timer in self._heap]
        self._heap.clear()
        for timer in timers:
            timer.cancel()

    def _arm(self, due: int) -> None:
        if self._armed is not None:
            self._armed.cancel()
        wait = due - self._clock.actual_ns()
        self._armed_for = due
        if wait <= 0:
            self._armed = self._loop.call_soon(self._ring)
        else:
            self._armed = self._loop.call_later((wait + _ROUNDED) / NS_PER_S, self._ring)

    def _ring(self) -> None:
        self._armed = None
        turns = self.turns
        if turns is None:
            self._fire(self._now())
        elif turns.settled or self._put_off >= FEW:
            self._put_off = 0
            self._fire_in_turn(turns)
        else:  # what came last has its turns
            self._put_off += 1
            self._armed_for = 0
            self._armed = turns.then(self._ring)
            return
        if self._heap and self._armed is None:
            self._arm(self._heap[0][0])

    def _fire_in_turn(self, turns: Turns) -> None:
        """One time after the other, each with all that comes of it."""
        heap, now = self._heap, self._clock.actual_ns()
        turns.rings()
        while heap and heap[0][0] <= now:
            due = heap[0][0]
            if heap[0][2].cancelled():
                heap.take()
                continue
            turns.rang(due)
            self._queue.expect()
            try:
                self._fire(due)
            finally:
                self._queue.drain()
            turns.seen_to(due)
        turns.rung()

    def _fire(self, until: int) -> None:
        heap = self._heap
        self._fired = until
        due: list[asyncio.TimerHandle] = []
        while heap and heap[0][0] <= until:
            due.append(heap.take())
        for timer in due:
            if not timer.cancelled():
                timer._run()  # noqa: SLF001 - what a loop does
                timer.cancel()  # it holds its owner no more, who may hold it

    # --- what a timer asks of its loop ---

    def get_debug(self) -> bool:
        """See `asyncio.AbstractEventLoop`."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """See `asyncio.AbstractEventLoop`."""
        self._loop.call_exception_handler(context)
