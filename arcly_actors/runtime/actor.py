"""`LoopActor`: a Pykka actor run by the event loop; thousands of them need no thread."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import pykka

from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime.dispatch import receives
from arcly_actors.runtime.errand import Errand
from arcly_actors.runtime.exits import Exited, Monitors, monitors_of
from arcly_actors.runtime.receiver import Crash, GoOn, Receiver

if TYPE_CHECKING:
    from arcly_actors.runtime.system import System

__all__ = ["LoopActor", "Timer", "receives"]

T = TypeVar("T")


class Timer:
    """A message to come; `cancel` may be called at any time and any number of times."""

    __slots__ = ("_actor", "_handle", "message")

    def __init__(self, actor: "LoopActor", delay_ns: int, message: object) -> None:
        self._actor = actor
        self.message = message
        self._handle = actor.system.timers.call_later(max(delay_ns, 0) / NS_PER_S, self._fire)

    def cancel(self) -> None:
        """The message will not come."""
        self._handle.cancel()
        self._actor.drop_timer(self)

    def _fire(self) -> None:
        self._actor.drop_timer(self)
        self._actor.actor_ref.tell(self.message)


class LoopActor(Receiver):
    """An actor on the loop of its `System`: write methods marked `receives(Type)`; start with ``Foo.start(system, …)``.

    Its methods run one at a time on the loop's thread and must not block; `spawn` and `after` are for what takes time.
    """

    def __init__(self, system: "System") -> None:
        super().__init__(system)
        self._timers: dict[Timer, None] = {}
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._errands: dict[Errand, None] = {}
        self._watching: dict[str, Monitors] = {}

    def after(self, delay_ns: int, message: object) -> Timer:
        """Tell this actor `message` in `delay_ns`; forgotten when the actor stops."""
        timer = Timer(self, delay_ns, message)
        self._timers[timer] = None
        return timer

    def spawn(self, coroutine: Coroutine[Any, Any, T], *, then: Callable[[T], object] | None = None) -> "asyncio.Task[T]":
        """Run a coroutine that this actor owns; `then(result)` makes the message it is told at the end.

        The coroutine's failure is the actor's failure; it is cancelled when the actor stops.
        """
        task = self.system.loop.create_task(coroutine)
        self._tasks[task] = None

        def finish(done: "asyncio.Task[T]") -> None:
            self._tasks.pop(done, None)
            if done.cancelled():
                return
            error = done.exception()
            if self.actor_stopped.is_set():
                return
            try:
                if error is not None:
                    raise error  # noqa: TRY301
                if then is not None:
                    self._inbox.put(then(done.result()))
            except BaseException as failure:  # noqa: BLE001 - the actor's failure, whatever it is
                self._inbox.urgent(Crash(failure))

        task.add_done_callback(finish)
        return task

    def errand(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine that asks other actors, and be told what it returns; see `Errand` for what sets it apart from
        `spawn`. Its first step is done now, outside of any task: what needs one (`asyncio.timeout`) it has to make.
        """
        errand = Errand(coroutine, self._resume, self._errand_done, self._errand_failed, self._errand_takes_time)
        self._errands[errand] = None
        errand.go_on()

    def _resume(self, errand: Errand) -> None:
        with suppress(pykka.ActorDeadError):  # it was cancelled with its actor
            self._inbox.put(GoOn(errand))

    @receives(GoOn)
    def _go_on(self, letter: GoOn) -> None:
        letter.errand.go_on()

    def _errand_done(self, errand: Errand, message: object) -> None:
        del self._errands[errand]
        self._inbox.put(message)

    def _errand_failed(self, errand: Errand, error: BaseException) -> None:
        del self._errands[errand]
        self._inbox.urgent(Crash(error))

    def _errand_takes_time(self, errand: Errand, rest: Coroutine[Any, Any, object]) -> None:
        self._errands.pop(errand, None)
        self.spawn(rest, then=lambda message: message)

    def watch(self, ref: pykka.ActorRef[Any]) -> None:
        """Have this actor told `Exited` when the actor of `ref` ends, for whatever reason; now, if it has."""
        monitors = monitors_of(ref)
        if monitors.over:
            self.bereave(Exited(ref, ref.actor_urn, monitors.error, monitors.reason))
            return
        monitors.watchers[self.actor_urn] = self
        self._watching[ref.actor_urn] = monitors

    def unwatch(self, ref: pykka.ActorRef[Any]) -> None:
        """Forget a `watch`."""
        monitors_of(ref).watchers.pop(self.actor_urn, None)
        self._watching.pop(ref.actor_urn, None)

    def bereave(self, exited: Exited) -> None:
        """A watched actor ended. For its `Monitors` only."""
        self._watching.pop(exited.urn, None)
        if not self.actor_stopped.is_set():
            self._inbox.put(exited)

    def drop_timer(self, timer: Timer) -> None:
        """A timer fired or was cancelled. For `Timer` only."""
        self._timers.pop(timer, None)

    def _release(self) -> None:
        for timer in tuple(self._timers):
            timer.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        errands, self._errands = self._errands, {}
        for errand in errands:
            errand.cancel()
        for monitors in self._watching.values():
            monitors.watchers.pop(self.actor_urn, None)
        self._watching.clear()
