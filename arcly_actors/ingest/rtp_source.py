"""One RTP stream that a peer sends us: reordered, repaired by NACK, put together to frames."""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.describe import describe, evolve, learn
from arcly_actors.media.frame import COLOR_SPACE, MediaFrame, Track
from arcly_actors.protocols.rtp.extensions import COLOR_SPACE_BYTES, Element
from arcly_actors.protocols.rtp.jitter import JitterBuffer
from arcly_actors.protocols.rtp.nack import NackGenerator
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.payload.unit import AccessUnit
from arcly_actors.protocols.rtp.reporting import ReportBlock, SenderReport
from arcly_actors.protocols.rtp.reports import ReceptionStatistics
from arcly_actors.protocols.rtp.sender_clock import AvSync


class RtpSource:
    """The packets of one m-line, or of one simulcast layer of it (`rid`). `number` is its track's id and its clock's.

    `color_space` is the id of the header extension that tells it, 0 without.
    """

    def __init__(
        self, number: int, mid: str, rid: str, codec: CodecId, sync: AvSync, *, repairs: bool, color_space: int = 0
    ) -> None:
        self.mid = mid
        self.rid = rid
        self.kind = codec.kind
        self.track = describe(Track(number, codec))
        self.ssrc = 0
        self.unreadable = 0
        self.last_frame = 0
        self._sync = sync
        self._color_space = color_space
        form = FORMATS[codec]
        self._rate = form.rate
        sync.add(number, form.rate)
        self._form = form
        self._repairs = repairs
        self._former: int | None = None
        self._began = 0
        self._depacketiser = form.depacketiser()
        self._jitter = JitterBuffer()
        self._nack = NackGenerator() if repairs else None
        self._statistics: ReceptionStatistics | None = None
        self._lost_at: int | None = None
        self._heard_at: int | None = None
        self._asked: dict[int, int | None] = {}

    def receive(self, packet: RtpPacket, now: int) -> list[MediaFrame]:
        """A packet of the stream; the frames that it completes."""
        if self._statistics is None or packet.ssrc != self.ssrc:
            if packet.ssrc == self._former and now - self._began < limits.REORDER_TIME:
                return []  # a straggler
            self._begin(packet.ssrc, now)
            statistics = self._statistics = ReceptionStatistics(packet.ssrc, self._rate)
        else:
            statistics = self._statistics
        self._heard_at = now
        statistics.received(packet.sequence, packet.timestamp, now)
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
                frame = self._frame(unit, ordered.packet.extensions, ordered.arrival)
                if frame is not None:
                    frames.append(frame)
        self._note_loss(now)
        return frames

    def asks(self, now: int) -> list[int]:
        """The sequence numbers (16 bits) to ask for again now."""
        due = self._nack.due(now) if self._nack is not None and self._nack.wake_at is not None else []
        for number in due:
            self._asked[number] = now if number not in self._asked else None  # which one is answered then, nobody knows
        while len(self._asked) > limits.NACK_PACKETS:
            del self._asked[next(iter(self._asked))]
        return due

    def needs_keyframe(self, now: int, patience: int) -> bool:
        """Whether packets come and yet nothing has come out for this long (ns), its references being lost."""
        if self._lost_at is None or self._heard_at is None:
            return False
        return now - self._lost_at >= patience and now - self._heard_at < limits.LAYER_SILENCE

    def heard(self, report: SenderReport, now: int) -> None:
        """A sender report of its SSRC."""
        self._sync.heard(self.track.id, report)
        if self._statistics is not None:
            self._statistics.heard(report, now)

    def block(self, now: int) -> ReportBlock | None:
        """What a receiver report says of it; None before its first packet."""
        return self._statistics.block(now) if self._statistics is not None else None

    def _begin(self, ssrc: int, now: int) -> None:
        """Another SSRC is another stream, whose numbers and times have nothing to do with the former one's."""
        if self._statistics is not None:
            self._former, self._began = self.ssrc, now
            self._depacketiser = self._form.depacketiser()
            self._jitter = JitterBuffer()
            self._nack = NackGenerator() if self._repairs else None
            self._sync.restart(self.track.id)
        self.ssrc = ssrc

    def _take(self, packet: RtpPacket, now: int) -> list[MediaFrame]:
        if self._nack is not None:
            self._nack.received(packet.sequence, now)
            asked_at = self._asked.pop(packet.sequence, None)
            if asked_at is not None:  # a round trip: how soon to ask again
                self._nack.rtt += (now - asked_at - self._nack.rtt) // _SMOOTHING
        self._jitter.push(packet, now)
        return self.wake(now)

    def _note_loss(self, now: int) -> None:
        if self._heard_at is None or self.kind is not Kind.VIDEO or not self._depacketiser.needs_keyframe:
            self._lost_at = None
        elif self._lost_at is None:
            self._lost_at = now

    def _frame(self, unit: AccessUnit, elements: Sequence[Element], arrival: int) -> MediaFrame | None:
        try:
            track = learn(self.track, unit.payload) if unit.keyframe else self.track
            if self._depacketiser.configuration:
                track = evolve(track, self._depacketiser.configuration)
        except Malformed:
            self.unreadable += 1
            return None
        if unit.keyframe and track.codec in _NEEDS_CONFIGURATION and not track.configuration:
            self.unreadable += 1
            self._depacketiser.discontinuity()  # its parameter sets are lost, so nobody can decode what follows, either
            return None
        if self._color_space:
            track = self._coloured(track, elements, keyframe=unit.keyframe)
        self.track = track
        at, captured = self._sync.moment(track.id, unit.timestamp, arrival)
        self.last_frame = arrival
        return MediaFrame(track, at, at, unit.payload, unit.keyframe, arrival=arrival, captured=captured or 0)

    def _coloured(self, track: Track, elements: Sequence[Element], *, keyframe: bool) -> Track:
        """The track with the colour space that the last packet of a frame tells; the same object when it is unchanged.

        It is told with every keyframe and where it changes: a keyframe without it has none.
        """
        told = next((value for number, value in elements if number == self._color_space), b"")
        found = told.hex() if len(told) in COLOR_SPACE_BYTES else ""
        if found == track.metadata.get(COLOR_SPACE, "") or not (found or keyframe):
            return track
        return replace(track, metadata=MappingProxyType({COLOR_SPACE: found} if found else {}))


_NEEDS_CONFIGURATION = frozenset({CodecId.H264, CodecId.H265})
"""What has to come with the pictures, since no offer says it."""

_SMOOTHING = 4
"""Round trips over which they are averaged."""
