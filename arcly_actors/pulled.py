"""An asynchronous iterator of the engine's loop, as an ordinary iterator of another thread."""

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from arcly_actors import limits
from arcly_actors.errors import ArclyError

T = TypeVar("T")
R = TypeVar("R")


class Runner(Protocol):
    """Whoever runs coroutines on the loop: `ThreadedEngine`."""

    def submit(self, coroutine: Coroutine[Any, Any, R]) -> "Future[R]":
        """Start a coroutine there; raises `ArclyError` when it does not run."""
        ...

    def result(self, future: "Future[R]", timeout: float | None = None) -> R:
        """Wait for it; raises `ArclyError` when the engine stopped first."""
        ...


class Pulled(Generic[T]):
    """Items, fetched from the loop when they are asked for, a few at a time, so nothing piles up behind a slow reader.

    Ends when the source ends or the engine stops. It also is a context manager; leaving it, `close`, and forgetting it
    all end the source. Iterate in one thread at a time.
    """

    def __init__(self, runner: Runner, source: Callable[[], AsyncIterator[T]], timeout: float | None) -> None:
        self._runner = runner
        self._timeout = timeout
        self._items: deque[T] = deque()
        self._batch: Future[list[T]] | None = None
        self._lock = threading.Lock()
        self._source = _Source(source)
        self._finalizer = weakref.finalize(self, _close, runner, self._source)
        self._finalizer.atexit = False
        runner.result(runner.submit(self._source.begin()))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        with self._lock:
            while not self._items:
                self._fetch()
            return self._items.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave: a viewer's seat is given back."""
        self._finalizer()

    def _fetch(self) -> None:
        if not self._finalizer.alive:
            raise StopIteration
        try:
            if self._batch is None:
                self._batch = self._runner.submit(self._source.batch())
            # A batch that comes too late is not lost: the next call waits for it again.
            items = self._runner.result(self._batch, self._timeout)
        except TimeoutError:
            raise TimeoutError(f"nothing came for {self._timeout} s") from None
        except Exception:
            self.close()
            if self._batch is None or self._batch.cancelled():  # the engine has stopped
                raise StopIteration from None
            raise
        self._batch = None
        if not items:
            self.close()
            raise StopIteration
        self._items.extend(items)


def _close(runner: Runner, source: "_Source[Any]") -> None:
    with suppress(ArclyError):  # an engine that has stopped has closed it
        runner.submit(source.close())


class _Source(Generic[T]):
    """The half that lives on the loop."""

    def __init__(self, make: Callable[[], AsyncIterator[T]]) -> None:
        self._make = make
        self._iterator: AsyncIterator[T] | None = None
        self._next: asyncio.Task[T | _End] | None = None

    async def begin(self) -> None:
        """Ask for the first item, so that nothing is missed that happens from now on."""
        self._iterator = self._make()
        self._ask(self._iterator)
        await asyncio.sleep(0)

    async def batch(self) -> list[T]:
        """The next item when it is there, and what is there already after it; nothing at the end."""
        iterator, items = self._iterator, list[T]()
        if iterator is None:
            return items
        while len(items) < limits.PULLED_BATCH:
            task = self._ask(iterator)
            if items:
                await asyncio.sleep(0)
                if not task.done():
                    break
            item = await asyncio.shield(task)
            if isinstance(item, _End):
                break  # and so it is the next time
            items.append(item)
            self._next = None
        return items

    async def close(self) -> None:
        """End the source."""
        iterator, self._iterator = self._iterator, None
        if self._next is not None:
            self._next.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._next
        aclose = getattr(iterator, "aclose", None)
        if aclose is not None:
            await aclose()

    def _ask(self, iterator: AsyncIterator[T]) -> "asyncio.Task[T | _End]":
        if self._next is None:
            self._next = asyncio.ensure_future(_advance(iterator))
        return self._next


class _End:
    """Stands for an item where there is none any more."""


async def _advance(iterator: AsyncIterator[T]) -> T | _End:
    return await anext(iterator, _End())
