"""References to actors: Pykka's `ActorRef`, with a `tell` of half a microsecond and an `ask` that can be awaited."""

from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import pykka
from pykka import ActorDeadError
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from arcly_actors.runtime.exits import Monitors
from arcly_actors.runtime.future import LoopFuture, WouldBlock, in_event_loop
from arcly_actors.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from arcly_actors.runtime.system import System

A = TypeVar("A", bound=pykka.Actor)


class WatchedRef(pykka.ActorRef[A]):
    """A reference whose actor's end can be watched, and whose replies can be awaited."""

    system: "System | None" = None

    def __init__(self, actor: A) -> None:
        super().__init__(actor)
        self.monitors = Monitors()

    def tell(self, message: Any) -> None:
        """See `pykka.ActorRef.tell`; never blocks. Raises ActorDeadError."""
        if self.actor_stopped.is_set():
            raise ActorDeadError(f"{self} not found")
        self.actor_inbox.put(message)

    @overload
    def ask(self, message: Any, *, block: Literal[False], timeout: float | None = None) -> LoopFuture[Any]: ...
    @overload
    def ask(self, message: Any, *, block: Literal[True] = True, timeout: float | None = None) -> Any: ...
    @overload
    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any | LoopFuture[Any]: ...
    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any | LoopFuture[Any]:
        """See `pykka.ActorRef.ask`; ``await ref.ask(message, block=False)`` on a loop.

        Raises `WouldBlock`, and sends nothing, when asked to block a thread that runs an event loop.
        """
        if block and in_event_loop():
            raise WouldBlock(f"asking {self} would stop the event loop: `await ref.ask(message, block=False)`")
        future: LoopFuture[Any] = LoopFuture()
        try:
            if self.actor_stopped.is_set():
                raise ActorDeadError(f"{self} not found")  # noqa: TRY301
            self.actor_inbox.put(Envelope(message, reply_to=future))
        except ActorDeadError:
            future.set_exception()
        return future.get(timeout=timeout) if block else future

    @overload
    def stop(self, *, block: Literal[True] = True, timeout: float | None = None) -> bool: ...
    @overload
    def stop(self, *, block: Literal[False], timeout: float | None = None) -> LoopFuture[bool]: ...
    @overload
    def stop(self, *, block: bool = True, timeout: float | None = None) -> bool | LoopFuture[bool]: ...
    def stop(self, *, block: bool = True, timeout: float | None = None) -> bool | LoopFuture[bool]:
        """See `pykka.ActorRef.stop`: True when it stops now, False when it was dead; `WouldBlock` as for `ask`."""
        if block and in_event_loop():
            raise WouldBlock(f"waiting for {self} to stop would stop the event loop: `await ref.stop(block=False)`")
        asked = self.ask(_ActorStop(), block=False)
        stopped: LoopFuture[bool] = LoopFuture()

        def settle() -> None:
            try:
                asked.get()
            except ActorDeadError:
                stopped.set(value=False)
            else:
                stopped.set(value=True)

        asked.on_settled(settle)
        return stopped.get(timeout=timeout) if block else stopped


class LoopActorRef(WatchedRef[A]):
    """The reference to a `LoopActor`."""

    def __init__(self, actor: A, mailbox: Mailbox) -> None:
        super().__init__(actor)
        self._mailbox = mailbox
        self._queue = mailbox.queue

    def is_alive(self) -> bool:
        """See `pykka.ActorRef.is_alive`."""
        return not self._mailbox.closed

    def tell(self, message: Any) -> None:
        """See `pykka.ActorRef.tell`; from any thread, never blocks. Raises ActorDeadError."""
        mailbox = self._mailbox
        queue = self._queue
        if mailbox.closed:
            raise ActorDeadError(f"{self} not found")
        if get_ident() != queue.home:
            mailbox.put(message)
            return
        if type(message) in mailbox.media:
            if mailbox.waiting + mailbox.foreign >= mailbox.bound:
                mailbox.dropped += 1
                return
            mailbox.waiting += 1
        mailbox.append(message)
        if not mailbox.queued:  # `Mailbox.put`, `accept` and `RunQueue.add`, inlined: this is the runtime's hottest line
            mailbox.queued = True
            queue.ready.append(mailbox)
            if not queue.scheduled:
                mailbox.schedule()
