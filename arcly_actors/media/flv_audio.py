"""FLV audio tag bodies: the legacy form for AAC, MP3 and G.711, Enhanced RTMP v2 (FourCC) for the rest."""

from types import MappingProxyType

from arcly_actors.errors import Refusal, Refused
from arcly_actors.media.codec import CodecId
from arcly_actors.media.cursor import Cursor
from arcly_actors.media.flac import bare_configuration, native_header
from arcly_actors.media.flv_body import (
    CODED_FRAMES,
    FOURCC,
    SEQUENCE_END,
    SEQUENCE_START,
    CodedFrame,
    EndOfSequence,
    Ignored,
    TagBody,
    Unsupported,
    configuration,
    read_fourcc,
    read_mod_ex,
)
from arcly_actors.media.frame import Track

LEGACY = MappingProxyType({CodecId.MP3: 2, CodecId.PCMA: 7, CodecId.PCMU: 8, CodecId.AAC: 10})
CARRIED = frozenset({*LEGACY, CodecId.OPUS, CodecId.AC3, CodecId.EAC3, CodecId.FLAC})

_ENHANCED, _AAC, _MP3_8K = 9, 10, 14
_MULTICHANNEL, _MULTITRACK = 4, 5
_RATES = (5512, 11025, 22050, 44100)
_MP3_RATES = MappingProxyType({11025: 1, 22050: 2, 44100: 3, 48000: 3})
_G711_RATE = 8000
_LEGACY_CODECS = MappingProxyType({2: CodecId.MP3, 7: CodecId.PCMA, 8: CodecId.PCMU, _MP3_8K: CodecId.MP3})
_LEGACY_NAMES = MappingProxyType(
    {0: "LPCM", 1: "ADPCM", 3: "LPCM", 4: "Nellymoser", 5: "Nellymoser", 6: "Nellymoser", 11: "Speex"}
)


# How frames in the enhanced form begin, which need no further look.
_PLAIN = MappingProxyType(
    {bytes((_ENHANCED << 4 | CODED_FRAMES,)) + FOURCC[codec]: codec for codec in CARRIED & FOURCC.keys()}
)


def read_audio(body: bytes) -> TagBody:
    """Read the body of an audio tag or RTMP audio message; `Malformed` when it is cut."""
    if not body:
        return Ignored("empty body")
    if (codec := _PLAIN.get(body[:5])) is not None and len(body) > 5:
        return CodedFrame(codec, body[5:])
    number = body[0] >> 4
    if number == _ENHANCED:
        return _read_enhanced(body)
    if number == _AAC:
        return _read_aac(body)
    codec = _LEGACY_CODECS.get(number)
    if codec is None:
        return Unsupported(f"audio codec {_LEGACY_NAMES.get(number, number)}")
    rate = _RATES[body[0] >> 2 & 3] if number == LEGACY[CodecId.MP3] else _G711_RATE
    return _frame(codec, body[1:], sample_rate=rate, channels=1 + (body[0] & 1))


def _read_aac(body: bytes) -> TagBody:
    if len(body) > 2 and body[1] == 1:
        return CodedFrame(CodecId.AAC, body[2:])
    cursor = Cursor(body, "AAC tag")
    cursor.skip(1)
    packet_type = cursor.u8()
    if packet_type == SEQUENCE_START:
        return _configuration(CodecId.AAC, cursor.rest())
    return _frame(CodecId.AAC, cursor.rest()) if packet_type == 1 else Ignored(f"AAC packet type {packet_type}")


def _read_enhanced(body: bytes) -> TagBody:
    cursor = Cursor(body, "enhanced audio tag")
    cursor.skip(1)
    packet_type, nano_offset = read_mod_ex(cursor, body[0] & 0x0F)
    if packet_type == _MULTITRACK:
        return Unsupported("multitrack audio")
    codec = read_fourcc(cursor)
    if isinstance(codec, Unsupported):
        return codec
    if codec not in CARRIED:
        return Unsupported(f"{codec} as audio")
    if packet_type == CODED_FRAMES:
        return _frame(codec, cursor.rest(), nano_offset=nano_offset)
    if packet_type == SEQUENCE_START:
        return _configuration(codec, cursor.rest())
    if packet_type == SEQUENCE_END:
        return EndOfSequence(codec)
    # The channel map is in OpusHead, in the AudioSpecificConfig or in each AC-3 frame already.
    return Ignored("channel map" if packet_type == _MULTICHANNEL else f"audio packet type {packet_type}")


def _configuration(codec: CodecId, data: bytes) -> TagBody:
    if codec is CodecId.FLAC:
        data = bare_configuration(data)
    return configuration(codec, data)


def _frame(codec: CodecId, payload: bytes, *, nano_offset: int = 0, sample_rate: int = 0, channels: int = 0) -> TagBody:
    if not payload:
        return Ignored("empty frame")
    return CodedFrame(codec, payload, nano_offset=nano_offset, sample_rate=sample_rate, channels=channels)


def audio_configuration(track: Track) -> bytes:
    """The whole body that announces the track's configuration; empty when the track has none to announce."""
    if not track.configuration or track.codec in LEGACY.keys() - {CodecId.AAC}:
        return b""
    if track.codec is CodecId.AAC:
        return b"\xaf\x00" + track.configuration
    record = native_header(track.configuration) if track.codec is CodecId.FLAC else track.configuration
    return _enhanced(track.codec, SEQUENCE_START) + record


def audio_frame_header(track: Track) -> bytes:
    """What precedes a frame's payload in its body; the same for every frame of the track, so it can be kept."""
    if track.codec is CodecId.AAC:
        return b"\xaf\x01"
    if track.codec not in LEGACY:
        return _enhanced(track.codec, CODED_FRAMES)
    if track.codec is CodecId.MP3:
        return _mp3_header(track)
    return bytes((LEGACY[track.codec] << 4 | 0b0010 | (track.channels == 2),))


def audio_end(codec: CodecId) -> bytes:
    """The whole body that ends the sequence; empty for the legacy codecs, which have none."""
    return b"" if codec in LEGACY else _enhanced(codec, SEQUENCE_END)


def _mp3_header(track: Track) -> bytes:
    """MP3 has a legacy form for these rates; the others (32 kHz…) need the enhanced one.

    48 kHz is marked as 44.1 kHz, as every writer does: players take the rate from the MP3 frame.
    """
    if track.sample_rate == _G711_RATE:
        return bytes((_MP3_8K << 4 | 0b0010 | (track.channels != 1),))
    if track.sample_rate not in _MP3_RATES:
        return _enhanced(track.codec, CODED_FRAMES)
    rate = _MP3_RATES[track.sample_rate]
    return bytes((LEGACY[track.codec] << 4 | rate << 2 | 0b0010 | (track.channels != 1),))


def _enhanced(codec: CodecId, packet_type: int) -> bytes:
    if codec not in CARRIED:
        raise Refused(Refusal.UNSUPPORTED, f"FLV does not carry {codec} audio")
    return bytes((_ENHANCED << 4 | packet_type,)) + FOURCC[codec]
