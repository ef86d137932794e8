"""What was sent a short while ago, to be sent again when a NACK asks, and how much of that one viewer may have."""

from collections import deque
from collections.abc import Sequence

from arcly_actors import limits
from arcly_actors.media.timebase import MILLISECOND, SECOND


class RetransmissionHistory:
    """The packets of one outgoing stream, shared by its viewers: kept for `keep` nanoseconds and `most` packets."""

    def __init__(self, keep: int = limits.HISTORY_TIME, most: int = limits.HISTORY_PACKETS) -> None:
        self._keep = keep
        self._most = most
        self._groups: deque[tuple[int, Sequence[bytes]]] = deque()
        self._packets: dict[int, bytes] = {}

    def add(self, packets: Sequence[bytes], now: int) -> None:
        """The packets of one frame were sent at `now`; they are kept as they are, not copied."""
        self._groups.append((now, packets))
        for packet in packets:
            self._packets[packet[2] << 8 | packet[3]] = packet
        self.forget(now)

    def find(self, sequence: int, now: int) -> bytes | None:
        """The packet with this number, None when it is too old at `now` or was never sent.

        An old one must not be sent: once 65,536 others followed, SRTP would encrypt it under another one's nonce.
        """
        self.forget(now)
        return self._packets.get(sequence)

    def forget(self, now: int) -> None:
        """Let go of what is too old at `now`: for a time in which nothing is sent or asked for."""
        while self._groups and (self._groups[0][0] < now - self._keep or len(self._packets) > self._most):
            for packet in self._groups.popleft()[1]:
                self._packets.pop(packet[2] << 8 | packet[3], None)

    def __len__(self) -> int:
        return len(self._packets)


class ResendGate:
    """Says whether a viewer gets a packet again: not twice in a round trip, and not more than `share` bytes a second.

    Both are what a lossy path asks for and an attack does not need: NACKs are small and the answers large.
    """

    def __init__(self, share: int, rtt: int = 100 * MILLISECOND) -> None:
        self._share = share
        self.rtt = rtt
        self._budget = share * SECOND
        self._filled_at: int | None = None
        self._sent: dict[int, int] = {}
        self.refused = 0

    def admits(self, sequence: int, size: int, now: int) -> bool:
        """Whether the packet of `size` bytes may go out again at `now`; if so it counts as sent."""
        elapsed = now - self._filled_at if self._filled_at is not None else 0
        self._filled_at = now
        self._budget = min(self._share * SECOND, self._budget + elapsed * self._share)
        before = self._sent.get(sequence)
        if size * SECOND > self._budget or (before is not None and now - before < self.rtt // 2):
            self.refused += 1
            return False
        if len(self._sent) >= limits.NACK_PACKETS:
            self._sent = {number: at for number, at in self._sent.items() if now - at < self.rtt}
            if len(self._sent) >= limits.NACK_PACKETS:
                self._sent.clear()
        self._budget -= size * SECOND
        self._sent[sequence] = now
        return True
