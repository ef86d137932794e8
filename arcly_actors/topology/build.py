"""From a topology to a running supervision tree.

::

    engine
    ├─ bus         the directory, and a supervisor for each stream
    ├─ endpoints   one supervisor per front door, with its listener and its sessions
    └─ sources     what publishes without being asked to: the test pattern, later pulls
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import pykka
from aiohttp.web import RouteDef

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import ActorGaveUp, ActorRestarted, Events, Failed
from arcly_actors.bus.fanout import WriteAll
from arcly_actors.bus.messages import Ref
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.endpoints.http import HttpDoor, start_http
from arcly_actors.endpoints.rtmp import RtmpDoor, start_rtmp
from arcly_actors.endpoints.rtsp import RtspDoor, start_rtsp
from arcly_actors.errors import ArclyError
from arcly_actors.protocols.rtmp.limits import RtmpLimits
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
from arcly_actors.topology.rtsp import rtsp_doors
from arcly_actors.topology.values import Address
from arcly_actors.transport import addresses
from arcly_actors.transport.budget import Budget
from arcly_actors.transport.listener import WhereBound
from arcly_actors.transport.outlet import write_all
from arcly_actors.transport.tls import server_context


@dataclass(slots=True)
class Build:
    """A built tree: its root, the bus, the supervisor of sources, and each endpoint's listener by name."""

    system: System
    bus: Bus
    root: Ref
    sources: Ref
    listeners: dict[str, Ref] = field(default_factory=dict)
    bound: dict[str, tuple[addresses.Address, ...]] = field(default_factory=dict)

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

    def start(self) -> Build:
        sources = self._supervisor("sources", ())
        root = self._supervisor(
            "engine",
            (
                ChildSpec("bus", self._start_bus),
                ChildSpec("endpoints", self._start_endpoints),
                ChildSpec("sources", lambda: sources if sources.is_alive() else self._supervisor("sources", ())),
            ),
        )
        self._system.run_queue.drain()
        return Build(self._system, self._bus, root, sources, self._listeners)

    def _supervisor(self, name: str, children: tuple[ChildSpec, ...]) -> Ref:
        return Supervisor.start(self._system, name, children=children, policy=self._restarts, on_event=self._on_event)

    def _start_bus(self) -> Ref:
        def start_directory() -> Ref:
            return self._bus.start_directory(supervisor, self._restarts, self._on_event)

        supervisor = self._supervisor("bus", (ChildSpec("directory", start_directory),))
        return supervisor

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
        if endpoints.http.enabled:
            web = self._http_door()
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
            on_listener=lambda ref: self._listeners.__setitem__(door.name, ref),
        )

    def _start_rtsp(self, door: RtspDoor) -> Ref:
        return start_rtsp(
            self._system,
            self._bus,
            door,
            budget=self._budget,
            restarts=self._restarts,
            complaints=self._complaints,
            on_event=self._on_event,
            on_listener=self._listeners.__setitem__,
        )

    def _http_door(self) -> HttpDoor:
        http = self._topology.endpoints.http
        tls = server_context(http.tls.certificate, http.tls.key) if http.tls is not None else None
        hls = {name: application.hls.policy() for name, application in self._topology.applications.items()}
        routes = self._routes() if self._routes is not None else ()
        return HttpDoor((_address(http.listen),), hls, routes, http.cors, tls)

    def _start_http(self, door: HttpDoor) -> Ref:
        return start_http(
            self._system,
            self._bus,
            door,
            budget=self._budget,
            restarts=self._restarts,
            complaints=self._complaints,
            on_event=self._on_event,
            on_listener=lambda ref: self._listeners.__setitem__("http", ref),
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
