"""An event loop whose time is a `VirtualClock`: nothing waits, and the same program runs the same way every time.

Callbacks run in the order in which they became ready; when none is, time jumps to the next timer. There are no sockets,
threads or signals: whatever asks for one is told so.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, NoReturn, TypeVarTuple

from arcly_actors.clock import NS_PER_S, VirtualClock
from arcly_actors.limits import VIRTUAL_ITERATIONS, VIRTUAL_SPAN
from arcly_actors.runtime.timer_heap import TimerHeap


class VirtualDeadlock(RuntimeError):
    """Nothing is scheduled and the program is not done: in real time it would wait for ever."""


class VirtualRunaway(RuntimeError):
    """More turns or more virtual time than any scenario needs: something schedules itself for ever."""


_Arguments = TypeVarTuple("_Arguments")


class _Call(asyncio.Handle):
    """A callback. Asyncio's own also asks the loop whether it is being debugged: half of the cost of making one."""

    __slots__ = ()
    _context: Context
    _callback: Callable[..., object]

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], loop: "VirtualLoop", context: Any) -> None:
        self._context = copy_context() if context is None else context
        self._loop, self._callback, self._args = loop, callback, args
        self._cancelled = False
        self._repr = self._source_traceback = None


class _Timer(asyncio.TimerHandle):
    """A callback with its time, which is in the heap."""

    __slots__ = ()
    _context: Context
    _callback: Callable[..., object]
    _scheduled: bool

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], loop: "VirtualLoop", context: Any
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop, self._callback, self._args = loop, callback, args
        self._cancelled = False
        self._repr = self._source_traceback = None
        self._when = when


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module. `iterations` bounds its turns. `waits`: timers that are due wait until nothing is ready, then come
    one time after the other, until none is left that is due.

    Its timers are in a heap of its own, asyncio's stays empty: that one gives timers of one time in an order that depends
    on all others in it, and compares them in Python, which was a tenth of what a simulation did.
    """

    virtual = True

    def __init__(self, clock: VirtualClock, *, iterations: int = VIRTUAL_ITERATIONS) -> None:
        super().__init__()
        self._clock = clock
        self._end = clock.monotonic_ns() + VIRTUAL_SPAN
        self._left = iterations
        self._timers: TimerHeap[_Timer] = TimerHeap()
        self._timer_handle_cancelled = self._timers.cancelled  # asyncio's word from a timer that somebody cancels
        self.waits = False
        self._idle: Callable[[], object] | None = None
        self._ready: deque[_Call | _Timer]
        self._stopping: bool
        self._closed: bool
        self.__dict__.update(dict.fromkeys(_SOCKETS, _refuse_sockets), **dict.fromkeys(_THREADS, _refuse_threads))

    def time(self) -> float:
        """The virtual clock, in seconds."""
        return self._clock.monotonic_ns() / NS_PER_S

    def call_at(
        self, when: float, callback: Callable[[*_Arguments], object], *args: *_Arguments, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`; timers that are due at one time fire in the order in which they were set."""
        timer = _Timer(when, callback, args, self, context)
        due, now = round(when * NS_PER_S), self._clock.monotonic_ns()
        if due <= now and when > now / NS_PER_S:  # a part of a ns ahead: who waits for `when` would wait for ever
            due = now + 1
        self._timers.push(due, timer)
        return timer

    def call_later(
        self, delay: float, callback: Callable[[*_Arguments], object], *args: *_Arguments, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`."""
        return self.call_at(self._clock.monotonic_ns() / NS_PER_S + delay, callback, *args, context=context)

    def when_idle(self, callback: Callable[[], object]) -> None:
        """Call it as soon as nothing is ready, before time goes on and a timer has its turn."""
        self._idle = callback

    def call_soon(
        self, callback: Callable[[*_Arguments], object], *args: *_Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """See `asyncio.AbstractEventLoop`; RuntimeError when it is closed."""
        if self._closed:
            raise RuntimeError("Event loop is closed")
        handle = _Call(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def timers(self) -> list[asyncio.TimerHandle]:
        """Those that are still to fire."""
        return [timer for _, _, timer in self._timers if not timer.cancelled()]

    def due(self, until: int) -> int | None:
        """The first time (monotonic ns), until then, at which a timer is due."""
        timers = self._timers
        timers.skip_cancelled()
        return timers[0][0] if timers and timers[0][0] <= until else None

    def fire(self, due: int) -> None:
        """Call now, from within a callback, what is due then; time goes on to it."""
        self._clock.advance(max(0, due - self._clock.monotonic_ns()))
        ready, self._ready = self._ready, deque()
        while self._timers and self._timers[0][0] <= due:
            self._take_first()
        now, self._ready = self._ready, ready
        for timer in now:
            if not timer.cancelled():
                timer._run()  # noqa: SLF001 - what a loop does

    def _run_once(self) -> None:
        """One turn: what is ready is called, and after it what is due; asyncio's own looks at sockets in between."""
        self._left -= 1
        if self._left == 0:  # not "<=": what ends the scenario afterwards needs turns, too
            raise VirtualRunaway("the scenario did not end within its bound of loop turns")
        ready, timers = self._ready, self._timers
        if not (ready or self._stopping):
            if self._idle is not None:
                idle, self._idle = self._idle, None
                self.call_soon(idle)
            else:
                self._jump()
        now = self._clock.monotonic_ns()
        if self.waits:
            self._take_next(now, at_work=bool(ready))
        while not self.waits and timers and timers[0][0] <= now:
            self._take_first()
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:  # noqa: SLF001 - asked once for each callback
                continue
            try:
                handle._context.run(handle._callback, *handle._args)  # noqa: SLF001 - what a loop does
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - as asyncio: whoever is told decides
                self.call_exception_handler({"message": f"Exception in callback {handle!r}", "exception": error})

    def _take_next(self, now: int, *, at_work: bool) -> None:
        """Of the timers that are due those of the first time, unless there is something to be done before."""
        timers = self._timers
        first = timers[0][0] if timers and not at_work else -1
        while timers and timers[0][0] == first:
            self._take_first()
        self.waits = at_work or bool(timers and timers[0][0] <= now)

    def _take_first(self) -> None:
        timer = self._timers.take()
        if not timer.cancelled():
            self._ready.append(timer)

    def _jump(self) -> None:
        """Nothing is ready: let the time pass until something is."""
        timers = self._timers
        timers.skip_cancelled()
        if not timers:
            raise VirtualDeadlock("nothing is scheduled and the scenario is not done: it awaits what will never come")
        due = timers[0][0]
        if due > self._end:
            self._end += VIRTUAL_SPAN
            raise VirtualRunaway("the scenario did not end within its bound of virtual time")
        self._clock.advance(max(0, due - self._clock.monotonic_ns()))

    def _write_to_self(self) -> None:
        """Nothing sleeps, nothing needs waking."""


_SOCKETS = ("add_reader", "add_writer", "create_connection", "create_datagram_endpoint", "create_server", "sock_connect")
_THREADS = ("run_in_executor",)


def _refuse_sockets(*_arguments: Any, **_named: Any) -> NoReturn:
    raise RuntimeError("a virtual loop has no sockets: give the actor scripted ones")


def _refuse_threads(*_arguments: Any, **_named: Any) -> NoReturn:
    raise RuntimeError("a virtual loop has no threads: make it a WorkerActor, which runs inline here")
