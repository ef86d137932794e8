"""The codecs the bus carries, named once for every protocol."""

from enum import StrEnum


class Kind(StrEnum):
    """What a track is for."""

    VIDEO = "video"
    AUDIO = "audio"
    DATA = "data"


VIDEO, AUDIO = Kind.VIDEO, Kind.AUDIO
"""For what is asked with every frame: a member is found through its enum at four times the cost of a name."""

_VIDEO = frozenset({"h264", "hevc", "av1", "vp8", "vp9"})
_DATA = frozenset({"klv", "scte_35", "timed_metadata"})


class CodecId(StrEnum):
    """A codec; the value is the name people write (and FFmpeg's where it has one)."""

    kind: Kind

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

    def __init__(self, name: str) -> None:
        # An attribute: it is asked for several times a frame, and the hash of a member is a call of its own.
        self.kind = Kind.VIDEO if name in _VIDEO else Kind.DATA if name in _DATA else Kind.AUDIO
