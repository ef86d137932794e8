"""From a topology to a running supervision tree.

::

    engine
    ├─ bus         the directory, and a supervisor for each stream
    ├─ renditions  a supervisor for each rendition that somebody watches
    ├─ endpoints   one supervisor per front door, with its listener and its sessions
    ├─ sources     what publishes without being asked to: pulls, the test pattern
    ├─ sinks       pushes
    └─ records     tapes, where the topology asks for any
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import pykka
from aiohttp.web import RouteDef

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import ActorGaveUp, ActorRestarted, Events, Failed
from arcly_actors.bus.fanout import WriteAll
from arcly_actors.bus.messages import Ref
from arcly_actors.egress.pushes import push_factories
from arcly_actors.egress.rtp_feed import RtpFeeds
from arcly_actors.egress.whep import WhepPlaces
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.endpoints.http import HttpDoor, start_http
from arcly_actors.endpoints.mpegts import TsFeed, start_mpegts
from arcly_actors.endpoints.rtmp import RtmpDoor, start_rtmp
from arcly_actors.endpoints.rtsp import RtspDoor, start_rtsp
from arcly_actors.endpoints.srt import SrtDoor, SrtSecret, start_srt
from arcly_actors.endpoints.webrtc import WebRtcDoor, WebRtcEndpoint
from arcly_actors.errors import ArclyError
from arcly_actors.ingest.pulls import pull_factories
from arcly_actors.protocols.rtmp.limits import RtmpLimits
from arcly_actors.protocols.webrtc.formats import CODECS
from arcly_actors.protocols.webrtc.resource import IceServer
from arcly_actors.renditions import Renditions
from arcly_actors.runtime import (
    Backoff,
    ChildFailed,
    ChildRestarted,
    ChildSpec,
    Degraded,
    Intensity,
    OnExceeded,
    RestartPolicy,
    Strategy,
    SupervisionEvent,
    Supervisor,
    System,
    exit_error,
)
from arcly_actors.topology.model import Supervision, Topology
from arcly_actors.topology.remotes import Remotes, remote_policy
from arcly_actors.topology.roster import Roster
from arcly_actors.topology.rtsp import rtsp_doors
from arcly_actors.topology.values import Address
from arcly_actors.transport import addresses
from arcly_actors.transport.budget import Budget
from arcly_actors.transport.listener import WhereBound
from arcly_actors.transport.outlet import write_all
from arcly_actors.transport.tls import server_context


@dataclass(slots=True)
class Build:
    """A built tree: root, bus, renditions, the rosters of sources, sinks and records, each endpoint's listener by name,
    and how many connections there are (`budget`)."""

    system: System
    bus: Bus
    renditions: Renditions
    root: Ref
    remotes: Remotes
    rosters: dict[str, Roster]
    listeners: dict[str, Ref] = field(default_factory=dict)
    bound: dict[str, tuple[addresses.Address, ...]] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    async def ready(self) -> None:
        """Return when every endpoint listens; raises what keeps one from it (`ConfigurationError`)."""
        for name, listener in self.listeners.items():
            try:
                self.bound[name] = await listener.ask(WhereBound(), block=False)
            except pykka.ActorDeadError:
                raise exit_error(listener) or ArclyError(f"the {name} endpoint did not start") from None


def restart_policy(supervision: Supervision) -> RestartPolicy:
    """The topology's `supervision` as the runtime takes it."""
    backoff = supervision.backoff
    return RestartPolicy(
        Strategy(supervision.strategy),
        Intensity(supervision.max_restarts, supervision.period),
        Backoff(backoff.first, backoff.max, backoff.jitter),
    )


Routes = Callable[[], Sequence[RouteDef]]
"""Makes further HTTP routes (the console's), once everything they look at is there."""


def build(system: System, topology: Topology, events: Events, routes: Routes | None = None) -> Build:
    """Start everything that `topology` says, under one root supervisor."""
    restarts = restart_policy(topology.supervision)
    # The outlets that the bus passes here are those that endpoints gave it: the transport's own.
    write = cast("WriteAll", write_all)
    bus = Bus(system, topology.policies(), events, write, topology.limits.max_publishers)
    built = _Builder(system, topology, events, bus, restarts, routes)
    return built.start()


