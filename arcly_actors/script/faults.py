"""Fault operators: what a `topology.Fault` does, in one place for scripts that are edited and engines that run.

To a script it is done by `script.edit`, to an engine by `script.injector`; tests in Python make faults by name:
``loss("3%", on="live/cam", seed=7)``, ``crash("publisher", at="2.5s")``.
"""

from typing import Any

import pykka

from arcly_actors import limits
from arcly_actors.bus.directory import Directory
from arcly_actors.bus.gop import GopCacheActor
from arcly_actors.bus.stream import StreamActor
from arcly_actors.clock import Entropy
from arcly_actors.egress.byte_subscriber import ByteSubscriber
from arcly_actors.egress.hls import HlsStream
from arcly_actors.egress.hls_worker import MuxWorker
from arcly_actors.egress.in_process import FrameSubscriber
from arcly_actors.egress.seated_push import SeatedPush
from arcly_actors.egress.sink import Sink
from arcly_actors.egress.whep import WhepSession
from arcly_actors.egress.whip_push import WhipPush
from arcly_actors.endpoints.http_stream import HttpStreamSession
from arcly_actors.endpoints.mpegts import TsPort
from arcly_actors.endpoints.rtmp_session import RtmpSession
from arcly_actors.endpoints.rtsp_session import RtspSession
from arcly_actors.endpoints.srt_session import SrtSession
from arcly_actors.ingest.av_pull import AvPull
from arcly_actors.ingest.publisher import Publisher
from arcly_actors.ingest.rtmp_pull import RtmpPull
from arcly_actors.ingest.rtsp_pull import RtspPull
from arcly_actors.ingest.source import Source
from arcly_actors.ingest.srt_pull import SrtPull
from arcly_actors.ingest.udp_pull import UdpPull
from arcly_actors.ingest.whip import WhipPublisher
from arcly_actors.renditions.rendition_actor import RenditionActor
from arcly_actors.runtime import Supervisor, System
from arcly_actors.runtime.receiver import Crash, Receiver
from arcly_actors.topology.explain import checked
from arcly_actors.topology.injection import Fault
from arcly_actors.transport.connection import Connection
from arcly_actors.transport.datagram_port import DatagramPort
from arcly_actors.transport.http import HttpSite
from arcly_actors.transport.listener import Listener
from arcly_actors.transport.rtp_ports import RtpPorts
from arcly_actors.transport.webrtc_port import WebRtcPort

KINDS: dict[str, type[Receiver] | tuple[type[Receiver], ...]] = {
    "publisher": Publisher,
    "subscriber": (ByteSubscriber, WhepSession),
    "stream": StreamActor,
    "gop": GopCacheActor,
    "connection": Connection,
    "listener": Listener,
    "port": (DatagramPort, TsPort, RtpPorts, WebRtcPort),
    "srt-port": DatagramPort,
    "rtp-ports": RtpPorts,
    "feed": TsPort,
    "supervisor": Supervisor,
    "directory": Directory,
    "frames": FrameSubscriber,
    "site": HttpSite,
    "rtmp-session": RtmpSession,
    "rtsp-session": RtspSession,
    "http-session": HttpStreamSession,
    "srt-session": SrtSession,
    "webrtc-port": WebRtcPort,
    "whip-session": WhipPublisher,
    "whep-session": WhepSession,
    "packager": HlsStream,
    "muxer": MuxWorker,
    "rendition": RenditionActor,
    "source": Source,
    "sink": Sink,
    "pull": (RtmpPull, RtspPull, SrtPull, UdpPull, AvPull),
    "push": (SeatedPush, WhipPush),
}
"""What a crash can name (`topology.injection.ACTORS`)."""


class Injected(RuntimeError):
    """The failure that somebody asked for."""


def loss(share: str, **where: Any) -> Fault:
    """So much of what comes in does not arrive; over TCP it comes late. `where`: `on`, `at`, `length`, `seed`.

    This and the others raise ConfigurationError for what cannot be.
    """
    return checked(Fault, loss=share, **where)


def jitter(most: str, **where: Any) -> Fault:
    """What comes in is up to `most` late."""
    return checked(Fault, jitter=most, **where)


def stall(who: str = "*", at: str = "0s", **when: Any) -> Fault:
    """Nothing comes of somebody for a while (`length`): then reads come, late; frames and datagrams are lost."""
    return checked(Fault, stall=who, at=at, **when)


def refuse(who: str = "*", at: str = "0s", **when: Any) -> Fault:
    """What sources and sinks dial is refused for a while (`length`)."""
    return checked(Fault, refuse=who, at=at, **when)


def crash(actor: str, at: str = "0s", **when: Any) -> Fault:
    """The newest actor of a kind fails."""
    return checked(Fault, crash=actor, at=at, **when)


def disconnect(who: str = "*", at: str = "0s", **when: Any) -> Fault:
    """A connection breaks: the oldest of an endpoint, of a stream, or of all."""
    return checked(Fault, disconnect=who, at=at, **when)


def clock_jump(by: str, at: str = "0s") -> Fault:
    """The wall clock is set forward."""
    return checked(Fault, clock_jump=by, at=at)


class Passage:
    """What loss and jitter do to what comes one way: to one connection, or of one publisher.

    `again`: what is lost is sent again, as TCP does, and what comes after it waits.
    """

    __slots__ = ("_again", "_entropy", "_jitter", "_latest", "_loss", "late", "lost", "taken")

    def __init__(self, entropy: Entropy, *, loss: float = 0.0, jitter: int = 0, again: bool) -> None:
        self._entropy = entropy
        self._loss = loss
        self._jitter = jitter
        self._again = again
        self._latest = 0
        self.taken = self.lost = self.late = 0

    def arrives(self, at: int, *, sure: bool = False, ordered: bool = True) -> int | None:
        """When (ns) what was sent at `at` arrives; None: never, which is not for what is `sure`. Later than what came
        before it unless it is not `ordered`.
        """
        self.taken += 1
        arrives = at
        if self._jitter:
            arrives += round(self._entropy.uniform(0, self._jitter))
        if self._loss and not sure and self._entropy.uniform(0, 1) < self._loss:
            self.lost += 1
            if not self._again:
                return None
            arrives += limits.RETRANSMISSION
        if not ordered:
            self.late += arrives > at
            return arrives
        self._latest = max(self._latest, arrives)
        self.late += self._latest > at
        return self._latest


def actors_of(system: System, actor: str) -> list[pykka.ActorRef[Any]]:
    """The actors of a kind that run now, oldest first. KeyError for a kind that is none."""
    kind = KINDS[actor]
    return [ref for ref in system.actors() if issubclass(ref.actor_class, kind)]


def strike(ref: pykka.ActorRef[Any], actor: str) -> None:
    """Have this actor, of that kind, fail."""
    ref.tell(Crash(Injected(f"the script crashed the {actor}")))  # the same words in tapes and replays


def crash_one(system: System, actor: str, which: int = -1) -> bool:
    """Have an actor of a kind fail: the newest, or that with this number, from the oldest on; whether there is one.

    KeyError for a kind that is none.
    """
    refs = actors_of(system, actor)
    if not refs or not -1 <= which < len(refs):
        return False
    strike(refs[which], actor)
    return True
