"""The RTSP front door: one listener, a pair of UDP ports, and a session for each connection, under one supervisor."""

import itertools
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.endpoints.listening import listening
from arcly_actors.endpoints.rtsp_house import RtspHouse
from arcly_actors.endpoints.rtsp_session import RtspSession
from arcly_actors.protocols.rtsp.server import RtspServer, ServerRules
from arcly_actors.runtime import ChildSpec, Restart, StartChild, SupervisionEvent, Supervisor, System
from arcly_actors.runtime.policy import RestartPolicy
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.budget import Budget
from arcly_actors.transport.connection import Connection
from arcly_actors.transport.rtp_ports import PortPair, RtpPorts
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class RtspDoor:
    """Where to listen and under which rules; `udp` has the RTP and RTCP addresses, None without UDP."""

    name: str
    addresses: Sequence[Address]
    rules: ServerRules
    udp: tuple[Address, Address] | None = None
    tls: ssl.SSLContext | None = None


def start_rtsp(
    system: System,
    bus: Bus,
    door: RtspDoor,
    *,
    budget: Budget,
    restarts: RestartPolicy,
    complaints: ComplaintLog,
    on_event: Callable[[SupervisionEvent], None],
    on_listener: Callable[[str, Ref], None],
) -> Ref:
    """Start the endpoint; returns its supervisor.

    `on_listener` is given the name and actor of each that listens (the UDP ports are ``NAME-udp``), again after a crash.
    """
    numbers = itertools.count(1)
    pair = PortPair(system, *door.udp, name=door.name) if door.udp is not None else None
    house = RtspHouse(bus, complaints, pair, system.entropy.random_bytes(16))

    def handover(wire: Wire) -> None:
        rules = replace(door.rules, udp_ports=pair.ports) if pair is not None else door.rules
        connection = Connection.start(system, wire, RtspServer(system.entropy.random_bytes(32), rules))

        def start_session() -> Ref:
            return RtspSession.start(system, house, connection, wire, wire.refused)

        name = f"session-{next(numbers)} {wire.peer}"
        supervisor.tell(StartChild(ChildSpec(name, start_session, restart=Restart.TEMPORARY)))

    start_listener = listening(
        system,
        door.addresses,
        handover,
        budget=budget,
        complaints=complaints,
        tls=door.tls,
        on_listener=partial(on_listener, door.name),
    )

    def start_ports(opened: PortPair) -> Ref:
        ports = RtpPorts.start(system, opened)
        on_listener(f"{door.name}-udp", ports)
        return ports

    children = [ChildSpec("listener", start_listener)]
    if pair is not None:
        children.insert(0, ChildSpec("udp", lambda: start_ports(pair)))
    supervisor = Supervisor.start(system, door.name, children=tuple(children), policy=restarts, on_event=on_event)
    return supervisor
