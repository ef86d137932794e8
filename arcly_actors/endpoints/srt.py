"""The SRT front door: one UDP port, and a session for each connection, under one supervisor."""

import itertools
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.egress.srt import Cutter
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.endpoints.srt_session import SrtSession
from arcly_actors.errors import Refusal, Refused
from arcly_actors.protocols.srt.agreement import Terms
from arcly_actors.protocols.srt.listener import SrtListener
from arcly_actors.protocols.srt.reject import Reject, Rejected
from arcly_actors.protocols.srt.stream_id import read_stream_id
from arcly_actors.renditions import Renditions
from arcly_actors.runtime import ChildSpec, Restart, StartChild, SupervisionEvent, Supervisor, System
from arcly_actors.runtime.policy import RestartPolicy
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.datagram_link import DatagramLink
from arcly_actors.transport.datagram_port import DatagramPort
from arcly_actors.transport.srt_ciphers import SrtCiphers

_SECRET, _OF_CONNECTION = 33, 34
"""Bytes that a listener and each connection draw; no other draw has these sizes, so that a replay gives each its own."""


@dataclass(frozen=True, slots=True)
class SrtSecret:
    """An application's passphrase; without one its streams are not encrypted, and encrypted callers refused."""

    passphrase: str = field(default="", repr=False)
    key_size: int = 16


@dataclass(frozen=True, slots=True)
class SrtDoor:
    """Where to listen, with which latency (ns), under which bounds, and each application's secret."""

    address: Address
    latency: int = limits.SRT_LATENCY
    sessions: int = limits.SRT_SESSIONS
    secrets: Mapping[str, SrtSecret] = field(default_factory=dict)

    def admit(self, stream_id: str) -> Terms:
        """See `protocols.srt.listener.Admit`: an application decides on the passphrase, so it has to be there."""
        wanted = read_stream_id(stream_id)
        try:
            key = StreamKey.parse(wanted.path)
        except Refused as refused:
            raise Rejected(Reject.BAD_REQUEST, refused.detail) from None
        secret = self.secrets.get(key.application)
        if secret is None:
            raise Rejected(Reject.NOT_FOUND, f"no application {key.application!r} here")
        return Terms(self.latency, secret.passphrase, secret.key_size)


def start_srt(
    system: System,
    bus: Bus,
    door: SrtDoor,
    *,
    restarts: RestartPolicy,
    complaints: ComplaintLog,
    on_event: Callable[[SupervisionEvent], None],
    on_listener: Callable[[Ref], None],
    renditions: Renditions | None = None,
) -> Ref:
    """Start the endpoint; returns its supervisor. `on_listener` is given each port, again after a crash."""
    numbers = itertools.count(1)
    cutter = Cutter()
    address = door.address
    draw = system.entropy.random_bytes

    def bound(found: Address) -> None:
        nonlocal address
        address = found  # a restarted port comes back where its callers know it

    def handover(link: DatagramLink) -> None:
        def start_session() -> Ref:
            return SrtSession.start(system, bus, link, cutter, complaints, renditions)

        name = f"session-{next(numbers)} {link.peer}"
        supervisor.tell(StartChild(ChildSpec(name, start_session, restart=Restart.TEMPORARY)))

    def refused(source: Hashable, error: Rejected) -> None:
        peer = str(Address.of_peer(source))
        complaints.refused("srt", peer, Refused(_REFUSALS.get(int(error.code or 0), Refusal.BAD_REQUEST), str(error)))

    def start_port() -> Ref:
        listener = SrtListener(
            door.admit,
            SrtCiphers(),
            draw(_SECRET),
            sessions=door.sessions,
            on_refused=refused,
            draw=lambda: draw(_OF_CONNECTION),
        )
        port = DatagramPort.start(system, address, listener, handover, name="srt", on_bound=bound)
        on_listener(port)
        return port

    supervisor = Supervisor.start(
        system, "srt", children=(ChildSpec("port", start_port),), policy=restarts, on_event=on_event
    )
    return supervisor


_REFUSALS = {
    int(Reject.NOT_FOUND): Refusal.UNKNOWN_APPLICATION,
    int(Reject.BAD_SECRET): Refusal.UNAUTHORISED,
    int(Reject.UNSECURE): Refusal.UNAUTHORISED,
    int(Reject.RESOURCE): Refusal.LIMIT,
    int(Reject.BACKLOG): Refusal.LIMIT,
}
"""What an event says of a caller that the listener refused before there was a session."""
