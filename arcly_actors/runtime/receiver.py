"""`Receiver`: what every actor of a system does alike: dispatch by message type, and one way to end that is always told.

How it differs from a plain Pykka actor, and why:

- Whatever escapes, in `on_start`, a message, an `ask`, a task or `on_stop`, BaseException (a stray CancelledError)
  included, ends this actor and no other. `on_failure` is called, and watchers get `Exited`. Only KeyboardInterrupt goes
  on to the loop as well: it is the user's word to the process.
- An exception in an `ask` goes to the asker. If it is an `ArclyError`, it was raised on purpose (`Refused`), is the
  answer, and the actor lives on; any other is a defect: the actor is in a state nobody planned, so it fails, too.
"""

import logging
import sys
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pykka
from pykka import ActorDeadError, ActorRegistry
from pykka._actor import ActorInbox
from pykka._envelope import Envelope
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop

from arcly_actors.errors import ArclyError
from arcly_actors.limits import MEDIA_LANE
from arcly_actors.runtime.dispatch import DispatchTable, receives
from arcly_actors.runtime.errand import Errand
from arcly_actors.runtime.exits import Failed
from arcly_actors.runtime.future import LoopFuture
from arcly_actors.runtime.mailbox import Inbox, Mailbox
from arcly_actors.runtime.ref import LoopActorRef, WatchedRef

if TYPE_CHECKING:
    from arcly_actors.runtime.system import System


_log = logging.getLogger(__name__)


class Begin:
    """The first letter: run `on_start`."""


class Kill:
    """Stop at once, as a failure: the actor did not stop in time."""


class Killed(RuntimeError):
    """The actor was ended because it did not stop in the time it had."""


class GoOn:
    """The reply that an errand of the actor waits for is there."""

    __slots__ = ("errand",)

    def __init__(self, errand: Errand) -> None:
        self.errand = errand


class Crash:
    """A task of the actor failed with this error; `take` it once, so that its traceback does not lead to itself."""

    __slots__ = ("_errors",)

    def __init__(self, error: BaseException) -> None:
        self._errors = [error]

    def take(self) -> BaseException:
        """The error."""
        return self._errors.pop()


class _Late(WatchedRef[Any]):
    """The reference that an actor has of itself when it is dead."""


_PROXIED = (ProxyCall, ProxyGetAttr, ProxySetAttr)
_ALWAYS: frozenset[type] = frozenset((Begin, GoOn, Kill, Crash, Envelope, _ActorStop, *_PROXIED))


