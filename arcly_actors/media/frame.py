"""Frames and tracks: the immutable values that every actor exchanges.

A frame is one access unit (video) or one coded audio frame. Its payload is made once, at ingest, and shared by reference
from then on. H.264 and H.265 payloads are length-prefixed with 4 bytes (ISO/IEC 14496-15), AAC is raw (no ADTS), AV1 is
a temporal unit of low-overhead OBUs without the temporal delimiter (AV1-ISOBMFF §2.4), Opus, VP8, VP9, AC-3, MP3 are as
their codecs define a packet. The decoder configuration lives in the `Track`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.value import quickly_made

COLOR_SPACE = "color-space"
"""The key in a track's metadata of the colour space that WebRTC tells beside a codec: hex of its element
(`protocols/rtp/extensions.py`)."""

_NO_METADATA: Mapping[str, str] = MappingProxyType({})


def _no_metadata() -> Mapping[str, str]:
    # A dataclass takes no unhashable default, and a mapping proxy is hashable only from Python 3.12 on.
    return _NO_METADATA


@dataclass(frozen=True, slots=True)
class Track:
    """One elementary stream of a stream, at one version of its decoder configuration.

    `configuration` is avcC / hvcC / av1C / VPCodecConfigurationRecord / AudioSpecificConfig / OpusHead / FLAC
    STREAMINFO, empty where the codec has none. `version` counts the configurations that this track id has had. Dimensions
    are pixels, `frame_rate` frames per second, `sample_rate` hertz; 0 where unknown. `metadata` is what a
    protocol tells beside that, `COLOR_SPACE` for one; it makes no other track of it.
    """

    id: int
    codec: CodecId
    configuration: bytes = b""
    version: int = 0
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    language: str = ""
    metadata: Mapping[str, str] = field(default_factory=_no_metadata, compare=False)

    @property
    def kind(self) -> Kind:
        """Video, audio or data."""
        return self.codec.kind


@quickly_made
@dataclass(frozen=True, slots=True)
class MediaFrame:
    """One access unit or audio frame on the stream's timeline.

    `pts` and `dts` are nanoseconds on that timeline; `arrival` is the monotonic time at which its last byte was received
    and `captured` the wall time of capture where the protocol tells it (both nanoseconds, 0 when unknown).
    `keyframe` means that decoding can start here (every audio frame is one); `discontinuity` marks the first frame of its
    track after the timeline was re-based.
    """

    track: Track
    pts: int
    dts: int
    payload: bytes
    keyframe: bool = False
    discontinuity: bool = False
    arrival: int = 0
    captured: int = 0

    def at(self, *, pts: int, dts: int, discontinuity: bool = False) -> "MediaFrame":
        """The same frame (payload shared) at another place on the timeline."""
        # Once for every frame of every stream; `dataclasses.replace` takes twice as long.
        return MediaFrame(self.track, pts, dts, self.payload, self.keyframe, discontinuity, self.arrival, self.captured)
