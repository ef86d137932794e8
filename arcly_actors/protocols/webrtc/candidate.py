"""ICE candidates as SDP carries them (RFC 8839 §5.1)."""

from collections.abc import Iterable
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.protocols.webrtc.sdp import unsigned

_HOST_PREFERENCE = 126  # RFC 8445 §5.1.2.2
_RTP_COMPONENT = 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where a peer may be reached. `address` may be a name (``….local`` of mDNS); `protocol` is lower case."""

    foundation: str
    component: int
    protocol: str
    priority: int
    address: str
    port: int
    kind: str = "host"

    @property
    def text(self) -> str:
        """The value of ``a=candidate:``."""
        where = f"{self.priority} {self.address} {self.port}"
        return f"{self.foundation} {self.component} {self.protocol} {where} typ {self.kind}"


def host_candidates(addresses: Iterable[tuple[str, int]]) -> tuple[Candidate, ...]:
    """UDP host candidates of one component, the first address preferred (RFC 8445 §5.1.2.1)."""
    return tuple(
        Candidate(str(number), _RTP_COMPONENT, "udp", _priority(65535 - number), address, port)
        for number, (address, port) in enumerate(addresses, 1)
    )


def _priority(local_preference: int) -> int:
    return (_HOST_PREFERENCE << 24) + (local_preference << 8) + 256 - _RTP_COMPONENT


def parse(value: str) -> Candidate:
    """Read the value of ``a=candidate:``; extensions after the type are passed over. `Malformed` when it is none."""
    words = value.split()
    if len(words) < 8 or words[6] != "typ":
        raise Malformed(f"not a candidate: {value[:60]!r}")
    foundation, component, protocol, priority, address, port, _, kind = words[:8]
    return Candidate(
        foundation,
        unsigned(component, 256, "component"),
        protocol.lower(),
        unsigned(priority, 2**32 - 1, "priority"),
        address,
        unsigned(port, 65535, "port"),
        kind,
    )


def parse_all(values: Iterable[str]) -> tuple[Candidate, ...]:
    """All of them; an empty one (end of candidates in the browser's API) and those past the bound are left out."""
    kept = [value for value in values if value]
    return tuple(parse(value) for value in kept[: limits.ICE_CANDIDATES])
