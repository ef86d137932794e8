"""Sending again when a NACK asks: how much of that one viewer may have."""

from arcly_actors import limits
from arcly_actors.media.timebase import MILLISECOND, SECOND


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
