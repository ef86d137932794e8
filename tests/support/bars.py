"""The pattern's colour bars and its tone as a stream in a codec of WebRTC: encoded once, sent live, recognised again."""

import asyncio
import contextlib
import functools
import itertools
from collections.abc import AsyncIterator
from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from arcly_actors.clock import NS_PER_S
from arcly_actors.engine import Engine
from arcly_actors.ingest.picture import BARS, background, draw, tone
from arcly_actors.media import avc, nal
from arcly_actors.media.codec import CodecId
from arcly_actors.media.describe import describe
from arcly_actors.media.frame import MediaFrame, Track
from tests.support.streams import Clip

FPS, RATE = 30, 48_000
WIDTH, HEIGHT = 320, 180
_NOISY = 48  # rows
_TOLERANCE = 40  # of 255: lossy codecs, and one player's conversion from YUV is not another's

_ENCODERS = {
    CodecId.H264: ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "sc_threshold": "0"}),
    CodecId.VP8: ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
}


def picture(index: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Number `index` of the moving pattern, RGB."""
    return draw(_background(width, height), index, FPS)


@functools.cache
def _background(width: int, height: int) -> NDArray[np.uint8]:
    return background(width, height)


def rgb(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """A decoded picture."""
    found: NDArray[np.uint8] = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    return found


def shows_bars(shown: NDArray[np.uint8]) -> bool:
    """Whether an RGB picture has each of the bars where it belongs."""
    height, width, _ = shown.shape
    return all(
        bool(np.all(np.abs(shown[height // 3, (2 * at + 1) * width // (2 * len(BARS))].astype(int) - bar) < _TOLERANCE))
        for at, bar in enumerate(BARS)
    )


@functools.cache
def bars(
    video: CodecId = CodecId.H264, *, seconds: int = 2, gop: int = 2 * FPS, bit_rate: int = 600_000, busy: bool = False
) -> Clip:
    """Bars and an Opus tone for whole `seconds`. The same object for the same arguments.

    `busy` ones are 640 pixels wide with noise at the bottom, so that they really take the bit rate.
    """
    shown, heard = _video(video, seconds, gop, bit_rate, busy=busy), _audio(seconds)
    return Clip((shown[0].track, heard[0].track), tuple(sorted((*shown, *heard), key=lambda frame: frame.dts)))


def _video(codec: CodecId, seconds: int, gop: int, bit_rate: int, *, busy: bool) -> list[MediaFrame]:
    name, options = _ENCODERS[codec]
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH << busy, HEIGHT << busy, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.bit_rate, encoder.gop_size, encoder.options = bit_rate, gop, options
    encoder.thread_count = 1
    encoder.flags |= Flags.global_header
    encoder.open()
    units = nal.from_annex_b(bytes(encoder.extradata or b"")) if codec is CodecId.H264 else b""
    track = describe(Track(0, codec, avc.configuration_in(units) if units else b"", frame_rate=float(FPS)))
    packets, noise = [], np.random.default_rng(1)
    for index in range(seconds * FPS):
        shown = picture(index, encoder.width, encoder.height)
        if busy:
            shown[-_NOISY:] = noise.integers(0, 128, (_NOISY, encoder.width, 3))
        frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    found = []
    for index, packet in enumerate(packets):
        payload = nal.from_annex_b(bytes(packet)) if codec is CodecId.H264 else bytes(packet)
        at = index * NS_PER_S // FPS
        found.append(MediaFrame(track, at, at, payload, packet.is_keyframe))
    return found


def _audio(seconds: int) -> list[MediaFrame]:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "flt"
    encoder.bit_rate = 48_000
    encoder.open()
    track = describe(Track(1, CodecId.OPUS, bytes(encoder.extradata or b"")))
    size, packets = 960, []
    for index in range(seconds * RATE // size):
        frame = av.AudioFrame.from_ndarray(tone(index * size, size, RATE).reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, index * size, Fraction(1, RATE)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    at = [index * size * NS_PER_S // RATE for index in range(seconds * RATE // size)]
    return [MediaFrame(track, one, one, bytes(packet), True) for one, packet in zip(at, packets, strict=False)]


class Broadcast:
    """A clip that is being published live. `sent` counts its pictures; `wanted` the keyframes that were asked of it."""

    def __init__(self) -> None:
        self.sent = 0
        self.wanted = 0


@contextlib.asynccontextmanager
async def broadcasting(engine: Engine, key: str, clip: Clip) -> AsyncIterator[Broadcast]:
    """Publish a clip over and over, in real time, from this process."""
    loop, broadcast = asyncio.get_running_loop(), Broadcast()
    began = loop.time()
    frames = clip.play(3600)
    timer: asyncio.TimerHandle | None = None

    def wanted(_full_intra: bool) -> None:
        broadcast.wanted += 1

    async with engine.publish(key, clip.tracks, keyframe_wanted=wanted) as publisher:

        def step(due: MediaFrame) -> None:
            nonlocal timer
            for frame in itertools.chain((due,), frames):
                at = began + frame.dts / NS_PER_S
                if at > loop.time():
                    timer = loop.call_at(at, step, frame)
                    return
                publisher.send(frame)
                broadcast.sent += frame.track is clip.tracks[0]

        step(next(frames))
        try:
            yield broadcast
        finally:
            if timer is not None:
                timer.cancel()
