"""The shared log: one bounded sequence that every reader follows with a position of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

ItemT = TypeVar("ItemT")

_COMPACT_AFTER = 256
"""Dead entries are cut off the list this many at a time, so that trimming costs O(1) per append."""

_COMPACT_FORGOTTEN = 32
"""The same for what is forgotten in order to have its memory back."""


@dataclass(frozen=True, slots=True)
class LogBound:
    """What a log may hold: entries, payload bytes, and nanoseconds from its oldest entry `Moment.until` its newest."""

    entries: int
    size: int
    duration_ns: int


class Moment(NamedTuple):
    """An entry's DTS on the stream's timeline, and when it came by the clock of this machine; both in ns."""

    dts: int
    at: int

    def until(self, later: "Moment") -> int:
        """How much later that one is, by the clock on which less time has passed (ns).

        So a publisher's clock that is set forward delays nobody, nor does a pause that the timeline leaves out.
        """
        return min(later.dts - self.dts, later.at - self.at)


class SharedLog(Generic[ItemT]):
    """Items at consecutive positions `tail` … `head` - 1; positions never repeat and never go back.

    Appending past a bound forgets the oldest items; a reader whose position fell below `tail` has lost them and decides
    itself where to go on.
    """

    __slots__ = ("_base", "_bound", "_items", "_marks", "_size", "_start", "head")

    def __init__(self, bound: LogBound) -> None:
        self._bound = bound
        self._items: list[ItemT] = []
        self._marks: list[tuple[int, int, int]] = []  # (dts, size, at) beside each item
        self._base = 0  # the position of _items[0]
        self._start = 0  # the index of the oldest item still counted
        self._size = 0
        self.head = 0

    @property
    def tail(self) -> int:
        """The oldest position that is still here; equals `head` when the log is empty."""
        return self._base + self._start

    @property
    def size(self) -> int:
        """Payload bytes held."""
        return self._size

    def __len__(self) -> int:
        return self.head - self.tail

    def append(self, item: ItemT, *, dts: int, size: int, at: int) -> int:
        """Add an item of `size` bytes at `dts` (ns), which came `at` (monotonic ns); its position.

        Trims to the bound, keeping the newest.
        """
        self._items.append(item)
        self._marks.append((dts, size, at))
        self._size += size
        position = self.head
        self.head = position + 1
        bound = self._bound
        newest = len(self._items) - 1
        while self._start < newest and (
            newest - self._start >= bound.entries
            or self._size > bound.size
            or (
                dts - self._marks[self._start][0] > bound.duration_ns
                and at - self._marks[self._start][2] > bound.duration_ns
            )
        ):
            self._size -= self._marks[self._start][1]
            self._start += 1
        if self._start >= _COMPACT_AFTER:
            self._compact()
        return position

    def forget(self, before: int, horizon: int) -> None:
        """Forget the items below position `before` that are older than `horizon` (DTS, ns)."""
        marks, start, end = self._marks, self._start, min(before, self.head) - self._base
        while start < end and marks[start][0] < horizon:
            self._size -= marks[start][1]
            start += 1
        self._start = start
        if start >= _COMPACT_FORGOTTEN:
            self._compact()

    def _compact(self) -> None:
        del self._items[: self._start]
        del self._marks[: self._start]
        self._base += self._start
        self._start = 0

    def __getitem__(self, position: int) -> ItemT:
        """The item at `position`; KeyError when it is forgotten or not there yet."""
        if not self.tail <= position < self.head:
            raise KeyError(position)
        return self._items[position - self._base]

    def slice(self, start: int, end: int) -> Sequence[ItemT]:
        """The items at `start` … `end` - 1, all of which must be here (KeyError otherwise)."""
        if start < self.tail or end > self.head:
            raise KeyError((start, end))
        return self._items[start - self._base : end - self._base]

    def dts(self, position: int) -> int:
        """The DTS (ns) of the item at `position`; KeyError when it is not here."""
        if not self.tail <= position < self.head:
            raise KeyError(position)
        return self._marks[position - self._base][0]

    def moment(self, position: int) -> Moment:
        """The DTS of the item at `position`, and when it came (ns); KeyError when it is not here."""
        if not self.tail <= position < self.head:
            raise KeyError(position)
        dts, _, at = self._marks[position - self._base]
        return Moment(dts, at)
