"""An event loop whose time is a `VirtualClock`: nothing waits, and the same program runs the same way every time.

Callbacks run in the order in which they became ready; when none is, time jumps to the next timer. There are no sockets,
threads or signals: whatever asks for one is told so.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from contextvars import Context
from typing import Any, NoReturn, TypeVarTuple

from arcly_actors.clock import NS_PER_S, VirtualClock
from arcly_actors.limits import VIRTUAL_ITERATIONS, VIRTUAL_SPAN


class VirtualDeadlock(RuntimeError):
    """Nothing is scheduled and the program is not done: in real time it would wait for ever."""


class VirtualRunaway(RuntimeError):
    """More turns or more virtual time than any scenario needs: something schedules itself for ever."""


class _Jump:
    """What stands where asyncio's loop has its selector: instead of waiting for sockets it lets the time pass."""

    def __init__(self, loop: "VirtualLoop", iterations: int) -> None:
        self._loop = loop
        self._left = iterations

    def select(self, timeout: float | None) -> list[Any]:
        self._left -= 1
        if self._left == 0:  # not "<=": what ends the scenario afterwards needs turns, too
            raise VirtualRunaway("the scenario did not end within its bound of loop turns")
        if timeout is None:
            raise VirtualDeadlock("nothing is scheduled and the scenario is not done: it awaits what will never come")
        if timeout > 0:
            self._loop.jump()
        return []


_Arguments = TypeVarTuple("_Arguments")


class _Timer(asyncio.TimerHandle):
    """A heap alone gives those of one time in an order that depends on all others in it."""

    __slots__ = ("_number",)

    def __init__(self, number: int, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._number = number
        self._scheduled: bool

    def stands(self) -> None:
        """It is in the heap: a loop counts those of its heap that are cancelled."""
        self._scheduled = True

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, _Timer):
            return NotImplemented
        return (self.when(), self._number) < (other.when(), other._number)


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module. `iterations` bounds its turns."""

    virtual = True

    def __init__(self, clock: VirtualClock, *, iterations: int = VIRTUAL_ITERATIONS) -> None:
        super().__init__()
        self._clock = clock
        self._order = itertools.count()
        self._end = clock.monotonic_ns() + VIRTUAL_SPAN
        self._selector = _Jump(self, iterations)
        self._clock_resolution = 1 / NS_PER_S
        self._scheduled: list[asyncio.TimerHandle]
        self.__dict__.update(dict.fromkeys(_SOCKETS, _refuse_sockets), **dict.fromkeys(_THREADS, _refuse_threads))

    def time(self) -> float:
        """The virtual clock, in seconds."""
        return self._clock.monotonic_ns() / NS_PER_S

    def call_at(
        self, when: float, callback: Callable[[*_Arguments], object], *args: *_Arguments, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`; timers that are due at one time fire in the order in which they were set."""
        timer = _Timer(next(self._order), when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer.stands()
        return timer

    def jump(self) -> None:
        """Let the time pass until the next timer is due."""
        due = round(self._scheduled[0].when() * NS_PER_S)
        if due > self._end:
            self._end += VIRTUAL_SPAN
            raise VirtualRunaway("the scenario did not end within its bound of virtual time")
        self._clock.advance(max(0, due - self._clock.monotonic_ns()))

    def _process_events(self, _events: list[Any]) -> None:
        """No sockets, no events."""

    def _write_to_self(self) -> None:
        """Nothing sleeps, nothing needs waking."""


_SOCKETS = ("add_reader", "add_writer", "create_connection", "create_datagram_endpoint", "create_server", "sock_connect")
_THREADS = ("run_in_executor",)


def _refuse_sockets(*_arguments: Any, **_named: Any) -> NoReturn:
    raise RuntimeError("a virtual loop has no sockets: give the actor scripted ones")


def _refuse_threads(*_arguments: Any, **_named: Any) -> NoReturn:
    raise RuntimeError("a virtual loop has no threads: make it a WorkerActor, which runs inline here")
