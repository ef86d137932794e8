"""`WorkerActor`: an actor with a thread of its own, for work that blocks (encoders, decoders, muxers, disks)."""

import threading
from collections import deque
from contextlib import suppress
from typing import Any, ClassVar, Self

import pykka
from pykka import ActorDeadError
from pykka._envelope import Envelope

from arcly_actors.runtime.mailbox import refuse
from arcly_actors.runtime.receiver import Begin, Receiver
from arcly_actors.runtime.ref import WatchedRef


class WorkerInbox:
    """The inbox of a thread: as a `Mailbox`, first in, first out, with a bound for media, none for control."""

    def __init__(self, media: frozenset[type], bound: int) -> None:
        self.closed = False
        self.dropped = 0
        self._media = media
        self._bound = bound
        self._waiting = 0
        self._letters: deque[Any] = deque()
        self._changed = threading.Condition()

    def put(self, letter: Any) -> None:
        """Deliver from any thread, without waiting. Raises ActorDeadError when the actor has stopped."""
        with self._changed:
            if self.closed:
                raise ActorDeadError("the actor has stopped")
            if type(letter) in self._media:
                if self._waiting >= self._bound:
                    self.dropped += 1
                    return
                self._waiting += 1
            self._letters.append(letter)
            self._changed.notify()

    def urgent(self, letter: Any) -> None:
        """Put a letter before all others."""
        with self._changed:
            self._letters.appendleft(letter)
            self._changed.notify()

    def take(self) -> Any:
        """The next letter, when there is one; in the actor's thread."""
        with self._changed:
            while not self._letters:
                self._changed.wait()
            letter = self._letters.popleft()
            if type(letter) in self._media:
                self._waiting -= 1
        return letter

    def get(self) -> Envelope[Any]:
        """The next letter, as Pykka's inbox protocol has it."""
        letter = self.take()
        return letter if type(letter) is Envelope else Envelope(letter)

    def empty(self) -> bool:
        """Whether no letter waits."""
        return not self._letters

    def close(self) -> None:
        """Refuse what waits and whatever comes."""
        with self._changed:
            self.closed = True
            letters, self._letters = self._letters, deque()
        for letter in letters:
            refuse(letter)


class WorkerActor(Receiver, pykka.ThreadingActor):
    """A `LoopActor`'s counterpart in a thread: the same `receives`, media lane, watching, failures and replies.

    Its methods may block, so it has no timers, tasks or watches of its own; it tells actors on the loop. On a virtual
    system it runs on the loop's own thread, so that a replay has one order.
    """

    use_daemon_thread: ClassVar[bool] = True
    """One that did not stop in time, and was left behind, must not keep the process from ending."""

    def _make_ref(self) -> WatchedRef[Self]:
        if self.system.virtual:
            return super()._make_ref()
        inbox = WorkerInbox(frozenset(self.media_types), self.media_bound)
        self.actor_inbox = self._inbox = inbox
        return WatchedRef(self)

    def _start_actor_loop(self) -> None:
        if self.system.virtual:
            super()._start_actor_loop()
            return
        self._inbox.put(Begin())
        pykka.ThreadingActor._start_actor_loop(self)  # noqa: SLF001 - Pykka's hook for implementors

    def _actor_loop(self) -> None:
        inbox, table = self._inbox, self._table
        assert isinstance(inbox, WorkerInbox)
        while not self.actor_stopped.is_set():
            letter = inbox.take()
            try:
                table[type(letter)](self, letter)
            except BaseException as error:  # noqa: BLE001 - see `Receiver`
                self._end(error)

    def _tell_the_end(self, error: BaseException | None) -> None:
        if self.system.virtual:
            super()._tell_the_end(error)
            return
        with suppress(ActorDeadError):  # the loop is closed: nobody is left to be told
            self.system.run_queue.post(super()._tell_the_end, error)
