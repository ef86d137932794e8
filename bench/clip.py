"""The clips that are served: 8 s of 30 fps H.264 with AAC at 128 kb/s, encoded once, kept under .cache/.

8 s is the shortest loop of whole GOPs (2 s) in which AAC's 1024 samples at 48 kHz come out whole, too: 240 pictures and
375 sounds. No B frames, as live encoders send it. Seeded noise on a moving picture makes the encoder need its bit rate.
"""

import io
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from bench.stamp import make_room

FPS, GOP, SECONDS = 30, 60, 8
AUDIO_BITS, SAMPLE_RATE, SAMPLES = 128_000, 48_000, 1024
FRAMES_OF_AUDIO = SECONDS * SAMPLE_RATE // SAMPLES
AUDIO, VIDEO, SCRIPT = 8, 9, 18
_MAGIC = b"ACLP"
_RECORD = struct.Struct("<BBHII")
_CACHE = Path(".cache/bench")


@dataclass(frozen=True, slots=True)
class Picture:
    """What the video of a clip is like: pixels, bits per second, slices in a picture (0: one per core), and the rate
    control's buffer in seconds: a small one starves the pictures after a keyframe."""

    width: int
    height: int
    bits: int
    slices: int = 0
    buffer: int = 1

    @property
    def name(self) -> str:
        """How its file is called."""
        slices = f"-{self.slices}s" if self.slices else ""
        return f"{self.height}p{FPS}-{self.bits // 1000}k{slices}"


HIGH = Picture(1280, 720, 2_600_000)


@dataclass(frozen=True, slots=True)
class ClipMessage:
    """One RTMP message: type, whether it is a frame (else configuration or metadata), decode time in ms, payload."""

    type: int
    frame: bool
    dts_ms: int
    payload: bytes


def cached_clip(picture: Picture = HIGH) -> Path:
    """The clip's file, made when it is not there yet (about 10 s)."""
    return cached(f"{picture.name}-v1.clip", lambda: dump(flv_messages(_encode(picture))))


def cached(name: str, make: Callable[[], bytes]) -> Path:
    """The file of this name under .cache/, made when it is not there yet."""
    path = _CACHE / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}")  # tests in parallel may make it at once
        half.write_bytes(make())
        half.rename(path)
    return path


def dump(messages: list[ClipMessage]) -> bytes:
    """The messages in the file's form (`native/clip.h` reads it)."""
    records = (_RECORD.pack(m.type, m.frame, 0, m.dts_ms, len(m.payload)) + m.payload for m in messages)
    return _MAGIC + b"".join(records)


def load(path: Path) -> list[ClipMessage]:
    """The messages in a clip file."""
    data = path.read_bytes()
    if data[:4] != _MAGIC:
        raise ValueError(f"{path} is not a clip")
    messages, at = [], 4
    while at < len(data):
        kind, frame, _, dts, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        messages.append(ClipMessage(kind, bool(frame), dts, data[at : at + length]))
        at += length
    return messages


def bytes_per_second(messages: list[ClipMessage]) -> float:
    """Payload bytes of one second of the clip."""
    return sum(len(m.payload) for m in messages if m.frame) / SECONDS


def flv_messages(flv: bytes) -> list[ClipMessage]:
    """The tags of an FLV file as RTMP messages, one loop of them, with room for a stamp in every video frame."""
    messages, at = [], 9 + 4
    while at + 11 <= len(flv):
        kind, length = flv[at], int.from_bytes(flv[at + 1 : at + 4], "big")
        dts = int.from_bytes(flv[at + 4 : at + 7], "big") | flv[at + 7] << 24
        payload = flv[at + 11 : at + 11 + length]
        at += 11 + length + 4
        if kind == SCRIPT or payload[1] == 0:
            messages.append(ClipMessage(kind, False, 0, payload))
        elif payload[1] == 1 and dts < SECONDS * 1000:
            messages.append(ClipMessage(kind, True, dts, make_room(payload) if kind == VIDEO else payload))
    return sorted(messages, key=lambda m: (m.frame, m.dts_ms))


def _encode(picture: Picture) -> bytes:
    random = np.random.default_rng(7)
    out = io.BytesIO()
    with av.open(out, "w", format="flv", options={"flvflags": "no_duration_filesize"}) as container:
        rate, buffer = str(picture.bits), str(picture.bits * picture.buffer)
        slices = {"x264-params": f"sliced-threads=0:slices={picture.slices}"} if picture.slices else {}
        options = {"preset": "veryfast", "bf": "0", "sc_threshold": "0", "maxrate": rate, "bufsize": buffer, **slices}
        video = container.add_stream("libx264", rate=FPS, options=options)
        video.width, video.height, video.pix_fmt = picture.width, picture.height, "yuv420p"
        video.bit_rate, video.gop_size = picture.bits, GOP
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        audio.bit_rate = AUDIO_BITS
        for frame in _pictures(random, picture.width, picture.height):
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for sound in _sounds(random):
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return out.getvalue()


def _pictures(random: np.random.Generator, width: int, height: int) -> Iterator[av.VideoFrame]:
    """A texture that drifts, under film grain."""
    coarse = random.integers(40, 216, (height // 16 + 1, width // 16 + 1, 3), np.uint8)
    texture = coarse.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    grain = random.integers(0, 12, (height * 2, width, 3), np.uint8)
    for index in range(FPS * SECONDS):
        top = int(random.integers(0, height))
        picture = np.roll(texture, (index, index * 3), (0, 1)) + grain[top : top + height]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        yield frame


def _sounds(random: np.random.Generator) -> Iterator[av.AudioFrame]:
    """Noise, so that no two packets are alike and a viewer can tell where in the loop it came in."""
    for index in range(FRAMES_OF_AUDIO + 4):  # a few more than the loop needs: the encoder holds some back
        samples = random.normal(0, 0.1, (2, SAMPLES)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, index * SAMPLES, Fraction(1, SAMPLE_RATE)
        yield frame
