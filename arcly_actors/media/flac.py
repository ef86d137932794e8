"""FLAC STREAMINFO (RFC 9639 §8.2). A track's configuration is its 34 bytes, without signature or block header."""

from dataclasses import dataclass

from arcly_actors.errors import Malformed
from arcly_actors.media.bits import BitReader

_SIGNATURE = b"fLaC"
_BLOCK_HEADER = b"\x80\x00\x00\x22"  # last block, type 0, 34 bytes
STREAM_INFO_BYTES = 34


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a STREAMINFO tells; `block_size` is the most samples in a frame."""

    block_size: int
    sample_rate: int
    channels: int
    bits_per_sample: int


def bare_configuration(data: bytes) -> bytes:
    """The STREAMINFO, whether or not the signature and its block header precede it (containers disagree)."""
    if data.startswith(_SIGNATURE):
        data = data[4:]
    if len(data) >= STREAM_INFO_BYTES + 4 and data[0] & 0x7F == 0 and data[1:4] == _BLOCK_HEADER[1:]:
        data = data[4:]
    return data[:STREAM_INFO_BYTES]


def native_header(stream_info: bytes) -> bytes:
    """The start of a native FLAC stream with this STREAMINFO as its only block."""
    return _SIGNATURE + _BLOCK_HEADER + stream_info


def read_stream_info(data: bytes) -> StreamInfo:
    """Read a STREAMINFO; `Malformed` when it is cut or without a rate."""
    if len(data) < STREAM_INFO_BYTES:
        raise Malformed(f"STREAMINFO of {len(data)} bytes")
    reader = BitReader(data, "STREAMINFO")
    reader.skip(16)
    block_size = reader.bits(16)
    reader.skip(48)
    rate, channels, bits = reader.bits(20), reader.bits(3) + 1, reader.bits(5) + 1
    if not rate:
        raise Malformed("STREAMINFO without a sample rate")
    return StreamInfo(block_size, rate, channels, bits)
