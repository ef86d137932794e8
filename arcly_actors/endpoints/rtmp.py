"""The RTMP front door: one listener, and a session for each connection, under one supervisor."""

import itertools
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.endpoints.rtmp_session import RtmpSession
from arcly_actors.protocols.rtmp.limits import RtmpLimits
from arcly_actors.protocols.rtmp.server import RtmpServer
from arcly_actors.runtime import ChildSpec, Restart, StartChild, Supervisor, System
from arcly_actors.runtime.policy import RestartPolicy
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.budget import Budget, Complaint
from arcly_actors.transport.connection import Connection
from arcly_actors.transport.listener import Listener
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
    complain: Callable[[Complaint], None],
) -> Ref:
    """Start the endpoint; returns its supervisor. The listener's child id is ``listener``.

    A listener that cannot bind fails its supervisor's start with the `ConfigurationError` that says which address.
    """
    numbers = itertools.count(1)

    def handover(wire: Wire) -> None:
        engine = RtmpServer(system.entropy.random_bytes(32), door.limits)
        connection = Connection.start(system, wire, engine)
        peer = str(wire.peer)

        def start_session() -> Ref:
            return RtmpSession.start(system, bus, connection, wire.outlet, peer)

        name = f"session-{next(numbers)} {peer}"
        supervisor.tell(StartChild(ChildSpec(name, start_session, restart=Restart.TEMPORARY)))

    def start_listener() -> Ref:
        return Listener.start(system, door.addresses, handover, budget=budget, complain=complain, tls=door.tls)

    supervisor = Supervisor.start(system, door.name, children=(ChildSpec("listener", start_listener),), policy=restarts)
    return supervisor
