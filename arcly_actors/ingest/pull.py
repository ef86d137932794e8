"""A pull: one try at bringing a stream in. What each protocol's pull takes and tells; `Source` tries again.

A pull is an actor that is started with a `PullRequest` and dials at once. It tells its owner::

    PullWaiting …                        # while it listens for somebody to come
    PullTracks, then PullFrames …        # PullTracks again when the tracks change
    PullFailed | PullEnded               # the last word; then it stops

and stops when its owner stops it. One that crashes is a failed try as well: its owner watches it. Time-outs are its
owner's business, as far as the protocol has no better ones. An owner may tell it `KeyframeNeeded`, which most cannot pass
on. A protocol joins by a row in `ingest/pulls.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

from arcly_actors import limits
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime import System
from arcly_actors.runtime.seams import Remote
from arcly_actors.transport.urls import Url

_NONE: Mapping[str, str] = MappingProxyType({})

Transport: TypeAlias = Literal["auto", "tcp", "udp"]
"""How RTSP media travels; auto: UDP, and within the connection when the server does not want to or nothing comes."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What to bring in.

    `loop`: a file begins again at its end. `verify`: TLS certificates have to be good. `stall_ns`: without a byte for
    this long a pull may fail by itself. `remote` is the source as tapes know it.
    """

    key: StreamKey
    url: Url
    transport: Transport = "auto"
    loop: bool = True
    verify: bool = True
    stall_ns: int = limits.SOURCE_STALL
    remote: Remote | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PullWaiting:
    """It listens, and nobody has come yet. To be said again within `limits.SOURCE_OPEN`, which else would be a stall."""


@dataclass(frozen=True, slots=True)
class PullTracks:
    """It is connected, and these tracks come from here on; every one has the configuration that its codec needs."""

    tracks: tuple[Track, ...]
    metadata: Mapping[str, str] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True)
class PullFrames:
    """Frames of tracks that were told, in decoding order within each, on the source's own clock."""

    frames: tuple[MediaFrame, ...]


@dataclass(frozen=True, slots=True)
class PullFailed:
    """The try is over. `detail` is for a person and holds no secret of the URL; `stalled`: nothing came any more."""

    detail: str
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class PullEnded:
    """What was pulled has an end and came to it."""

    detail: str


PullFactory: TypeAlias = Callable[[System, PullRequest, Ref], Ref]
"""Starts a pull for the owner given last."""
