"""`Supervisor`: starts children, restarts those that fail, as its policy says, and stops them in reverse order.

OTP's semantics, with three additions: restarts wait (exponential backoff), a child can stay down visibly instead of
taking its supervisor along (`OnExceeded.DEGRADE`), and everything can be asked for while it happens (`tree`).

- A restart of a child that escalates counts in the supervisor's window, as in OTP. Children that degrade or are
  abandoned have a window each: their trouble is not their siblings'.
- `one_for_all` and `rest_for_one` stop the others of the group last first, wait for the backoff, and start the group
  in order. A failure meanwhile widens the group or is part of it; it does not start a second restart.
- A stop is orderly: last first, each child has its `shutdown_ns`, a run of temporary children stops together.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pykka
from pykka.messages import _ActorStop

from arcly_actors.errors import ConfigurationError, Refusal, Refused
from arcly_actors.runtime.actor import LoopActor, Timer
from arcly_actors.runtime.child import (
    Child,
    ChildFailed,
    ChildGaveUp,
    ChildRestarted,
    ChildState,
    Degraded,
    SupervisionEvent,
)
from arcly_actors.runtime.dispatch import receives
from arcly_actors.runtime.exits import Exited
from arcly_actors.runtime.future import LoopFuture
from arcly_actors.runtime.mailbox import Mailbox
from arcly_actors.runtime.policy import ChildSpec, OnExceeded, Restart, RestartPolicy, RestartWindow, Strategy
from arcly_actors.runtime.receiver import Kill, Killed
from arcly_actors.runtime.requests import Children, RestartChild, StartChild, StopChild
from arcly_actors.runtime.tree import TreeNode, node_of

if TYPE_CHECKING:
    from arcly_actors.runtime.system import System

_log = logging.getLogger(__name__)
Ref = pykka.ActorRef[Any]


@dataclass(frozen=True, slots=True)
class _Relaunch:
    child: Child


@dataclass(frozen=True, slots=True)
class _RelaunchGroup:
    pass


@dataclass(frozen=True, slots=True)
class _Finish:
    pass


@dataclass(frozen=True, slots=True)
class _Overdue:
    child: Child
    ref: Ref


class IntensityExceeded(RuntimeError):
    """A supervisor's children failed more often than its policy allows; the cause is the last failure."""


