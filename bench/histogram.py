"""A histogram of times in bins of 0.1 ms: as good as keeping every value, at a fixed price."""

from collections import Counter
from collections.abc import Mapping

BIN_NS = 100_000
BINS_PER_MS = 10


class Histogram:
    """Times counted by bin; a quantile is the upper edge of its bin, so it is never flattered."""

    def __init__(self, bins: Mapping[int, int] | None = None) -> None:
        self.bins: Counter[int] = Counter(bins or {})

    def add(self, nanoseconds: int) -> None:
        """Count one time; one below 0 (a clock that stepped) counts as 0."""
        self.bins[max(nanoseconds, 0) // BIN_NS] += 1

    @property
    def count(self) -> int:
        """How many times were counted."""
        return self.bins.total()

    def quantile_ms(self, share: float) -> float | None:
        """The time in ms that `share` (0..1) of all do not exceed; None when there are none."""
        wanted, seen = share * self.count, 0
        for index in sorted(self.bins):
            seen += self.bins[index]
            if seen >= wanted:
                return (index + 1) / BINS_PER_MS
        return None
