"""The reorder buffer: packets out in order, none later than a bound, gaps told."""

from collections import Counter
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
        self._waiting: dict[int, tuple[RtpPacket, int]] = {}
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

    def pop(self, now: int) -> list[Ordered]:
        """The packets whose turn it is."""
        ready: list[Ordered] = []
        missing, moved = 0, False
        while self._waiting:
            if self._next is None:
                self._next = min(self._waiting)
            taken = self._waiting.pop(self._next, None)
            if taken is None:
                if moved:  # another gap, which those behind it have waited for since they came
                    self._blocked_since = min(arrival for _, arrival in self._waiting.values())
                    moved = False
                if now < self._blocked_since + self._wait and len(self._waiting) <= self._most:
                    break
                first = min(self._waiting)
                missing = first - self._next
                self.counts["missing"] += missing
                self._next = first
                continue
            ready.append(Ordered(taken[0], missing, taken[1]))
            self._next += 1
            missing, moved = 0, True
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
