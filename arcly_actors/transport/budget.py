"""How many connections there may be, and how often one hears about those turned away."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.clock import Clock
from arcly_actors.errors import Refusal, Refused
from arcly_actors.transport.addresses import Address


class Budget:
    """Connections that all listeners of one engine may hold together, and each peer address by itself.

    A few more (`limits.REFUSED_AT_ONCE`) are let in only to be told, in their protocol's words, that there is no room.
    """

    __slots__ = ("_by_host", "connections", "in_use", "per_host", "refusing")

    def __init__(self, connections: int = limits.MAX_CONNECTIONS, per_host: int | None = None) -> None:
        self.connections = connections
        self.per_host = per_host
        self.in_use = 0
        self.refusing = 0
        self._by_host: Counter[str] = Counter()

    def take(self, host: str) -> "Permit":
        """A permit to give back when the connection is gone, one to be `refused` when a bound is reached.

        Refused(LIMIT) when too many are being told so already.
        """
        refused = self._refusal(host)
        if refused is not None:
            if self.refusing >= limits.REFUSED_AT_ONCE:
                raise refused
            self.refusing += 1
            return Permit(self, host, refused)
        self.in_use += 1
        self._by_host[host] += 1
        return Permit(self, host)

    def _refusal(self, host: str) -> Refused | None:
        if self.in_use >= self.connections:
            return Refused(Refusal.LIMIT, f"all {self.connections} connections are in use")
        if self.per_host is not None and self._by_host[host] >= self.per_host:
            return Refused(Refusal.LIMIT, f"{host} already has {self.per_host} connections")
        return None

    def give_back(self, permit: "Permit") -> None:
        """One connection less; `Permit.release` calls it once."""
        if permit.refused is not None:
            self.refusing -= 1
            return
        host = permit.host
        self.in_use -= 1
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]


class Permit:
    """The right to one connection, or (`refused`) only to be told why not. `release` gives it back, once."""

    __slots__ = ("_budget", "host", "refused")

    def __init__(self, budget: Budget, host: str, refused: Refused | None = None) -> None:
        self._budget: Budget | None = budget
        self.host = host
        self.refused = refused

    def release(self) -> None:
        """Give it back; more than once does no harm."""
        budget, self._budget = self._budget, None
        if budget is not None:
            budget.give_back(self)


@dataclass(frozen=True, slots=True)
class Complaint:
    """Connections that did not come to be: `count` of them for this `reason` since the last complaint about it."""

    where: Address
    reason: str
    detail: str
    peer: Address | None
    count: int


class Complaints:
    """Counts every one and tells of at most one per reason and `limits.COMPLAINT_INTERVAL`."""

    __slots__ = ("_clock", "_next", "_tell", "_untold", "totals")

    def __init__(self, clock: Clock, tell: Callable[[Complaint], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._next: dict[str, int] = {}
        self._untold: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()

    def add(self, where: Address, reason: str, detail: str, peer: Address | None = None) -> None:
        """Count one; `reason` is one of a few fixed words, what varies belongs into `detail`."""
        self.totals[reason] += 1
        self._untold[reason] += 1
        now = self._clock.monotonic_ns()
        if now < self._next.get(reason, now):
            return
        self._next[reason] = now + limits.COMPLAINT_INTERVAL
        self._tell(Complaint(where, reason, detail, peer, self._untold.pop(reason)))
