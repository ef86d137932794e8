"""The feed: a stream's frames as a reactivex Observable, with each observer isolated from the rest."""

from collections.abc import Callable
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
        self._next: list[Callable[[ValueT], None]] = []
        self._seats: list[abc.ObserverBase[ValueT]] = []
        self._ended: tuple[Exception | None] | None = None
        self.failed_observers = 0

    def __len__(self) -> int:
        return len(self._next)

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
        return self._seat(_Callbacks(on_next or _ignore, on_error or _ignore, on_completed or _ignore))

    def deliver(self, value: ValueT) -> None:
        """Deliver one value to every observer."""
        failures: list[tuple[int, Exception]] | None = None
        calls = self._next
        for index, call in enumerate(calls):
            try:
                call(value)
            except Exception as error:  # noqa: BLE001 - isolating observers is what a feed is for
                failures = failures or []
                failures.append((index, error))
        if failures and calls is self._next:  # an observer that changed the list meanwhile is met again at the next value
            for seat, failure in [(self._seats[index], failure) for index, failure in failures]:
                self._drop(seat, failure)

    def complete(self, error: Exception | None = None) -> None:
        """End the feed: every observer gets `on_completed`, or `on_error` with `error`; later ones get it at once."""
        if self._ended is not None:
            return
        self._ended = (error,)
        seats, self._seats, self._next = self._seats, [], []
        for seat in seats:
            self._finish(seat, error)

    def _seat(self, observer: abc.ObserverBase[ValueT]) -> abc.DisposableBase:
        if self._ended is not None:
            self._finish(observer, self._ended[0])
            return Disposable()
        # New lists instead of changed ones: a delivery that is under way goes on over the old.
        self._seats = [*self._seats, observer]
        self._next = [*self._next, observer.on_next]
        return Disposable(lambda: self._remove(observer))

    def _remove(self, observer: abc.ObserverBase[ValueT]) -> None:
        kept = [(seat, call) for seat, call in zip(self._seats, self._next, strict=True) if seat is not observer]
        self._seats = [seat for seat, _ in kept]
        self._next = [call for _, call in kept]

    def _drop(self, observer: abc.ObserverBase[ValueT], error: Exception) -> None:
        self.failed_observers += 1
        self._remove(observer)
        self._finish(observer, error)

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
