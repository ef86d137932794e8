"""Crashes: which actors can be made to fail, and whom each of them serves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pykka

from arcly_actors.bus.directory import Directory
from arcly_actors.bus.gop import GopCacheActor
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.stream import StreamActor
from arcly_actors.egress.byte_subscriber import ByteSubscriber
from arcly_actors.egress.in_process import FrameSubscriber
from arcly_actors.endpoints.http_stream import HttpStreamSession
from arcly_actors.endpoints.rtmp_session import RtmpSession
from arcly_actors.endpoints.rtsp_session import RtspSession
from arcly_actors.endpoints.srt_session import SrtSession
from arcly_actors.ingest.in_process import InProcessPublisher
from arcly_actors.ingest.publisher import Publisher
from arcly_actors.runtime import System
from arcly_actors.runtime.receiver import Crash
from arcly_actors.transport.connection import Connection
from arcly_actors.transport.http import HttpSite
from arcly_actors.transport.listener import Listener


class Injected(RuntimeError):
    """The failure that the simulation wanted."""


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of actor: its name in scripts, its class, and whether the peer that it serves ends with it."""

    name: str
    kind: type[Any]
    ends_peer: bool


TARGETS: Mapping[str, Target] = {
    each.name: each
    for each in (
        Target("stream", StreamActor, ends_peer=False),
        Target("gop", GopCacheActor, ends_peer=False),
        Target("directory", Directory, ends_peer=False),
        Target("subscriber", ByteSubscriber, ends_peer=False),
        Target("frames", FrameSubscriber, ends_peer=False),
        Target("listener", Listener, ends_peer=False),
        Target("site", HttpSite, ends_peer=False),
        Target("publisher", Publisher, ends_peer=True),
        Target("connection", Connection, ends_peer=True),
        Target("rtmp-session", RtmpSession, ends_peer=True),
        Target("rtsp-session", RtspSession, ends_peer=True),
        Target("http-session", HttpStreamSession, ends_peer=True),
        Target("srt-session", SrtSession, ends_peer=True),
    )
}


def actors_of(system: System, target: Target) -> list[pykka.ActorRef[Any]]:
    """The actors of this kind that run now, oldest first."""
    return [ref for ref in system.actors() if issubclass(ref.actor_class, target.kind)]


def crash(ref: pykka.ActorRef[Any], target: Target) -> None:
    """Have an actor fail, in the words of a replay."""
    ref.tell(Crash(Injected(f"the script crashed the {target.name}")))


def served_by(ref: pykka.ActorRef[Any]) -> tuple[StreamKey | None, str]:
    """Which stream and which peer (its address, empty for none) an actor is for."""
    actor: Any = getattr(ref.actor_inbox, "actor", None)
    if isinstance(actor, StreamActor):
        return actor._key, ""  # noqa: SLF001 - whom an actor serves is its own affair, but for who makes it fail
    if isinstance(actor, GopCacheActor):
        return actor._channel.key, ""  # noqa: SLF001
    if isinstance(actor, InProcessPublisher | FrameSubscriber):
        key = actor._publishing.key if isinstance(actor, Publisher) else actor._key  # noqa: SLF001
        return key, "in-process"
    if isinstance(actor, Publisher):
        return actor._publishing.key, actor._publishing.peer  # noqa: SLF001
    if isinstance(actor, ByteSubscriber | HttpStreamSession):
        return actor._viewing.key, actor._viewing.peer  # noqa: SLF001
    if isinstance(actor, Connection):
        return None, str(actor.wire.peer)
    if isinstance(actor, RtmpSession | RtspSession | SrtSession):
        return None, actor._peer  # noqa: SLF001
    return None, ""
