"""`RunQueue`: one scheduled drain runs every actor of a loop that has mail.

A chain connection → session → publisher → stream → subscriber runs within one turn of the event loop, because a turn
(poll, wake-up, callbacks) costs far more than a message does. The drain is bounded, so sockets are polled in between,
and fair, since an actor that has had its share goes to the end of the queue.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from pykka import ActorDeadError

from arcly_actors.limits import DRAIN_MESSAGES, TURN_MESSAGES


class Runnable(Protocol):
    """What stands in the queue: a mailbox with mail."""

    def run(self, budget: int) -> int:
        """Let the actor handle up to `budget` messages, and say how many it was."""
        ...


class RunQueue:
    """The actors with mail, in order. What is public is for `LoopActorRef.tell`, which inlines `add`."""

    __slots__ = ("_awaited", "_closed", "_draining", "_foreign", "_lock", "_loop", "home", "ready", "scheduled")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.ready: deque[Runnable] = deque()
        self.scheduled = False
        self.home = threading.get_ident() if asyncio._get_running_loop() is loop else 0  # noqa: SLF001
        self._draining = False
        self._closed = False
        self._lock = threading.Lock()
        self._foreign: list[tuple[Callable[[Any], None], Any]] = []
        self._awaited = False

    def add(self, runnable: Runnable) -> None:
        """Queue an actor that has mail; on the loop thread."""
        self.ready.append(runnable)
        if not self.scheduled:
            self.schedule()

    def schedule(self) -> None:
        """Make sure that a drain comes. Raises ActorDeadError when the loop is closed."""
        try:
            self._loop.call_soon(self.drain)
        except RuntimeError as error:
            raise ActorDeadError("its event loop is closed") from error
        self.scheduled = True

    def post(self, call: Callable[[Any], None], argument: Any) -> None:
        """Run `call(argument)` on the loop, then drain; from any thread, one wake-up per burst.

        Raises ActorDeadError when the loop is closed.
        """
        with self._lock:
            if self._closed or self._loop.is_closed():
                raise ActorDeadError("its event loop is closed")
            self._foreign.append((call, argument))
            if self._awaited:
                return
            self._awaited = True
        self._loop.call_soon_threadsafe(self._take_foreign)

    def expect(self) -> None:
        """A driver's callback begins, which will `drain` whatever happens: what it tells needs no turn of its own.

        What was told before has its turn now: in which order it and the callback's news are seen to is not to depend on
        what else happens to drain in between.
        """
        if self.ready:
            self.drain()
        self.scheduled = True

    def drain(self) -> None:
        """Run actors until no mail is left or the bound is reached; the rest waits for the loop's next turn.

        A driver may call it at the end of a socket callback to save that turn (see `expect`); within a drain it does
        nothing.
        """
        if self._draining:
            return
        if self.home == 0:
            self.home = threading.get_ident()
        self._draining = self.scheduled = True
        ready, left = self.ready, DRAIN_MESSAGES
        try:
            while ready and left > 0:
                left -= ready.popleft().run(TURN_MESSAGES)
        finally:
            self._draining = self.scheduled = False
            if ready:
                self.schedule()

    def close(self) -> None:
        """Refuse posts from now on and run those that came before, so that nobody waits for a loop that ended."""
        with self._lock:
            self._closed = True
        self._take_foreign()

    def _take_foreign(self) -> None:
        with self._lock:
            foreign, self._foreign = self._foreign, []
            self._awaited = False
        self.home = threading.get_ident()
        for call, argument in foreign:
            call(argument)
        self.drain()
