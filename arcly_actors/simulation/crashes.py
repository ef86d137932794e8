"""Crashes: which actors can be made to fail, and whom each of them serves."""

from collections.abc import Mapping
from typing import Any

import pykka

from arcly_actors.bus.gop import GopCacheActor
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.stream import StreamActor
from arcly_actors.egress.byte_subscriber import ByteSubscriber
from arcly_actors.egress.in_process import FrameSubscriber
from arcly_actors.egress.whep import WhepSession
from arcly_actors.endpoints.http_stream import HttpStreamSession
from arcly_actors.endpoints.rtmp_session import RtmpSession
from arcly_actors.endpoints.rtsp_session import RtspSession
from arcly_actors.endpoints.srt_session import SrtSession
from arcly_actors.ingest.in_process import InProcessPublisher
from arcly_actors.ingest.publisher import Publisher
from arcly_actors.transport.connection import Connection

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
}
"""Kinds of actors (`script.faults.KINDS`) that are made to fail, and whether the peer that one serves ends with it."""


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
    if isinstance(actor, WhepSession):
        return actor._player.key, actor._player.peer  # noqa: SLF001
    if isinstance(actor, Connection):
        return None, str(actor.wire.peer)
    if isinstance(actor, RtmpSession | RtspSession | SrtSession):
        return None, actor._peer  # noqa: SLF001
    return None, ""
