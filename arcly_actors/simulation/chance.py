"""Chance: what is decided by the seed."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from arcly_actors.clock import SeededEntropy

T = TypeVar("T")


class Chance:
    """Choices that are the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._entropy = SeededEntropy(seed)
        self._share: Callable[[], float] = self._entropy.share

    def between(self, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        return self._entropy.uniform(low, high)

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self._share() * (high - low + 1))

    def happens(self, share: float) -> bool:
        """True in this share (0 to 1) of cases."""
        return self._share() < share

    def one(self, values: Sequence[T]) -> T:
        """One of them."""
        return values[self.whole(0, len(values) - 1)]

    def weighted(self, values: Mapping[T, float]) -> T:
        """One of them, each as often as its weight says; KeyError when there is none of any weight."""
        left = self._share() * sum(values.values())
        chosen: T | None = None
        for value, weight in values.items():
            if weight <= 0:
                continue
            chosen = value
            left -= weight
            if left <= 0:
                break
        if chosen is None:
            raise KeyError("nothing to choose from")
        return chosen

    def data(self, size: int) -> bytes:
        """That many bytes."""
        return self._entropy.random_bytes(size)
