"""`LoopFuture`: a Pykka future that can be awaited without holding up the event loop."""

import asyncio
import queue
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

import pykka

T = TypeVar("T")
M = TypeVar("M")
R = TypeVar("R")
ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

_LOCK = threading.Lock()  # guards the few instructions that settle or join a future; one for all keeps a future small


class WouldBlock(RuntimeError):
    """A blocking call was made on a thread that runs an event loop: await instead, or call from another thread."""


def in_event_loop() -> bool:
    """Whether this thread is running an event loop now, so that blocking it would stop every actor on it."""
    return asyncio._get_running_loop() is not None  # noqa: SLF001 - the documented variant raises, which costs 10 times


class Arrival(asyncio.Future[None]):
    """What a coroutine awaits until the reply `source` is there."""

    def __init__(self, source: "LoopFuture[Any]", loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.source = source


class LoopFuture(pykka.Future[T]):
    """A reply to come. On a loop: ``await future``; on other threads: ``future.get(timeout=seconds)``.

    `get` raises `WouldBlock` on a thread that runs an event loop as long as the reply is not there.
    """

    def __init__(self) -> None:
        super().__init__()
        self._settled = False
        self._value: Any = None
        self._exception: BaseException | None = None
        self._waiters: list[Callable[[], None]] = []
        self._sources: tuple[pykka.Future[Any], ...] = ()

    @property
    def settled(self) -> bool:
        """Whether `get` would return or raise at once."""
        if self._get_hook is None:
            return self._settled
        return all(source.settled for source in self._sources if isinstance(source, LoopFuture))

    def get(self, *, timeout: float | None = None) -> T:
        """See `pykka.Future.get`; `timeout` in seconds. Raises `WouldBlock` where waiting would stop the event loop."""
        if not self.settled and in_event_loop():
            raise WouldBlock("get() would stop the event loop of this thread: `await` the future instead")
        if self._get_hook is not None:
            return super().get(timeout=timeout)
        if not self._settled:
            arrived = threading.Event()
            self.on_settled(arrived.set)
            if not arrived.wait(timeout):
                raise pykka.Timeout(f"{timeout} seconds")
        if self._exception is not None:
            try:
                raise self._exception
            finally:
                del self  # this frame is in the traceback: not to be a cycle
        value: T = self._value
        return value

    def set(self, value: T | None = None) -> None:
        """See `pykka.Future.set`; from any thread. Raises queue.Full when settled before."""
        self._settle(value, None)

    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """See `pykka.Future.set_exception`; from any thread. Raises queue.Full when settled before."""
        kind, error, trace = exc_info or sys.exc_info()
        if error is None:
            error = kind() if kind is not None else RuntimeError("no exception is being handled")
        self._settle(None, error.with_traceback(trace))

    def fail(self, error: BaseException) -> None:
        """Settle with an error that nobody has raised yet; from any thread. Raises queue.Full when settled before."""
        self.set_exception((type(error), error, None))

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """See `pykka.Future.set_get_hook`."""
        with _LOCK:
            if self._settled:
                raise queue.Full
            super().set_get_hook(func)

    def on_settled(self, call: Callable[[], None]) -> None:
        """Run `call` once when the reply is there (now, if it is), on whichever thread settles it."""
        with _LOCK:
            if not self._settled:
                self._waiters.append(call)
                return
        call()

    def forget(self, call: Callable[[], None]) -> None:
        """Do not run it after all."""
        with _LOCK:
            if call in self._waiters:
                self._waiters.remove(call)

    def map(self, func: Callable[[T], M]) -> "LoopFuture[M]":
        """See `pykka.Future.map`."""
        return _derived(super().map(func), self)

    def filter(self: pykka.Future[Iterable[M]], func: Callable[[M], bool]) -> "LoopFuture[Iterable[M]]":
        """See `pykka.Future.filter`."""
        return _derived(pykka.Future.filter(self, func), self)

    def join(self: pykka.Future[Any], *futures: pykka.Future[Any]) -> "LoopFuture[Iterable[Any]]":
        """See `pykka.Future.join`."""
        return _derived(pykka.Future.join(self, *futures), self, *futures)

    def reduce(self: pykka.Future[Iterable[M]], func: Callable[..., R], *args: R) -> "LoopFuture[R]":
        """See `pykka.Future.reduce`."""
        return _derived(pykka.Future.reduce(self, func, *args), self)

    def _settle(self, value: T | None, error: BaseException | None) -> None:
        with _LOCK:
            if self._settled or self._get_hook is not None:
                raise queue.Full
            self._value, self._exception, self._settled = value, error, True
            waiters, self._waiters = self._waiters, []
        for wake in waiters:
            wake()

    def __await__(self) -> Generator[Any, None, T]:
        if self._get_hook is not None:
            for source in self._sources:
                if isinstance(source, LoopFuture) and not source.settled:
                    yield from source._arrival()  # noqa: SLF001
        elif not self._settled:
            yield from self._arrival()
        return self.get()

    __iter__ = __await__

    def _arrival(self) -> Generator[Any, None, None]:
        if self._get_hook is not None:
            for source in self._sources:
                if isinstance(source, LoopFuture) and not source.settled:
                    yield from source._arrival()  # noqa: SLF001
            return
        loop = asyncio.get_running_loop()
        arrived = Arrival(self, loop)

        def finish() -> None:
            if not arrived.done():
                arrived.set_result(None)

        def wake() -> None:
            if asyncio._get_running_loop() is loop:  # noqa: SLF001
                finish()
            else:
                with suppress(RuntimeError):  # that loop is closed: nobody waits on it any more
                    loop.call_soon_threadsafe(finish)

        self.on_settled(wake)
        try:
            yield from arrived
        finally:
            self.forget(wake)  # the awaiting task was cancelled


def _derived(future: pykka.Future[Any], *sources: pykka.Future[Any]) -> LoopFuture[Any]:
    assert isinstance(future, LoopFuture)
    future._sources = sources  # noqa: SLF001
    return future
