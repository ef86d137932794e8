"""One viewer of a stream over RTP: its lines, and what it reports about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from arcly_actors.bus.place import SeatQos
from arcly_actors.bus.policy import Join
from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.rtp_feed import RtpFeed
from arcly_actors.egress.rtp_line import RtpLine
from arcly_actors.egress.rtp_replay import Replays
from arcly_actors.egress.rtp_slice import Layout
from arcly_actors.errors import PeerViolation
from arcly_actors.media.codec import Kind
from arcly_actors.protocols.rtp import rtcp
from arcly_actors.protocols.rtp.bandwidth import Delivery, ViewerBandwidth
from arcly_actors.protocols.rtp.feedback import Fir, Nack, Pli, Remb
from arcly_actors.protocols.rtp.reported_loss import ReportedLoss
from arcly_actors.protocols.rtp.reporting import ReceiverReport, ReportBlock, Sdes, SenderReport
from arcly_actors.protocols.rtp.reports import round_trip
from arcly_actors.protocols.rtp.sender_clock import to_ntp
from arcly_actors.protocols.rtp.transport_cc import TransportFeedback
from arcly_actors.transport.dtls_srtp import DtlsSrtpTransport

_LEAST_NEEDED = 100_000
"""Bits per second below which a stream is not worth degrading."""
_MOST_UNSENT = 0.1
"""Of the packets since the last report: less is a moment's burst, and what it lost is repaired."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A track as one viewer takes it: `rtx` is the payload type of its retransmissions, None where there are none."""

    layout: Layout
    kind: Kind
    rtx: int | None


