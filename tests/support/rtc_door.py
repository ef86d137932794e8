"""WebRTC sessions without a network: the real ones on a whole bus, their port hands out watched transports."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pykka

from arcly_actors import limits
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.policy import ApplicationPolicy
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.egress.rtp_feed import RtpFeeds
from arcly_actors.egress.whep import WhepPlaces
from arcly_actors.endpoints.webrtc_sessions import Session, WebRtcSessions
from arcly_actors.errors import Refusal, Refused
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.payload.unit import AccessUnit
from arcly_actors.protocols.rtp.rtcp import RtcpPacket
from arcly_actors.protocols.webrtc.formats import CODECS
from arcly_actors.renditions import Renditions, Wish
from arcly_actors.runtime import (
    ChildGaveUp,
    Exited,
    LoopActor,
    LoopFuture,
    SupervisionEvent,
    Supervisor,
    System,
    receives,
)
from arcly_actors.runtime.virtual_loop import VirtualLoop
from arcly_actors.transport.webrtc_port import OpenSession
from tests.bus.stage import KEY, RESTARTS, Source, Stage
from tests.protocols.webrtc.offers import recorded
from tests.support.rtp_viewing import PICTURES, SOUND, WatchedTransport, name, picture, sound
from tests.support.virtual import pass_time

WHEP_OFFER, WHIP_OFFER = recorded("chromium-156-whep"), recorded("chromium-156-whip-h264")
SIMULCAST_OFFER = recorded("chromium-156-whip-simulcast")
_NONE: Mapping[str, str] = MappingProxyType({})


class _Followed(WatchedTransport):
    """Tells its port whom it belongs to."""

    def __init__(self, system: System, follow: Callable[[WatchedTransport, pykka.ActorRef[Any]], None]) -> None:
        super().__init__(system)
        self._follow = follow

    def attach(self, owner: pykka.ActorRef[Any]) -> None:
        super().attach(owner)
        self._follow(self, owner)


@dataclass(frozen=True)
class _Orphaned:
    transport: WatchedTransport
    owner: pykka.ActorRef[Any]


class ScriptedPort(LoopActor):
    """Hands out transports, and closes those whose owner is done or does not come back, as the real port does."""

    def __init__(self, system: System, door: "Door") -> None:
        super().__init__(system)
        self._door = door
        self._owners: dict[str, WatchedTransport] = {}

    @receives(OpenSession)
    def open(self, message: OpenSession) -> WatchedTransport | LoopFuture[WatchedTransport]:
        open_now = [each for each in self._door.transports if each.closed is None]
        if len(open_now) >= self._door.most:
            raise Refused(Refusal.LIMIT, "all WebRTC sessions are in use")
        made = _Followed(self.system, self._follow)
        made.attach(message.owner)
        self._door.transports.append(made)
        if not self._door.slow_ns:
            return made
        later: LoopFuture[WatchedTransport] = LoopFuture()
        self.system.loop.call_later(self._door.slow_ns / NS_PER_S, later.set, made)
        return later

    @receives(Exited)
    def owner_gone(self, exited: Exited) -> None:
        transport = self._owners.pop(exited.urn, None)
        if transport is not None and exited.error is None:
            transport.end(exited.reason or "its session ended")
        elif transport is not None:
            self.after(limits.ORPHAN_TIMEOUT, _Orphaned(transport, exited.ref))

    @receives(_Orphaned)
    def orphaned(self, orphaned: _Orphaned) -> None:
        if orphaned.transport._owner is orphaned.owner:
            orphaned.transport.end("its session did not come back")

    def _follow(self, transport: WatchedTransport, owner: pykka.ActorRef[Any]) -> None:
        self._owners[owner.actor_urn] = transport
        self.watch(owner)


class AsItIs(Renditions):
    """Every stream as it is published: what renditions make of it has tests of its own."""

    def __init__(self) -> None:
        """Nothing is made, so nothing is needed."""

    def acquire(self, base: Channel, wish: Wish) -> Channel:
        del wish
        return base

    def release(self, base: Channel, wish: Wish) -> None:
        """Nothing was taken."""


class Door:
    """See the module. `seen` are the sessions' supervision events."""

    def __init__(
        self, system: System, policy: ApplicationPolicy | None = None, *, most: int = 100, streams: int = 10
    ) -> None:
        self.system = system
        self.stage = Stage(system, policy, most=streams)
        self.most = most
        self.slow_ns = 0  # how long its port takes
        self.transports: list[WatchedTransport] = []
        self.seen: list[SupervisionEvent] = []
        self.feeds = RtpFeeds(system, CODECS)
        places = WhepPlaces(self.stage.bus, self.feeds, AsItIs())
        self.port: pykka.ActorRef[Any] = ScriptedPort.start(system, self)
        self.supervisor: pykka.ActorRef[Any] = Supervisor.start(system, "webrtc", policy=RESTARTS, on_event=self._noticed)
        self.sessions = WebRtcSessions(system, self.stage.bus, places, lambda: self.supervisor, lambda: self.port)
        system.run_queue.drain()

    def _noticed(self, event: SupervisionEvent) -> None:
        self.seen.append(event)
        if isinstance(event, ChildGaveUp):
            self.sessions.abandoned(event.id)

    async def publish(self, *, keyframes: bool = True) -> Source:
        """An in-process publisher of pictures and sound."""
        return await self.stage.publish(tracks=(PICTURES, SOUND), keyframes=keyframes)

    async def play(self, *, connect: bool = True, offer: str = WHEP_OFFER, **options: Any) -> "Caller":
        """A viewer that was answered."""
        caller = Caller(self, await self.sessions.play(KEY, offer, "there", None, options))
        if connect:
            await caller.connect()
        return caller

    async def send(self, *, connect: bool = True, offer: str = WHIP_OFFER) -> "Caller":
        """A sender that was answered."""
        caller = Caller(self, await self.sessions.publish(KEY, offer, "there", None, _NONE))
        if connect:
            await pass_time(20 * NS_PER_MS)  # its handshake
            await caller.connect()
        return caller

    def check_empty(self) -> None:
        """Nothing of any session is left, and nothing is going on."""
        self.check_sessions()
        assert [each for each in self.transports if each.closed is None] == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def check_sessions(self) -> None:
        """No session, no feed, no actor of one."""
        assert len(self.sessions) == 0
        assert self.sessions._by_child == {}
        assert self.feeds._feeds == {}
        assert self.feeds._users == {}
        names = [ref.actor_class.__name__ for ref in self.system.actors()]
        assert not {"WhepSession", "WhipPublisher", "LayerPublisher"}.intersection(names)

    async def close_stream(self) -> None:
        """End the streams and let everything settle; then nothing may be left but the crew."""
        self.stage.bus.end_all("over")
        await pass_time(limits.ORPHAN_TIMEOUT)
        self.check_empty()
        kinds = sorted(ref.actor_class.__name__ for ref in self.system.actors())
        known = {"ScriptedPort", "Supervisor", "Directory", "DirectoryActor", "ProbeActor", "InProcessPublisher"}
        assert set(kinds) <= known, kinds
        loop = self.system.loop
        assert not isinstance(loop, VirtualLoop) or loop.timers() == [], "a timer of something that is over"


