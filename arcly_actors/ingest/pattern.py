"""The built-in test pattern: colour bars with a clock and a tone, encoded with PyAV, so that no encoder is needed."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from arcly_actors.clock import NS_PER_S
from arcly_actors.ingest.picture import background, draw, tone
from arcly_actors.media import avc, nal
from arcly_actors.media.codec import CodecId
from arcly_actors.media.describe import describe
from arcly_actors.media.frame import MediaFrame, Track

SAMPLE_RATE = 48_000


@dataclass(frozen=True, slots=True)
class PatternShape:
    """What the pattern looks like; the GOP is in frames, the bit rate in bits per second."""

    width: int = 640
    height: int = 360
    frame_rate: int = 30
    gop: int = 60
    bit_rate: int = 600_000
    sound: bool = True


class TestPattern:
    """Encodes one picture, and the sound that belongs to it, at each call. It blocks for as long as that takes."""

    __test__ = False  # not a test class, whatever its name suggests

    def __init__(self, shape: PatternShape | None = None) -> None:
        self.shape = shape = shape or PatternShape()
        self._background = background(shape.width, shape.height)
        self._video = _video_encoder(shape)
        units = nal.from_annex_b(bytes(self._video.extradata or b""))
        video = Track(0, CodecId.H264, avc.configuration_in(units), frame_rate=float(shape.frame_rate))
        self._video_track = replace(describe(video), frame_rate=float(shape.frame_rate))
        self._audio = _audio_encoder() if shape.sound else None
        self._audio_track: Track | None = None
        if self._audio is not None:
            self._audio_track = describe(Track(1, CodecId.AAC, bytes(self._audio.extradata or b"")))
        self._picture = 0
        self._sample = 0

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What it sends."""
        return (self._video_track, self._audio_track) if self._audio_track else (self._video_track,)

    @property
    def due_ns(self) -> int:
        """When the next picture is due, in nanoseconds after the first one."""
        return self._picture * NS_PER_S // self.shape.frame_rate

    def next(self) -> list[MediaFrame]:
        """The frames of the next picture's time, in the order of their DTS."""
        shape = self.shape
        picture = VideoFrame.from_ndarray(draw(self._background, self._picture, shape.frame_rate), format="rgb24")
        picture.pts, picture.time_base = self._picture, Fraction(1, shape.frame_rate)
        self._picture += 1
        frames = [self._frame(self._video_track, packet) for packet in self._video.encode(picture)]
        if self._audio is not None:
            frames += self._sound(self._audio, self._picture * SAMPLE_RATE // shape.frame_rate)
        return sorted(frames, key=lambda frame: frame.dts)

    def _sound(self, encoder: AudioCodecContext, until: int) -> list[MediaFrame]:
        frames: list[MediaFrame] = []
        size = encoder.frame_size
        while self._sample + size <= until:
            samples = tone(self._sample, size, SAMPLE_RATE)
            frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._sample, Fraction(1, SAMPLE_RATE)
            self._sample += size
            if self._audio_track is not None:
                frames += [self._frame(self._audio_track, packet) for packet in encoder.encode(frame)]
        return frames

    def _frame(self, track: Track, packet: "Packet[Any]") -> MediaFrame:
        scale = (packet.time_base or Fraction(1)) * NS_PER_S
        pts, dts = packet.pts or 0, packet.dts or 0
        payload = bytes(packet)
        if track is self._video_track:
            payload = nal.from_annex_b(payload)
        return MediaFrame(track, int(pts * scale), int(dts * scale), payload, packet.is_keyframe)


def _video_encoder(shape: PatternShape) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    if not isinstance(encoder, VideoCodecContext):
        raise TypeError("libx264 is not a video encoder in this build of FFmpeg")
    encoder.width, encoder.height, encoder.pix_fmt = shape.width, shape.height, "yuv420p"
    encoder.time_base = Fraction(1, shape.frame_rate)
    encoder.framerate = Fraction(shape.frame_rate)
    encoder.bit_rate, encoder.gop_size = shape.bit_rate, shape.gop
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "sc_threshold": "0"}
    encoder.flags |= Flags.global_header
    encoder.thread_count = 1
    encoder.open()
    return encoder


def _audio_encoder() -> AudioCodecContext:
    encoder = av.CodecContext.create("aac", "w")
    if not isinstance(encoder, AudioCodecContext):
        raise TypeError("aac is not an audio encoder in this build of FFmpeg")
    encoder.sample_rate, encoder.layout, encoder.format = SAMPLE_RATE, "mono", "fltp"
    encoder.bit_rate = 64_000
    encoder.open()
    return encoder
