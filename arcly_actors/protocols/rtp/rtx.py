"""Retransmission as a stream of its own (RFC 4588 §4): the packet again, its sequence number in front of its payload."""

from arcly_actors.errors import Malformed
from arcly_actors.protocols.rtp.packet import FIXED, HEADER_BYTES, RtpPacket


def wrap(packet: bytes, payload_type: int, ssrc: int, sequence: int) -> bytes:
    """A packet of ours (as `outgoing` builds it, without padding) as its retransmission; extensions are kept."""
    first, second, original, timestamp, _ = FIXED.unpack_from(packet)
    start = HEADER_BYTES + 4 * (first & 15)
    if first & 0x10:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4])
    head = FIXED.pack(first, second & 0x80 | payload_type, sequence & 0xFFFF, timestamp, ssrc)
    return b"".join((head, packet[HEADER_BYTES:start], original.to_bytes(2), packet[start:]))


def unwrap(packet: RtpPacket, payload_type: int, ssrc: int) -> RtpPacket | None:
    """The original of a retransmission, for the SSRC and payload type that it repairs; None for a probe of padding.

    `Malformed` when there is no room for the original sequence number.
    """
    if not packet.payload:
        return None
    if len(packet.payload) < 2:
        raise Malformed("RTX packet without its original sequence number")
    original = int.from_bytes(packet.payload[:2])
    return packet._replace(payload_type=payload_type, sequence=original, ssrc=ssrc, payload=packet.payload[2:])
