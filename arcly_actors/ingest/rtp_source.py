"""One RTP stream that a peer sends us: reordered, repaired by NACK, put together to frames."""

from arcly_actors.errors import Malformed
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.describe import describe, evolve, learn
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp.jitter import JitterBuffer
from arcly_actors.protocols.rtp.nack import NackGenerator
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.payload.unit import AccessUnit
from arcly_actors.protocols.rtp.reporting import ReportBlock, SenderReport
from arcly_actors.protocols.rtp.reports import ReceptionStatistics
from arcly_actors.protocols.rtp.sender_clock import AvSync


class RtpSource:
    """The packets of one m-line, or of one simulcast layer of it (`rid`). `number` is its track's id and its clock's."""

    def __init__(self, number: int, mid: str, rid: str, codec: CodecId, sync: AvSync, *, repairs: bool) -> None:
        self.mid = mid
        self.rid = rid
        self.kind = codec.kind
        self.track = describe(Track(number, codec))
        self.ssrc = 0
        self.unreadable = 0
        self.last_frame = 0
        self._sync = sync
        form = FORMATS[codec]
        self._rate = form.rate
        sync.add(number, form.rate)
        self._depacketiser = form.depacketiser()
        self._jitter = JitterBuffer()
        self._nack = NackGenerator() if repairs else None
        self._statistics: ReceptionStatistics | None = None
        self._lost_at: int | None = None

    def receive(self, packet: RtpPacket, now: int) -> list[MediaFrame]:
        """A packet of the stream; the frames that it completes."""
        if packet.ssrc != self.ssrc:
            self.ssrc = packet.ssrc
            self._statistics = ReceptionStatistics(packet.ssrc, self._rate)
        assert self._statistics is not None
        self._statistics.received(packet.sequence, packet.timestamp, now)
        return self._take(packet, now)

    def repaired(self, packet: RtpPacket, now: int) -> list[MediaFrame]:
        """A retransmission, unwrapped."""
        return self._take(packet, now)

    def wake(self, now: int) -> list[MediaFrame]:
        """Time went by: packets that waited long enough for others come out."""
        frames: list[MediaFrame] = []
        for ordered in self._jitter.pop(now):
            if ordered.missing:
                self._depacketiser.discontinuity()
                if self._nack is not None:
                    self._nack.forget_before(ordered.packet.sequence)
            for unit in self._depacketiser.push(ordered.packet):
                frame = self._frame(unit, ordered.arrival)
                if frame is not None:
                    frames.append(frame)
        self._note_loss(now)
        return frames

    def asks(self, now: int) -> list[int]:
        """The sequence numbers (16 bits) to ask for again now."""
        return self._nack.due(now) if self._nack is not None and self._nack.wake_at is not None else []

    def needs_keyframe(self, now: int, patience: int) -> bool:
        """Whether nothing has come out for this long (ns) because its references are lost."""
        return self._lost_at is not None and now - self._lost_at >= patience

    def heard(self, report: SenderReport, now: int) -> None:
        """A sender report of its SSRC."""
        self._sync.heard(self.track.id, report)
        if self._statistics is not None:
            self._statistics.heard(report, now)

    def block(self, now: int) -> ReportBlock | None:
        """What a receiver report says of it; None before its first packet."""
        return self._statistics.block(now) if self._statistics is not None else None

    def heard_round_trip(self, rtt: int) -> None:
        """How soon a packet may be asked for again (ns)."""
        if self._nack is not None:
            self._nack.rtt = rtt

    def _take(self, packet: RtpPacket, now: int) -> list[MediaFrame]:
        if self._nack is not None:
            self._nack.received(packet.sequence, now)
        self._jitter.push(packet, now)
        return self.wake(now)

    def _note_loss(self, now: int) -> None:
        if self.kind is not Kind.VIDEO or not self._depacketiser.needs_keyframe:
            self._lost_at = None
        elif self._lost_at is None:
            self._lost_at = now

    def _frame(self, unit: AccessUnit, arrival: int) -> MediaFrame | None:
        try:
            track = learn(self.track, unit.payload) if unit.keyframe else self.track
            if self._depacketiser.configuration:
                track = evolve(track, self._depacketiser.configuration)
        except Malformed:
            self.unreadable += 1
            return None
        self.track = track
        at = self._sync.place(track.id, unit.timestamp, arrival)
        captured = self._sync.wall(track.id, unit.timestamp) or 0
        self.last_frame = arrival
        return MediaFrame(track, at, at, unit.payload, unit.keyframe, arrival=arrival, captured=captured)
