"""The RTSP endpoints of a topology as the endpoint takes them."""

from arcly_actors.endpoints.rtsp import RtspDoor
from arcly_actors.protocols.rtsp.access import Access, Account, Action
from arcly_actors.protocols.rtsp.limits import RtspLimits
from arcly_actors.protocols.rtsp.server import ServerRules
from arcly_actors.topology.endpoints import Rtsp, Rtsps
from arcly_actors.topology.model import Topology
from arcly_actors.transport import addresses
from arcly_actors.transport.tls import server_context


def rtsp_doors(topology: Topology) -> list[RtspDoor]:
    """Those that are enabled."""
    doors: list[RtspDoor] = []
    plain, secure = topology.endpoints.rtsp, topology.endpoints.rtsps
    if plain.enabled:
        host, ports = plain.listen.host, plain.udp_ports
        udp = (addresses.Address(host, ports.rtp), addresses.Address(host, ports.rtcp)) if ports is not None else None
        doors.append(RtspDoor("rtsp", (_address(plain),), _rules(topology, plain), udp))
    if secure is not None and secure.enabled:
        tls = server_context(secure.tls.certificate, secure.tls.key)
        doors.append(RtspDoor("rtsps", (_address(secure),), _rules(topology, secure), tls=tls))
    return doors


def _rules(topology: Topology, section: Rtsp | Rtsps) -> ServerRules:
    limits = RtspLimits(handshake_timeout=topology.limits.handshake_timeout, session_timeout=section.session_timeout)
    accounts = tuple(
        Account(user.name, user.password, frozenset(map(Action, user.may)), frozenset(user.applications))
        for user in section.users
    )
    access = Access(accounts, frozenset(map(Action, section.anyone)))
    # A password in clear is for TLS alone; without it Digest is what keeps it from who listens.
    return ServerRules(limits, access=access, basic=isinstance(section, Rtsps))


def _address(section: Rtsp | Rtsps) -> addresses.Address:
    return addresses.Address(section.listen.host, section.listen.port)
