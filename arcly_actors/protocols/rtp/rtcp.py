"""Compound RTCP (RFC 3550 §6.1) and its feedback header (RFC 4585 §6.1): one table from packet types to their readers.

Reduced-size RTCP (RFC 5506), a compound that does not start with a report, is read as well: every browser sends it.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.media.cursor import Cursor
from arcly_actors.protocols.rtp import feedback, reporting, transport_cc
from arcly_actors.protocols.rtp.feedback import Fir, Nack, Pli, Remb
from arcly_actors.protocols.rtp.reporting import Bye, ReceiverReport, Sdes, SenderReport
from arcly_actors.protocols.rtp.transport_cc import TransportFeedback


@dataclass(frozen=True, slots=True)
class Unknown:
    """A packet of a type or format that is not understood; `count` is the five bits of its header."""

    packet_type: int
    count: int
    body: bytes


_HEADER = struct.Struct(">BBH")
Feedback = Nack | Pli | Fir | Remb | TransportFeedback
RtcpPacket = SenderReport | ReceiverReport | Sdes | Bye | Feedback | Unknown
_Read = Callable[[int, bytes], RtcpPacket]
_ReadFeedback = Callable[[int, int, bytes], RtcpPacket]


def parse(data: bytes) -> tuple[RtcpPacket, ...]:
    """Read a compound; `Malformed` when any of it is cut, `PeerLimit` beyond `limits.RTCP_PACKETS`."""
    found: list[RtcpPacket] = []
    at, size = 0, len(data)
    while at < size:
        if len(found) == limits.RTCP_PACKETS:
            raise PeerLimit(f"more than {limits.RTCP_PACKETS} RTCP packets in one datagram")
        if size - at < _HEADER.size:
            raise Malformed(f"RTCP header of {size - at} bytes")
        first, kind, words = _HEADER.unpack_from(data, at)
        if first >> 6 != 2:
            raise Malformed(f"RTCP version {first >> 6}")
        begin, at = at + _HEADER.size, at + _HEADER.size + 4 * words
        if at > size:
            raise Malformed(f"an RTCP packet of {4 * words} bytes ends early")
        body = data[begin:at]
        if first & 0x20:
            if at < size or not body or not 0 < body[-1] <= len(body):
                raise Malformed("RTCP padding is wrong")
            body = body[: -body[-1]]
        read = _READERS.get(kind)
        found.append(read(first & 0x1F, body) if read is not None else Unknown(kind, first & 0x1F, body))
    return tuple(found)


def build(*packets: RtcpPacket) -> bytes:
    """The compound of these packets; one has at most 31 blocks, sources or names (RFC 3550 §6.4.1)."""
    parts = []
    for packet in packets:
        kind, count, body = _written(packet)
        parts.append(bytes((0x80 | count, kind)) + (len(body) // 4).to_bytes(2) + body)
    return b"".join(parts)


def _read_feedback(kind: int) -> _Read:
    def read(form: int, body: bytes) -> RtcpPacket:
        reader = _FEEDBACK.get((kind, form))
        fci = body[8:]
        if reader is None or (reader is feedback.read_remb and not feedback.is_remb(fci)):
            return Unknown(kind, form, body)
        cursor = Cursor(body, "RTCP feedback")
        return reader(cursor.u32(), cursor.u32(), fci)

    return read


def _written(packet: RtcpPacket) -> tuple[int, int, bytes]:
    match packet:
        case SenderReport():
            return packet.TYPE, *reporting.write_sender_report(packet)
        case ReceiverReport():
            return packet.TYPE, *reporting.write_receiver_report(packet)
        case Sdes():
            return packet.TYPE, *reporting.write_sdes(packet)
        case Bye():
            return packet.TYPE, *reporting.write_bye(packet)
        case Unknown():
            return packet.packet_type, packet.count, packet.body
        case _:
            return packet.TYPE, packet.FORMAT, _written_feedback(packet)


def _written_feedback(packet: Feedback) -> bytes:
    media = 0 if isinstance(packet, Fir | Remb) else packet.media
    fci = b""  # a PLI has none
    match packet:
        case Nack():
            fci = feedback.write_nack(packet)
        case Fir():
            fci = feedback.write_fir(packet)
        case Remb():
            fci = feedback.write_remb(packet)
        case TransportFeedback():
            fci = transport_cc.write(packet)
    return packet.sender.to_bytes(4) + media.to_bytes(4) + fci + bytes(-len(fci) % 4)


_READERS: MappingProxyType[int, _Read] = MappingProxyType(
    {
        SenderReport.TYPE: reporting.read_sender_report,
        ReceiverReport.TYPE: reporting.read_receiver_report,
        Sdes.TYPE: reporting.read_sdes,
        Bye.TYPE: reporting.read_bye,
        feedback.TRANSPORT: _read_feedback(feedback.TRANSPORT),
        feedback.PAYLOAD: _read_feedback(feedback.PAYLOAD),
    }
)
_FEEDBACK: MappingProxyType[tuple[int, int], _ReadFeedback] = MappingProxyType(
    {
        (Nack.TYPE, Nack.FORMAT): feedback.read_nack,
        (TransportFeedback.TYPE, TransportFeedback.FORMAT): transport_cc.read,
        (Pli.TYPE, Pli.FORMAT): lambda sender, media, _: Pli(sender, media),
        (Fir.TYPE, Fir.FORMAT): feedback.read_fir,
        (Remb.TYPE, Remb.FORMAT): feedback.read_remb,
    }
)
