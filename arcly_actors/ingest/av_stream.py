"""One elementary stream as FFmpeg's demuxers give it, to a track and frames of the bus. Nothing is decoded. Pure.

Demuxers differ in what they hand out: MP4 and FLV have length-prefixed units and an avcC, MPEG-TS and RTSP Annex B with
parameter sets among the pictures; AAC comes raw with its configuration, or in ADTS without.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.errors import PeerViolation
from arcly_actors.media import aac, av1, avc, flac, hevc, nal, opus, vp9
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.describe import describe, evolve, is_keyframe, learn
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import to_ns

CODECS = MappingProxyType({str(codec): codec for codec in CodecId if codec.kind is not Kind.DATA})
"""FFmpeg's names of what is carried."""

_NAL_CODECS = frozenset({CodecId.H264, CodecId.H265})
_NEEDS_CONFIGURATION = frozenset({*_NAL_CODECS, CodecId.AAC, CodecId.AV1, CodecId.FLAC})
_IN_BAND = frozenset({*_NAL_CODECS, CodecId.AV1})
_STEP_NS = 1_000_000
_LONGEST_DELAY_NS = 1_000_000_000  # from decoding to showing
_DISTANCES = 16
_USUAL_NS = 40_000_000
"""The distance of two frames as long as nothing tells another: 25 pictures per second."""


@dataclass(frozen=True, slots=True)
class StreamShape:
    """What the demuxer says of a stream: ticks of `time_base` seconds; 0 or empty where it does not know."""

    codec: CodecId
    extradata: bytes
    time_base: Fraction
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    language: str = ""


@dataclass(frozen=True, slots=True)
class StreamPacket:
    """One packet: `pts`, `dts` and `duration` in the stream's ticks, None where they are missing."""

    payload: bytes
    pts: int | None
    dts: int | None
    duration: int | None = None
    keyframe: bool = False
    extradata: bytes = b""


class AvStream:
    """`track` is as of the last packet; `ready` once it has the configuration that its codec needs.

    `first` is its first DTS (ns, the source's clock, unshifted). `dropped` counts packets that no frame could be made of.
    """

    def __init__(self, number: int, shape: StreamShape) -> None:
        self._shape = shape
        self._annex_b = shape.codec in _NAL_CODECS and not _is_record(shape.extradata)
        self._length_size = 4
        self._last_dts: int | None = None
        self._last_pts: int | None = None
        self._distances: deque[int] = deque(maxlen=_DISTANCES)
        self._spacing = round(1_000_000_000 / shape.frame_rate) if shape.frame_rate > 0 else _USUAL_NS
        self.first: int | None = None
        self.dropped = 0
        self.waited = 0
        self.track = Track(
            number,
            shape.codec,
            width=shape.width,
            height=shape.height,
            frame_rate=shape.frame_rate,
            sample_rate=shape.sample_rate,
            channels=shape.channels,
            language=shape.language,
        )
        self._configure(shape.extradata)

    @property
    def ready(self) -> bool:
        """Whether frames can be understood."""
        return bool(self.track.configuration) or self.track.codec not in _NEEDS_CONFIGURATION

    @property
    def undecided(self) -> bool:
        """Whether it is worth to wait for its configuration."""
        return not self.ready and self.waited < limits.FFMPEG_CONFIGURING

    @property
    def end(self) -> int | None:
        """When the next frame is due (ns, the source's clock); None before the first."""
        return None if self._last_dts is None else self._last_dts + self._spacing

    def take(self, packet: StreamPacket, arrival: int, shift: int = 0) -> MediaFrame | None:
        """The frame of a packet, `shift` ns later than it says; None when there is none. A broken packet is counted."""
        try:
            if packet.extradata:
                self._configure(packet.extradata)
            payload = self._payload(packet.payload)
            key = self._keyframe(payload, packet.keyframe) if payload else False
            if key:
                self._learn(payload)
        except PeerViolation:
            self.dropped += 1
            return None
        self.waited += 1
        if not payload or not self.ready:
            self.dropped += 1
            return None
        pts, dts = self._times(packet, shift)
        return MediaFrame(self.track, pts, dts, payload, key, arrival=arrival)

    # -- configuration

    def _configure(self, extradata: bytes) -> None:
        """Take what the container says; what cannot be read is left to what comes in-band."""
        reader = _EXTRADATA.get(self.track.codec)
        if reader is not None:
            try:
                configuration = reader(self._shape, extradata)
                if configuration:
                    self._length_size = nal.length_size(self.track.codec, configuration)
                    wide = nal.with_wide_lengths(self.track.codec, configuration)
                    self.track = evolve(self.track, wide)
            except PeerViolation:
                pass
        self.track = describe(self.track)

    def _learn(self, payload: bytes) -> None:
        """Parameter sets among the pictures count where the container has none of its own that could differ."""
        if self._annex_b or self.track.codec not in _IN_BAND or not self._shape.extradata:
            self.track = learn(self.track, payload)

    # -- payload

    def _payload(self, data: bytes) -> bytes:
        codec = self.track.codec
        if codec in _NAL_CODECS:
            return nal.from_annex_b(data) if self._annex_b else nal.widen(data, self._length_size)
        if codec is CodecId.AV1:
            return av1.without_delimiters(data)
        if codec is CodecId.AAC and data[:1] == b"\xff" and len(data) > aac.ADTS_BYTES and data[1] & 0xF6 == 0xF0:
            return self._without_adts(data)
        return data

    def _without_adts(self, data: bytes) -> bytes:
        if self.track.configuration and self._shape.extradata:
            return data  # raw, and only looks like it
        header = aac.read_adts(data)
        if header.blocks != 1:
            return b""
        self.track = evolve(self.track, header.configuration)
        return data[header.header_length : header.frame_length]

    def _keyframe(self, payload: bytes, flagged: bool) -> bool:
        codec = self.track.codec
        # In NAL units it can be seen; demuxers flag what only begins to refresh the picture, too.
        return is_keyframe(codec, payload) if codec in _NAL_CODECS or codec.kind is not Kind.VIDEO else flagged

    # -- time

    def _times(self, packet: StreamPacket, shift: int) -> tuple[int, int]:
        pts = None if packet.pts is None else self._ns(packet.pts) + shift
        if packet.duration:
            self._spacing = self._ns(packet.duration)
        elif pts is not None and self._last_pts is not None and pts != self._last_pts:
            self._distances.append(abs(pts - self._last_pts))
            self._spacing = min(self._distances)  # of neighbours in the order of decoding: some are neighbours in time
        dts = self._made_up(pts) if packet.dts is None else self._ns(packet.dts) + shift
        self._last_dts, self._last_pts = dts, pts
        if self.first is None:
            self.first = dts - shift
        return (dts if pts is None else pts), dts

    def _made_up(self, pts: int | None) -> int:
        """A DTS for a packet without: one spacing after the last, not after its own PTS, and rising.

        For pictures that are shown in another order this settles, after the first few, at the delay of the reordering.
        """
        last = self._last_dts
        if last is None:
            return pts or 0
        expected = last + self._spacing
        if pts is None:
            return expected
        if self.track.kind is not Kind.VIDEO or abs(pts - last) > _LONGEST_DELAY_NS:
            return pts
        return max(min(expected, pts), last + _STEP_NS)

    def _ns(self, ticks: int) -> int:
        base = self._shape.time_base
        return to_ns(ticks * base.numerator, base.denominator)


