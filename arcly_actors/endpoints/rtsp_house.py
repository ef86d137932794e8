"""What all sessions of an RTSP endpoint share, and how packets over UDP find their way to and from a session."""

from collections.abc import Callable
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.protocols.rtsp.events import Packet, PacketsReceived
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.rtp_ports import Datagram, Destination, PortPair
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class RtspHouse:
    """The UDP ports are None without UDP; `seed` is what SSRCs are made of."""

    bus: Bus
    complaints: ComplaintLog
    ports: PortPair | None
    seed: bytes

    def destination(self, wire: Wire, port: int, *, rtcp: bool) -> Destination | None:
        """A port of the peer of `wire`, sent to from the address that it connected to; None while there is no UDP."""
        path = self.ports.path(wire.peer.host, port, wire.local.host) if self.ports is not None else None
        return Destination(path, rtcp) if path is not None else None


def now_and_then(take: Callable[[list[Datagram]], None], now: Callable[[], int]) -> Callable[[list[Datagram]], None]:
    """Let through what a player says of a medium once in `limits.RTSP_HEAR_INTERVAL` (see there)."""
    due = 0

    def heard(datagrams: list[Datagram]) -> None:
        nonlocal due
        if now() >= due:
            due = now() + limits.RTSP_HEAR_INTERVAL
            take(datagrams)

    return heard


def handed_to(receiver: Ref) -> Callable[[list[Datagram]], None]:
    """What tells an actor of datagrams as `PacketsReceived`."""

    def take(datagrams: list[Datagram]) -> None:
        notify(receiver, PacketsReceived(tuple(Packet(*datagram) for datagram in datagrams)))

    return take
