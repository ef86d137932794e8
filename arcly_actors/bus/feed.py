"""The feed: a stream's frames as a reactivex Observable, with each observer isolated from the rest."""

from collections.abc import Callable
from itertools import islice
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

ValueT = TypeVar("ValueT")


def _ignore(*_: Any) -> None:
    """Stand in for a callback that the subscriber did not give."""


class Feed(Observable[ValueT], Generic[ValueT]):
    """A hot observable that delivers by direct calls, in order of subscription.

    An observer that raises loses its own subscription (its `on_error` gets the exception) and nobody else notices: the
    publisher's call never fails. It holds no queue: an observer that needs one puts a bound on it. Not thread-safe: it
    belongs to the event loop of its stream.
    """

    def __init__(self) -> None:
        super().__init__()
        # Two lists side by side. During a delivery they only grow, and a seat that is given up leaves a gap.
        self._next: list[Callable[[ValueT], None]] = []
        self._seats: list[abc.ObserverBase[ValueT] | None] = []
        self._waiting: dict[abc.ObserverBase[ValueT], None] = {}  # for the end alone: no value is given to them
        self._depth = 0
        self._gaps = 0
        self._ended: tuple[Exception | None] | None = None
        self.failed_observers = 0

    def __len__(self) -> int:
        return len(self._seats) - self._gaps + len(self._waiting)

    @property
    def ended(self) -> bool:
        """Whether nothing follows."""
        return self._ended is not None

    def _subscribe_core(
        self, observer: abc.ObserverBase[ValueT], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return self._seat(observer)

    def subscribe(
        self,
        on_next: abc.ObserverBase[ValueT] | Callable[[ValueT], None] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        on_completed: Callable[[], None] | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Observe from the next value on; dispose of the result to stop.

        Skips reactivex's detaching wrapper, which costs more than a delivery: detaching is this class's own work.
        """
        del scheduler  # delivery is by direct call; use the ops of reactivex for anything else
        if isinstance(on_next, abc.ObserverBase):
            return self._seat(on_next)
        observer = _Callbacks(on_next or _ignore, on_error or _ignore, on_completed or _ignore)
        return self._seat(observer) if on_next is not None else self._await_end(observer)

    def deliver(self, value: ValueT) -> None:
        """Deliver one value to every observer."""
        failures: list[tuple[int, Exception]] | None = None
        calls = self._next
        self._depth += 1
        try:
            for index, call in enumerate(islice(calls, len(calls))):
                try:
                    call(value)
                except Exception as error:  # noqa: BLE001 - isolating observers is what a feed is for
                    failures = failures or []
                    failures.append((index, error))
            for index, failure in failures or ():
                self.failed_observers += 1
                seat = self._leave(index)
                if seat is not None:
                    self._finish(seat, failure)
        finally:
            self._depth -= 1
            if self._gaps:
                self._compact()

    def complete(self, error: Exception | None = None) -> None:
        """End the feed: every observer gets `on_completed`, or `on_error` with `error`; later ones get it at once."""
        if self._ended is not None:
            return
        self._ended = (error,)
        self._depth += 1  # a last word may dispose of other seats
        while self._waiting:
            observer = next(iter(self._waiting))
            del self._waiting[observer]
            self._finish(observer, error)
        for index in range(len(self._seats)):
            seat = self._leave(index)
            if seat is not None:
                self._finish(seat, error)
        self._depth -= 1
        self._compact()

    def _await_end(self, observer: abc.ObserverBase[ValueT]) -> abc.DisposableBase:
        if self._ended is not None:
            self._finish(observer, self._ended[0])
            return Disposable()
        self._waiting[observer] = None
        return Disposable(lambda: self._waiting.pop(observer, None))

    def _seat(self, observer: abc.ObserverBase[ValueT]) -> abc.DisposableBase:
        if self._ended is not None:
            self._finish(observer, self._ended[0])
            return Disposable()
        self._seats.append(observer)
        self._next.append(observer.on_next)
        return Disposable(lambda: self._remove(observer))

    def _remove(self, observer: abc.ObserverBase[ValueT]) -> None:
        for index, seat in enumerate(self._seats):
            if seat is observer:
                self._leave(index)
                self._compact()
                return

    def _leave(self, index: int) -> abc.ObserverBase[ValueT] | None:
        """Leave a gap at `index`; who sat there, if anybody did."""
        seat, self._seats[index] = self._seats[index], None
        self._next[index] = _ignore
        if seat is not None:
            self._gaps += 1
        return seat

    def _compact(self) -> None:
        if self._gaps and not self._depth:
            kept = [(seat, call) for seat, call in zip(self._seats, self._next, strict=True) if seat is not None]
            self._seats = [seat for seat, _ in kept]
            self._next = [call for _, call in kept]
            self._gaps = 0

    def _finish(self, observer: abc.ObserverBase[ValueT], error: Exception | None) -> None:
        try:
            observer.on_completed() if error is None else observer.on_error(error)
        except Exception:  # noqa: BLE001 - the last word to an observer that fails again has no one to hear it
            self.failed_observers += 1


class _Callbacks(abc.ObserverBase[ValueT]):
    """Three functions as an observer."""

    __slots__ = ("_completed", "_error", "_next")

    def __init__(
        self,
        on_next: Callable[[ValueT], None],
        on_error: Callable[[Exception], None],
        on_completed: Callable[[], None],
    ) -> None:
        self._next = on_next
        self._error = on_error
        self._completed = on_completed

    @property
    def on_next(self) -> Callable[[ValueT], None]:
        """The subscriber's function itself."""
        return self._next

    def on_error(self, error: Exception) -> None:
        """Tell the subscriber."""
        self._error(error)

    def on_completed(self) -> None:
        """Tell the subscriber."""
        self._completed()
