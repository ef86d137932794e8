"""The clips with Opus in place of AAC, as WebRTC carries it: 50 packets a second that no server has to transcode.

Pictures have one slice, as those of OBS and of hardware encoders. The clips are published over Enhanced RTMP (v2,
"Enhanced Audio"), so that the publisher is the one of the RTMP benchmark.
"""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from bench.clip import AUDIO, SAMPLE_RATE, SECONDS, VIDEO, ClipMessage, Picture, cached, cached_clip, dump, load
from bench.stamp import write_over

HIGH = Picture(1280, 720, 2_600_000, slices=1, buffer=2)
LOW = Picture(640, 360, 600_000, slices=1, buffer=2)
OPUS_BITS, OPUS_SAMPLES = 96_000, 960
OPUS_MS = OPUS_SAMPLES * 1000 // SAMPLE_RATE
_START, CODED = b"\x90Opus", b"\x91Opus"
"""The head of an audio tag: sequence start and coded frames."""


def cached_opus_clip(picture: Picture) -> Path:
    """The clip's file, made when it is not there yet."""
    return cached(f"{picture.name}-opus-v1.clip", lambda: dump(_with_opus(load(cached_clip(picture)))))


def _with_opus(clip: list[ClipMessage]) -> list[ClipMessage]:
    head, packets = _encode()
    video = [replace(m, payload=write_over(m.payload)) if m.frame else m for m in clip if m.type == VIDEO]
    sounds = [ClipMessage(AUDIO, True, index * OPUS_MS, CODED + packet) for index, packet in enumerate(packets)]
    start = ClipMessage(AUDIO, False, 0, _START + head)
    return sorted([*video, start, *sounds], key=lambda message: (message.frame, message.dts_ms))


def _encode() -> tuple[bytes, list[bytes]]:
    """OpusHead, and as many packets as the loop takes, no two alike."""
    random = np.random.default_rng(11)
    wanted = SECONDS * 1000 // OPUS_MS
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = SAMPLE_RATE, "stereo", "flt"
    encoder.bit_rate, encoder.time_base = OPUS_BITS, Fraction(1, SAMPLE_RATE)
    packets: list[bytes] = []
    for index in range(wanted + 4):  # a few more than the loop needs: the encoder holds some back
        samples = random.normal(0, 0.1, (1, OPUS_SAMPLES * 2)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, index * OPUS_SAMPLES, Fraction(1, SAMPLE_RATE)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return bytes(encoder.extradata or b""), packets[:wanted]
