"""Forward error correction: packets that are the XOR of a group of others, from which one that is lost is made again.

What is combined is a packet's length, key flags, time stamp and content as it is on the wire, encrypted or not. A packet
of protection is a data packet with message number 0 and the sequence number of the group's last; its content begins with
the column (255: a row), the flags and the length. See `fec_plan`.
"""

from dataclasses import dataclass
from typing import NamedTuple

from arcly_actors import limits
from arcly_actors.protocols.srt.fec_plan import FecPlan, Group
from arcly_actors.protocols.srt.packet import HEADER, KEY_SHIFT, RETRANSMITTED, SEQUENCE_MASK, SOLO
from arcly_actors.protocols.srt.statistics import Statistics

_HEAD = 4
_ROW = 0xFF


class Packet(NamedTuple):
    """A data packet: its index (`position`), the word with its flags, its time stamp (µs), its content as on the wire."""

    position: int
    word: int
    stamp: int
    payload: bytes


@dataclass(slots=True)
class _Sum:
    """The XOR of packets; content is a number whose first byte is the least, so that short ones end with zeros."""

    packets: int = 0
    length: int = 0
    flags: int = 0
    stamp: int = 0
    content: int = 0
    longest: int = 0

    def add(self, packet: Packet) -> None:
        """Combine with a packet of the group."""
        self.packets += 1
        self.combine(len(packet.payload), packet.word >> KEY_SHIFT & 3, packet.stamp, packet.payload)

    def combine(self, length: int, flags: int, stamp: int, content: bytes) -> None:
        """Combine with these."""
        self.length ^= length
        self.flags ^= flags
        self.stamp ^= stamp
        self.content ^= int.from_bytes(content, "little")
        self.longest = max(self.longest, len(content))


class FecSender:
    """Makes the packets of protection for what is sent from index `first` on."""

    def __init__(self, plan: FecPlan, first: int) -> None:
        self.arq = plan.arq
        self._plan = plan
        self._first = first
        self._sums: dict[Group, _Sum] = {}

    def protect(self, packet: Packet, peer: int) -> list[bytes]:
        """Take a packet that is sent; the packets to be sent right behind it to the socket id `peer`, mostly none."""
        at = packet.position - self._first
        made: list[bytes] = []
        for group in self._plan.groups(at):
            found = self._sums.get(group)
            if found is None:
                found = self._sums[group] = _Sum()
            found.add(packet)
            if at == group.last:
                del self._sums[group]
                made.append(_packed(found, group, packet.position, peer))
        return made


def _packed(found: _Sum, group: Group, index: int, peer: int) -> bytes:
    head = HEADER.pack(index & SEQUENCE_MASK, SOLO | RETRANSMITTED, found.stamp, peer)
    column = group.column & _ROW
    return b"".join(
        (head, bytes((column, found.flags)), found.length.to_bytes(2), found.content.to_bytes(found.longest, "little"))
    )


@dataclass(slots=True)
class _Arrived:
    """What has come of a group."""

    sum: _Sum
    protected: bool = False


class FecReceiver:
    """Makes again what is missing from what comes, packets from index `first` on.

    It remembers groups until two matrices have passed, whatever the peer says. What it does is counted in `statistics`;
    what could not be meant is there as malformed.
    """

    def __init__(self, plan: FecPlan, first: int, statistics: Statistics) -> None:
        self.arq = plan.arq
        self._plan = plan
        self._first = first
        self._statistics = statistics
        self._span = 2 * plan.columns * plan.rows
        self._groups: dict[Group, _Arrived] = {}
        self._come: set[int] = set()
        self._top = 0
        self._swept = 0

    def data(self, packet: Packet) -> list[Packet]:
        """Take a data packet; what could be made again because of it."""
        at = packet.position - self._first
        if not self._near(at) or at in self._come:
            return []
        made = self._settle(self._enter(packet))
        self._sweep()
        return made

    def protection(self, index: int, stamp: int, content: bytes) -> list[Packet]:
        """Take a packet of protection; what could be made again because of it."""
        at = index - self._first
        group = self._protected(at, content) if self._near(at) else None
        if group is None:
            self._statistics.pktMalformed += 1
            return []
        self._statistics.pktRcvFilterExtra += 1
        self._top = max(self._top, at + 1)
        arrived = self._groups.setdefault(group, _Arrived(_Sum()))
        if arrived.protected:
            return []
        arrived.protected = True
        arrived.sum.combine(int.from_bytes(content[2:4]), content[1] & 3, stamp, content[_HEAD:])
        return self._settle(self._completed(group))

    def hopeless(self, index: int) -> bool:
        """Whether nothing that is still to come will make this one again."""
        return all(group.last < self._top - 1 for group in self._plan.groups(index - self._first))

    def _near(self, at: int) -> bool:
        return self._swept <= at < self._top + limits.SRT_WINDOW

    def _protected(self, at: int, content: bytes) -> Group | None:
        """Whose last packet `at` is; None when the content cannot be meant."""
        if len(content) < _HEAD:
            return None
        group = self._plan.row_of(at) if content[0] == _ROW else self._plan.column_of(at)
        return group if group is not None and group.last == at else None

    def _settle(self, again: list[Packet]) -> list[Packet]:
        """Each packet that is made again may be the last but one of another group."""
        made: list[Packet] = []
        while again:
            packet = again.pop()
            if packet.position - self._first not in self._come:
                made.append(packet)
                again += self._enter(packet)
        self._statistics.pktRcvFilterSupply += len(made)
        return made

    def _enter(self, packet: Packet) -> list[Packet]:
        """Combine a packet with its groups; what they now give."""
        at = packet.position - self._first
        self._come.add(at)
        self._top = max(self._top, at + 1)
        groups = self._plan.groups(at)
        for group in groups:
            self._groups.setdefault(group, _Arrived(_Sum())).sum.add(packet)
        return [again for group in groups for again in self._completed(group)]

    def _completed(self, group: Group) -> list[Packet]:
        """The one packet that a group lacks, if it is only one and its protection has come."""
        arrived = self._groups[group]
        found = arrived.sum
        if not arrived.protected or found.packets != group.size - 1:
            return []
        missing = next((at for at in group.members if at not in self._come), None)
        if missing is None or missing < self._swept or found.length > found.longest:
            self._statistics.pktMalformed += 1
            return []
        word = SOLO | RETRANSMITTED | found.flags << KEY_SHIFT | 1
        content = found.content.to_bytes(found.longest, "little")[: found.length]
        return [Packet(self._first + missing, word, found.stamp, content)]

    def _sweep(self) -> None:
        """Forget what is two matrices old, a row at a time."""
        oldest = self._top - self._span
        if oldest - self._swept < self._plan.columns:
            return
        self._swept = oldest
        self._come = {at for at in self._come if at >= oldest}
        self._groups = {group: arrived for group, arrived in self._groups.items() if group.last >= oldest}
