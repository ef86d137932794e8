"""RTCP about streams: sender and receiver reports, source description, goodbye (RFC 3550 §6.4-6.6)."""

import struct
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from arcly_actors.errors import Malformed
from arcly_actors.media.cursor import Cursor

_BLOCK = struct.Struct(">IIIIII")
_SENDER = struct.Struct(">IQIII")
_CNAME = 1


class ReportBlock(NamedTuple):
    """How one source is received. `fraction_lost` is in 1/256 since the last report, `lost` the total (may be negative).

    `highest` is the sequence number extended to 32 bits, `jitter` is in ticks; `last_report` is the middle 32 bits of the
    NTP time of the last SR (0: none yet) and `delay` the time since, in 1/65536 s.
    """

    ssrc: int
    fraction_lost: int = 0
    lost: int = 0
    highest: int = 0
    jitter: int = 0
    last_report: int = 0
    delay: int = 0


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What `ssrc` sent up to `ntp` (64 bits: seconds since 1900 and their fraction), which is `timestamp` in ticks."""

    TYPE: ClassVar[int] = 200
    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """How `ssrc` receives others."""

    TYPE: ClassVar[int] = 201
    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Sdes:
    """The canonical names of sources, as (ssrc, name); other items are read past, as no one here uses them."""

    TYPE: ClassVar[int] = 202
    names: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """These sources have ended."""

    TYPE: ClassVar[int] = 203
    ssrcs: tuple[int, ...]
    reason: str = ""


def read_sender_report(count: int, body: bytes) -> SenderReport:
    """Read the body of an SR with `count` blocks; profile extensions after them are left alone."""
    if len(body) < _SENDER.size:
        raise Malformed("RTCP sender report is cut")
    ssrc, ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
    return SenderReport(ssrc, ntp, timestamp, packets, octets, _read_blocks(count, body, _SENDER.size))


def read_receiver_report(count: int, body: bytes) -> ReceiverReport:
    """Read the body of an RR with `count` blocks."""
    if len(body) < 4:
        raise Malformed("RTCP receiver report is cut")
    return ReceiverReport(int.from_bytes(body[:4]), _read_blocks(count, body, 4))


def read_sdes(count: int, body: bytes) -> Sdes:
    """Read the body of an SDES with `count` chunks."""
    cursor = Cursor(body, "RTCP SDES")
    names: list[tuple[int, str]] = []
    for _ in range(count):
        ssrc = cursor.u32()
        while kind := cursor.u8():
            text = cursor.take(cursor.u8())
            if kind == _CNAME:
                names.append((ssrc, text.decode("utf-8", "replace")))
        # The item of type 0 also fills the chunk up to 32 bits.
        cursor.skip(-cursor.position % 4)
    return Sdes(tuple(names))


def read_bye(count: int, body: bytes) -> Bye:
    """Read the body of a BYE of `count` sources."""
    cursor = Cursor(body, "RTCP BYE")
    ssrcs = tuple(cursor.u32() for _ in range(count))
    reason = cursor.take(cursor.u8()).decode("utf-8", "replace") if cursor.remaining else ""
    return Bye(ssrcs, reason)


def write_sender_report(report: SenderReport) -> tuple[int, bytes]:
    """The count and body of an SR."""
    ticks, packets = report.timestamp & 0xFFFFFFFF, report.packets & 0xFFFFFFFF
    body = _SENDER.pack(report.ssrc, report.ntp, ticks, packets, report.octets & 0xFFFFFFFF)
    return len(report.blocks), body + _write_blocks(report.blocks)


def write_receiver_report(report: ReceiverReport) -> tuple[int, bytes]:
    """The count and body of an RR."""
    return len(report.blocks), report.ssrc.to_bytes(4) + _write_blocks(report.blocks)


def write_sdes(sdes: Sdes) -> tuple[int, bytes]:
    """The count and body of an SDES, one chunk for each name (255 bytes of UTF-8 at most)."""
    chunks = []
    for ssrc, name in sdes.names:
        text = name.encode()[:255]
        chunk = ssrc.to_bytes(4) + bytes((_CNAME, len(text))) + text
        chunks.append(chunk + bytes(4 - len(chunk) % 4))
    return len(chunks), b"".join(chunks)


def write_bye(bye: Bye) -> tuple[int, bytes]:
    """The count and body of a BYE."""
    body = b"".join(ssrc.to_bytes(4) for ssrc in bye.ssrcs)
    if bye.reason:
        text = bye.reason.encode()[:255]
        body += bytes((len(text),)) + text
        body += bytes(-len(body) % 4)
    return len(bye.ssrcs), body


def _read_blocks(count: int, body: bytes, start: int) -> tuple[ReportBlock, ...]:
    end = start + count * _BLOCK.size
    if end > len(body):
        raise Malformed(f"RTCP report of {count} blocks in {len(body)} bytes")
    blocks = []
    for ssrc, loss, highest, jitter, last, delay in _BLOCK.iter_unpack(body[start:end]):
        lost = loss & 0xFFFFFF
        total = lost - 0x1000000 if lost & 0x800000 else lost
        blocks.append(ReportBlock(ssrc, loss >> 24, total, highest, jitter, last, delay))
    return tuple(blocks)


def _write_blocks(blocks: tuple[ReportBlock, ...]) -> bytes:
    packed = []
    for block in blocks:
        lost = min(max(block.lost, -0x800000), 0x7FFFFF) & 0xFFFFFF
        numbers = block.highest, block.jitter, block.last_report, block.delay
        packed.append(_BLOCK.pack(block.ssrc, block.fraction_lost << 24 | lost, *(n & 0xFFFFFFFF for n in numbers)))
    return b"".join(packed)
