"""VP9: the configuration record ("VP Codec ISO Media File Format Binding" §2.2), shared with VP8, and frame headers.

A track's configuration is the bare record of 8 bytes or more, without the version and flags of the vpcC box.
"""

from dataclasses import dataclass

from arcly_actors.errors import Malformed
from arcly_actors.media.bits import BitReader
from arcly_actors.media.cursor import Cursor

_SYNC_CODE = 0x498342
_RECORD_BYTES = 8
_BOX_VERSION = b"\x01\x00\x00\x00"
_SRGB = 7


@dataclass(frozen=True, slots=True)
class VpConfiguration:
    """What a vpcC says; `level` is ten times the level number, 0 when it is not known."""

    profile: int
    level: int
    bit_depth: int

    def codec(self, fourcc: str) -> str:
        """The name of §4, as ``vp09.00.30.08``; a level that is not known is given as 1.0, the lowest."""
        return f"{fourcc}.{self.profile:02}.{self.level or 10:02}.{self.bit_depth:02}"


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What an uncompressed header tells: the size is 0 by 0 unless it is a key frame."""

    keyframe: bool
    profile: int
    bit_depth: int = 8
    subsampling: int = 1
    width: int = 0
    height: int = 0


def bare_configuration(data: bytes) -> bytes:
    """The record, whether or not the version and flags of its box precede it (senders disagree)."""
    return data[4:] if len(data) >= _RECORD_BYTES + 4 and data.startswith(_BOX_VERSION) else data


def boxed_configuration(record: bytes) -> bytes:
    """The record with the version and flags of its box: what FFmpeg's and mobile encoders' FLV carries."""
    return _BOX_VERSION + record


def read_configuration(data: bytes) -> VpConfiguration:
    """Read the record; `Malformed` when it is cut."""
    cursor = Cursor(bare_configuration(data), "vpcC")
    profile, level, depth = cursor.u8(), cursor.u8(), cursor.u8() >> 4
    cursor.skip(_RECORD_BYTES - 3)
    return VpConfiguration(profile, level, depth)


def write_configuration(header: FrameHeader, level: int = 0) -> bytes:
    """The record for what a key frame told; colours are unspecified (2)."""
    return bytes((header.profile, level, header.bit_depth << 4 | header.subsampling << 1, 2, 2, 2, 0, 0))


def read_frame(payload: bytes) -> FrameHeader:
    """Read an uncompressed header (VP9 §6.2) as far as the size of a key frame; `Malformed` when it is cut."""
    reader = BitReader(payload, "VP9 frame")
    if reader.bits(2) != 2:
        raise Malformed("VP9 frame without its marker")
    profile = reader.bits(1) | reader.bits(1) << 1
    if profile == 3:
        reader.skip(1)
    if reader.flag():  # show_existing_frame
        return FrameHeader(keyframe=False, profile=profile)
    inter = reader.flag()
    reader.skip(2)  # show_frame, error_resilient_mode
    if inter:
        return FrameHeader(keyframe=False, profile=profile)
    if reader.bits(24) != _SYNC_CODE:
        raise Malformed("VP9 key frame without its sync code")
    bit_depth, subsampling = _colour(reader, profile)
    return FrameHeader(True, profile, bit_depth, subsampling, reader.bits(16) + 1, reader.bits(16) + 1)


def configuration_in(payload: bytes) -> bytes:
    """The record that a key frame tells; empty for another frame."""
    header = read_frame(payload)
    return write_configuration(header) if header.keyframe else b""


def is_keyframe(payload: bytes) -> bool:
    """Whether the frame (or the first of a superframe) is a key frame."""
    return read_frame(payload).keyframe


def _colour(reader: BitReader, profile: int) -> tuple[int, int]:
    """color_config (VP9 §6.2.2): bit depth, and the subsampling as the record numbers it."""
    bit_depth = (12 if reader.flag() else 10) if profile >= 2 else 8
    odd = bool(profile & 1)
    if reader.bits(3) == _SRGB:
        reader.skip(odd)
        return bit_depth, 3
    reader.skip(1)  # color_range
    if not odd:
        return bit_depth, 1
    x, y = reader.flag(), reader.flag()
    reader.skip(1)
    return bit_depth, (1 if y else 2) if x else 3
