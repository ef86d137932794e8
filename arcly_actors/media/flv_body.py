"""What a FLV audio or video tag body says, as values, and what Enhanced RTMP v2 adds for both kinds.

RTMP audio and video messages and HTTP-FLV tags have the same body (Adobe FLV 10.1 §E.4; Veovera "Enhanced RTMP v2").
`flv_video` and `flv_audio` read and write it.
"""

from dataclasses import dataclass
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.media.codec import CodecId
from arcly_actors.media.cursor import Cursor
from arcly_actors.media.value import quickly_made


@dataclass(frozen=True, slots=True)
class Configuration:
    """The decoder configuration of the track: avcC, hvcC, av1C, vpcC, AudioSpecificConfig, OpusHead, STREAMINFO."""

    codec: CodecId
    configuration: bytes


@quickly_made
@dataclass(frozen=True, slots=True)
class CodedFrame:
    """One frame. PTS is the tag's time plus `composition_ms`; `nano_offset` (0..999999 ns) refines the tag's time.

    `sample_rate` and `channels` are set where the tag itself tells them (MP3, G.711).
    """

    codec: CodecId
    payload: bytes
    keyframe: bool = True
    composition_ms: int = 0
    nano_offset: int = 0
    sample_rate: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True)
class EndOfSequence:
    """No frame follows for this configuration."""

    codec: CodecId


@dataclass(frozen=True, slots=True)
class Metadata:
    """An AMF-encoded body (HDR colour information) that belongs to the video."""

    codec: CodecId
    body: bytes


@dataclass(frozen=True, slots=True)
class Ignored:
    """Well formed and of no use to a server: seek commands, empty bodies, channel maps. `reason` is for counting."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Well formed and not carried here: another codec, multitrack. `what` goes into the refusal that the peer reads."""

    what: str


TagBody = Configuration | CodedFrame | EndOfSequence | Metadata | Ignored | Unsupported

FOURCC = MappingProxyType(
    {
        CodecId.H264: b"avc1",
        CodecId.H265: b"hvc1",
        CodecId.AV1: b"av01",
        CodecId.VP8: b"vp08",
        CodecId.VP9: b"vp09",
        CodecId.AAC: b"mp4a",
        CodecId.OPUS: b"Opus",
        CodecId.AC3: b"ac-3",
        CodecId.EAC3: b"ec-3",
        CodecId.MP3: b".mp3",
        CodecId.FLAC: b"fLaC",
    }
)
_CODECS = MappingProxyType({fourcc: codec for codec, fourcc in FOURCC.items()})

# Packet types that audio and video share.
SEQUENCE_START, CODED_FRAMES, SEQUENCE_END, MOD_EX = 0, 1, 2, 7
_TIMESTAMP_OFFSET_NANO = 0
_MOD_EX_MOST = 16


def configuration(codec: CodecId, data: bytes) -> TagBody:
    """The value for the body of a sequence header; `PeerLimit` beyond `limits.CONFIGURATION_BYTES`."""
    if len(data) > limits.CONFIGURATION_BYTES:
        raise PeerLimit(f"{codec} configuration of {len(data)} bytes, {limits.CONFIGURATION_BYTES} is the most")
    return Configuration(codec, data) if data else Ignored("empty configuration")


def read_fourcc(cursor: Cursor) -> CodecId | Unsupported:
    """The codec that the next four bytes name."""
    fourcc = cursor.take(4)
    return _CODECS.get(fourcc) or Unsupported(f"codec {fourcc.decode('latin-1')!r}")


def read_mod_ex(cursor: Cursor, packet_type: int) -> tuple[int, int]:
    """Pass the ModEx prefixes, if any: the packet type behind them and the nanosecond offset they carried.

    Unknown ModEx types are skipped, as the specification wants; more than 16 in a row are `Malformed`.
    """
    nano_offset = 0
    for _ in range(_MOD_EX_MOST):
        if packet_type != MOD_EX:
            return packet_type, nano_offset
        size = cursor.u8() + 1
        if size == 256:
            size = cursor.u16() + 1
        data = cursor.take(size)
        following = cursor.u8()
        packet_type = following & 0x0F
        if following >> 4 == _TIMESTAMP_OFFSET_NANO:
            nano_offset = min(int.from_bytes(data[:3]), 999_999)
    raise Malformed("more than 16 ModEx prefixes")