class Receiver(pykka.Actor):
    """An actor of a `System`; see `LoopActor` and `WorkerActor`."""

    media_types: ClassVar[tuple[type, ...]] = ()
    """Messages that may be dropped, and are, when `media_bound` of them wait. All others are control: never dropped."""

    media_bound: ClassVar[int] = MEDIA_LANE

    expected_failures: ClassVar[tuple[type[BaseException], ...]] = ()
    """Ways to fail that belong to the actor's work, and that it tells itself: restarted, but not logged as defects."""

    _table: ClassVar[DispatchTable]
    _inbox: Inbox
    _reason = ""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        overridden = cls.on_receive is not Receiver.on_receive
        cls._table = DispatchTable(cls, _ALWAYS, divert=overridden, fallback=cls.on_receive)

    def __init__(self, system: "System") -> None:
        super().__init__()
        self.system = system
        self.actor_urn = system.new_urn()
        self._owed: dict[pykka.Future[Any], bool] = {}
        self._ref = self._actor_ref = self._make_ref()
        self._ref.system = system

    @staticmethod
    def _create_actor_inbox() -> ActorInbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> LoopFuture[Any]:
        return LoopFuture()

    def _make_ref(self) -> WatchedRef[Self]:
        mailbox = Mailbox()
        self.actor_inbox = self._inbox = mailbox
        mailbox.bind(self, self.system.run_queue, frozenset(self.media_types), self.media_bound)
        return LoopActorRef(self, mailbox)

    def _start_actor_loop(self) -> None:
        self._inbox.put(Begin())

    @property
    def dropped(self) -> int:
        """Media messages refused because `media_bound` of them were waiting."""
        return self._inbox.dropped

    def on_receive(self, message: Any) -> Any:
        """Dispatch to the method that `receives` this type. An override sees every message first; call this to go on."""
        method = self._table.find(type(message))
        return super().on_receive(message) if method is None else method(self, message)

    def stop_self(self, reason: str = "") -> None:
        """Stop after the present message, before any that waits; `Exited` carries the reason."""
        self._reason = reason
        self._inbox.urgent(_ActorStop())

    def turn(self, mailbox: Mailbox, budget: int) -> int:
        """Handle up to `budget` letters, and say how many it was. For the mailbox only."""
        letters, media, table = mailbox.letters, mailbox.media, self._table
        left = budget
        letter: Any = None
        try:
            while letters and left:
                left -= 1
                letter = letters.popleft()
                kind = type(letter)
                if kind in media:
                    mailbox.waiting -= 1
                table[kind](self, letter)
        except BaseException as error:  # see the module's text
            letter = None  # this frame is in the traceback, and an asked letter leads to the error: not to be a cycle
            self._end(error)
            if isinstance(error, KeyboardInterrupt):
                raise
        if letters:
            mailbox.queue.ready.append(mailbox)
        else:
            mailbox.queued = False
        return budget - left

    @receives(Begin)
    def _begin(self, _begin: Begin) -> None:
        self.on_start()

    @receives(_ActorStop)
    def _asked_to_stop(self, _stop: Any) -> Any:
        self._end(None)

    @receives(Kill)
    def _killed(self, _kill: Kill) -> None:
        raise Killed(f"{self} did not stop in time")

    @receives(Crash)
    def _crashed(self, crash: Crash) -> None:
        raise crash.take()

    @receives(*_PROXIED)
    def _proxied(self, message: Any) -> Any:
        return super()._handle_receive(message)

    @receives(Envelope)
    def _answer(self, envelope: Envelope[Any]) -> None:
        message, reply = envelope.message, envelope.reply_to
        if reply is None:
            self._table[type(message)](self, message)
            return
        try:
            response = self._table[type(message)](self, message)
        except ArclyError:
            reply.set_exception()
        except Exception:
            reply.set_exception()
            raise
        except BaseException as error:  # a CancelledError would look like the asker's own cancellation
            reply.set_exception((None, ActorDeadError(f"{self} failed: {error!r}"), None))
            raise
        else:
            if isinstance(response, LoopFuture) and not isinstance(message, _PROXIED):
                self._answer_later(reply, response)
            else:
                reply.set(response)
        finally:
            del envelope, reply  # or, by the traceback, the error would lead to itself

    def _answer_later(self, reply: pykka.Future[Any], response: LoopFuture[Any]) -> None:
        self._owed[reply] = True

        def settle() -> None:
            if not self._owed.pop(reply, False):
                return  # the actor ended first
            try:
                value = response.get()
            except BaseException:  # noqa: BLE001 - whatever it is, it is the asker's
                reply.set_exception()
            else:
                reply.set(value)

        response.on_settled(settle)

    def _end(self, error: BaseException | None) -> None:
        """The one way out, taken once: hooks in Pykka's order, then everything the actor owned, then the news."""
        if self.actor_stopped.is_set():
            return
        self._inbox.closed = True
        if error is None:
            ActorRegistry.unregister(self.actor_ref)
            self.actor_stopped.set()
            try:
                self.on_stop()
            except BaseException as late:  # noqa: BLE001
                error = late
                self._handle_failure(*sys.exc_info())
        else:
            trace = error.__traceback__
            self._handle_failure(type(error), error, trace)
            try:
                self.on_failure(type(error), error, trace)
            except BaseException:  # noqa: BLE001
                self._handle_failure(*sys.exc_info())
        self._release()
        for reply in tuple(self._owed):
            if self._owed.pop(reply, False):
                reply.set_exception((None, ActorDeadError(f"{self} stopped before it answered"), None))
        self._inbox.close()
        self._tell_the_end(error)

    def _handle_failure(self, exception_type: Any, exception_value: BaseException | None, traceback: Any) -> None:
        """As Pykka's, which logs a defect; but an expected failure is none."""
        if not isinstance(exception_value, self.expected_failures):
            super()._handle_failure(exception_type, exception_value, traceback)
            return
        _log.debug("%s: %s", self, exception_value)
        ActorRegistry.unregister(self.actor_ref)
        self.actor_stopped.set()

    def _release(self) -> None:
        """Let go of what the actor owns (timers, tasks, watches)."""

    def _tell_the_end(self, error: BaseException | None) -> None:
        ref = self._ref
        ref.monitors.close(ref, error, self._reason)
        if error is not None:
            self.system.failures.report(Failed(ref, self.actor_urn, error))
        # The reference leads to the error, its traceback to this actor: so from here no way leads back to the reference.
        self._ref = self._actor_ref = _Late(self)
        self._ref.monitors.over = True
