"""Opus: OpusHead (RFC 7845 §5.1) and the duration of a packet (RFC 6716 §3.1)."""

from dataclasses import dataclass

from arcly_actors.errors import Malformed
from arcly_actors.media.cursor import Cursor
from arcly_actors.media.timebase import MICROSECOND

RATE = 48000
_MAGIC = b"OpusHead"
_MOST_US = 120_000
_SILK = (10_000, 20_000, 40_000, 60_000)
_HYBRID = (10_000, 20_000)
_CELT = (2_500, 5_000, 10_000, 20_000)


@dataclass(frozen=True, slots=True)
class OpusHead:
    """An identification header. `pre_skip` is samples at 48 kHz, `input_rate` hertz of the original, `gain` Q7.8 dB.

    `mapping` is the table as it stands (stream count, coupled count, one byte per channel); empty for family 0.
    """

    channels: int
    pre_skip: int = 312
    input_rate: int = RATE
    gain: int = 0
    family: int = 0
    mapping: bytes = b""


def read_head(data: bytes) -> OpusHead:
    """Read an OpusHead; `Malformed` when it is cut or of a version that is not compatible."""
    cursor = Cursor(data, "OpusHead")
    if cursor.take(8) != _MAGIC:
        raise Malformed("no OpusHead signature")
    if (version := cursor.u8()) > 15:
        raise Malformed(f"OpusHead version {version}")
    channels, pre_skip, input_rate = cursor.u8(), cursor.unsigned_le(2), cursor.unsigned_le(4)
    gain, family = cursor.unsigned_le(2), cursor.u8()
    if not channels or (family == 0 and channels > 2):
        raise Malformed(f"OpusHead: {channels} channels in mapping family {family}")
    mapping = cursor.take(2 + channels) if family else b""
    return OpusHead(channels, pre_skip, input_rate, gain - 0x10000 if gain & 0x8000 else gain, family, mapping)


def write_head(head: OpusHead) -> bytes:
    """The bytes of an OpusHead."""
    fixed = bytes((1, head.channels)) + head.pre_skip.to_bytes(2, "little") + head.input_rate.to_bytes(4, "little")
    return _MAGIC + fixed + head.gain.to_bytes(2, "little", signed=True) + bytes((head.family,)) + head.mapping


def packet_duration(packet: bytes) -> int:
    """Nanoseconds of sound in a packet; `Malformed` when it is empty or longer than 120 ms."""
    if not packet:
        raise Malformed("empty Opus packet")
    shape, code = packet[0] >> 3, packet[0] & 3
    if shape < 12:
        each = _SILK[shape & 3]
    elif shape < 16:
        each = _HYBRID[shape & 1]
    else:
        each = _CELT[shape & 3]
    if code == 3 and len(packet) < 2:
        raise Malformed("Opus packet without its frame count")
    count = packet[1] & 0x3F if code == 3 else 1 if code == 0 else 2
    if not 0 < count * each <= _MOST_US:
        raise Malformed(f"Opus packet of {count} frames of {each} µs")
    return count * each * MICROSECOND
