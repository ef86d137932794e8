"""`UdpCrowd`: the UDP viewers of a pair of ports that are written the same bytes in one call (see `train_call`)."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from arcly_actors.runtime.seams import Tap
from arcly_actors.transport.rtp_trains import Cut, Train
from arcly_actors.transport.train_call import Addresses


class Member(Protocol):
    """An outlet as the crowd sees it."""

    closed: bool

    @property
    def pending(self) -> int:
        """See `Outlet.pending`."""
        ...

    def admit(self, what: Cut, size: int, now: int) -> Addresses | None:
        """Where these bytes go if they may leave now, which they then do; None when they are to be written singly."""
        ...

    def write(self, data: bytes) -> None:
        """See `Outlet.write`."""
        ...

    def send_train(self, train: Train) -> None:
        """Send this alone."""
        ...

    def refused(self, train: Train) -> None:
        """The way there has no segments: this one did not leave."""
        ...


class Ports(Protocol):
    """What a crowd needs of its ports."""

    @property
    def taps(self) -> tuple[Tap, ...]:
        """What hears of media that is sent."""
        ...

    def trains(self, data: bytes) -> Cut:
        """Interleaved frames as trains."""
        ...

    def send_all(self, what: Cut, to: Sequence[Addresses]) -> list[tuple[int, int]]:
        """The media's trains to each; where segments were refused, as (viewer, train) (indices)."""
        ...


class UdpCrowd:
    """See the module. `now` is monotonic ns."""

    def __init__(self, ports: Ports, now: Callable[[], int]) -> None:
        self._ports = ports
        self._now = now

    def write_all(self, members: Sequence[Any], data: bytes) -> list[Any]:
        """Write the same bytes to each member; those that have something pending, or are closed, are returned."""
        what, size, now = self._ports.trains(data), len(data), self._now()
        together = not self._ports.taps  # which are told viewer by viewer
        those: list[Member] = []
        to: list[Addresses] = []
        behind: list[Any] = []
        for member in members:
            where = member.admit(what, size, now) if together else None
            if where is not None:
                those.append(member)
                to.append(where)
                continue
            member.write(data)
            if member.closed or member.pending:
                behind.append(member)
        for report in what.reports:
            for member in those:
                member.send_train(report)
        if to and what.trains:
            for viewer, train in self._ports.send_all(what, to):
                those[viewer].refused(what.trains[train])
        return behind
