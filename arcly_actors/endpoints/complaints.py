"""What is said about peers that misbehave, and how often: one line per kind and address in an interval.

An attack or a broken fleet must not turn into a flood of log lines, nor into memory. The first complaint of a kind about
an address is said at once; further ones within the interval are counted, and the next line tells how many there were.
"""

from collections import OrderedDict
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.clock import Clock


@dataclass(slots=True)
class _Window:
    """Since the last line: when it is over (monotonic ns) and how many complaints it swallowed."""

    ends: int
    suppressed: int = 0

    def admit(self, now: int, interval: int) -> int | None:
        if now < self.ends:
            self.suppressed += 1
            return None
        swallowed, self.suppressed, self.ends = self.suppressed, 0, now + interval
        return swallowed


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Complaints that were not said; `address` is None where many addresses share the count."""

    kind: str
    address: str | None
    count: int


class Complaints:
    """Decides which complaints are said. `kind` is one of the program's own words; `address` is the peer's, no port.

    At most `addresses` windows are kept; while all are in use, further addresses share one window per kind.
    """

    __slots__ = ("_addresses", "_clock", "_interval", "_shared", "_windows")

    def __init__(
        self,
        clock: Clock,
        *,
        interval_ns: int = limits.COMPLAINT_INTERVAL_NS,
        addresses: int = limits.COMPLAINT_ADDRESSES,
    ) -> None:
        self._clock = clock
        self._interval = interval_ns
        self._addresses = addresses
        self._windows: OrderedDict[tuple[str, str], _Window] = OrderedDict()  # in the order in which they end
        self._shared: dict[str, _Window] = {}

    def admit(self, kind: str, address: str) -> int | None:
        """How many like it were suppressed before this one, which is to be said now; None: do not say it."""
        now = self._clock.monotonic_ns()
        window = self._windows.get((kind, address)) or self._begin(kind, address, now)
        swallowed = window.admit(now, self._interval)
        if swallowed is not None and (kind, address) in self._windows:
            self._windows.move_to_end((kind, address))
        return swallowed

    def settle(self) -> list[Suppressed]:
        """Forget the windows that are over and tell what they swallowed: for a line after the storm."""
        now = self._clock.monotonic_ns()
        told = self._forget(now)
        for kind, window in self._shared.items():
            if window.ends <= now:
                told.append(Suppressed(kind, None, window.suppressed))
                window.suppressed = 0
        return [each for each in told if each.count]

    def _begin(self, kind: str, address: str, now: int) -> _Window:
        if len(self._windows) >= self._addresses:
            for lost in self._forget(now):  # what they swallowed is told with the shared window's next line
                self._share(lost.kind, now).suppressed += lost.count
        if len(self._windows) >= self._addresses:
            return self._share(kind, now)
        return self._windows.setdefault((kind, address), _Window(now))

    def _share(self, kind: str, now: int) -> _Window:
        return self._shared.setdefault(kind, _Window(now))

    def _forget(self, now: int) -> list[Suppressed]:
        """Drop the windows that are over: those at the front."""
        told = []
        while self._windows and next(iter(self._windows.values())).ends <= now:
            (kind, address), window = self._windows.popitem(last=False)
            told.append(Suppressed(kind, address, window.suppressed))
        return told
