"""What a track is, told from its decoder configuration or its first frames; one table row per codec."""

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import TypedDict

from arcly_actors.media import aac, ac3, av1, avc, flac, hevc, mp3, opus, vp8, vp9
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import Track


class Shape(TypedDict, total=False):
    """The fields of a `Track` that a configuration or a frame can tell."""

    width: int
    height: int
    frame_rate: float
    sample_rate: int
    channels: int


def describe(track: Track) -> Track:
    """The track with the size, rate and channels that its configuration tells; the same object when it tells nothing new.

    `Malformed` when the configuration cannot be read.
    """
    reader = _CONFIGURATIONS.get(track.codec)
    shape = reader(track.configuration) if reader and track.configuration else _FIXED.get(track.codec, Shape())
    return _with(track, shape)


def evolve(track: Track, configuration: bytes) -> Track:
    """The track under this configuration: the same object when it is unchanged, else its next version, described."""
    if configuration == track.configuration:
        return track
    version = track.version + 1 if track.configuration else track.version
    return describe(replace(track, configuration=configuration, version=version))


def learn(track: Track, payload: bytes) -> Track:
    """The track with what one of its frames tells: in-band parameter sets as its configuration, else size and rates.

    A VP9 key frame makes the configuration record only where there is none: it knows less than a sender's record does.
    The same object when the frame tells nothing new; `Malformed` when the frame cannot be read.
    """
    if (finder := _IN_BAND.get(track.codec)) is not None:
        configuration = finder(payload)
        return evolve(track, configuration) if configuration else track
    if track.codec is CodecId.VP9 and not track.configuration:
        track = evolve(track, vp9.configuration_in(payload))
    reader = _FRAMES.get(track.codec)
    return _with(track, reader(payload)) if reader else track


def is_keyframe(codec: CodecId, payload: bytes) -> bool:
    """Whether decoding can start at this frame: always for audio and data. `Malformed` when it cannot be read."""
    check = _KEYFRAMES.get(codec)
    return check(payload) if check else codec.kind is not Kind.VIDEO


def codec_string(track: Track) -> str:
    """The RFC 6381 name, as HLS CODECS and MIME types want it; empty for a codec without one.

    A track whose configuration is not known yet has the name of its codec alone. `Malformed` when it cannot be read.
    """
    named = _NAMES.get(track.codec)
    if named and track.configuration:
        return named(track.configuration)
    return _BARE_NAMES.get(track.codec, "")


def _with(track: Track, shape: Shape) -> Track:
    known: Shape = {key: value for key, value in shape.items() if value}  # type: ignore[assignment]  # keys of a Shape
    return track if all(getattr(track, key) == value for key, value in known.items()) else replace(track, **known)


def _avc(data: bytes) -> Shape:
    sps = avc.read_configuration(data).described()
    return Shape(width=sps.width, height=sps.height, frame_rate=sps.frame_rate) if sps else Shape()


def _hevc(data: bytes) -> Shape:
    configuration = hevc.read_configuration(data)
    sps = configuration.described()
    return Shape(width=sps.width, height=sps.height, frame_rate=configuration.frame_rate) if sps else Shape()


def _av1(data: bytes) -> Shape:
    found = av1.read_configuration(data)
    return Shape(width=found.width, height=found.height, frame_rate=found.frame_rate) if found else Shape()


def _vp(data: bytes) -> Shape:
    vp9.read_configuration(data)  # tells no size, but a broken one is refused here as for every codec
    return Shape()


def _aac(data: bytes) -> Shape:
    configuration = aac.read_configuration(data)
    return Shape(sample_rate=configuration.sample_rate, channels=configuration.channels)


def _opus(data: bytes) -> Shape:
    return Shape(sample_rate=opus.RATE, channels=opus.read_head(data).channels)


def _flac(data: bytes) -> Shape:
    info = flac.read_stream_info(data)
    return Shape(sample_rate=info.sample_rate, channels=info.channels)


def _vp8_frame(payload: bytes) -> Shape:
    size = vp8.size(payload)
    return Shape(width=size[0], height=size[1]) if size else Shape()


def _vp9_frame(payload: bytes) -> Shape:
    header = vp9.read_frame(payload)
    return Shape(width=header.width, height=header.height)


def _ac3_frame(payload: bytes) -> Shape:
    frame = ac3.read_frame(payload)
    return Shape(sample_rate=frame.sample_rate, channels=frame.channels)


def _mp3_frame(payload: bytes) -> Shape:
    frame = mp3.read_frame(payload)
    return Shape(sample_rate=frame.sample_rate, channels=frame.channels)


_CONFIGURATIONS: MappingProxyType[CodecId, Callable[[bytes], Shape]] = MappingProxyType(
    {
        CodecId.H264: _avc,
        CodecId.H265: _hevc,
        CodecId.AV1: _av1,
        CodecId.VP8: _vp,
        CodecId.VP9: _vp,
        CodecId.AAC: _aac,
        CodecId.OPUS: _opus,
        CodecId.FLAC: _flac,
    }
)
# What the codec itself fixes (RFC 3551 §4.5: G.722 samples at 16 kHz whatever its RTP clock says).
_FIXED = MappingProxyType({CodecId.OPUS: Shape(sample_rate=opus.RATE), CodecId.G722: Shape(sample_rate=16000)})
_IN_BAND: MappingProxyType[CodecId, Callable[[bytes], bytes]] = MappingProxyType(
    {CodecId.H264: avc.configuration_in, CodecId.H265: hevc.configuration_in, CodecId.AV1: av1.configuration_in}
)
_FRAMES: MappingProxyType[CodecId, Callable[[bytes], Shape]] = MappingProxyType(
    {
        CodecId.VP8: _vp8_frame,
        CodecId.VP9: _vp9_frame,
        CodecId.AC3: _ac3_frame,
        CodecId.EAC3: _ac3_frame,
        CodecId.MP3: _mp3_frame,
    }
)
_KEYFRAMES: MappingProxyType[CodecId, Callable[[bytes], bool]] = MappingProxyType(
    {
        CodecId.H264: avc.is_keyframe,
        CodecId.H265: hevc.is_keyframe,
        CodecId.AV1: av1.is_keyframe,
        CodecId.VP8: vp8.is_keyframe,
        CodecId.VP9: vp9.is_keyframe,
    }
)
_NAMES: MappingProxyType[CodecId, Callable[[bytes], str]] = MappingProxyType(
    {
        CodecId.H264: lambda data: avc.read_configuration(data).codec,
        CodecId.H265: lambda data: hevc.read_configuration(data).codec,
        CodecId.AV1: av1.codec_string,
        CodecId.VP8: lambda data: vp9.read_configuration(data).codec("vp08"),
        CodecId.VP9: lambda data: vp9.read_configuration(data).codec("vp09"),
        CodecId.AAC: lambda data: aac.read_configuration(data).codec,
    }
)
_BARE_NAMES = MappingProxyType(
    {
        CodecId.H264: "avc1",
        CodecId.H265: "hvc1",
        CodecId.AV1: "av01",
        CodecId.VP8: "vp08.00.10.08",
        CodecId.VP9: "vp09.00.10.08",
        CodecId.AAC: "mp4a.40.2",
        CodecId.OPUS: "opus",
        CodecId.AC3: "ac-3",
        CodecId.EAC3: "ec-3",
        CodecId.MP3: "mp4a.40.34",
        CodecId.FLAC: "fLaC",
    }
)
