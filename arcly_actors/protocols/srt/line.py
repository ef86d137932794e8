"""What both directions of a connection share: the way out, the clock, the keys, the counters."""

from collections import deque
from typing import Any

from arcly_actors.protocols.outputs import Transmit
from arcly_actors.protocols.srt.keys import Keys
from arcly_actors.protocols.srt.packet import TIME_MASK, control
from arcly_actors.protocols.srt.rates import RoundTrip
from arcly_actors.protocols.srt.statistics import Statistics


class Line:
    """`started` is when our time stamps begin (ns); `peer_id` the socket id that the peer wants to be called by."""

    __slots__ = ("keys", "last_sent", "outputs", "peer_id", "started", "statistics", "trip")

    def __init__(self, started: int) -> None:
        self.outputs: deque[Any] = deque()
        self.started = started
        self.last_sent = started
        self.peer_id = 0
        self.keys: Keys | None = None
        self.statistics = Statistics()
        self.trip = RoundTrip()

    def stamp(self, now: int) -> int:
        """The time stamp (µs) of a packet that leaves now."""
        return (now - self.started) // 1000 & TIME_MASK

    def control(self, kind: int, specific: int, now: int, content: bytes = b"", *, subtype: int = 0) -> None:
        """Send a control packet."""
        self.last_sent = now
        packet = control(kind, specific, self.stamp(now), self.peer_id, content, subtype=subtype)
        self.outputs.append(Transmit(packet))
