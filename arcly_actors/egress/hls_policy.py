"""What an operator decides about HLS: plain values, made by the topology."""

from dataclasses import dataclass
from enum import StrEnum

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.media.codec import CodecId


class Container(StrEnum):
    """The container of the segments."""

    FMP4 = "fmp4"
    MPEGTS = "mpegts"

    @property
    def codecs(self) -> frozenset[CodecId]:
        """The codecs that HLS players expect in this container."""
        return _CODECS[self]

    @property
    def suffix(self) -> str:
        """What segment names end with."""
        return ".m4s" if self is Container.FMP4 else ".ts"


# MPEG-TS: RFC 8216 §3.2 and the registered stream types that players know. fMP4: what has an ISO-BMFF mapping.
_TS = frozenset({CodecId.H264, CodecId.H265, CodecId.AAC, CodecId.MP3, CodecId.AC3, CodecId.EAC3})
_CODECS = {
    Container.MPEGTS: _TS,
    Container.FMP4: _TS | {CodecId.AV1, CodecId.VP9, CodecId.OPUS, CodecId.FLAC},
}


@dataclass(frozen=True, slots=True)
class HlsPolicy:
    """How streams are packaged; durations in nanoseconds.

    `segment_ns`: segments end at the first keyframe at or after this. `window`: segments in the playlist; as many more
    that just left it can still be fetched. `idle_ns`: packaging stops when nobody asked for this long. `wait_ns`: how
    long the first request may wait for a playable playlist. `ready`: segments that make a playlist playable.
    """

    container: Container = Container.FMP4
    segment_ns: int = 2 * NS_PER_S
    window: int = 6
    ready: int = 1
    idle_ns: int = limits.HLS_IDLE
    wait_ns: int = limits.HLS_WAIT
    longest_ns: int = limits.HLS_LONGEST_SEGMENT
    largest: int = limits.HLS_LARGEST_SEGMENT
    shelf_bytes: int = limits.HLS_SHELF
