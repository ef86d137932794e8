"""Sound from packets where every packet stands for itself, and the formats that are no more than that.

Opus (RFC 7587 §4.2): a packet is a payload. G.711 and G.722 (RFC 3551 §4.5.14, §4.5.2): a payload is bytes of sound.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerViolation
from arcly_actors.media import opus
from arcly_actors.media.frame import MediaFrame
from arcly_actors.media.timebase import Unwrap
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.unit import AccessUnit, RtpChunk
from arcly_actors.protocols.rtp.sequence import LATE, Continuity

Timed = tuple[int, bytes]
G711_PACKET = 160
"""Bytes of G.711 or G.722 in 20 ms, the packet that RFC 3551 §4.2 has as default; a tick of either clock is a byte."""


class AudioDepacketiser:
    """A `Depacketiser` whose `read` makes (ticks after the packet's, payload) of one packet's payload.

    `read` gets the payload and the marker bit, and raises `PeerViolation`; what it holds back it forgets at `clear`.
    """

    needs_keyframe = False

    def __init__(self, read: Callable[[bytes, bool], list[Timed]], clear: Callable[[], None] = lambda: None) -> None:
        self._read = read
        self._clear = clear
        self._continuity = Continuity()
        self._unwrap = Unwrap(32)
        self._lossy = False
        self._dropped: Counter[str] = Counter()
        self.configuration = b""

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many packets were left out, by reason: ``late``, ``malformed``."""
        return self._dropped

    def push(self, packet: RtpPacket) -> list[AccessUnit]:
        """The sound frames in this packet."""
        missing = self._continuity.missing(packet.sequence)
        if missing == LATE:
            self._dropped["late"] += 1
            return []
        if missing:
            self.discontinuity()
        if not packet.payload:
            return []
        try:
            found = self._read(packet.payload, packet.marker)
        except PeerViolation:
            self._dropped["malformed"] += 1
            self.discontinuity()
            return []
        if not found:
            return []
        ticks, lossy, self._lossy = self._unwrap(packet.timestamp), self._lossy, False
        return [AccessUnit(ticks + after, data, True, lossy and not index) for index, (after, data) in enumerate(found)]

    def discontinuity(self) -> None:
        """Packets were lost."""
        self._clear()
        self._lossy = True


class OpusPacketiser:
    """One packet for each frame."""

    def packetise(self, frame: MediaFrame) -> list[RtpChunk]:
        """The frame as it is; `Malformed` beyond what a datagram takes (RFC 6716 allows 61 kB in theory)."""
        if not 0 < len(frame.payload) <= limits.OPUS_PACKET:
            raise Malformed(f"Opus packet of {len(frame.payload)} bytes")
        return [RtpChunk(frame.payload)]


class SamplePacketiser:
    """G.711 and G.722: packets of 20 ms. Their clocks tick once a byte, also that of G.722 (RFC 3551 §4.5.2)."""

    def packetise(self, frame: MediaFrame) -> list[RtpChunk]:
        """The payloads of a frame of any length."""
        data = frame.payload
        starts = range(0, len(data), G711_PACKET)
        return [RtpChunk(data[start : start + G711_PACKET], offset=start) for start in starts]


def read_opus(payload: bytes, _marker: bool) -> list[Timed]:
    """One packet; `Malformed` when it is none (RFC 6716 §3.1)."""
    opus.packet_duration(payload)
    return [(0, payload)]


def read_samples(payload: bytes, _marker: bool) -> list[Timed]:
    """The bytes as they are."""
    return [(0, payload)]
