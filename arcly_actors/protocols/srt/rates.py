"""Round trip time, and how much comes and goes (draft-sharabayko-srt sections 4.10 and 5.1)."""

from arcly_actors.clock import NS_PER_MS, NS_PER_S

_FIRST = 100 * NS_PER_MS


class RoundTrip:
    """Smoothed round trip time and its variance, ns. Until something was measured: 100 and 50 ms."""

    __slots__ = ("first", "measured", "smoothed", "variance")

    def __init__(self) -> None:
        self.smoothed = _FIRST
        self.variance = _FIRST // 2
        self.measured = False
        self.first = 0

    @property
    def least(self) -> int:
        """How soon something sent may at the earliest be known to be lost (libsrt's bound, and never at once)."""
        return max(self.smoothed - 4 * self.variance, self.smoothed // 4)

    def sample(self, trip: int) -> None:
        """One was measured."""
        if not self.measured:
            self.measured, self.smoothed, self.variance, self.first = True, trip, trip // 2, trip
            return
        self.variance = (3 * self.variance + abs(trip - self.smoothed)) // 4
        self.smoothed = (7 * self.smoothed + trip) // 8

    def told(self, smoothed: int, variance: int) -> None:
        """The peer has measured these; believed as long as we, who only send, have nothing of our own."""
        if not self.measured:
            self.smoothed, self.variance = smoothed, variance


class Rate:
    """Packets and bytes per second, over windows of about a second."""

    __slots__ = ("_bytes", "_packets", "_since", "bytes", "packets")

    def __init__(self, now: int) -> None:
        self._since = now
        self._packets = self._bytes = 0
        self.packets = self.bytes = 0

    def add(self, packets: int, size: int) -> None:
        """So much passed."""
        self._packets += packets
        self._bytes += size

    def update(self, now: int) -> None:
        """Take stock, once a second has passed."""
        passed = now - self._since
        if passed < NS_PER_S:
            return
        self.packets = self._packets * NS_PER_S // passed
        self.bytes = self._bytes * NS_PER_S // passed
        self._packets = self._bytes = 0
        self._since = now
