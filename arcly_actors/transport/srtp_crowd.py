"""`Crowd`: the same packets to many sessions of one port, protected one after the other, sent a batch at a time.

What is particular to a member (its cipher, where it is) is arranged once, in a `Rank`. A batch then takes a copy for each
member and two calls into C that go over all of its packets: what is left of Python is about a microsecond per member,
beside what the cipher and the kernel take.
"""

from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any, Protocol

from pylibsrtp._binding import lib  # type: ignore[import-not-found]  # compiled, without types

from arcly_actors import limits
from arcly_actors.transport.send_batch import Addresses, SendBatch
from arcly_actors.transport.srtp_batch import Group, SharedPackets
from arcly_actors.transport.udp_socket import NO_SEGMENTS, Datagrams, Path, drop_reason

_protect: Any = lib.srtp_protect

Station = tuple[Any, int, Path]
"""SRTP context, bytes that a packet grows by, and the way to the peer."""


class Member(Protocol):
    """A session as the crowd sees it."""

    station: Station | None
    """None while nothing can be sent. `Crowd.changed` is to be called when it is another one."""

    def send_shared(self, packets: SharedPackets) -> bool:
        """Send to this one alone."""
        ...

    def sent(self, count: int, size: int) -> None:
        """Count so many packets of so many bytes in all."""
        ...

    def unsent(self, count: int) -> None:
        """Count packets that did not leave."""
        ...


class Crowd:
    """Of one port; see the module."""

    def __init__(self, udp: Datagrams) -> None:
        self.udp = udp
        self.epoch = 0
        self._uncounted: dict[Row, None] = {}

    def rank(self, members: Sequence[Member]) -> "Rank":
        """These members as they are now, to be sent to again and again; another set is another rank."""
        return Rank(self, members)

    def changed(self) -> None:
        """A member's station is another one: ranks arrange themselves anew before they send."""
        self.count()
        self.epoch += 1

    def note(self, row: "Row") -> None:
        """Its members have not been told what they were sent."""
        self._uncounted[row] = None

    def count(self) -> None:
        """Tell all members what they were sent: seldom asked for, so it is not done at each send. But also before other
        rows take the place of these, which would be kept for it, and be more with each viewer that comes or goes.
        """
        while self._uncounted:
            self._uncounted.popitem()[0].count()


class Rank:
    """See `Crowd.rank`."""

    def __init__(self, crowd: Crowd, members: Sequence[Member]) -> None:
        self._crowd = crowd
        self._members = tuple(members)
        self._rows: list[Row] = []
        self._others: list[Member] = []
        self._epoch = -1

    def send(self, packets: SharedPackets) -> list[Member]:
        """Send to all; those who did not get all of it are returned."""
        if self._epoch != self._crowd.epoch:
            self._arrange()
        missed = [member for member in self._others if not member.send_shared(packets)]
        for row in self._rows:
            missed += row.send(packets.groups(row.tag))
        return missed

    def _arrange(self) -> None:
        """Rows of members with one kind of cipher; others, whose path cannot segment or who are not there, singly."""
        self._crowd.count()
        self._epoch = self._crowd.epoch
        batch = self._crowd.udp.batch
        alike: dict[int, list[Member]] = {}
        self._others = []
        for member in self._members:
            station = member.station
            if batch is not None and station is not None and station[2].segments:
                alike.setdefault(station[1], []).append(member)
            else:
                self._others.append(member)
        self._rows = [Row(self._crowd, batch, tag, members) for tag, members in alike.items() if batch is not None]


class Row:
    """Members whose packets grow by `tag` bytes."""

    def __init__(self, crowd: Crowd, batch: SendBatch, tag: int, members: Sequence[Member]) -> None:
        self.tag = tag
        self._crowd = crowd
        self._batch = batch
        self._members = members
        stations = [member.station for member in members if member.station is not None]
        self._contexts = [station[0] for station in stations]
        self._paths = [station[2] for station in stations]
        self._addresses: Addresses = batch.arrange([path.peer for path in self._paths])
        self._packets = self._bytes = 0

    def send(self, groups: Sequence[Group]) -> list[Member]:
        """Protect groups for each and send them; those who did not get one are returned.

        A batch of members gets all of its groups before the next batch its first: meanwhile their ciphers leave no cache.
        """
        batch, count, each = self._batch, len(self._members), limits.SEND_BATCH
        laid = [(group, batch.slots(group.count, group.step, min(each, count))) for group in groups]
        missed: list[Member] = []
        for start in range(0, count, each):
            contexts = self._contexts[start : start + each]
            for group, slots in laid:
                missed += self._send_group(group, slots, start, contexts)
        self._packets += sum([group.count for group in groups])
        self._bytes += sum([group.size for group in groups])
        self._crowd.note(self)
        return missed

    def _send_group(self, group: Group, slots: Sequence[Any], start: int, contexts: Sequence[Any]) -> list[Member]:
        """To the members from the one at `start` on that have these contexts."""
        self._batch.fill(group.template, group.lengths, len(contexts))
        ciphers = chain.from_iterable(map(repeat, contexts, repeat(group.count)))
        statuses = list(map(_protect, ciphers, slots, self._batch.lengths))
        if any(statuses):
            return self._flush_some(group, start, statuses)
        return self._flush(group, start, len(contexts))

    def count(self) -> None:
        """See `Crowd.count`."""
        packets, size = self._packets, self._bytes
        self._packets = self._bytes = 0
        for member in self._members:
            member.sent(packets, size)

    def _flush(self, group: Group, start: int, count: int) -> list[Member]:
        missed = []
        headers = self._addresses.cut(group.step if group.count > 1 else 0)
        for index, number in self._batch.flush(headers, start, count):
            if not self._sent_singly(index, number, group):
                self._crowd.udp.dropped[drop_reason(number)] += 1
                missed.append(self._miss(index, group))
        return missed

    def _flush_some(self, group: Group, start: int, statuses: Sequence[int]) -> list[Member]:
        """What libsrtp refused to protect for somebody stays here."""
        missed: list[Member] = []
        for index in range(len(statuses) // group.count):
            if any(statuses[index * group.count : (index + 1) * group.count]):
                missed.append(self._miss(start + index, group))
            else:
                missed += self._flush(group, start + index, 1)
        return missed

    def _miss(self, index: int, group: Group) -> Member:
        member = self._members[index]
        member.sent(-group.count, -group.size)
        member.unsent(group.count)
        return member

    def _sent_singly(self, index: int, number: int, group: Group) -> bool:
        """Where an interface or route cannot segment, packets go one by one, now and from now on."""
        if number not in NO_SEGMENTS or group.count == 1:
            return False
        path = self._paths[index]
        path.segments = False
        self._crowd.changed()
        view, area = self._batch.view, index % limits.SEND_BATCH
        return all([self._crowd.udp.send(view(area, start, end), path) for start, end in group.bounds])  # noqa: C419