class Caller:
    """The other end of one session."""

    def __init__(self, door: Door, session: Session) -> None:
        self.door = door
        self.session = session
        assert session.linked is not None
        transport, self.negotiation = session.linked
        assert isinstance(transport, WatchedTransport)
        self.transport = transport

    async def connect(self) -> None:
        self.transport.connect()
        await asyncio.sleep(0)

    @property
    def actor(self) -> pykka.ActorRef[Any]:
        """Its session's actor now."""
        assert self.session.ref is not None
        return self.session.ref

    def crash(self) -> None:
        self.door.stage.crash(self.actor)

    def ssrc(self, kind: Kind) -> int:
        """Which it is sent."""
        media = next(each for each in self.negotiation.media if each.kind == kind.value and each.outgoing)
        assert media.outgoing is not None
        return media.outgoing.ssrc

    def packets(self, kind: Kind = Kind.VIDEO) -> list[RtpPacket]:
        ssrc = self.ssrc(kind)
        return [packet for sent in self.transport.rtp if (packet := rtp.parse(sent.data)).ssrc == ssrc]

    def units(self, kind: Kind = Kind.VIDEO) -> list[AccessUnit]:
        """The frames it can put together; no number may be missing."""
        assert self.transport.nonces.gaps(self.ssrc(kind)) == []
        depacketiser = FORMATS[CodecId.H264 if kind is Kind.VIDEO else CodecId.OPUS].depacketiser()
        found = [unit for packet in self.packets(kind) for unit in depacketiser.push(packet)]
        assert not depacketiser.dropped, depacketiser.dropped
        return found

    def names(self, kind: Kind = Kind.VIDEO) -> list[str]:
        return [name(unit.payload) for unit in self.units(kind)]

    def tell(self, *packets: RtcpPacket) -> None:
        """RTCP from it."""
        self.transport.arrive(rtcp.build(*packets), rtcp=True)

    def heard(self) -> list[RtcpPacket]:
        """All RTCP that it was sent."""
        return [packet for sent in self.transport.rtcp for packet in rtcp.parse(sent.data)]


async def play(source: Source, count: int, *, gop: int = 10, size: int = 100) -> list[str]:
    """Pictures 40 ms apart, each `gop`-th a keyframe, two sounds with each; the pictures' names."""
    sent = []
    for _ in range(count):
        at = source.clock * 40
        made = picture(at, key=source.clock % gop == 0, size=size)
        source.clock += 1
        sent.append(name(made.payload))
        await source.send(made, sound(at), sound(at + 20))
        await pass_time(40 * NS_PER_MS)
    return sent
