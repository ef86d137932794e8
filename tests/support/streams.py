"""Short real streams, encoded once per test session: moving bars and a tone, as tracks and frames of the bus."""

import functools
import heapq
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track

FPS = 30
RATE = 48_000
WIDTH, HEIGHT = 160, 96
_SECOND = 1_000_000_000

_ENCODERS = {
    CodecId.H264: "libx264",
    CodecId.H265: "libx265",
    CodecId.AV1: "libsvtav1",
    CodecId.VP9: "libvpx-vp9",
    CodecId.AAC: "aac",
    CodecId.OPUS: "libopus",
    CodecId.AC3: "ac3",
    CodecId.EAC3: "eac3",
    CodecId.MP3: "libmp3lame",
    CodecId.FLAC: "flac",
}


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames in DTS order from about 0 on."""

    tracks: tuple[Track, ...]
    frames: tuple[MediaFrame, ...]

    def play(self, seconds: float, *, start: int = 0) -> Iterator[MediaFrame]:
        """The clip over and over from `start` (ns), each track without gaps, for `seconds`."""
        for frame in heapq.merge(*(self._loop(track) for track in self.tracks), key=lambda frame: frame.dts):
            if frame.dts >= seconds * _SECOND:
                return
            yield frame.at(pts=frame.pts + start, dts=frame.dts + start)

    def _loop(self, track: Track) -> Iterator[MediaFrame]:
        frames = [frame for frame in self.frames if frame.track is track]
        period = frames[-1].dts - frames[0].dts + (frames[1].dts - frames[0].dts)
        for turn in itertools.count():
            for frame in frames:
                yield frame.at(pts=frame.pts + turn * period, dts=frame.dts + turn * period)


@functools.cache
def encode(
    video: CodecId | None = CodecId.H264,
    audio: CodecId | None = CodecId.AAC,
    *,
    seconds: int = 2,
    gop: int = FPS,
    b_frames: int = 0,
    width: int = WIDTH,
) -> bytes:
    """An MP4 file of whole `seconds` with a keyframe each `gop` pictures. Encoded once for the same arguments."""
    output = io.BytesIO()
    with av.open(output, "w", format="mp4") as container:
        pictures = _add_video(container, video, gop, b_frames, width) if video else None
        sound = _add_audio(container, audio) if audio else None
        if pictures:
            _encode_video(container, pictures, seconds)
        if sound:
            _encode_audio(container, sound, seconds)
    return output.getvalue()


@functools.cache
def clip(
    video: CodecId | None = CodecId.H264,
    audio: CodecId | None = CodecId.AAC,
    *,
    seconds: int = 2,
    gop: int = FPS,
    b_frames: int = 0,
    width: int = WIDTH,
) -> Clip:
    """Encode a clip of whole `seconds` with a keyframe each `gop` pictures. The same object for the same arguments."""
    output = io.BytesIO(encode(video, audio, seconds=seconds, gop=gop, b_frames=b_frames, width=width))
    with av.open(output, "r") as source:
        tracks = tuple(
            Track(
                id=index,
                codec=codec,
                configuration=_configuration(codec, bytes(stream.codec_context.extradata or b"")),
                width=width if codec is video else 0,
                height=HEIGHT if codec is video else 0,
                frame_rate=float(FPS) if codec is video else 0.0,
                sample_rate=RATE if codec is audio else 0,
                channels=2 if codec is audio else 0,
            )
            for index, (codec, stream) in enumerate(zip(filter(None, (video, audio)), source.streams, strict=True))
        )
        packets = [packet for packet in source.demux() if packet.dts is not None and packet.pts is not None]
        found = [
            MediaFrame(
                track=tracks[packet.stream_index],
                pts=_ns(packet.pts, packet.time_base),
                dts=_ns(packet.dts, packet.time_base),
                payload=bytes(packet),
                keyframe=packet.is_keyframe,
            )
            for packet in packets
        ]
    shift = -min(frame.dts for frame in found)
    placed = [frame.at(pts=frame.pts + shift, dts=frame.dts + shift) for frame in found]
    whole = [frame for frame in placed if frame.dts < seconds * _SECOND]
    return Clip(tracks, tuple(sorted(whole, key=lambda frame: frame.dts)))


def _ns(ticks: int | None, base: Fraction | None) -> int:
    assert ticks is not None
    assert base is not None
    return round(ticks * base * _SECOND)


def _configuration(codec: CodecId, extradata: bytes) -> bytes:
    return b"" if codec in {CodecId.VP9, CodecId.AC3, CodecId.EAC3, CodecId.MP3} else extradata


_OPTIONS = {
    CodecId.H264: {"preset": "ultrafast", "x264-params": "scenecut=0:keyint={gop}:min-keyint={gop}:bframes={b}"},
    CodecId.H265: {"preset": "ultrafast", "x265-params": "log-level=none:scenecut=0:keyint={gop}:bframes={b}:info=0"},
    CodecId.AV1: {"preset": "12", "svtav1-params": "lookahead=0:pred-struct=1"},
    CodecId.VP9: {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
}


def _add_video(container: OutputContainer, codec: CodecId, gop: int, b_frames: int, width: int) -> av.VideoStream:
    options = {key: value.format(gop=gop, b=b_frames) for key, value in _OPTIONS[codec].items()}
    stream = container.add_stream(_ENCODERS[codec], rate=FPS, options=options)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = width, HEIGHT, "yuv420p"
    stream.codec_context.gop_size = gop
    stream.codec_context.time_base = Fraction(1, FPS)
    return stream


def _add_audio(container: OutputContainer, codec: CodecId) -> av.AudioStream:
    stream = container.add_stream(_ENCODERS[codec], rate=RATE)
    assert isinstance(stream, av.AudioStream)
    stream.layout = "stereo"
    return stream


def _encode_video(container: OutputContainer, stream: av.VideoStream, seconds: int) -> None:
    for index in range(seconds * FPS):
        picture: NDArray[np.uint8] = np.zeros((HEIGHT, stream.width, 3), np.uint8)
        left = index * 3 % stream.width
        picture[:, left : left + 20] = 255
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _encode_audio(container: OutputContainer, stream: av.AudioStream, seconds: int) -> None:
    count = 960
    for index in range(seconds * RATE // count + 4):
        wave = np.sin(2 * np.pi * 440 * (np.arange(count) + index * count) / RATE) * 8000
        samples = np.repeat(wave.astype(np.int16), 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, index * count, Fraction(1, RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
