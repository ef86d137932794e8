"""Time and randomness: the only module that reads either from the system.

Everything else takes a `Clock` and an `Entropy`, so a whole session can run in virtual time and twice the same way.
All times are integer nanoseconds.
"""

import os
import random
import time
from collections.abc import Callable
from typing import Protocol

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """What time it is: `monotonic_ns` for intervals and deadlines, `wall_ns` for what a person or a peer reads."""

    def monotonic_ns(self) -> int:
        """Nanoseconds on a clock that never steps."""
        ...

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01T00:00Z; may step."""
        ...


class Entropy(Protocol):
    """Randomness: jitter, tokens, handshake filler."""

    def random_bytes(self, count: int) -> bytes:
        """`count` unpredictable bytes (reproducible when seeded)."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """A number between `low` and `high`."""
        ...


class Steppable(Clock, Protocol):
    """An engine's clock: its wall time can be set forward, and both times made to stand."""

    def step(self, ns: int) -> None:
        """Set the wall clock forward by `ns`, as an operator or a time server does."""
        ...

    def stand(self, holder: object, at: int | None = None) -> None:
        """Read the time, and show that until `holder` lets it go; or show `at` (monotonic ns), which is past."""
        ...

    def go(self, holder: object) -> None:
        """Let it go, once nobody else holds it."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    monotonic_ns = staticmethod(time.monotonic_ns)
    wall_ns = staticmethod(time.time_ns)


class SystemEntropy:
    """The operating system's randomness."""

    __slots__ = ()

    def random_bytes(self, count: int) -> bytes:
        """See `Entropy.random_bytes`."""
        return os.urandom(count)

    def uniform(self, low: float, high: float) -> float:
        """See `Entropy.uniform`."""
        return random.SystemRandom().uniform(low, high)


class VirtualClock:
    """A clock that moves only when told: `advance` moves both readings by the same amount."""

    __slots__ = ("_monotonic", "_wall")

    def __init__(self, monotonic_ns: int = 0, wall_ns: int = 1_700_000_000 * NS_PER_S) -> None:
        self._monotonic = monotonic_ns
        self._wall = wall_ns

    def monotonic_ns(self) -> int:
        """See `Clock.monotonic_ns`."""
        return self._monotonic

    def wall_ns(self) -> int:
        """See `Clock.wall_ns`."""
        return self._wall

    def advance(self, ns: int) -> None:
        """Let `ns` nanoseconds pass; ValueError when time would run backwards."""
        if ns < 0:
            raise ValueError(f"a monotonic clock cannot go back by {-ns} ns")
        self._monotonic += ns
        self._wall += ns

    def step(self, ns: int) -> None:
        """Set the wall clock forward by `ns`, as an operator or a time server does."""
        self._wall += ns

    def stand(self, holder: object, at: int | None = None) -> None:
        """See `Steppable.stand`: it stands as long as nobody advances it."""

    def go(self, holder: object) -> None:
        """See `Steppable.go`."""


class SteppedClock:
    """Another clock made `Steppable`."""

    __slots__ = ("_ahead", "_holders", "_inner", "_stands_at", "_wall_at")

    def __init__(self, inner: Clock) -> None:
        self._inner = inner
        self._ahead = 0
        self._holders: set[int] = set()
        self._stands_at = 0
        self._wall_at = 0

    def monotonic_ns(self) -> int:
        """See `Clock.monotonic_ns`."""
        return self._stands_at or self._inner.monotonic_ns()

    def actual_ns(self) -> int:
        """What `monotonic_ns` would be if it did not stand."""
        return self._inner.monotonic_ns()

    def wall_ns(self) -> int:
        """See `Clock.wall_ns`."""
        return (self._wall_at or self._inner.wall_ns()) + self._ahead

    def step(self, ns: int) -> None:
        """Set the wall clock forward by `ns`."""
        self._ahead += ns

    def stand(self, holder: object, at: int | None = None) -> None:
        """See `Steppable.stand`."""
        self._holders.add(id(holder))
        now = self._inner.monotonic_ns()
        self._stands_at = now if at is None else min(at, now)
        self._wall_at = self._inner.wall_ns() - (now - self._stands_at)

    def go(self, holder: object) -> None:
        """See `Steppable.go`."""
        self._holders.discard(id(holder))
        if not self._holders:
            self._stands_at = self._wall_at = 0


class SeededEntropy:
    """Reproducible randomness for tests and replays; never for secrets."""

    __slots__ = ("_random",)

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - being predictable is its purpose

    @property
    def share(self) -> Callable[[], float]:
        """Draws a number from 0 to 1, 1 excluded: for who draws often."""
        return self._random.random

    def random_bytes(self, count: int) -> bytes:
        """See `Entropy.random_bytes`."""
        return self._random.randbytes(count)

    def uniform(self, low: float, high: float) -> float:
        """See `Entropy.uniform`."""
        return self._random.uniform(low, high)