class RtpViewer:
    """Outlives the actor that looks after it: `pause` when that crashes, `start` by the next one, `close` at the end."""

    def __init__(self, feed: RtpFeed, transport: DtlsSrtpTransport, carried: Iterable[Carried], cname: str) -> None:
        self.feed = feed
        self.bandwidth = ViewerBandwidth(_LEAST_NEEDED)
        self.malformed = 0
        self._transport = transport
        self._cname = cname
        self._lines: dict[int, RtpLine] = {}
        for each in carried:
            track = feed.tracks[each.kind]
            gate = self.bandwidth if each.kind is Kind.VIDEO else None
            self._lines[each.layout.ssrc] = RtpLine(track, each.layout, each.rtx, transport, gate)
        self._started = False
        self._running = False
        self._fir: int | None = None
        self._octets = (0, 0)
        self._sent = (0, 0)
        self._loss = ReportedLoss()
        self._replays = Replays()

    @property
    def waiting(self) -> bool:
        """Whether it can show nothing before a keyframe."""
        return any(line.waiting for line in self._lines.values() if line.track.kind is Kind.VIDEO)

    @property
    def degraded(self) -> bool:
        """Whether it gets keyframes only, or waits for one that ends that."""
        return self.bandwidth.state is not Delivery.FULL

    def start(self, join: Join) -> bool:
        """Begin to send, or go on where it was paused; False when it has to wait for a keyframe."""
        if self._running:
            return not self.waiting
        self._running = True
        for line in self._lines.values():
            if (self._started and not line.waiting and line.go_on()) or (self._started and line.track.kind is Kind.VIDEO):
                self.feed.attach(line)
            else:
                self.feed.join(line, join)
        self._started = True
        return not self.waiting

    def pause(self) -> None:
        """Send nothing until `start`; what comes meanwhile is sent then, if it is not too long."""
        self._running = False
        for line in self._lines.values():
            self.feed.detach(line)

    def replay(self, now: int) -> bool:
        """Send the cached GOP again: references are lost, and nobody makes a keyframe. False when it cannot be now."""
        gop = self.feed.gop()
        lines = [line for line in self._lines.values() if line.track.kind is Kind.VIDEO]
        if not gop or not self._running or not self._replays.allowed(now):
            return False
        done = False
        for line in lines:
            self.feed.part(line)
            done = line.put_in(gop) or done
            self.feed.attach(line)
        if done:
            self._replays.given(now)
        return done

    # -- what it says -------------------------------------------------------------------------------------------------

    def heard(self, data: bytes, now: int, wall: int) -> bool:
        """RTCP from the viewer; whether it wants a keyframe."""
        try:
            packets = rtcp.parse(data)
        except PeerViolation:
            self.malformed += 1
            return False
        wants = False
        for packet in packets:
            match packet:
                case Nack():
                    self._resend(packet.media, packet.sequences, now)
                case Pli():
                    wants = wants or packet.media in self._lines
                case Fir():
                    wants = self._heard_fir(packet) or wants
                case ReceiverReport() | SenderReport():
                    for block in packet.blocks:
                        self._heard_block(block, now, wall)
                case Remb():
                    self.bandwidth.heard_remb(packet.bitrate, now)
                case TransportFeedback():
                    self._note_loss(packet.lost > 0)
                    self.bandwidth.heard_loss(packet.lost / max(1, len(packet.deltas)), now)
        self._obey()
        return wants

    def _resend(self, media: int, sequences: Sequence[int], now: int) -> None:
        line = self._lines.get(media)
        if line is not None:
            self._note_loss(line.track.kind is Kind.VIDEO)
            line.resend(sequences, now)

    def _note_loss(self, missed: bool) -> None:
        if missed:
            self._replays.lost()

    def _heard_fir(self, fir: Fir) -> bool:
        """RFC 5104 §4.3.1.2: the same number again is the same request."""
        number = next((number for ssrc, number in fir.requests if ssrc in self._lines), None)
        if number is None or number == self._fir:
            return False
        self._fir = number
        return True

    def _heard_block(self, block: ReportBlock, now: int, wall: int) -> None:
        line = self._lines.get(block.ssrc)
        if line is None:
            return
        rtt = round_trip(block, wall)
        if rtt is not None:
            for each in self._lines.values():
                each.heard_round_trip(rtt)
            self.bandwidth.heard_round_trip(rtt, now)
        if line.track.kind is Kind.VIDEO:
            share = self._loss.heard(block, now)
            if share is not None:
                self._note_loss(share > 0)
                self.bandwidth.heard_loss(share, now)

    def _obey(self) -> None:
        if not self.bandwidth.open:
            for line in self._lines.values():
                if line.live and line.track.kind is Kind.VIDEO:
                    self.feed.part(line)

    # -- what it is told ----------------------------------------------------------------------------------------------

    def report(self, wall: int, now: int) -> None:
        """Send a sender report of every line: what ties them together in time."""
        lines = tuple(self._lines.values())
        counts = [line.counts for line in lines]
        self._measure(now)
        self._judge_socket(sum([packets for packets, _ in counts]), now)
        for line in lines:
            line.forget(now)
        moment = self.feed.moment(wall)
        if moment is None:
            return
        ntp = to_ntp(wall)
        counted = [(line.track, sent) for line, sent in zip(lines, counts, strict=True) if line.track.rate and sent[0]]
        reports = [SenderReport(each.ssrc, ntp, each.ticks(moment), *sent) for each, sent in counted]
        if reports:
            names = Sdes(tuple([(each.ssrc, self._cname) for each in reports]))
            self._transport.send_rtcp(rtcp.build(*reports, names))

    def _measure(self, now: int) -> None:
        """What the pictures take, for the judgement whether the path carries them."""
        octets = sum([line.track.octets for line in self._lines.values() if line.track.kind is Kind.VIDEO])
        before, at = self._octets
        if at and now > at:
            self.bandwidth.needed = max(_LEAST_NEEDED, (octets - before) * 8 * NS_PER_S // (now - at))
        self._octets = (octets, now)

    def _judge_socket(self, given: int, now: int) -> None:
        """A socket that leaves more than `_MOST_UNSENT` of what it is given is a path that is too narrow."""
        before, unsent_before = self._sent
        unsent = sum([line.unsent for line in self._lines.values()])
        self._sent = (given, unsent)
        self._note_loss(unsent > unsent_before)
        if unsent - unsent_before > (given - before) * _MOST_UNSENT:
            self.bandwidth.blocked(now)
            self._obey()

    def qos(self) -> SeatQos:
        """How it is doing, as far as we see."""
        skipped = sum(line.skipped for line in self._lines.values())
        figures = self._transport.figures
        return SeatQos(figures.bytes_sent, figures.packets_sent, skipped, 0, 0)
