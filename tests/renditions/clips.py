"""Pictures and tones encoded with PyAV, as frames of a publisher; and what is heard in encoded sound."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from arcly_actors.clock import NS_PER_S
from arcly_actors.media import avc, nal
from arcly_actors.media.codec import CodecId
from arcly_actors.media.describe import describe
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import to_ns

RATE = 25
GOP = 20
TICK = NS_PER_S // RATE
Samples = npt.NDArray[np.float32]

NONE = (("bf", "0"),)
PLAIN = (("bf", "2"), ("b-pyramid", "none"), ("b_strategy", "0"))
NORMAL = (("bf", "3"), ("b-pyramid", "normal"), ("b_strategy", "0"))
STRICT = (("bf", "3"), ("b-pyramid", "strict"), ("b_strategy", "0"))
BASELINE = (("profile", "baseline"),)
Options = tuple[tuple[str, str], ...]


@cache
def pictures(options: Options, count: int = 60, *, plain: int = 0) -> tuple[MediaFrame, ...]:
    """A moving bar in H.264, 160 by 96 at 25 pictures a second, one keyframe in 20.

    The first `plain` of them have single B-frames, whatever the options say of the others.
    """
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 160, 96, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.gop_size = Fraction(1, RATE), Fraction(RATE), GOP
    encoder.options = {"preset": "veryfast", "sc_threshold": "0", **dict(options)}
    encoder.flags |= Flags.global_header
    encoder.thread_count = 1
    encoder.open()
    parameter_sets = nal.from_annex_b(bytes(encoder.extradata or b""))
    track = describe(Track(0, CodecId.H264, avc.configuration_in(parameter_sets)))
    packets: list[Packet[Any]] = []
    for number in range(count):
        canvas = np.zeros((96, 160, 3), np.uint8)
        canvas[:, number * 2 % 150 : number * 2 % 150 + 10] = 255
        picture = VideoFrame.from_ndarray(canvas, format="rgb24")
        picture.pts, picture.time_base = number, Fraction(1, RATE)
        if number < plain:
            picture.pict_type = PictureType.B if number % 2 else PictureType.P
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    delay = -min(packet.dts or 0 for packet in packets)
    return tuple(
        MediaFrame(
            track,
            ((packet.pts or 0) + delay) * TICK,
            ((packet.dts or 0) + delay) * TICK,
            nal.from_annex_b(bytes(packet)),
            packet.is_keyframe,
        )
        for packet in packets
    )


_NAMES = {
    CodecId.OPUS: ("libopus", "flt"),
    CodecId.MP3: ("libmp3lame", "fltp"),
    CodecId.AC3: ("ac3", "fltp"),
    CodecId.EAC3: ("eac3", "fltp"),
    CodecId.FLAC: ("flac", "s16"),
    CodecId.AAC: ("aac", "fltp"),
    CodecId.PCMA: ("pcm_alaw", "s16"),
    CodecId.PCMU: ("pcm_mulaw", "s16"),
    CodecId.G722: ("g722", "s16"),
}
_SHORT = {CodecId.PCMA, CodecId.PCMU, CodecId.G722}


def chirp(rate: int, seconds: float) -> Samples:
    """A 440 Hz tone that is switched on for the second half of each half second: it has edges to measure time by."""
    at = np.arange(int(rate * seconds)) / rate
    loud = (at % 0.5) >= 0.25
    return (0.4 * np.sin(2 * np.pi * 440 * at) * loud).astype(np.float32)


@cache
def sound(codec: CodecId, seconds: float = 3.0, rate: int = 48_000, layout: str = "stereo") -> tuple[MediaFrame, ...]:
    """A `chirp` in this codec; timestamps are those at which a decoder's output sounds right, from 100 ms on."""
    name, sample_format = _NAMES[codec]
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = rate, layout, sample_format
    encoder.time_base = Fraction(1, rate)
    encoder.bit_rate = 128_000
    encoder.open()
    channels = encoder.channels
    size = rate // 50 if codec in _SHORT else encoder.frame_size
    resampler = AudioResampler(sample_format, layout, rate, frame_size=size)
    samples = np.tile(chirp(rate, seconds), (channels, 1))
    given = AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    given.sample_rate = rate
    packets: list[Packet[Any]] = []
    count = 0
    for frame in [*resampler.resample(given), *resampler.resample(None)]:
        frame.pts, frame.time_base = count, Fraction(1, rate)
        count += frame.samples
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    track = describe(Track(1, codec, bytes(encoder.extradata or b""), sample_rate=rate, channels=channels))
    return tuple(
        MediaFrame(track, at, at, bytes(packet), keyframe=True)
        for packet in packets
        if (at := to_ns(packet.pts or 0, rate) + NS_PER_S // 10) >= 0
    )


def heard(frames: Sequence[MediaFrame], rate: int = 48_000) -> Samples:
    """What a player makes audible: one channel of the decoded frames, each at its PTS, from time 0 on."""
    track = frames[0].track
    decoder = av.CodecContext.create(_NAMES[track.codec][0].replace("libmp3lame", "mp3"), "r")
    assert isinstance(decoder, AudioCodecContext)
    if track.configuration:
        decoder.extradata = track.configuration
    if track.codec in _SHORT:
        decoder.sample_rate, decoder.layout = track.sample_rate, "mono"
    resampler = AudioResampler("fltp", "mono", rate)
    end = frames[-1].pts + NS_PER_S
    out: Samples = np.zeros(end * rate // NS_PER_S, np.float32)
    place: int | None = None
    for frame in frames:
        if place is None or abs(place - frame.pts * rate // NS_PER_S) > rate // 100:
            place = frame.pts * rate // NS_PER_S
        for decoded in decoder.decode(av.Packet(frame.payload)):
            decoded.pts = None
            for part in resampler.resample(decoded):
                samples = part.to_ndarray()[0]
                out[place : place + len(samples)] = samples[: len(out) - place]
                place += len(samples)
    return out


def envelope(samples: Samples, rate: int = 48_000, step_ms: int = 1) -> Samples:
    """The loudness in steps of a millisecond, smoothed over five."""
    size = rate * step_ms // 1000
    count = len(samples) // size
    power = np.sqrt((samples[: count * size].reshape(count, size) ** 2).mean(axis=1))
    smooth: Samples = np.convolve(power, np.ones(5) / 5, "same").astype(np.float32)
    return smooth


def offset_ms(one: Samples, other: Samples) -> int:
    """By how many milliseconds `other` sounds later than `one`."""
    first, second = envelope(one), envelope(other)
    size = min(len(first), len(second))
    first, second = first[:size] - first[:size].mean(), second[:size] - second[:size].mean()
    return max(range(-100, 101), key=lambda lag: float(np.dot(first[100:-100], np.roll(second, -lag)[100:-100])))


def pitch(samples: Samples, rate: int = 48_000) -> float:
    """The strongest frequency (Hz)."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))
