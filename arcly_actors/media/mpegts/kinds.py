"""What an elementary stream is: stream types and descriptors (ISO/IEC 13818-1 §2.6, table 2-34) to codecs, and back.

0x06 is private data, of which a descriptor says more: a registration (SMPTE RA), or one of DVB's (ETSI EN 300 468).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track

Descriptors = Sequence[tuple[int, bytes]]


class Carriage(Enum):
    """How access units lie in the stream."""

    ANNEX_B = auto()
    ADTS = auto()
    LATM = auto()
    MPEG_AUDIO = auto()
    AC3 = auto()
    OPUS = auto()
    WHOLE = auto()
    """A PES packet is one unit."""
    METADATA_CELLS = auto()
    """Metadata access unit cells (§2.12.4.2)."""
    SECTIONS = auto()


@dataclass(frozen=True, slots=True)
class StreamKind:
    """A codec and how it is carried. `detail` is Opus's channel configuration code."""

    codec: CodecId
    carriage: Carriage
    detail: int = 0


PRIVATE, METADATA = 0x06, 0x15
_REGISTRATION, _METADATA_POINTER, _METADATA_DESCRIPTOR = 0x05, 0x25, 0x26
_DVB_AC3, _DVB_EAC3, _EXTENSION, _OPUS_EXTENSION = 0x6A, 0x7A, 0x7F, 0x80

_TYPES: Final = MappingProxyType(
    {
        0x1B: StreamKind(CodecId.H264, Carriage.ANNEX_B),
        0x24: StreamKind(CodecId.H265, Carriage.ANNEX_B),
        0x0F: StreamKind(CodecId.AAC, Carriage.ADTS),
        0x11: StreamKind(CodecId.AAC, Carriage.LATM),
        0x03: StreamKind(CodecId.MP3, Carriage.MPEG_AUDIO),
        0x04: StreamKind(CodecId.MP3, Carriage.MPEG_AUDIO),
        0x81: StreamKind(CodecId.AC3, Carriage.AC3),  # ATSC A/53 part 3
        0x87: StreamKind(CodecId.EAC3, Carriage.AC3),  # ATSC A/53 part 6
        0x86: StreamKind(CodecId.SCTE35, Carriage.SECTIONS),  # SCTE 35 §8.1
    }
)
_REGISTERED: Final = MappingProxyType(
    {
        b"AC-3": StreamKind(CodecId.AC3, Carriage.AC3),
        b"EAC3": StreamKind(CodecId.EAC3, Carriage.AC3),
        b"HEVC": StreamKind(CodecId.H265, Carriage.ANNEX_B),
        b"KLVA": StreamKind(CodecId.KLV, Carriage.WHOLE),
        b"ID3 ": StreamKind(CodecId.TIMED_METADATA, Carriage.WHOLE),
    }
)
_SYNCHRONOUS: Final = MappingProxyType(
    {
        b"KLVA": StreamKind(CodecId.KLV, Carriage.METADATA_CELLS),
        b"ID3 ": StreamKind(CodecId.TIMED_METADATA, Carriage.WHOLE),
    }
)


def read_descriptors(data: bytes) -> list[tuple[int, bytes]]:
    """(tag, content) of each; one that is cut ends the list, for the rest of the table is still good."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at + 2 <= len(data):
        end = at + 2 + data[at + 1]
        if end > len(data):
            break
        found.append((data[at], data[at + 2 : end]))
        at = end
    return found


def kind_of(stream_type: int, descriptors: Descriptors) -> StreamKind | None:
    """What a row of a PMT is; None for what is not carried."""
    known = _TYPES.get(stream_type)
    if known is not None:
        return known
    registered = next((data[:4] for tag, data in descriptors if tag == _REGISTRATION), b"")
    if stream_type == METADATA:
        return _SYNCHRONOUS.get(registered or _metadata_format(descriptors))
    if stream_type != PRIVATE:
        return None
    if registered == b"Opus":
        code = next(
            (data[1] for tag, data in descriptors if tag == _EXTENSION and len(data) > 1 and data[0] == _OPUS_EXTENSION),
            2,
        )
        return StreamKind(CodecId.OPUS, Carriage.OPUS, code)
    for tag, _ in descriptors:
        if tag in {_DVB_AC3, _DVB_EAC3}:
            return StreamKind(CodecId.AC3 if tag == _DVB_AC3 else CodecId.EAC3, Carriage.AC3)
    return _REGISTERED.get(registered)


def _metadata_format(descriptors: Descriptors) -> bytes:
    """metadata_format_identifier (§2.6.60), where the format is registered."""
    for tag, data in descriptors:
        if tag == _METADATA_DESCRIPTOR and len(data) >= 3:
            at = 2 + (4 if data[:2] == b"\xff\xff" else 0)
            if data[at : at + 1] == b"\xff":
                return data[at + 1 : at + 5]
    return b""


def row_of(track: Track) -> tuple[int, bytes] | None:
    """Stream type and descriptors that a track is sent under; None when MPEG-TS has no carriage for its codec."""
    row = _ROWS.get(track.codec)
    if row is None:
        return None
    stream_type, descriptors = row
    if track.codec is CodecId.OPUS:
        channels = track.channels or 2
        descriptors += bytes((_EXTENSION, 2, _OPUS_EXTENSION, channels if channels <= 8 else 2))
    language = track.language.encode("ascii", "ignore")
    if len(language) == 3:
        descriptors += bytes((0x0A, 4)) + language + b"\x00"
    return stream_type, descriptors


def _registration(name: bytes) -> bytes:
    return bytes((_REGISTRATION, len(name))) + name


_ID3_METADATA = bytes((_METADATA_DESCRIPTOR, 13)) + b"\xff\xffID3 \xffID3 \x00\x0f"
_ROWS: Final = MappingProxyType(
    {
        CodecId.H264: (0x1B, b""),
        CodecId.H265: (0x24, _registration(b"HEVC")),
        CodecId.AAC: (0x0F, b""),
        CodecId.MP3: (0x03, b""),
        CodecId.AC3: (0x81, _registration(b"AC-3")),
        CodecId.EAC3: (0x87, _registration(b"EAC3")),
        CodecId.OPUS: (PRIVATE, _registration(b"Opus")),
        CodecId.KLV: (PRIVATE, _registration(b"KLVA")),
        CodecId.SCTE35: (0x86, _registration(b"CUEI")),
        CodecId.TIMED_METADATA: (METADATA, _ID3_METADATA),
    }
)
CARRIED: Final = frozenset(_ROWS)
"""The codecs that MPEG-TS carries."""
