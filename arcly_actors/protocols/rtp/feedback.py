"""RTCP that asks for something: NACK (RFC 4585 §6.2.1), PLI (§6.3.1), FIR (RFC 5104 §4.3.1), REMB
(draft-alvestrand-rmcat-remb-03)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.media.cursor import Cursor

TRANSPORT, PAYLOAD = 205, 206
_REMB = b"REMB"


@dataclass(frozen=True, slots=True)
class Nack:
    """Packets of `media` that did not arrive, as sequence numbers of 16 bits."""

    TYPE: ClassVar[int] = TRANSPORT
    FORMAT: ClassVar[int] = 1
    sender: int
    media: int
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pli:
    """Pictures of `media` were lost: a keyframe is wanted."""

    TYPE: ClassVar[int] = PAYLOAD
    FORMAT: ClassVar[int] = 1
    sender: int
    media: int


@dataclass(frozen=True, slots=True)
class Fir:
    """A keyframe must come, from each (ssrc, number); the number goes up by one for each new request, modulo 256."""

    TYPE: ClassVar[int] = PAYLOAD
    FORMAT: ClassVar[int] = 4
    sender: int
    requests: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Remb:
    """What the receiver thinks its path carries: `bitrate` bits per second for all of `ssrcs` together."""

    TYPE: ClassVar[int] = PAYLOAD
    FORMAT: ClassVar[int] = 15
    sender: int
    bitrate: int
    ssrcs: tuple[int, ...] = ()


def read_nack(sender: int, media: int, fci: bytes) -> Nack:
    """Read a NACK; `PeerLimit` beyond `limits.NACK_ENTRIES` entries."""
    if len(fci) > 4 * limits.NACK_ENTRIES:
        raise PeerLimit(f"NACK of {len(fci) // 4} entries")
    cursor = Cursor(fci, "NACK")
    sequences: list[int] = []
    while cursor.remaining:
        first, mask = cursor.u16(), cursor.u16()
        sequences.append(first)
        sequences += [first + bit + 1 & 0xFFFF for bit in range(16) if mask >> bit & 1]
    return Nack(sender, media, tuple(sequences))


def write_nack(nack: Nack) -> bytes:
    """The feedback control information of a NACK."""
    return b"".join(first.to_bytes(2) + mask.to_bytes(2) for first, mask in _masks(nack.sequences))


def read_fir(sender: int, _media: int, fci: bytes) -> Fir:
    """Read a FIR; entries are 8 bytes (RFC 5104 §4.3.1.1)."""
    if len(fci) % 8:
        raise Malformed(f"FIR of {len(fci)} bytes")
    entries = range(0, len(fci), 8)
    return Fir(sender, tuple((int.from_bytes(fci[at : at + 4]), fci[at + 4]) for at in entries))


def write_fir(fir: Fir) -> bytes:
    """The feedback control information of a FIR."""
    return b"".join(ssrc.to_bytes(4) + bytes((number & 0xFF, 0, 0, 0)) for ssrc, number in fir.requests)


def is_remb(fci: bytes) -> bool:
    """Whether application layer feedback is a REMB."""
    return fci.startswith(_REMB)


def read_remb(sender: int, _media: int, fci: bytes) -> Remb:
    """Read a REMB: 6 bits of exponent, 18 of mantissa."""
    cursor = Cursor(fci, "REMB")
    cursor.skip(4)
    count, value = cursor.u8(), cursor.u24()
    ssrcs = tuple(cursor.u32() for _ in range(count))
    return Remb(sender, (value & 0x3FFFF) << (value >> 18), ssrcs)


def write_remb(remb: Remb) -> bytes:
    """The feedback control information of a REMB; the rate is rounded down to what 18 bits say."""
    exponent = max(0, remb.bitrate.bit_length() - 18)
    value = exponent << 18 | remb.bitrate >> exponent
    return _REMB + bytes((len(remb.ssrcs),)) + value.to_bytes(3) + b"".join(ssrc.to_bytes(4) for ssrc in remb.ssrcs)


def _masks(sequences: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Groups of a first number and a mask of the 16 after it; the order given is kept, so wraps stay together."""
    first, mask = -1, 0
    for sequence in sequences:
        step = sequence - first & 0xFFFF
        if first >= 0 and step <= 16:
            mask |= 1 << step - 1 if step else 0
            continue
        if first >= 0:
            yield first, mask
        first, mask = sequence, 0
    if first >= 0:
        yield first, mask
