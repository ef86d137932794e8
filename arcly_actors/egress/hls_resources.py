"""What HLS serves, by name: requests read from paths, and the values that answer them. Pure.

``/{app}/{name}/`` followed by ``index.m3u8`` (the master playlist), ``media.m3u8``, ``init-<epoch>.mp4``,
``segment-<number>.m4s`` or ``.ts``. Numbers never repeat for a key while the server's clock is right (the first is the
wall clock's second of its first frame), so segments may be cached for good.
"""

import re
from dataclasses import dataclass

from arcly_actors.bus.key import StreamKey
from arcly_actors.egress.hls_policy import Container
from arcly_actors.errors import Refusal, Refused

MASTER = "index.m3u8"
MEDIA = "media.m3u8"
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
_SEGMENT_TYPES = {Container.FMP4: "video/iso.segment", Container.MPEGTS: "video/mp2t"}
_INIT_TYPE = "video/mp4"
_NUMBERED = re.compile(r"(init|segment)-(0|[1-9][0-9]{0,17})\.(mp4|m4s|ts)")


@dataclass(frozen=True, slots=True)
class GetMaster:
    """The master playlist; `viewer` is who asks, for the census."""

    viewer: str = ""


@dataclass(frozen=True, slots=True)
class GetMedia:
    """The media playlist; `viewer` is who asks, for the census."""

    viewer: str = ""


@dataclass(frozen=True, slots=True)
class GetInit:
    """The initialisation segment of an epoch."""

    epoch: int
    viewer: str = ""


@dataclass(frozen=True, slots=True)
class GetSegment:
    """A media segment, in the container that its name says."""

    number: int
    container: Container
    viewer: str = ""


@dataclass(frozen=True, slots=True)
class CountViewers:
    """How many players there are (for the packager only; it keeps none of them waiting)."""


HlsRequest = GetMaster | GetMedia | GetInit | GetSegment


@dataclass(frozen=True, slots=True)
class Resource:
    """An answer: the bytes, their type, and whether they will never change under this name."""

    body: bytes
    content_type: str
    immutable: bool


def read_path(path: str, viewer: str = "") -> tuple[StreamKey, HlsRequest]:
    """The stream and the resource of a decoded URL path. Raises `Refused` for anything that is neither."""
    folder, _, name = path.lstrip("/").rpartition("/")
    request = read_name(name, viewer)
    if request is None:
        raise Refused(Refusal.NOT_FOUND, "no such HLS resource: index.m3u8 is where a player starts")
    return StreamKey.parse(folder), request


def read_name(name: str, viewer: str = "") -> HlsRequest | None:
    """The request that a file name stands for; None when it is not one of ours."""
    if name == MASTER:
        return GetMaster(viewer)
    if name == MEDIA:
        return GetMedia(viewer)
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return None
    kind, number, suffix = match[1], int(match[2]), match[3]
    if kind == "init":
        return GetInit(number, viewer) if suffix == "mp4" else None
    container = {".m4s": Container.FMP4, ".ts": Container.MPEGTS}.get(f".{suffix}")
    return GetSegment(number, container, viewer) if container else None


def init_name(epoch: int) -> str:
    """The file name of an epoch's initialisation segment."""
    return f"init-{epoch}.mp4"


def segment_name(number: int, container: Container) -> str:
    """The file name of a media segment."""
    return f"segment-{number}{container.suffix}"


def playlist(text: str) -> Resource:
    """A playlist as an answer: it changes with every segment."""
    return Resource(text.encode(), PLAYLIST_TYPE, immutable=False)


def init(body: bytes) -> Resource:
    """An initialisation segment as an answer."""
    return Resource(body, _INIT_TYPE, immutable=True)


def segment(body: bytes, container: Container) -> Resource:
    """A media segment as an answer."""
    return Resource(body, _SEGMENT_TYPES[container], immutable=True)
