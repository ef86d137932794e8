"""What each class of outputs wants of a stream's tracks: one table, and the plan that follows from it. Pure.

A plan names, for each source track that has to be made anew, the track that comes out. A track that is not in it passes
as it is, the very same frames. Sound is transcoded only when no sound track of the stream will do by itself, and then the
first one: outputs carry one sound track, and encoding more would be for nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from arcly_actors.media import aac, opus
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import Track


class Wish(StrEnum):
    """A class of outputs with the same wishes: browsers over WebRTC; players of FLV (RTMP, HTTP-FLV), HLS, MPEG-TS."""

    WEBRTC = "webrtc"
    FLV = "flv"
    HLS = "hls"
    TS = "ts"


class BFrames(StrEnum):
    """What becomes of H.264 B-frames on the way to WebRTC, whose receivers show pictures in the order of decoding.

    `DROP` leaves out those that no other picture needs (and transcodes where that does not put the rest in order).
    `TRANSCODE` makes the pictures anew without B-frames. `REFUSE` turns the viewer away, and says why.
    """

    DROP = "drop"
    TRANSCODE = "transcode"
    REFUSE = "refuse"


class Sound(StrEnum):
    """Whether sound that an output's players do not know is made into one that they know."""

    TRANSCODE = "transcode"
    PASSTHROUGH = "passthrough"


@dataclass(frozen=True, slots=True)
class RenditionPolicy:
    """What an operator decides about an application's renditions."""

    bframes: BFrames = BFrames.DROP
    sound: Sound = Sound.TRANSCODE


@dataclass(frozen=True, slots=True)
class _Taste:
    """The sound codecs that pass, and the one that all others are made into."""

    passes: frozenset[CodecId]
    target: CodecId


_PLAYED_EVERYWHERE = frozenset({CodecId.AAC, CodecId.MP3, CodecId.AC3, CodecId.EAC3, CodecId.FLAC})
_TASTES = MappingProxyType(
    {
        # RFC 7874 §3: Opus and G.711 are what every browser has; G.722 is common. Nothing else has a payload there.
        Wish.WEBRTC: _Taste(frozenset({CodecId.OPUS, CodecId.PCMA, CodecId.PCMU, CodecId.G722}), CodecId.OPUS),
        # FLV has numbers for G.711. Opus needs Enhanced RTMP, which few players know.
        Wish.FLV: _Taste(_PLAYED_EVERYWHERE | {CodecId.PCMA, CodecId.PCMU}, CodecId.AAC),
        # RFC 8216 §3.2 and Apple's authoring rules; Opus in fMP4 is silent in many players.
        Wish.HLS: _Taste(_PLAYED_EVERYWHERE, CodecId.AAC),
        # What MPEG-TS has stream types for, and Opus, for which it has a registration that FFmpeg and VLC know.
        Wish.TS: _Taste(_PLAYED_EVERYWHERE - {CodecId.FLAC} | {CodecId.OPUS}, CodecId.AAC),
    }
)

SAMPLE_RATE = 48_000
"""Hertz of all sound that is made here: what Opus runs at, and AAC players prefer."""

MOST_CHANNELS = 2
"""WebRTC's Opus is stereo at most (RFC 7587 §7); more channels are mixed down."""

OPUS_PRE_SKIP = 120
"""Samples by which libopus runs ahead in its restricted low-delay mode: 2.5 ms."""


def plan(tracks: Sequence[Track], wish: Wish, policy: RenditionPolicy) -> Mapping[int, Track]:
    """The sound tracks to make anew, by the id of their source. Pictures are not planned: they have to be seen."""
    sounds = [track for track in tracks if track.kind is Kind.AUDIO]
    taste = _TASTES[wish]
    if policy.sound is Sound.PASSTHROUGH or any(track.codec in taste.passes for track in sounds):
        return {}
    return {track.id: made_from(track, taste.target) for track in sounds[:1]}


def made_from(source: Track, codec: CodecId) -> Track:
    """The track that a source track becomes in `codec` (AAC or Opus); known before anything is encoded."""
    channels = min(source.channels or MOST_CHANNELS, MOST_CHANNELS)
    if codec is CodecId.OPUS:
        configuration = opus.write_head(opus.OpusHead(channels, OPUS_PRE_SKIP, SAMPLE_RATE))
    else:
        configuration = aac.write_configuration(SAMPLE_RATE, channels)
    # The version is the output's, not the source's: a source that changes its details changes nothing here.
    made = replace(source, codec=codec, configuration=configuration, version=0)
    return replace(made, sample_rate=SAMPLE_RATE, channels=channels)
