"""Invariants of supervision: who failed is restarted or given up as its spec says, and nobody fails by himself."""

from dataclasses import dataclass
from typing import Any

import pykka

from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.sink import SinkBroke
from arcly_actors.ingest.source import SourceBroke
from arcly_actors.runtime.child import Child, ChildState
from arcly_actors.runtime.exits import Failed
from arcly_actors.runtime.policy import OnExceeded, Restart
from arcly_actors.runtime.supervisor import IntensityExceeded, Supervisor
from arcly_actors.script.faults import Injected
from arcly_actors.simulation.invariant import Invariant

_MARGIN = NS_PER_S // 10


class NoDefect(Invariant):
    """No actor fails but those that were made to, who fail with them, supervisors whose children failed too often, and
    who dials in vain.
    """

    text = "no actor fails of itself"

    def failed(self, failed: Failed) -> None:
        """See `Invariant`."""
        with_another = isinstance(failed.error.__cause__, Injected)
        if not with_another and not isinstance(failed.error, Injected | IntensityExceeded | SourceBroke | SinkBroke):
            self.broken(f"{failed.ref.actor_class.__name__} failed: {failed.error!r}")


@dataclass(eq=False, slots=True)
class _Owed:
    """A failed child, and what it is due: `too_many` by our own count of its failures."""

    supervisor: pykka.ActorRef[Any]
    child: Child
    failed: int
    restarts: int
    too_many: bool


class Restarted(Invariant):
    """Every child that failed is restarted within its backoff, or given up when it failed too often, as its spec says."""

    text = "every actor that failed is restarted or escalated as its spec says"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._owed: list[_Owed] = []
        self._failures: dict[object, list[int]] = {}

    def failed(self, failed: Failed) -> None:
        """See `Invariant`."""
        for ref, supervisor in self._supervisors():
            child = supervisor.child_of(failed.urn)
            if child is None:
                continue
            if child.state is not ChildState.STOPPING:
                too_many = child.spec.restart is not Restart.TEMPORARY and self._count(ref, child, supervisor)
                self._owed.append(_Owed(ref, child, self.world.now, child.restarts, too_many))
            return

    def _supervisors(self) -> list[tuple[pykka.ActorRef[Any], Supervisor]]:
        refs = [ref for ref in self.world.engine.built.system.actors() if issubclass(ref.actor_class, Supervisor)]
        return [(ref, actor) for ref in refs if (actor := _actor(ref)) is not None]

    def _count(self, ref: pykka.ActorRef[Any], child: Child, supervisor: Supervisor) -> bool:
        """Whether this failure is one too many within the period."""
        intensity = supervisor.policy.intensity
        whose: object = ref.actor_urn if child.spec.on_exceeded is OnExceeded.ESCALATE else id(child)
        times = self._failures.setdefault(whose, [])
        times[:] = [time for time in times if time > self.world.now - intensity.period_ns]
        if len(times) >= intensity.max_restarts:
            return True
        times.append(self.world.now)
        return False

    def check(self) -> None:
        """See `Invariant`."""
        self._owed = [owed for owed in self._owed if not self._settled(owed)]

    def _settled(self, owed: _Owed) -> bool:
        """Whether a failed child has what it is due; a breach settles it, too."""
        supervisor, child = _actor(owed.supervisor), owed.child
        late = self.world.now - owed.failed
        if supervisor is None or supervisor.state is ChildState.STOPPING or not owed.supervisor.is_alive():
            return True  # it went itself: by its own failure, which is judged as that, or since it was stopped
        if child.spec.restart is Restart.TEMPORARY:
            if supervisor.has(child) and late > _MARGIN:
                self.broken(f"{child.spec.id} failed, is temporary, and is still there")
            return not supervisor.has(child) or late > _MARGIN
        if child.spec.on_exceeded is OnExceeded.DEGRADE and not supervisor.has(child):
            return True  # a source or sink that was stopped
        if owed.too_many:
            return self._given_up(owed, supervisor, late)
        if child.restarts > owed.restarts or child.state is ChildState.DEGRADED or not supervisor.has(child):
            return True  # or it was stopped meanwhile: its peer has left, its stream is over
        backoff = supervisor.policy.backoff
        if late > backoff.cap_ns * (1 + backoff.jitter) + _MARGIN:
            self.broken(f"{child.spec.id} failed {late / NS_PER_S:.1f} s ago and was not restarted ({child.state})")
            return True
        return False

    def _given_up(self, owed: _Owed, supervisor: Supervisor, late: int) -> bool:
        child, how = owed.child, owed.child.spec.on_exceeded
        degraded = child.state is ChildState.DEGRADED or child.probation
        done = degraded if how is OnExceeded.DEGRADE else not supervisor.has(child)
        if not done and late > _MARGIN + child.spec.shutdown_ns:
            self.broken(f"{child.spec.id} failed too often and was not given up ({how})")
        return done or late > _MARGIN


def _actor(ref: pykka.ActorRef[Any]) -> Supervisor | None:
    actor = getattr(ref.actor_inbox, "actor", None)
    return actor if isinstance(actor, Supervisor) else None
