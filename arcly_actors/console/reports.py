"""What the console and the REST API say about a running engine: plain mappings that become JSON as they are."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from arcly_actors.bus.report import StreamReport
from arcly_actors.clock import NS_PER_S
from arcly_actors.media.frame import Track
from arcly_actors.renditions import RenditionReport


class TrackJson(TypedDict):
    """One elementary stream; the fields that make no sense for its kind are absent."""

    codec: str
    width: NotRequired[int]
    height: NotRequired[int]
    sample_rate: NotRequired[int]
    channels: NotRequired[int]


class RenditionJson(TypedDict):
    """What a stream is made into for a class of outputs (``webrtc``, ``flv``, ``hls``); dropped frames by reason."""

    output: str
    viewers: int
    tracks: Sequence[TrackJson]
    dropped: Mapping[str, int]


class StreamJson(TypedDict):
    """One stream, now: `bitrate` in bits per second, times in seconds; None where nothing was measured yet."""

    key: str
    state: str  # live or held
    protocol: str
    since_s: float
    bitrate: float | None
    fps: float | None
    gop_s: float | None
    viewers: int
    tracks: Sequence[TrackJson]
    addresses: NotRequired[Mapping[str, str]]  # how else to play it: protocol -> URL
    renditions: NotRequired[Sequence[RenditionJson]]  # absent when there is none


class TreeJson(TypedDict):
    """One supervised actor and those below it."""

    id: str
    state: str
    restarts: int
    last_error: str | None
    children: Sequence["TreeJson"]
    figures: NotRequired[Mapping[str, int | float]]


def track_json(track: Track) -> TrackJson:
    """A track, without what is unknown or makes no sense for it."""
    value = TrackJson(codec=str(track.codec))
    if track.width and track.height:
        value["width"], value["height"] = track.width, track.height
    if track.sample_rate:
        value["sample_rate"] = track.sample_rate
    if track.channels:
        value["channels"] = track.channels
    return value


def stream_json(report: StreamReport, renditions: Sequence[RenditionReport] = ()) -> StreamJson:
    """A stream as the bus reports it, with those of the `renditions` that are its own; a figure of 0 was not measured."""
    qos = report.qos
    value = StreamJson(
        key=str(report.key),
        state=report.state,
        protocol=report.protocol,
        since_s=report.age_ns / NS_PER_S,
        bitrate=qos.bit_rate or None,
        fps=qos.frame_rate or None,
        gop_s=qos.gop_s or None,
        viewers=len(report.seats),
        tracks=[track_json(track) for track in report.tracks],
    )
    own = [rendition_json(rendition) for rendition in renditions if rendition.key == report.key]
    return {**value, "renditions": own} if own else value


def rendition_json(report: RenditionReport) -> RenditionJson:
    """A rendition as it is reported."""
    tracks = [track_json(track) for track in report.tracks]
    return RenditionJson(output=str(report.wish), viewers=report.users, tracks=tracks, dropped=report.dropped)
