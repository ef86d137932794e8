"""The reorder buffer: packets out in order, none later than a bound, gaps told."""

from collections import Counter
from heapq import heappop, heappush
from typing import NamedTuple

from arcly_actors import limits
from arcly_actors.protocols.rtp.packet import RtpPacket


class Ordered(NamedTuple):
    """A packet in its place. `missing` is how many right before it were given up, `arrival` when it came."""

    packet: RtpPacket
    missing: int
    arrival: int


class JitterBuffer:
    """Holds packets of one SSRC while one before them is missing, for `wait` nanoseconds and `most` packets at most.

    A packet in order passes at once. `counts` has the ``late``, ``duplicate``, ``missing`` and ``stray`` ones. A number
    far off is stray unless the next one follows it: then the sender started over (RFC 3550 A.1).
    """

    def __init__(self, wait: int = limits.REORDER_TIME, most: int = limits.REORDER_PACKETS) -> None:
        self._wait = wait
        self._most = most
        # By full number, as they came; and those numbers as a heap.
        self._waiting: dict[int, tuple[RtpPacket, int]] = {}
        self._order: list[int] = []
        # Full numbers go on counting where 16 bits wrap and where a sender starts over.
        self._next: int | None = None
        self._highest = 0
        self._highest_sequence = 0
        self._suspect: int | None = None
        self._blocked_since = 0
        self.counts: Counter[str] = Counter()

    def push(self, packet: RtpPacket, now: int) -> None:
        """A packet arrived at `now` (monotonic nanoseconds)."""
        full = self._place(packet.sequence)
        if full is None:
            self.counts["stray"] += 1
        elif self._next is not None and full < self._next:
            self.counts["late"] += 1
        elif full in self._waiting:
            self.counts["duplicate"] += 1
        else:
            if not self._waiting:
                self._blocked_since = now
            self._waiting[full] = (packet, now)
            heappush(self._order, full)

    def pop(self, now: int) -> list[Ordered]:
        """The packets whose turn it is."""
        ready: list[Ordered] = []
        while self._order:
            first = self._order[0]
            missing = 0 if self._next is None else first - self._next
            if missing:
                if ready:  # another gap, which those behind it have waited for since the first of them came
                    self._blocked_since = next(iter(self._waiting.values()))[1]
                if now < self._blocked_since + self._wait and len(self._waiting) <= self._most:
                    break
                self.counts["missing"] += missing
            heappop(self._order)
            packet, arrival = self._waiting.pop(first)
            ready.append(Ordered(packet, missing, arrival))
            self._next = first + 1
        return ready

    @property
    def wake_at(self) -> int | None:
        """When `pop` is due although nothing arrives; None while nothing waits."""
        return self._blocked_since + self._wait if self._waiting else None

    def _place(self, sequence: int) -> int | None:
        if self._next is None and not self._waiting:
            self._highest_sequence = sequence
            return self._highest
        step = (sequence - self._highest_sequence + 0x8000 & 0xFFFF) - 0x8000
        if step > limits.RTP_DROPOUT or step < -limits.REORDER_PACKETS:
            if sequence != self._suspect:
                self._suspect = sequence + 1 & 0xFFFF
                return None
            step = 2  # the packet that raised the suspicion was left out
        self._suspect = None
        full = self._highest + step
        if step > 0:
            self._highest, self._highest_sequence = full, sequence
        return full
