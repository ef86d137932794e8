"""The WebRTC front door: one UDP port for all media, and the sessions that HTTP opens, under one supervisor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.egress.whep import WhepPlaces
from arcly_actors.endpoints.webrtc_routes import WebRtcRoutes
from arcly_actors.endpoints.webrtc_sessions import WebRtcSessions
from arcly_actors.protocols.webrtc import ice
from arcly_actors.protocols.webrtc.resource import IceServer
from arcly_actors.runtime import ChildGaveUp, ChildSpec, RestartPolicy, SupervisionEvent, Supervisor, System
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls_srtp import IceAgent, IceCredentials
from arcly_actors.transport.webrtc_port import WebRtcPort


@dataclass(frozen=True, slots=True)
class WebRtcDoor:
    """Where media goes: the address to bind, hosts told to peers in place of our own (NAT 1:1), servers for clients."""

    address: Address
    advertise: Sequence[str] = ()
    servers: Sequence[IceServer] = ()
    sessions: int = limits.WEBRTC_SESSIONS


class LiteIce:
    """ICE for the port: the lite side of ``protocols.webrtc.ice``."""

    def agent(self, local: IceCredentials, remote: IceCredentials, now: int) -> IceAgent:
        """See `transport.dtls_srtp.Ice`."""
        ours = ice.IceCredentials(local.ufrag, local.pwd)
        return ice.IceLite(ours, ice.IceCredentials(remote.ufrag, remote.pwd), now)

    def ufrag(self, datagram: bytes) -> str | None:
        """See `transport.dtls_srtp.Ice`."""
        return ice.ufrag_of(datagram)


class WebRtcEndpoint:
    """Made before it is started, since the HTTP site needs its routes; `start` is the supervisor's child spec."""

    def __init__(self, system: System, bus: Bus, door: WebRtcDoor, places: WhepPlaces, restarts: RestartPolicy) -> None:
        self._system = system
        self._door = door
        self._address = door.address
        self._restarts = restarts
        self._supervisor: Ref | None = None
        self._port: Ref | None = None
        self.sessions = WebRtcSessions(system, bus, places, self._running, lambda: self._port)

    def routes(self) -> list[web.RouteDef]:
        """WHIP and WHEP."""
        return WebRtcRoutes(self.sessions, self._door.servers).definitions()

    def start(self, on_event: Callable[[SupervisionEvent], None], on_listener: Callable[[Ref], None]) -> Ref:
        """Start the endpoint; returns its supervisor. `on_listener` is given each port, again after a crash."""

        def start_port() -> Ref:
            options = {"advertise": self._door.advertise, "sessions": self._door.sessions, "on_bound": self._bound}
            network = self._system.seams.network
            if network is None:
                self._port = WebRtcPort.start(self._system, self._address, LiteIce(), **options)
            else:
                self._port = network.webrtc_port(self._system, self._address, LiteIce(), **options)
            on_listener(self._port)
            return self._port

        def noticed(event: SupervisionEvent) -> None:
            if isinstance(event, ChildGaveUp):
                self.sessions.abandoned(event.id)
            on_event(event)

        self.sessions.abandon_all("WebRTC is being restarted")
        self._supervisor = Supervisor.start(
            self._system, "webrtc", children=(ChildSpec("port", start_port),), policy=self._restarts, on_event=noticed
        )
        return self._supervisor

    def _running(self) -> Ref:
        assert self._supervisor is not None, "routes are reached after the endpoint was started"
        return self._supervisor

    def _bound(self, address: Address) -> None:
        self._address = address  # a restarted port comes back where its peers know it
