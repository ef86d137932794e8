"""Everything that one peer sends on one transport: which packet is whose, what is asked for again, what is reported."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from arcly_actors.errors import PeerViolation
from arcly_actors.ingest.rtp_source import RtpSource
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp, rtx
from arcly_actors.protocols.rtp.demux import Demux, MediaLine, Route
from arcly_actors.protocols.rtp.extensions import ExtensionMap, ExtensionUri
from arcly_actors.protocols.rtp.feedback import Fir, Nack, Pli
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.reporting import Bye, ReceiverReport, Sdes, SenderReport
from arcly_actors.protocols.rtp.sender_clock import AvSync
from arcly_actors.protocols.rtp.transport_cc import TransportArrivals
from arcly_actors.protocols.webrtc.agreement import AgreedMedia

CNAME = "arcly"


@dataclass(frozen=True, slots=True)
class Received:
    """Frames of one source, in order."""

    source: RtpSource
    frames: Sequence[MediaFrame]


class RtpReceiver:
    """Pure: packets and time in, frames and RTCP out. `ssrc` is ours, for reports. Peers' input never raises."""

    def __init__(self, media: Sequence[AgreedMedia], ssrc: int) -> None:
        self.ssrc = ssrc
        self.malformed = 0
        self._sync = AvSync()
        self._media = {each.mid: each for each in media if each.format is not None and each.direction.receives}
        ids = {uri: number for each in self._media.values() for uri, number in each.extensions.items()}
        known = {ExtensionUri(uri): number for uri, number in ids.items() if uri in set(ExtensionUri)}
        self._extensions = ExtensionMap(MappingProxyType(known))
        self._demux = Demux([_line(each) for each in self._media.values()], self._extensions)
        self._sources: dict[Route, RtpSource] = {}
        self._arrivals = TransportArrivals() if ExtensionUri.TRANSPORT_CC in known else None
        self._fir = 0
        for each in self._media.values():
            for rid in each.rids or ("",):
                self._add(each, rid)

    @property
    def sources(self) -> Sequence[RtpSource]:
        """All that may send, in the order of the agreement."""
        return tuple(self._sources.values())

    def receive(self, data: bytes, now: int) -> Received | None:
        """An RTP packet that arrived at `now` (monotonic ns)."""
        try:
            packet = rtp.parse(data)
        except PeerViolation:
            self.malformed += 1
            return None
        if self._arrivals is not None:
            number = self._extensions.unsigned(packet.extensions, ExtensionUri.TRANSPORT_CC)
            if number is not None:
                self._arrivals.received(number, now)
        route = self._demux.route(packet)
        source = self._sources.get(Route(route.mid, route.rid)) if route is not None else None
        if route is None or source is None:
            return None
        frames = self._repaired(source, packet, now) if route.repair else source.receive(packet, now)
        return Received(source, frames) if frames else None

    def wake(self, now: int) -> list[Received]:
        """Time went by."""
        found = ((source, source.wake(now)) for source in self._sources.values())
        return [Received(source, frames) for source, frames in found if frames]

    def heard(self, data: bytes, now: int) -> None:
        """RTCP from the peer."""
        try:
            packets = rtcp.parse(data)
        except PeerViolation:
            self.malformed += 1
            return
        for packet in packets:
            if isinstance(packet, SenderReport):
                for source in self._sources.values():
                    if source.ssrc == packet.ssrc:
                        source.heard(packet, now)
            elif isinstance(packet, Bye):
                for ssrc in packet.ssrcs:
                    self._demux.forget(ssrc)

    # -- what is said back --------------------------------------------------------------------------------------------

    def asks(self, now: int) -> bytes:
        """NACKs that are due; empty for none."""
        due = [(source, source.asks(now)) for source in self._sources.values() if source.ssrc]
        nacks = [Nack(self.ssrc, source.ssrc, tuple(numbers)) for source, numbers in due if numbers]
        return rtcp.build(*nacks) if nacks else b""

    def arrivals(self) -> bytes:
        """Transport-wide feedback on what came since the last; empty where none was agreed or nothing came."""
        media = next((source.ssrc for source in self._sources.values() if source.ssrc), 0)
        feedback = self._arrivals.feedback(self.ssrc, media) if self._arrivals is not None else None
        return rtcp.build(feedback) if feedback is not None else b""

    def report(self, now: int) -> bytes:
        """A receiver report of everything."""
        blocks = tuple(block for source in self._sources.values() if (block := source.block(now)) is not None)
        return rtcp.build(ReceiverReport(self.ssrc, blocks[:31]), Sdes(((self.ssrc, CNAME),)))

    def keyframe_request(self, sources: Sequence[RtpSource], *, full_intra: bool) -> bytes:
        """A PLI or, where those were not heeded, a FIR; empty while there is nobody to ask."""
        ssrcs = [source.ssrc for source in sources if source.kind is Kind.VIDEO and source.ssrc]
        if not ssrcs:
            return b""
        if not full_intra:
            return rtcp.build(*(Pli(self.ssrc, ssrc) for ssrc in ssrcs))
        self._fir = self._fir + 1 & 0xFF
        return rtcp.build(Fir(self.ssrc, tuple((ssrc, self._fir) for ssrc in ssrcs)))

    def _add(self, media: AgreedMedia, rid: str) -> None:
        assert media.format is not None
        repairs = "nack" in media.format.feedback
        color_space = media.extensions.get(ExtensionUri.COLOR_SPACE, 0)
        codec, number = media.format.codec, len(self._sources)
        source = RtpSource(number, media.mid, rid, codec, self._sync, repairs=repairs, color_space=color_space)
        self._sources[Route(media.mid, rid)] = source

    def _repaired(self, source: RtpSource, packet: RtpPacket, now: int) -> Sequence[MediaFrame]:
        form = self._media[source.mid].format
        if form is None or not source.ssrc:
            return ()
        try:
            original = rtx.unwrap(packet, form.payload_type, source.ssrc)
        except PeerViolation:
            self.malformed += 1
            return ()
        return source.repaired(original, now) if original is not None else ()


def _line(media: AgreedMedia) -> MediaLine:
    form = media.format
    assert form is not None
    repairs = {form.rtx: form.payload_type} if form.rtx is not None else {}
    repair_ssrcs = tuple(media.repairs.values())
    # With rids the extension tells the layers apart; a list of SSRCs would put all of them into one.
    ssrcs = () if media.rids else tuple(ssrc for ssrc in media.ssrcs if ssrc not in repair_ssrcs)
    return MediaLine(
        media.mid,
        frozenset({form.payload_type}),
        MappingProxyType(repairs),
        ssrcs,
        () if media.rids else repair_ssrcs,
    )
