"""The peer's clock, by which packets are delivered (draft-sharabayko-srt section 4.5).

A packet's time stamp says when it was sent, on the peer's clock, in microseconds of 32 bits (71 minutes until it wraps).
It is delivered at *base + time stamp + latency*. The base comes from the handshake; what the clocks drift, and what the
handshake was late, is found by averaging (section 4.7).
"""

from arcly_actors import limits

_HALF = 0x8000_0000
_MASK = 0xFFFF_FFFF


class PeerClock:
    """Times are ns on our clock."""

    __slots__ = ("_base", "_last", "_samples", "_sum", "drift", "latency")

    def __init__(self, timestamp: int, now: int, latency: int) -> None:
        self._base = now - timestamp * 1000
        self._last = timestamp
        self.latency = latency
        self._samples = self._sum = 0
        self.drift = 0

    def sent(self, timestamp: int) -> int:
        """When a packet with this time stamp (µs, 32 bits) left, on our clock."""
        ahead = (timestamp - self._last + _HALF & _MASK) - _HALF
        last = self._last + ahead
        if ahead > 0:
            self._last = last
        return self._base + last * 1000

    def due(self, timestamp: int) -> int:
        """When it is to be delivered."""
        return self.sent(timestamp) + self.latency

    def newest(self) -> tuple[int, int]:
        """The newest time stamp (32 bits), and what has to be added to 1000 times a later one, which has not wrapped, for
        when that is due.
        """
        newest = self._last & _MASK
        return newest, self._base + (self._last - newest) * 1000 + self.latency

    def sample(self, timestamp: int, now: int, half_trip_grown: int) -> None:
        """A packet with this time stamp came now; `half_trip_grown`: how much longer than at first its way was (ns)."""
        self._sum += now - half_trip_grown - self.sent(timestamp)
        self._samples += 1
        if self._samples == limits.SRT_DRIFT_SAMPLES:
            self.drift = self._sum // self._samples
            self._base += self.drift
            self._samples = self._sum = 0
