"""What has arrived and is not yet due, what is missing, and in which order it leaves: always that of the indexes."""

from collections.abc import Iterator

from arcly_actors import limits
from arcly_actors.protocols.srt.statistics import Statistics


class ReceiveBuffer:
    """`head` is the next index to deliver, `top` the one after the highest that came. `packets` are those that wait, each
    with the time at which it is due: who finds that a packet is just the next one may put it there, and raise `top`.
    """

    __slots__ = ("_losses", "_statistics", "head", "packets", "top")

    def __init__(self, first: int, statistics: Statistics) -> None:
        self.head = self.top = first
        self.packets: dict[int, tuple[int, bytes]] = {}
        self._losses: dict[int, None] = {}
        self._statistics = statistics

    def __len__(self) -> int:
        return len(self.packets)

    @property
    def losses(self) -> Iterator[int]:
        """Missing indexes, in rising order."""
        return iter(self._losses)

    @property
    def has_losses(self) -> bool:
        """Whether anything is missing."""
        return bool(self._losses)

    @property
    def acknowledged(self) -> int:
        """Everything before this index has come, or is given up."""
        return next(iter(self._losses), self.top)

    @property
    def room(self) -> int:
        """Packets that may still come."""
        return limits.SRT_WINDOW - (self.top - self.head)

    def add(self, index: int, due: int, payload: bytes) -> range | None:
        """Take a packet; the indexes found missing because of it, None when it was not wanted."""
        statistics = self._statistics
        top = self.top
        if index == top:
            self.packets[index] = (due, payload)
            self.top = top + 1
            return _NONE
        if index < top:
            if index in self._losses:
                del self._losses[index]
                self.packets[index] = (due, payload)
                statistics.pktReorderDistance = max(statistics.pktReorderDistance, top - 1 - index)
                return _NONE
            if index < self.head:
                statistics.pktRcvBelated += 1
            return None
        if index - self.head >= limits.SRT_WINDOW:
            statistics.pktMalformed += 1
            return None
        missing = range(top, index)
        self._losses.update(dict.fromkeys(missing))
        statistics.pktRcvLoss += index - top
        self.packets[index] = (due, payload)
        self.top = index + 1
        return missing

    def deliver(self, now: int) -> list[bytes]:
        """What is due; what is missing before it came too late and is given up."""
        packets, head = self.packets, self.head
        due: list[bytes] = []
        while True:
            found = packets.get(head)
            if found is not None:
                if found[0] > now:
                    break
                del packets[head]
                head += 1
                if found[1]:
                    due.append(found[1])
                continue
            self.head = head
            if not packets or packets[after := self._after(head)][0] > now:
                break
            self.give_up(after)
            head = after
        self.head = head
        return due

    def next_due(self) -> int | None:
        """When the next packet is due (ns)."""
        if not self.packets:
            return None
        found = self.packets.get(self.head)
        return found[0] if found is not None else self.packets[self._after(self.head)][0]

    def give_up(self, until: int) -> None:
        """The sender does not have what is missing before `until`, or it is too late for it."""
        for index in range(self.head, min(until, self.head + limits.SRT_WINDOW)):
            if self.packets.pop(index, None) is not None:
                continue
            self._losses.pop(index, None)
            self._statistics.pktRcvDrop += 1
        self.head = until
        self.top = max(self.top, until)

    def forget(self, first: int, last: int) -> None:
        """The sender has dropped `first` to `last`: they are not missing any more, and skipped when their turn comes."""
        for index in range(max(first, self.head), min(last + 1, self.top)):
            if index in self._losses:
                del self._losses[index]
                self.packets[index] = (0, b"")
                self._statistics.pktRcvDrop += 1

    def _after(self, index: int) -> int:
        """The first index after a gap that is there; there is one."""
        while index not in self.packets:
            index += 1
        return index


_NONE = range(0)
