"""Entropy as it was: a replay draws what the recording drew."""

from collections import deque
from collections.abc import Iterable

from arcly_actors.clock import SeededEntropy
from arcly_actors.script.record import Record


class RecalledEntropy:
    """Gives the draws of a script again, those of each size in their order; past the last one it is seeded.

    By size, so that one draw more or less than in the recording (a restart, a session that another order brought
    forward) shifts only draws of its own kind.
    """

    def __init__(self, records: Iterable[Record], seed: int) -> None:
        self._bytes: dict[int, deque[bytes]] = {}
        self._numbers: deque[float] = deque()
        self._beyond = SeededEntropy(~seed)
        self._numbers_beyond = SeededEntropy(seed)  # of their own: bytes more or less do not change backoffs
        for record in records:
            if record.kind != "draw":
                continue
            if "number" in record.fields:
                self._numbers.append(float(record.fields["number"]))
            else:
                drawn = bytes.fromhex(record.fields["bytes"])
                self._bytes.setdefault(len(drawn), deque()).append(drawn)

    def random_bytes(self, count: int) -> bytes:
        """See `Entropy.random_bytes`."""
        recorded = self._bytes.get(count)
        if recorded:
            return recorded.popleft()
        return self._beyond.random_bytes(count)

    def uniform(self, low: float, high: float) -> float:
        """See `Entropy.uniform`."""
        if self._numbers:
            return min(max(self._numbers.popleft(), low), high)
        return self._numbers_beyond.uniform(low, high)
