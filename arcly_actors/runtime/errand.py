"""`Errand`: a coroutine of an actor that waits for replies of other actors, within the drain that brings them.

An asyncio task takes a turn of the loop for its first step and one for each reply. What follows from one input was then
spread over several turns, with other inputs between them: a viewer that asked for a seat got it some frames later the
busier the machine was, and in a replay, which has only its own stream's inputs, at another frame. An errand runs its
first step at once and goes on as a letter of its actor, so that all of it is done before the next input comes. As soon as
it awaits anything but a reply (a sleep, an event) it goes on as a task.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from typing import Any

from arcly_actors.runtime.future import Arrival


class Errand:
    """See the module. `resume` has `go_on` called in a turn of the actor; `done` and `failed` are told how it ended;
    `hand_over` has a coroutine run as a task from there on.
    """

    __slots__ = ("_awaited", "_coroutine", "_done", "_failed", "_hand_over", "_resume")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        resume: Callable[["Errand"], None],
        done: Callable[["Errand", Any], object],
        failed: Callable[["Errand", BaseException], object],
        hand_over: Callable[["Errand", Coroutine[Any, Any, Any]], object],
    ) -> None:
        self._coroutine = coroutine
        self._resume = resume
        self._done = done
        self._failed = failed
        self._hand_over = hand_over
        self._awaited: Arrival | None = None

    def __call__(self) -> None:
        """The reply is there; on whichever thread settled it."""
        self._resume(self)

    def go_on(self) -> None:
        """The next step: to the next reply that is not there yet, or to the end."""
        awaited = self._awaited
        if awaited is not None and not awaited.done():  # settled in another thread, whose word to the loop is under way
            awaited.set_result(None)
        try:
            awaited = self._coroutine.send(None)
        except StopIteration as stop:
            self._done(self, stop.value)
        except BaseException as error:  # noqa: BLE001 - the actor's failure, whatever it is
            self._failed(self, error)
        else:
            if isinstance(awaited, Arrival):
                awaited._asyncio_future_blocking = False  # noqa: SLF001 - asyncio's own word for: a task has seen it
                self._awaited = awaited
                awaited.source.on_settled(self)
            else:
                self._hand_over(self, _rest(self._coroutine, awaited))

    def cancel(self) -> None:
        """Its actor has ended: what it does on its way out is done now, or as a task if that takes time."""
        if self._awaited is not None:
            self._awaited.source.forget(self)
        with suppress(asyncio.CancelledError, Exception):
            awaited = self._coroutine.throw(asyncio.CancelledError())
            self._hand_over(self, _rest(self._coroutine, awaited))


async def _rest(coroutine: Coroutine[Any, Any, Any], awaited: Any) -> Any:
    """What is left of a coroutine that awaits this."""
    return await _Rest(coroutine, awaited)


class _Rest:
    def __init__(self, coroutine: Coroutine[Any, Any, Any], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, awaited = self._coroutine, self._awaited
        while True:
            try:
                value = yield awaited
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's
                step = partial(coroutine.throw, error)
            else:
                step = partial(coroutine.send, value)
            try:
                awaited = step()
            except StopIteration as stop:
                return stop.value
