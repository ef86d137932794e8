"""The codecs the bus carries, named once for every protocol."""

from enum import StrEnum


class Kind(StrEnum):
    """What a track is for."""

    VIDEO = "video"
    AUDIO = "audio"
    DATA = "data"


class CodecId(StrEnum):
    """A codec; the value is the name people write (and FFmpeg's where it has one)."""

    H264 = "h264"
    H265 = "hevc"
    AV1 = "av1"
    VP8 = "vp8"
    VP9 = "vp9"
    AAC = "aac"
    OPUS = "opus"
    AC3 = "ac3"
    EAC3 = "eac3"
    MP3 = "mp3"
    FLAC = "flac"
    PCMA = "pcm_alaw"
    PCMU = "pcm_mulaw"
    G722 = "g722"
    KLV = "klv"
    SCTE35 = "scte_35"
    TIMED_METADATA = "timed_metadata"

    @property
    def kind(self) -> Kind:
        """Whether the codec is video, audio or data."""
        if self in _VIDEO:
            return Kind.VIDEO
        return Kind.DATA if self in _DATA else Kind.AUDIO


_VIDEO = frozenset({CodecId.H264, CodecId.H265, CodecId.AV1, CodecId.VP8, CodecId.VP9})
_DATA = frozenset({CodecId.KLV, CodecId.SCTE35, CodecId.TIMED_METADATA})