def _is_record(extradata: bytes) -> bool:
    """Whether it is an avcC or hvcC, and not parameter sets after start codes (or nothing)."""
    return (
        len(extradata) > 6 and extradata[0] in {0, 1} and extradata[:3] != b"\0\0\1" and extradata[:4] != nal.START_CODE
    )


def _avc(_: StreamShape, data: bytes) -> bytes:
    return _checked(data, avc.read_configuration) if _is_record(data) else avc.configuration_in(nal.from_annex_b(data))


def _hevc(_: StreamShape, data: bytes) -> bytes:
    return _checked(data, hevc.read_configuration) if _is_record(data) else hevc.configuration_in(nal.from_annex_b(data))


def _checked(data: bytes, read: Callable[[bytes], object]) -> bytes:
    read(data)
    return data


def _aac(_: StreamShape, data: bytes) -> bytes:
    return _checked(data, aac.read_configuration) if data else b""


def _opus(shape: StreamShape, data: bytes) -> bytes:
    return _checked(data, opus.read_head) if data else opus.write_head(opus.OpusHead(shape.channels or 2))


def _av1(_: StreamShape, data: bytes) -> bytes:
    if not data:
        return b""
    return _checked(data, av1.read_configuration) if data[0] == 0x81 else av1.configuration_in(data)


def _vp9(_: StreamShape, data: bytes) -> bytes:
    return vp9.bare_configuration(_checked(data, vp9.read_configuration)) if data else b""


def _flac(_: StreamShape, data: bytes) -> bytes:
    return _checked(flac.bare_configuration(data), flac.read_stream_info) if data else b""


_EXTRADATA: MappingProxyType[CodecId, Callable[[StreamShape, bytes], bytes]] = MappingProxyType(
    {
        CodecId.H264: _avc,
        CodecId.H265: _hevc,
        CodecId.AAC: _aac,
        CodecId.OPUS: _opus,
        CodecId.AV1: _av1,
        CodecId.VP9: _vp9,
        CodecId.FLAC: _flac,
    }
)
