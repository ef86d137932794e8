"""Which stream a packet belongs to on one transport: by SSRC, mid and rid, payload type (RFC 8843 §9.2, RFC 8852 §3).

What a header extension says binds the SSRC from then on; senders stop sending it once they have seen it acknowledged.
Senders also change their SSRCs, so of too many the one that was silent for longest is forgotten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.protocols.rtp.extensions import ExtensionMap, ExtensionUri
from arcly_actors.protocols.rtp.packet import RtpPacket

_NAMING = (ExtensionUri.MID, ExtensionUri.RID, ExtensionUri.REPAIRED_RID)


def _nothing() -> Mapping[int, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class MediaLine:
    """What was negotiated for one m-line: `repairs` has the payload types of RTX with the type that each repairs.

    `ssrcs` are those that its SDP names, with the rid of each or an empty one; `repair_ssrcs` those of retransmissions.
    """

    mid: str
    payload_types: frozenset[int]
    repairs: Mapping[int, int] = field(default_factory=_nothing)
    ssrcs: tuple[int, ...] = ()
    repair_ssrcs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """Where a packet goes: the m-line, the simulcast layer (empty for none), and whether it is a retransmission."""

    mid: str
    rid: str = ""
    repair: bool = False


class Demux:
    """Routes packets of one transport. `unknown` counts those that belong nowhere; they bind nothing."""

    def __init__(self, lines: Sequence[MediaLine], extensions: ExtensionMap) -> None:
        self._lines = {line.mid: line for line in lines}
        self._extensions = extensions
        self._naming = {extensions.ids[uri] for uri in _NAMING if uri in extensions.ids}
        # The one heard last goes last.
        self._bound: dict[int, Route] = {}
        self.unknown = 0
        for line in lines:
            self._bound.update({ssrc: Route(line.mid) for ssrc in line.ssrcs})
            self._bound.update({ssrc: Route(line.mid, repair=True) for ssrc in line.repair_ssrcs})

    def route(self, packet: RtpPacket) -> Route | None:
        """The route of a packet, None when no m-line takes it."""
        known = self._bound.get(packet.ssrc)
        if known is not None:
            self._bound[packet.ssrc] = self._bound.pop(packet.ssrc)
            if not any(number in self._naming for number, _ in packet.extensions):
                return self._checked(known, packet.payload_type)
        found = self._named(packet, known) or known or self._by_payload_type(packet.payload_type)
        found = self._checked(found, packet.payload_type) if found else None
        if found is None:
            self.unknown += known is None
            return None
        if known is None and len(self._bound) >= limits.RTP_SOURCES:
            del self._bound[next(iter(self._bound))]
        self._bound[packet.ssrc] = found
        return found

    def forget(self, ssrc: int) -> None:
        """A BYE: the SSRC may be bound anew."""
        self._bound.pop(ssrc, None)

    def ssrcs(self, mid: str, rid: str = "") -> tuple[int, ...]:
        """The SSRCs bound to a stream, retransmissions left out: whom to ask for a keyframe."""
        wanted = Route(mid, rid)
        return tuple(ssrc for ssrc, route in self._bound.items() if route == wanted)

    def _named(self, packet: RtpPacket, known: Route | None) -> Route | None:
        read = self._extensions.text
        mid = read(packet.extensions, ExtensionUri.MID) or (known.mid if known else None)
        rid = read(packet.extensions, ExtensionUri.RID)
        repaired = read(packet.extensions, ExtensionUri.REPAIRED_RID)
        line = self._lines.get(mid) if mid is not None else self._only_line(packet.payload_type)
        if line is None or (mid is None and rid is None and repaired is None):
            return None
        named = repaired or rid or (known.rid if known and known.mid == line.mid else "")
        return Route(line.mid, named, packet.payload_type in line.repairs)

    def _checked(self, route: Route, payload_type: int) -> Route | None:
        line = self._lines[route.mid]
        if payload_type in line.repairs:
            return route if route.repair else None
        if payload_type not in line.payload_types:
            return None
        return None if route.repair else route

    def _only_line(self, payload_type: int) -> MediaLine | None:
        takers = [line for line in self._lines.values() if payload_type in line.payload_types | line.repairs.keys()]
        return takers[0] if len(takers) == 1 else None

    def _by_payload_type(self, payload_type: int) -> Route | None:
        line = self._only_line(payload_type)
        return Route(line.mid, repair=payload_type in line.repairs) if line else None
