"""The script of a player of HLS, written by hand: its packager, muxer and site are made to crash in `record_scripts`."""

from collections.abc import Iterator
from operator import attrgetter

from arcly_actors.clock import NS_PER_S
from arcly_actors.script.plain import track_fields
from arcly_actors.script.record import Head, Record, Script
from tests.support.streams import clip

_PLAYLIST = b"GET /live/cam/media.m3u8 HTTP/1.1\r\nHost: server.example\r\n\r\n"


def hls() -> Script:
    """Pictures of seven seconds; a player that asks for the playlist, and does so again on another connection."""
    records = sorted([*_published(), *_played()], key=attrgetter("at"))
    head = Head({}, "", provenance={"clients": "none: written by hand", "media": "x264, 30 pictures of noise a second"})
    return Script(head, tuple(records))


def _published() -> Iterator[Record]:
    made, who = clip(audio=None), {"who": "frames-1"}
    yield Record(0, "publish", {**who, "key": "live/cam"})
    yield Record(0, "tracks", {**who, "key": "live/cam", "tracks": [track_fields(each) for each in made.tracks]})
    for frame in made.play(7):
        key = {"keyframe": True} if frame.keyframe else {}
        told = {**who, "track": frame.track.id, "pts": frame.pts, "dts": frame.dts, **key}
        yield Record(frame.dts, "send", told, frame.payload)


def _played() -> Iterator[Record]:
    for name, times in (("http-1", (NS_PER_S,)), ("http-2", (9 * NS_PER_S // 2, 34 * NS_PER_S // 5))):
        yield Record(times[0], "open", {"who": name, "on": "http", "peer": "192.0.2.1:1000", "local": "127.0.0.1:80"})
        for at in times:
            yield Record(at, "in", {"who": name}, _PLAYLIST)
    yield Record(8 * NS_PER_S, "end", {})
