"""The HTTP front door: one site with HTTP-FLV, HTTP-TS, HLS, the API and the console, under one supervisor."""

import itertools
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pykka
from aiohttp import web

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.egress.hls import HlsStream
from arcly_actors.egress.hls_origin import HlsOrigin
from arcly_actors.egress.hls_policy import HlsPolicy
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.endpoints.http_hls import HlsRoutes
from arcly_actors.endpoints.http_stream import FLV, TS, HttpStreamRoutes
from arcly_actors.renditions import Renditions
from arcly_actors.runtime import ChildSpec, Restart, RestartPolicy, StartChild, SupervisionEvent, Supervisor, System
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.budget import Budget
from arcly_actors.transport.gate import HttpTimes
from arcly_actors.transport.http import HttpSite


@dataclass(frozen=True, slots=True)
class HttpDoor:
    """Where to listen, what HLS is made of, and which further routes there are (the console's, which come last)."""

    addresses: Sequence[Address]
    hls: Mapping[str, HlsPolicy]
    routes: Sequence[web.RouteDef] = ()
    origins: Sequence[str] = ()
    tls: ssl.SSLContext | None = None
    times: HttpTimes | None = None


def start_http(
    system: System,
    bus: Bus,
    door: HttpDoor,
    *,
    budget: Budget,
    restarts: RestartPolicy,
    complaints: ComplaintLog,
    on_event: Callable[[SupervisionEvent], None],
    on_listener: Callable[[Ref], None],
    renditions: Renditions | None = None,
) -> Ref:
    """Start the endpoint; returns its supervisor. `on_listener` is given each site, again after a crash."""
    numbers = itertools.count(1)
    addresses = list(door.addresses)

    def bound(found: Sequence[Address]) -> None:
        addresses[:] = found  # a restarted site comes back where its clients know it, also if the system chose the port

    def start_packager(key: StreamKey, policy: HlsPolicy) -> pykka.ActorRef[HlsStream]:
        packager = HlsStream.start(system, bus, key, policy, renditions)
        spec = ChildSpec(f"hls-{next(numbers)} {key}", lambda: packager, restart=Restart.TEMPORARY)
        supervisor.tell(StartChild(spec))
        return packager

    origin = HlsOrigin(system, bus, door.hls, start_packager)
    routes = [
        *HttpStreamRoutes(system, bus, lambda: supervisor, FLV, renditions).definitions(),
        *HlsRoutes(origin).definitions(),  # whose segments may be called .ts, too
        *HttpStreamRoutes(system, bus, lambda: supervisor, TS, renditions).definitions(),
        *door.routes,
    ]

    def start_site() -> Ref:
        site = HttpSite.start(
            system,
            addresses,
            routes,
            budget=budget,
            complain=complaints.turned_away,
            tls=door.tls,
            times=door.times,
            on_bound=bound,
            allow_origins=door.origins,
        )
        on_listener(site)
        return site

    supervisor: Ref = Supervisor.start(
        system, "http", children=(ChildSpec("site", start_site),), policy=restarts, on_event=on_event
    )
    return supervisor