class _Builder:
    """The closures that start each part, again and again if need be."""

    def __init__(
        self,
        system: System,
        topology: Topology,
        events: Events,
        bus: Bus,
        restarts: RestartPolicy,
        routes: Routes | None,
    ) -> None:
        self._system = system
        self._routes = routes
        self._topology = topology
        self._events = events
        self._bus = bus
        self._restarts = restarts
        self._complaints = ComplaintLog(system.clock, events)
        limits = topology.limits
        self._budget = Budget(limits.max_connections, limits.max_connections_per_address)
        self._listeners: dict[str, Ref] = {}
        policies = {name: application.renditions() for name, application in topology.applications.items()}
        self._renditions_supervisor: Ref
        self._renditions = Renditions(
            system, events, policies, lambda: self._renditions_supervisor, restarts, self._on_event
        )
        self._places = WhepPlaces(bus, RtpFeeds(system, CODECS), self._renditions)
        pushes = push_factories(self._renditions, self._places)
        self._remotes = Remotes(system, bus, pull_factories(events), pushes)

    def start(self) -> Build:
        rosters = {
            "sources": self._roster("sources", [self._remotes.source(each.plan())[0] for each in self._topology.sources]),
            "sinks": self._roster("sinks", [self._remotes.sink(each.request()) for each in self._topology.sinks]),
        }
        if self._topology.record:  # its children are the engine's to add: tapes are made by who stands above the topology
            rosters["records"] = self._roster("records", ())
        root = self._supervisor(
            "engine",
            (
                ChildSpec("bus", self._start_bus),
                ChildSpec("renditions", self._start_renditions),
                ChildSpec("endpoints", self._start_endpoints),
                *(ChildSpec(name, roster.start) for name, roster in rosters.items()),
            ),
        )
        self._system.run_queue.drain()
        return Build(
            self._system,
            self._bus,
            self._renditions,
            root,
            self._remotes,
            rosters,
            self._listeners,
            budget=self._budget,
        )

    def _supervisor(self, name: str, children: tuple[ChildSpec, ...], restarts: RestartPolicy | None = None) -> Ref:
        policy = restarts or self._restarts
        return Supervisor.start(self._system, name, children=children, policy=policy, on_event=self._on_event)

    def _roster(self, name: str, children: Iterable[ChildSpec]) -> Roster:
        policy = remote_policy(self._restarts)
        return Roster(lambda specs: self._supervisor(name, specs, policy), children)

    def _start_bus(self) -> Ref:
        def start_directory() -> Ref:
            return self._bus.start_directory(supervisor, self._restarts, self._on_event)

        supervisor = self._supervisor("bus", (ChildSpec("directory", start_directory),))
        return supervisor

    def _start_renditions(self) -> Ref:
        self._renditions_supervisor = self._supervisor("renditions", self._renditions.children())
        return self._renditions_supervisor

    def _start_endpoints(self) -> Ref:
        doors: list[tuple[str, Callable[[], Ref]]] = []
        endpoints, limits = self._topology.endpoints, self._topology.limits
        rtmp_limits = RtmpLimits(handshake_timeout=limits.handshake_timeout, max_frame=limits.max_frame)
        if endpoints.rtmp.enabled:
            door = RtmpDoor("rtmp", (_address(endpoints.rtmp.listen),), rtmp_limits)
            doors.append(("rtmp", lambda: self._start_rtmp(door)))
        if endpoints.rtmps is not None and endpoints.rtmps.enabled:
            tls = server_context(endpoints.rtmps.tls.certificate, endpoints.rtmps.tls.key)
            secure = RtmpDoor("rtmps", (_address(endpoints.rtmps.listen),), rtmp_limits, tls)
            doors.append(("rtmps", lambda: self._start_rtmp(secure)))
        doors += [(rtsp.name, partial(self._start_rtsp, rtsp)) for rtsp in rtsp_doors(self._topology)]
        webrtc = self._webrtc() if "webrtc" in endpoints.listeners() else None
        if webrtc is not None:
            doors.append(("webrtc", lambda: webrtc.start(self._on_event, partial(self._listens, "webrtc"))))
        if endpoints.srt.enabled:
            doors.append(("srt", self._start_srt))
        if feeds := endpoints.feeds():
            doors.append(("mpegts", lambda: self._start_mpegts(feeds)))
        if endpoints.http.enabled:
            web = self._http_door(webrtc.routes() if webrtc is not None else ())
            doors.append(("http", lambda: self._start_http(web)))
        # An endpoint that fails too often stays down and is tried again: the others are none of its business.
        specs = tuple(ChildSpec(name, start, on_exceeded=OnExceeded.DEGRADE) for name, start in doors)
        return self._supervisor("endpoints", specs)

    def _start_rtmp(self, door: RtmpDoor) -> Ref:
        return start_rtmp(
            self._system,
            self._bus,
            door,
            budget=self._budget,
            restarts=self._restarts,
            complaints=self._complaints,
            on_event=self._on_event,
            on_listener=partial(self._listens, door.name),
            renditions=self._renditions,
        )

    def _start_srt(self) -> Ref:
        section = self._topology.endpoints.srt
        secrets = {
            name: SrtSecret(application.srt.passphrase, application.srt.pbkeylen)
            for name, application in self._topology.applications.items()
        }
        return start_srt(
            self._system,
            self._bus,
            SrtDoor(_address(section.listen), section.latency, section.max_sessions, secrets),
            restarts=self._restarts,
            complaints=self._complaints,
            on_event=self._on_event,
            on_listener=partial(self._listens, "srt"),
            renditions=self._renditions,
        )

    def _start_mpegts(self, feeds: Sequence[TsFeed]) -> Ref:
        return start_mpegts(
            self._system,
            self._bus,
            feeds,
            restarts=self._restarts,
            complaints=self._complaints,
            on_event=self._on_event,
            on_listener=self._listens,
        )

    def _listens(self, name: str, listener: Ref) -> None:
        self._listeners[name] = listener

    def _start_rtsp(self, door: RtspDoor) -> Ref:
        return start_rtsp(
            self._system,
            self._bus,
            door,
            budget=self._budget,
            restarts=self._restarts,
            complaints=self._complaints,
            on_event=self._on_event,
            on_listener=self._listens,
        )

    def _webrtc(self) -> WebRtcEndpoint:
        section = self._topology.endpoints.webrtc
        servers = tuple(IceServer(each.url, each.username, each.credential) for each in section.ice_servers)
        door = WebRtcDoor(_address(section.listen), section.advertise, servers, section.max_sessions)
        return WebRtcEndpoint(self._system, self._bus, door, self._places, self._restarts)

    def _http_door(self, media: Sequence[RouteDef]) -> HttpDoor:
        http = self._topology.endpoints.http
        tls = server_context(http.tls.certificate, http.tls.key) if http.tls is not None else None
        hls = {name: application.hls.policy() for name, application in self._topology.applications.items()}
        routes = self._routes() if self._routes is not None else ()
        return HttpDoor((_address(http.listen),), hls, (*media, *routes), http.cors, tls)

    def _start_http(self, door: HttpDoor) -> Ref:
        return start_http(
            self._system,
            self._bus,
            door,
            budget=self._budget,
            restarts=self._restarts,
            complaints=self._complaints,
            on_event=self._on_event,
            on_listener=partial(self._listens, "http"),
            renditions=self._renditions,
        )

    def _on_event(self, event: SupervisionEvent) -> None:
        if isinstance(event, ChildRestarted):
            self._events.emit(ActorRestarted(f"{event.supervisor}/{event.id}", event.restarts))
        elif isinstance(event, ChildFailed):
            self._events.emit(Failed(f"{event.supervisor}/{event.id}", repr(event.error)))
        else:
            retried = isinstance(event, Degraded)
            self._events.emit(ActorGaveUp(f"{event.supervisor}/{event.id}", repr(event.error), retried))


def _address(listen: Address) -> addresses.Address:
    return addresses.Address(listen.host, listen.port)
