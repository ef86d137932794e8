"""Crashes: which actors can be made to fail, and whom each of them serves."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import pykka

from arcly_actors.bus.gop import GopCacheActor
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.stream import StreamActor
from arcly_actors.egress.byte_subscriber import ByteSubscriber
from arcly_actors.egress.hls import HlsStream
from arcly_actors.egress.in_process import FrameSubscriber
from arcly_actors.egress.seated_push import SeatedPush
from arcly_actors.egress.sink import Sink
from arcly_actors.egress.whep import WhepSession
from arcly_actors.endpoints.http_stream import HttpStreamSession
from arcly_actors.endpoints.rtmp_session import RtmpSession
from arcly_actors.endpoints.rtsp_session import RtspSession
from arcly_actors.endpoints.srt_session import SrtSession
from arcly_actors.ingest.in_process import InProcessPublisher
from arcly_actors.ingest.publisher import Publisher
from arcly_actors.ingest.rtmp_pull import RtmpPull
from arcly_actors.ingest.rtsp_pull import RtspPull
from arcly_actors.ingest.source import Source
from arcly_actors.ingest.srt_pull import SrtPull
from arcly_actors.renditions.rendition_actor import RenditionActor
from arcly_actors.runtime import Supervisor
from arcly_actors.simulation.peer import Peer
from arcly_actors.transport.connection import Connection
from arcly_actors.transport.datagram_port import DatagramPort

TARGETS: Mapping[str, bool] = {
    "stream": False,
    "gop": False,
    "directory": False,
    "subscriber": False,
    "frames": False,
    "listener": False,
    "site": False,
    "rtp-ports": False,
    "feed": False,
    "publisher": True,
    "connection": True,
    "rtmp-session": True,
    "rtsp-session": True,
    "http-session": True,
    "srt-session": True,
    "webrtc-port": True,
    "whip-session": False,
    "whep-session": False,
    "srt-port": True,
    "packager": False,
    "muxer": False,
    "rendition": False,
    "source": False,
    "sink": False,
    "pull": False,
    "push": False,
    "supervisor": True,
}
"""Kinds of actors (`script.faults.KINDS`) that are made to fail, and whether the peers that one serves end with it."""

_SPARED = frozenset({"engine"})
"""Supervisors that are not: nobody restarts it."""

_WEBRTC = frozenset({"whip", "whep"})


def may_fail(ref: pykka.ActorRef[Any]) -> bool:
    """Whether this one is made to fail, too."""
    return supervised(ref) not in _SPARED


def dials(ref: pykka.ActorRef[Any]) -> bool:
    """Whether this is a port that a source or sink dials from: nobody who came by himself is on it."""
    actor: Any = getattr(ref.actor_inbox, "actor", None)
    return isinstance(actor, DatagramPort) and attrgetter("_remote")(actor) is not None


def supervised(ref: pykka.ActorRef[Any]) -> str:
    """The name of a supervisor; empty for any other actor."""
    actor = getattr(ref.actor_inbox, "actor", None)
    return actor.name if isinstance(actor, Supervisor) else ""


def swept(supervisor: str, peer: Peer) -> bool:
    """Whether a peer loses its connection or session with this supervisor."""
    door = "webrtc" if peer.protocol in _WEBRTC else peer.door
    return bool(door) and supervisor in ("endpoints", door)


def unseated(supervisor: str, peer: Peer) -> bool:
    """Whether a peer's stream ends with it."""
    return supervisor in ("bus", str(peer.key))


_INSIDE = (InProcessPublisher, FrameSubscriber)

_SERVES: tuple[tuple[tuple[type, ...], str, str], ...] = (
    ((StreamActor, HlsStream, Source, FrameSubscriber), "_key", ""),
    ((GopCacheActor,), "_channel.key", ""),
    ((RenditionActor,), "_rendition.base.key", ""),
    ((Sink, SeatedPush, RtmpPull, RtspPull, SrtPull), "_request.key", ""),
    ((Publisher,), "_publishing.key", "_publishing.peer"),
    ((ByteSubscriber, HttpStreamSession), "_viewing.key", "_viewing.peer"),
    ((WhepSession,), "_player.key", "_player.peer"),
    ((Connection,), "", "wire.peer"),
    ((RtmpSession, RtspSession, SrtSession), "", "_peer"),
)
"""Where each kind has the key and the peer that it serves: its own affair, but for who makes it fail."""


def served_by(ref: pykka.ActorRef[Any]) -> tuple[StreamKey | None, str]:
    """Which stream and which peer (its address, empty for none) an actor is for."""
    actor: Any = getattr(ref.actor_inbox, "actor", None)
    _, key, peer = next((row for row in _SERVES if isinstance(actor, row[0])), ((), "", ""))
    told = "in-process" if isinstance(actor, _INSIDE) else str(attrgetter(peer)(actor)) if peer else ""
    return attrgetter(key)(actor) if key else None, told
