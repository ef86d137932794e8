"""Packets on the wire (draft-sharabayko-srt section 3): a header of 16 bytes, and 31-bit sequence numbers.

Inside the engine packets have indexes, which are sequence numbers that do not wrap: see `unwrap`.
"""

import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum

from arcly_actors import limits
from arcly_actors.errors import Malformed

HEADER = struct.Struct(">IIII")
"""Sequence number or type, message or type-specific word, timestamp (µs), the receiver's socket id."""

HEADER_SIZE = 16
SEQUENCE_MASK = 0x7FFF_FFFF
CONTROL_BIT = 0x8000_0000
SOLO = 0xC000_0000
"""A data packet that is a whole message, as all are in live mode."""

KEY_SHIFT = 27
RETRANSMITTED = 0x0400_0000
MESSAGE_MASK = 0x03FF_FFFF
TIME_MASK = 0xFFFF_FFFF
_WORD = struct.Struct(">I")


class ControlType(IntEnum):
    """Types of control packets (section 3.2, table 1)."""

    HANDSHAKE = 0
    KEEPALIVE = 1
    ACK = 2
    NAK = 3
    CONGESTION = 4
    SHUTDOWN = 5
    ACKACK = 6
    DROP_REQUEST = 7
    PEER_ERROR = 8
    EXTENDED = 0x7FFF


def difference(later: int, earlier: int) -> int:
    """How far the sequence number `later` is after `earlier`; negative when it is before."""
    ahead = (later - earlier) & SEQUENCE_MASK
    return ahead if ahead < 0x4000_0000 else ahead - 0x8000_0000


def unwrap(sequence: int, near: int) -> int:
    """The index with this sequence number that is nearest to the index `near`."""
    return near + difference(sequence, near & SEQUENCE_MASK)


def control(kind: int, specific: int, timestamp: int, socket_id: int, content: bytes = b"", *, subtype: int = 0) -> bytes:
    """A control packet. One without content has four bytes of padding, as libsrt's have."""
    first = CONTROL_BIT | kind << 16 | subtype
    return HEADER.pack(first, specific & TIME_MASK, timestamp & TIME_MASK, socket_id) + (content or bytes(4))


def words(content: bytes | memoryview) -> tuple[int, ...]:
    """Whole 32-bit words of `content`; what is left over is ignored."""
    count = len(content) // 4
    return struct.unpack_from(f">{count}I", content)


def loss_list(missing: Iterable[int]) -> bytes:
    """Indexes in rising order as a loss list (Appendix A), as many as fit into a report."""
    ranges: list[list[int]] = []
    for index in missing:
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1][1] = index
        elif len(ranges) == limits.SRT_LOSS_RANGES:
            break
        else:
            ranges.append([index, index])
    parts: list[bytes] = []
    for first, last in ranges:
        if first == last:
            parts.append(_WORD.pack(first & SEQUENCE_MASK))
        else:
            parts += (_WORD.pack(first & SEQUENCE_MASK | CONTROL_BIT), _WORD.pack(last & SEQUENCE_MASK))
    return b"".join(parts)


def read_loss_list(content: bytes | memoryview, near: int) -> Sequence[tuple[int, int]]:
    """The ranges (first, last) of indexes in a loss list; Malformed when a range has no end, or runs backwards."""
    ranges: list[tuple[int, int]] = []
    first: int | None = None
    for word in words(content):
        if first is not None:
            last = unwrap(word & SEQUENCE_MASK, near)
            if word & CONTROL_BIT or last < first:
                raise Malformed("a range of a loss list has no end")
            ranges.append((first, last))
            first = None
        elif word & CONTROL_BIT:
            first = unwrap(word & SEQUENCE_MASK, near)
        else:
            index = unwrap(word, near)
            ranges.append((index, index))
    if first is not None:
        raise Malformed("a loss list ends within a range")
    return ranges
