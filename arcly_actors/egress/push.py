"""A push: one try at sending a stream elsewhere. What each protocol's push takes and tells; `Sink` tries again.

A push is an actor that is started with a `PushRequest` while the stream is live, and dials at once. It tells its owner::

    PushStarted                  # the target takes the stream; it begins at a keyframe
    PushFailed | PushEnded       # the last word; then it stops

and stops when its owner stops it. One that crashes is a failed try as well: its owner watches it. It takes its seat with
`Subscribe.follows`, and never makes the stream wait: a target that is too slow skips to keyframes, and in the end fails.
A protocol joins by a row in `egress/pushes.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.runtime import System
from arcly_actors.runtime.seams import Remote
from arcly_actors.transport.urls import Url


@dataclass(frozen=True, slots=True)
class PushRequest:
    """Which stream goes where. `verify`: TLS certificates have to be good; `transport`: how RTSP's packets travel;
    `token`: the bearer token for WHIP; `remote`: the sink as tapes know it.
    """

    key: StreamKey
    url: Url
    verify: bool = True
    transport: Literal["tcp", "udp"] = "tcp"
    token: str = field(default="", repr=False)
    remote: Remote | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PushStarted:
    """The target takes the stream. `note`: what of it the target does not take, in words; empty when it takes all."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class PushFailed:
    """The try is over. `detail` is for a person and holds no secret of the URL."""

    detail: str


@dataclass(frozen=True, slots=True)
class PushEnded:
    """An orderly end, which the target was told: the stream is over, or has other tracks now."""

    reason: str


PushFactory: TypeAlias = Callable[[System, Bus, PushRequest, Ref], Ref]
"""Starts a push for the owner given last."""
