"""Supervision policy, as data: the topology fills it in, `Supervisor` obeys it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pykka

from arcly_actors.clock import NS_PER_MS, NS_PER_S, Entropy
from arcly_actors.limits import SHUTDOWN_TIMEOUT


class Strategy(StrEnum):
    """Who is restarted when one child fails (the names are OTP's)."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


class Restart(StrEnum):
    """Which ends of a child lead to a restart: every one, failures only, none (and then it is forgotten)."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class OnExceeded(StrEnum):
    """What happens when a child fails more often than its `Intensity` allows.

    ESCALATE: the supervisor stops its children and fails itself, so that its own supervisor decides.
    DEGRADE: the child stays down, visibly, and is tried again for ever, at the backoff's cap.
    ABANDON: the child is removed.
    """

    ESCALATE = "escalate"
    DEGRADE = "degrade"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class Intensity:
    """At most `max_restarts` within `period_ns`; one more is too many."""

    max_restarts: int = 5
    period_ns: int = 10 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a restart: `first_ns`, doubling up to `cap_ns`, each ± `jitter` (a fraction).

    Jitter keeps many sources that lost one server from coming back in step.
    """

    first_ns: int = 200 * NS_PER_MS
    cap_ns: int = 30 * NS_PER_S
    jitter: float = 0.2

    def delay_ns(self, attempt: int, entropy: Entropy) -> int:
        """The wait before restart number `attempt` (from 0) of a row."""
        # 2**62 ns is past any cap, and a row may be long
        return self._jittered(min(self.cap_ns, self.first_ns << min(attempt, 62)), entropy)

    def retry_ns(self, entropy: Entropy) -> int:
        """The wait between two tries of a degraded child."""
        return self._jittered(self.cap_ns, entropy)

    def _jittered(self, delay_ns: int, entropy: Entropy) -> int:
        return round(delay_ns * (1 + entropy.uniform(-self.jitter, self.jitter)))


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How a supervisor treats its children."""

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity = field(default_factory=Intensity)
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A child: `start` starts its actor and returns the reference; `shutdown_ns` is how long an orderly stop may take."""

    id: str
    start: Callable[[], pykka.ActorRef[Any]]
    restart: Restart = Restart.PERMANENT
    shutdown_ns: int = SHUTDOWN_TIMEOUT
    on_exceeded: OnExceeded = OnExceeded.ESCALATE


class RestartWindow:
    """The restarts of the last `period_ns`."""

    __slots__ = ("_intensity", "_times")

    def __init__(self, intensity: Intensity) -> None:
        self._intensity = intensity
        self._times: deque[int] = deque()

    def admit(self, now: int) -> bool:
        """Count a restart at `now`; False when it is one too many."""
        times = self._times
        while times and times[0] <= now - self._intensity.period_ns:
            times.popleft()
        if len(times) >= self._intensity.max_restarts:
            return False
        times.append(now)
        return True
