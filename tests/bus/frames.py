"""Frames made by hand: small, of two tracks, with payloads that say which frame it is."""

from collections.abc import Iterator

from arcly_actors.clock import NS_PER_MS
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track

VIDEO = Track(0, CodecId.H264, b"avcC")
AUDIO = Track(1, CodecId.AAC, b"asc")
BOTH = (VIDEO, AUDIO)
STEP_MS = 40


def video(ms: float, *, key: bool = False, size: int = 0, track: Track = VIDEO) -> MediaFrame:
    """A picture at `ms` of the publisher's clock."""
    dts = round(ms * NS_PER_MS)
    return MediaFrame(track, dts, dts, b"%s%g;" % (b"K" if key else b"p", ms) + bytes(size), key)


def audio(ms: float, *, size: int = 0, track: Track = AUDIO) -> MediaFrame:
    """A sound frame."""
    dts = round(ms * NS_PER_MS)
    return MediaFrame(track, dts, dts, b"a%g;" % ms + bytes(size), keyframe=True)


def pictures(count: int, *, gop: int = 5, start_ms: int = 0, size: int = 0) -> Iterator[MediaFrame]:
    """`count` pictures 40 ms apart, each `gop`-th a keyframe."""
    for number in range(count):
        yield video(start_ms + number * STEP_MS, key=number % gop == 0, size=size)
