"""A supervisor's record of one child, and what supervision tells the world."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import pykka

from arcly_actors.runtime.actor import Timer
from arcly_actors.runtime.future import LoopFuture
from arcly_actors.runtime.policy import ChildSpec, RestartPolicy, RestartWindow


class ChildState(StrEnum):
    """Where a child is; `DEGRADED` is down after too many failures and tried again now and then."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    DEGRADED = "degraded"


CHILD_STATES: dict[ChildState, dict[str, ChildState]] = {
    ChildState.WAITING: {
        "started": ChildState.RUNNING,
        "failed": ChildState.WAITING,
        "exhausted": ChildState.DEGRADED,
    },
    ChildState.RUNNING: {
        "stop asked": ChildState.STOPPING,
        "failed": ChildState.WAITING,
        "exhausted": ChildState.DEGRADED,
    },
    ChildState.STOPPING: {"stopped": ChildState.WAITING},
    ChildState.DEGRADED: {
        "started": ChildState.RUNNING,
        "failed": ChildState.DEGRADED,
        "exhausted": ChildState.DEGRADED,
    },
}


@dataclass(frozen=True, slots=True)
class ChildFailed:
    """A child's actor failed, or its start raised."""

    supervisor: str
    id: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class ChildRestarted:
    """A child runs again, for the `restarts`-th time."""

    supervisor: str
    id: str
    restarts: int


@dataclass(frozen=True, slots=True)
class ChildGaveUp:
    """A child failed too often: it is removed, or (`escalated`) its supervisor fails with it."""

    supervisor: str
    id: str
    error: BaseException | None
    escalated: bool


@dataclass(frozen=True, slots=True)
class Degraded:
    """A child failed too often and stays down; it is tried again at the backoff's cap."""

    supervisor: str
    id: str
    error: BaseException | None


SupervisionEvent: TypeAlias = ChildFailed | ChildRestarted | ChildGaveUp | Degraded


class Child:
    """What a supervisor knows of a child. `order` counts children as they are added: that is the order of starts."""

    __slots__ = (
        "attempt",
        "last_error",
        "launched",
        "order",
        "probation",
        "ref",
        "restart_replies",
        "restarts",
        "spec",
        "started_at",
        "state",
        "stop_replies",
        "timer",
        "window",
    )  # fmt: skip

    def __init__(self, spec: ChildSpec, order: int, policy: RestartPolicy) -> None:
        self.spec = spec
        self.order = order
        self.state = ChildState.WAITING
        self.ref: pykka.ActorRef[Any] | None = None
        self.timer: Timer | None = None
        self.started_at: int | None = None
        self.restarts = 0
        self.attempt = 0
        self.probation = False
        self.last_error = ""
        self.window = RestartWindow(policy.intensity)
        self.stop_replies: list[LoopFuture[bool]] = []
        self.launched = False
        self.restart_replies: list[LoopFuture[pykka.ActorRef[Any]]] = []

    def move(self, event: str) -> None:
        """Change the state as `CHILD_STATES` says; KeyError for a move that is not in it."""
        self.state = CHILD_STATES[self.state][event]

    def disarm(self) -> None:
        """Cancel the timer, whatever it was for."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def answer_stop(self) -> None:
        """Let those who wait for the child to be gone know."""
        replies, self.stop_replies = self.stop_replies, []
        for reply in replies:
            reply.set(value=True)

    def answer_restart(self, result: pykka.ActorRef[Any] | BaseException) -> None:
        """Give those who wait for its restart the new reference, or the error."""
        replies, self.restart_replies = self.restart_replies, []
        for reply in replies:
            if isinstance(result, BaseException):
                reply.set_exception((None, result, result.__traceback__))
            else:
                reply.set(result)
