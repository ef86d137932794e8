"""FLV video tag bodies: the legacy form for H.264, Enhanced RTMP v2 (FourCC) for the rest."""

from collections.abc import Callable
from types import MappingProxyType

from arcly_actors.errors import Refusal, Refused
from arcly_actors.media.av1 import without_delimiters
from arcly_actors.media.codec import CodecId
from arcly_actors.media.cursor import Cursor
from arcly_actors.media.flv_body import (
    CODED_FRAMES,
    FOURCC,
    SEQUENCE_END,
    SEQUENCE_START,
    CodedFrame,
    EndOfSequence,
    Ignored,
    Metadata,
    TagBody,
    Unsupported,
    configuration,
    read_fourcc,
    read_mod_ex,
)
from arcly_actors.media.frame import Track
from arcly_actors.media.vp9 import bare_configuration, boxed_configuration

CARRIED = frozenset({CodecId.H264, CodecId.H265, CodecId.AV1, CodecId.VP8, CodecId.VP9})

_KEY, _INTER, _GENERATED_KEY, _COMMAND = 1, 2, 4, 5
_ENHANCED = 0x80
_CODED_FRAMES_X, _METADATA, _MPEG2TS_START, _MULTITRACK = 3, 4, 5, 6
_COMPOSED = frozenset({CodecId.H264, CodecId.H265})  # CodedFrames of these start with a composition time

# 12 and 13 are not in the specification: encoders of the years before Enhanced RTMP send HEVC so, in the form of H.264.
_LEGACY = MappingProxyType({7: CodecId.H264, 12: CodecId.H265})
_LEGACY_NAMES = MappingProxyType(
    {2: "Sorenson H.263", 3: "Screen video", 4: "On2 VP6", 5: "On2 VP6 with alpha", 6: "Screen video 2", 13: "AV1 as 13"}
)


# How frames in the legacy form begin: nearly all that ever comes.
_PLAIN = MappingProxyType(
    {
        bytes((frame_type << 4 | number, CODED_FRAMES)): (codec, frame_type != _INTER)
        for frame_type in (_KEY, _INTER, _GENERATED_KEY)
        for number, codec in _LEGACY.items()
    }
)
_PLAIN_HEADER = 5


def read_video(body: bytes) -> TagBody:
    """Read the body of a video tag or RTMP video message; `Malformed` when it is cut."""
    if not body:
        return Ignored("empty body")
    if (plain := _PLAIN.get(body[:2])) is not None and len(body) > _PLAIN_HEADER:
        codec, keyframe = plain
        return CodedFrame(codec, body[_PLAIN_HEADER:], keyframe, int.from_bytes(body[2:_PLAIN_HEADER], signed=True))
    if body[0] & _ENHANCED:
        return _read_enhanced(body)
    return _read_legacy(body)


def _read_legacy(body: bytes) -> TagBody:
    frame_type, number = body[0] >> 4, body[0] & 0x0F
    if frame_type == _COMMAND:
        return Ignored("video command")
    codec = _LEGACY.get(number)
    if codec is None:
        return Unsupported(f"video codec {_LEGACY_NAMES.get(number, number)}")
    cursor = Cursor(body, "video tag")
    cursor.skip(1)
    packet_type, composition_ms = cursor.u8(), cursor.signed(3)
    if packet_type == SEQUENCE_START:
        return _configuration(codec, cursor.rest())
    if packet_type == SEQUENCE_END:
        return EndOfSequence(codec)
    if packet_type != CODED_FRAMES:
        return Ignored(f"AVC packet type {packet_type}")
    return _frame(codec, cursor.rest(), frame_type, composition_ms, 0)


def _read_enhanced(body: bytes) -> TagBody:
    cursor = Cursor(body, "enhanced video tag")
    frame_type = cursor.u8() >> 4 & 7
    packet_type, nano_offset = read_mod_ex(cursor, body[0] & 0x0F)
    if packet_type != _METADATA and frame_type == _COMMAND:
        return Ignored("video command")
    if packet_type == _MULTITRACK:
        return Unsupported("multitrack video")
    codec = read_fourcc(cursor)
    if isinstance(codec, Unsupported):
        return codec
    if codec not in CARRIED:
        return Unsupported(f"{codec} as video")
    if packet_type in {CODED_FRAMES, _CODED_FRAMES_X}:
        composed = packet_type == CODED_FRAMES and codec in _COMPOSED
        composition_ms = cursor.signed(3) if composed else 0
        return _frame(codec, cursor.rest(), frame_type, composition_ms, nano_offset)
    reader = _PACKETS.get(packet_type)
    return reader(codec, cursor.rest()) if reader else Ignored(f"video packet type {packet_type}")


def _configuration(codec: CodecId, data: bytes) -> TagBody:
    if codec in {CodecId.VP8, CodecId.VP9}:
        data = bare_configuration(data)
    return configuration(codec, data)


def _frame(codec: CodecId, payload: bytes, frame_type: int, composition_ms: int, nano_offset: int) -> TagBody:
    if codec is CodecId.AV1:
        payload = without_delimiters(payload)  # FFmpeg's muxer leaves them in
    if not payload:
        return Ignored("empty frame")
    return CodedFrame(codec, payload, frame_type in {_KEY, _GENERATED_KEY}, composition_ms, nano_offset)


_PACKETS: MappingProxyType[int, Callable[[CodecId, bytes], TagBody]] = MappingProxyType(
    {
        SEQUENCE_START: _configuration,
        SEQUENCE_END: lambda codec, _: EndOfSequence(codec),
        _METADATA: Metadata,
        _MPEG2TS_START: lambda *_: Unsupported("AV1 video descriptor of MPEG-2 TS"),
    }
)


def video_configuration(track: Track) -> bytes:
    """The whole body that announces the track's configuration; empty when the track has none to announce."""
    if not track.configuration:
        return b""
    if track.codec is CodecId.H264:
        return b"\x17\x00\x00\x00\x00" + track.configuration
    boxed = track.codec in {CodecId.VP8, CodecId.VP9}
    record = boxed_configuration(track.configuration) if boxed else track.configuration
    return _enhanced(track.codec, _KEY, SEQUENCE_START) + record


def video_frame_header(codec: CodecId, *, keyframe: bool, composition_ms: int = 0) -> bytes:
    """What precedes a frame's payload in its body. `composition_ms` (PTS - DTS) is clipped to its 24 signed bits."""
    frame_type = _KEY if keyframe else _INTER
    composition = max(-0x800000, min(composition_ms, 0x7FFFFF)).to_bytes(3, signed=True)
    if codec is CodecId.H264:
        return bytes((frame_type << 4 | 7, CODED_FRAMES)) + composition
    if codec in _COMPOSED and composition_ms:
        return _enhanced(codec, frame_type, CODED_FRAMES) + composition
    return _enhanced(codec, frame_type, CODED_FRAMES if codec not in _COMPOSED else _CODED_FRAMES_X)


def video_end(codec: CodecId) -> bytes:
    """The whole body that ends the sequence."""
    return b"\x17\x02\x00\x00\x00" if codec is CodecId.H264 else _enhanced(codec, _KEY, SEQUENCE_END)


def _enhanced(codec: CodecId, frame_type: int, packet_type: int) -> bytes:
    if codec not in CARRIED:
        raise Refused(Refusal.UNSUPPORTED, f"FLV does not carry {codec} video")
    return bytes((_ENHANCED | frame_type << 4 | packet_type,)) + FOURCC[codec]