class Supervisor(LoopActor):
    """See the module. `on_event` is called on the loop thread with each `SupervisionEvent`."""

    def __init__(
        self,
        system: "System",
        name: str,
        *,
        children: Sequence[ChildSpec] = (),
        policy: RestartPolicy | None = None,
        on_event: Callable[[SupervisionEvent], None] | None = None,
    ) -> None:
        super().__init__(system)
        self.name = name
        self._specs = tuple(children)
        self._policy = policy or RestartPolicy()
        self._on_event = on_event
        self._children: dict[str, Child] = {}
        self._by_urn: dict[str, Child] = {}
        self._order = 0
        self._window = RestartWindow(self._policy.intensity)
        self._sweep: list[Child] = []
        self._after_sweep: Callable[[], None] | None = None
        self._group_from: int | None = None
        self._group_timer: Timer | None = None
        self._closing = False
        self._failure: BaseException | None = None
        self._stop_replies: list[LoopFuture[None]] = []

    def on_start(self) -> None:
        """Start the children in order."""
        specs, self._specs = self._specs, ()  # of children that end, nothing is to be held
        for spec in specs:
            if not self._closing:
                self._add(spec)

    @property
    def state(self) -> ChildState:
        """Running or stopping."""
        return ChildState.STOPPING if self._closing else ChildState.RUNNING

    def nodes(self) -> tuple[TreeNode, ...]:
        """The children as they are now; see `tree`."""
        return tuple(node_of(child) for child in self._children.values())

    @property
    def policy(self) -> RestartPolicy:
        """How it treats its children."""
        return self._policy

    def child_of(self, urn: str) -> Child | None:
        """The record of the child whose actor this is, or was until a moment ago; None when it is none of its own."""
        return self._by_urn.get(urn)

    def has(self, child: Child) -> bool:
        """Whether it still looks after this child."""
        return self._children.get(child.spec.id) is child

    # -- requests. An error is the asker's: it is returned in a future, so that a mere `tell` does not fail the supervisor

    @receives(StartChild)
    def _on_start_child(self, request: StartChild) -> Ref | LoopFuture[Any]:
        spec = request.spec
        if self._closing:
            return _failed(Refused(Refusal.SHUTTING_DOWN, f"{self.name} is stopping"))
        if spec.id in self._children:
            return _failed(ConfigurationError(f"{self.name} has a child {spec.id!r} already"))
        started = self._add(spec)
        return _failed(started) if isinstance(started, BaseException) else started

    @receives(StopChild)
    def _on_stop_child(self, request: StopChild) -> bool | LoopFuture[bool]:
        child = self._children.get(request.id)
        if child is None:
            return False
        if child.ref is None:
            self._forget(child)
            return True
        reply: LoopFuture[bool] = LoopFuture()
        child.stop_replies.append(reply)
        self._ask_to_stop(child)
        return reply

    @receives(RestartChild)
    def _on_restart_child(self, request: RestartChild) -> LoopFuture[Any]:
        child = self._children.get(request.id)
        if child is None or self._closing or child.stop_replies:
            return _failed(ConfigurationError(f"{self.name} has no child {request.id!r} to restart"))
        reply: LoopFuture[Ref] = LoopFuture()
        child.restart_replies.append(reply)
        child.attempt, child.probation = 0, False
        if child.ref is not None:
            self._ask_to_stop(child)
        elif not self._in_group(child):
            self._launch(child)
        return reply

    @receives(Children)
    def _on_children(self, _request: Children) -> tuple[TreeNode, ...]:
        return self.nodes()

    @receives(_ActorStop)
    def _asked_to_stop(self, _stop: Any) -> LoopFuture[None]:
        reply: LoopFuture[None] = LoopFuture()
        self._stop_replies.append(reply)
        if not self._closing:
            self._close(None)
        return reply

    # -- starts

    def _add(self, spec: ChildSpec) -> Ref | BaseException:
        self._order += 1
        child = self._children[spec.id] = Child(spec, self._order, self._policy)
        return self._launch(child)

    def _launch(self, child: Child) -> Ref | BaseException:
        """Start a child's actor; a start that raises is a failure like any other."""
        child.disarm()
        child.started_at = None
        try:
            ref = child.spec.start()
            self.watch(ref)
        except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - its failure, whatever it is
            _log.error("%s could not start %s", self.name, child.spec.id, exc_info=error)
            child.answer_restart(error)
            self._ended(child, error)
            return error
        child.ref = ref
        child.started_at = self.system.clock.monotonic_ns()
        child.move("started")
        self._by_urn[ref.actor_urn] = child
        if child.launched:
            child.restarts += 1
            self._emit(ChildRestarted(self.name, child.spec.id, child.restarts))
        child.launched = True
        child.answer_restart(ref)
        return ref

    @receives(_Relaunch)
    def _on_relaunch(self, relaunch: _Relaunch) -> None:
        child = relaunch.child
        if child.ref is None and not self._closing and self._children.get(child.spec.id) is child:
            self._launch(child)

    @receives(_RelaunchGroup)
    def _on_relaunch_group(self, _relaunch: _RelaunchGroup) -> None:
        if self._closing:
            return
        group = self._group()
        self._group_from = self._group_timer = None
        for child in group:
            if child.state is ChildState.WAITING and isinstance(self._launch(child), BaseException):
                return  # that failure has planned the group's next restart

    # -- ends

    @receives(Exited)
    def _on_exited(self, exited: Exited) -> None:
        child = self._by_urn.pop(exited.urn, None)
        if child is None:
            return
        child.disarm()
        child.ref = None
        if child.state is ChildState.STOPPING:
            self._stopped(child, exited.error)
        else:
            self._ended(child, exited.error)
        self._advance()

    @receives(_Overdue)
    def _on_overdue(self, overdue: _Overdue) -> None:
        """An orderly stop took too long. An actor on the loop is ended; a thread cannot be, so it is left behind."""
        ref, inbox = overdue.ref, overdue.ref.actor_inbox
        if overdue.child.ref is not ref:
            return
        if isinstance(inbox, Mailbox):
            inbox.urgent(Kill())
            return
        self.unwatch(ref)
        self._on_exited(Exited(ref, ref.actor_urn, Killed(f"{ref} did not stop in time and was left behind")))

    def _stopped(self, child: Child, error: BaseException | None) -> None:
        """A child that was asked to stop has."""
        child.move("stopped")
        if error is not None:
            self._note_failure(child, error)
        if child.stop_replies or (child.spec.restart is Restart.TEMPORARY and not child.restart_replies):
            self._forget(child)
        elif child.restart_replies and not self._closing and not self._in_group(child):
            self._launch(child)

    def _ended(self, child: Child, error: BaseException | None) -> None:
        """A child ended on its own, or its start raised."""
        if error is not None:
            self._note_failure(child, error)
        restart = child.spec.restart
        if restart is Restart.TEMPORARY or (restart is Restart.TRANSIENT and error is None):
            self._forget(child)
        elif self._closing or (self._in_group(child) and child.state is not ChildState.DEGRADED):
            child.move("failed")  # its group is being stopped anyway, to be started again or not
        else:
            self._plan_restart(child, error)

    def _plan_restart(self, child: Child, error: BaseException | None) -> None:
        now, policy = self.system.clock.monotonic_ns(), self._policy
        if child.started_at is not None and now - child.started_at >= policy.intensity.period_ns:
            child.attempt, child.probation = 0, False  # it was quiet for a period: a new row of failures begins
        if child.probation:
            self._degrade(child)
            return
        window = self._window if child.spec.on_exceeded is OnExceeded.ESCALATE else child.window
        if not window.admit(now):
            self._exceeded(child, error)
            return
        delay = policy.backoff.delay_ns(child.attempt, self.system.entropy)
        child.attempt += 1
        child.move("failed")
        if policy.strategy is Strategy.ONE_FOR_ONE:
            child.timer = self.after(delay, _Relaunch(child))
        else:
            self._restart_group(child, delay)

    def _exceeded(self, child: Child, error: BaseException | None) -> None:
        match child.spec.on_exceeded:
            case OnExceeded.DEGRADE:
                self._emit(Degraded(self.name, child.spec.id, error))
                self._degrade(child)
            case OnExceeded.ABANDON:
                self._emit(ChildGaveUp(self.name, child.spec.id, error, escalated=False))
                self._forget(child)
            case OnExceeded.ESCALATE:
                self._emit(ChildGaveUp(self.name, child.spec.id, error, escalated=True))
                child.move("failed")
                failure = IntensityExceeded(f"{self.name}: {child.spec.id} failed too often, last: {child.last_error}")
                failure.__cause__ = error
                self._close(failure)

    def _degrade(self, child: Child) -> None:
        child.move("exhausted")
        child.probation = True
        child.timer = self.after(self._policy.backoff.retry_ns(self.system.entropy), _Relaunch(child))

    def _forget(self, child: Child) -> None:
        child.disarm()
        del self._children[child.spec.id]
        child.answer_stop()
        child.answer_restart(ConfigurationError(f"{child.spec.id} is no child of {self.name} any more"))

    # -- groups and sweeps

    def _in_group(self, child: Child) -> bool:
        """Whether a restart of its group is under way."""
        return self._group_from is not None and child.order >= self._group_from

    def _group(self) -> list[Child]:
        return [
            child for child in self._children.values() if self._in_group(child) and child.state is not ChildState.DEGRADED
        ]

    def _restart_group(self, child: Child, delay_ns: int) -> None:
        first = 0 if self._policy.strategy is Strategy.ONE_FOR_ALL else child.order
        self._group_from = first if self._group_from is None else min(first, self._group_from)
        if self._group_timer is not None:
            self._group_timer.cancel()

        def wait() -> None:
            self._group_timer = self.after(delay_ns, _RelaunchGroup())

        self._stop_in_order(self._group(), wait)

    def _stop_in_order(self, children: list[Child], then: Callable[[], None]) -> None:
        """Stop these, last first, then go on; replaces a sweep under way, whose children are among these."""
        for child in children:
            if child.ref is None:
                child.disarm()
        self._sweep, self._after_sweep = children, then
        self._advance()

    def _advance(self) -> None:
        sweep = self._sweep
        while sweep and sweep[-1].ref is None:
            sweep.pop()
        if not sweep:
            then, self._after_sweep = self._after_sweep, None
            if then is not None:
                then()
        elif sweep[-1].state is not ChildState.STOPPING:
            self._ask_to_stop(sweep[-1])
            if sweep[-1].spec.restart is Restart.TEMPORARY:
                for child in takewhile(lambda child: child.spec.restart is Restart.TEMPORARY, reversed(sweep)):
                    self._ask_to_stop(child)

    def _ask_to_stop(self, child: Child) -> None:
        ref = child.ref
        if ref is None or child.state is ChildState.STOPPING:
            return
        child.move("stop asked")
        child.timer = self.after(child.spec.shutdown_ns, _Overdue(child, ref))
        ref.stop(block=False)

    def _close(self, failure: BaseException | None) -> None:
        """Stop every child, then this supervisor, which fails if there is a `failure`."""
        self._closing, self._failure = True, failure
        self._stop_in_order(list(self._children.values()), lambda: self._inbox.urgent(_Finish()))

    @receives(_Finish)
    def _finish(self, _finish: _Finish) -> None:
        if self._failure is not None:
            raise self._failure
        self._end(None)

    def _release(self) -> None:
        """However this supervisor ends, its children do not outlive it."""
        super()._release()
        for child in reversed(self._children.values()):
            if child.ref is not None and child.ref.is_alive():
                child.ref.stop(block=False)
        for reply in self._stop_replies:
            reply.set(None)

    # -- news

    def _note_failure(self, child: Child, error: BaseException) -> None:
        child.last_error = f"{type(error).__name__}: {error}"
        self._emit(ChildFailed(self.name, child.spec.id, error))

    def _emit(self, event: SupervisionEvent) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - the observer's defect is not the children's
            _log.exception("An observer of %s failed itself", self.name)


def _failed(error: BaseException) -> LoopFuture[Any]:
    future: LoopFuture[Any] = LoopFuture()
    future.set_exception((None, error, error.__traceback__))
    return future
