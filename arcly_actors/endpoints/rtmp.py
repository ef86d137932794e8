"""The RTMP front door: one listener, and a session for each connection, under one supervisor."""

import itertools
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.endpoints.listening import listening
from arcly_actors.endpoints.rtmp_session import RtmpSession
from arcly_actors.protocols.rtmp.limits import RtmpLimits
from arcly_actors.protocols.rtmp.server import RtmpServer
from arcly_actors.renditions import Renditions
from arcly_actors.runtime import ChildSpec, Restart, StartChild, SupervisionEvent, Supervisor, System
from arcly_actors.runtime.policy import RestartPolicy
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.budget import Budget
from arcly_actors.transport.connection import Connection
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class RtmpDoor:
    """Where to listen and under which bounds."""

    name: str
    addresses: Sequence[Address]
    limits: RtmpLimits
    tls: ssl.SSLContext | None = None


def start_rtmp(
    system: System,
    bus: Bus,
    door: RtmpDoor,
    *,
    budget: Budget,
    restarts: RestartPolicy,
    complaints: ComplaintLog,
    on_event: Callable[[SupervisionEvent], None],
    on_listener: Callable[[Ref], None],
    renditions: Renditions | None = None,
) -> Ref:
    """Start the endpoint; returns its supervisor. `on_listener` is given each listener, again after a crash."""
    numbers = itertools.count(1)

    def handover(wire: Wire) -> None:
        engine = RtmpServer(system.entropy.random_bytes(32), door.limits)
        connection = Connection.start(system, wire, engine)
        peer = str(wire.peer)

        def start_session() -> Ref:
            return RtmpSession.start(system, bus, connection, wire.outlet, peer, complaints, wire.refused, renditions)

        name = f"session-{next(numbers)} {peer}"
        supervisor.tell(StartChild(ChildSpec(name, start_session, restart=Restart.TEMPORARY)))

    start_listener = listening(
        system, door.addresses, handover, budget=budget, complaints=complaints, tls=door.tls, on_listener=on_listener
    )
    supervisor = Supervisor.start(
        system, door.name, children=(ChildSpec("listener", start_listener),), policy=restarts, on_event=on_event
    )
    return supervisor
