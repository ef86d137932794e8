"""What the console and the REST API say about a running engine: plain mappings that become JSON as they are."""

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict


class TrackReport(TypedDict):
    """One elementary stream; the fields that make no sense for its kind are absent."""

    codec: str
    width: NotRequired[int]
    height: NotRequired[int]
    sample_rate: NotRequired[int]
    channels: NotRequired[int]


class StreamReport(TypedDict):
    """One stream, now: `bitrate` in bits per second, times in seconds; None where nothing was measured yet."""

    key: str
    state: Literal["live", "held"]
    protocol: str
    since_s: float
    bitrate: float | None
    fps: float | None
    gop_s: float | None
    viewers: int
    tracks: Sequence[TrackReport]
    addresses: NotRequired[Mapping[str, str]]  # how else to play it: protocol -> URL


class TreeReport(TypedDict):
    """One supervised actor and those below it."""

    id: str
    state: str
    restarts: int
    last_error: str | None
    children: Sequence["TreeReport"]
