"""RTP packets to frames: what RTSP publishers and pulled cameras have in common. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import PeerViolation
from arcly_actors.ingest.flv_tracks import TracksLearnt
from arcly_actors.media import avc, hevc
from arcly_actors.media.codec import CodecId
from arcly_actors.media.describe import evolve, learn
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.reorder import DecodingTimes
from arcly_actors.protocols.rtp import packet, rtcp
from arcly_actors.protocols.rtp.jitter import JitterBuffer
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.formats import FORMATS, aac_depacketiser
from arcly_actors.protocols.rtp.payload.unit import AccessUnit, Depacketiser
from arcly_actors.protocols.rtp.reporting import ReceiverReport, Sdes, SenderReport
from arcly_actors.protocols.rtp.reports import ReceptionStatistics
from arcly_actors.protocols.rtp.sender_clock import AvSync
from arcly_actors.protocols.rtsp.description import Medium
from arcly_actors.protocols.rtsp.events import Packet

Learnt = list[TracksLearnt | MediaFrame]


class RtpTracks:
    """Turns packets into `TracksLearnt` and frames on the sender's clock, aligned by its reports.

    Tracks are told together as soon as the configuration of each is known, from the description or from the stream; one
    that does not come is waited for for `_PATIENCE`. `ssrc` and `name` are ours in the receiver reports. With `reorder`
    packets are put in order first (UDP); within a connection they cannot be out of it. `dropped` counts by reason.
    """

    def __init__(self, media: Iterable[Medium], ssrc: int, name: str, *, reorder: bool) -> None:
        self._sync = AvSync()
        self._lanes = {medium.index: _Lane(medium, self._sync, reorder=reorder) for medium in media if medium.track}
        self._ssrc = ssrc
        self._name = name
        self._told: tuple[Track, ...] = ()
        self._early: list[MediaFrame] = []
        self._since: int | None = None
        self._dropped: Counter[str] = Counter()

    @property
    def dropped(self) -> Counter[str]:
        """What was left out, by reason."""
        total = Counter(self._dropped)
        for lane in self._lanes.values():
            total.update(lane.dropped)
        return total

    @property
    def wake_at(self) -> int | None:
        """When `wake` is due although nothing arrives."""
        return min((at for lane in self._lanes.values() if (at := lane.wake_at) is not None), default=None)

    def receive(self, packets: Iterable[Packet], now: int) -> Learnt:
        """Take packets that arrived at `now`; what is no RTP, or not of this sender, is counted and left out."""
        made: Learnt = []
        for medium, is_rtcp, data in packets:
            lane = self._lanes.get(medium)
            if lane is None:
                self._dropped["not carried"] += 1
                continue
            try:
                if is_rtcp:
                    self._hear(lane, data, now)
                elif frames := lane.receive(packet.parse(data), now):
                    made += self._tell(frames, now)
            except PeerViolation:
                self._dropped["malformed"] += 1
        return made

    def wake(self, now: int) -> Learnt:
        """Packets that were waited for have not come in time."""
        return [item for lane in self._lanes.values() for item in self._tell(lane.settle(now), now)]

    def reports(self, now: int) -> tuple[Packet, ...]:
        """A receiver report for each medium that was heard."""
        heard = [lane for lane in self._lanes.values() if lane.statistics is not None]
        return tuple(
            Packet(
                lane.medium.index,
                True,
                rtcp.build(ReceiverReport(self._ssrc, (lane.statistics.block(now),)), Sdes(((self._ssrc, self._name),))),
            )
            for lane in heard
            if lane.statistics is not None
        )

    def _hear(self, lane: "_Lane", data: bytes, now: int) -> None:
        for one in rtcp.parse(data):
            if isinstance(one, SenderReport):
                lane.hear(one, now)

    def _tell(self, frames: list[MediaFrame], now: int) -> Learnt:
        """The frames, behind the tracks if these are new or have changed."""
        if not frames:
            return []
        if self._since is None:
            self._since = now
        if not self._told:
            self._early += frames
            complete = all(lane.complete for lane in self._lanes.values())
            if not complete and now < self._since + _PATIENCE and len(self._early) < _EARLY:
                return []
            frames, self._early = self._early, []
        tracks = tuple([lane.track for lane in self._lanes.values() if lane.complete])
        if tracks == self._told:
            return list(frames)
        self._told = tracks
        return [TracksLearnt(tracks), *frames]


class _Lane:
    """One medium."""

    def __init__(self, medium: Medium, sync: AvSync, *, reorder: bool) -> None:
        assert medium.track is not None
        self.medium = medium
        self.track = medium.track
        self.statistics: ReceptionStatistics | None = None
        self._sync = sync
        self._times = DecodingTimes(_depth(self.track)) if self.track.codec in _REORDERED else None
        self._jitter = JitterBuffer() if reorder else None
        self._depacketiser = _depacketiser(medium)
        self._heard = 0
        self._early_report: tuple[SenderReport, int] | None = None
        self._dropped: Counter[str] = Counter()
        sync.add(medium.index, medium.rate)

    @property
    def complete(self) -> bool:
        """Whether a viewer can be told what the track is."""
        return bool(self.track.configuration) or self.track.codec not in _NEEDS_CONFIGURATION

    @property
    def wake_at(self) -> int | None:
        """See `JitterBuffer.wake_at`."""
        return self._jitter.wake_at if self._jitter is not None else None

    @property
    def dropped(self) -> Counter[str]:
        """What was left out, by reason."""
        jitter = self._jitter.counts if self._jitter is not None else Counter[str]()
        return self._dropped + Counter(dict(self._depacketiser.dropped)) + jitter

    def receive(self, received: RtpPacket, now: int) -> list[MediaFrame]:
        """The frames that this packet completes."""
        if received.payload_type != self.medium.payload_type:
            self._dropped["payload type"] += 1
            return []
        statistics = self.statistics
        if statistics is None or statistics.ssrc != received.ssrc:
            if not self._is_sender(received.ssrc, now) or self.statistics is None:
                self._dropped["another ssrc"] += 1
                return []
            statistics = self.statistics
        self._heard = now
        statistics.received(received.sequence, received.timestamp, now)
        if self._jitter is None:
            units = self._depacketiser.push(received)
            return self._frames(units, now) if units else []
        self._jitter.push(received, now)
        return self.settle(now)

    def hear(self, report: SenderReport, now: int) -> None:
        """A sender report; one that comes before the first packet, as most do, waits to be of the same SSRC."""
        if self.statistics is None:
            self._early_report = (report, now)
        elif report.ssrc == self.statistics.ssrc:
            self._sync.heard(self.medium.index, report)
            self.statistics.heard(report, now)

    def settle(self, now: int) -> list[MediaFrame]:
        """The frames of packets whose turn it is."""
        if self._jitter is None:
            return []
        made: list[MediaFrame] = []
        for ordered in self._jitter.pop(now):
            if ordered.missing:
                self._depacketiser.discontinuity()
            if units := self._depacketiser.push(ordered.packet):
                made += self._frames(units, ordered.arrival)
        return made

    def _is_sender(self, ssrc: int, now: int) -> bool:
        """Whether this SSRC is the sender's: the first one, or another when that has been silent."""
        if self.statistics is None:
            self.statistics = ReceptionStatistics(ssrc, self.medium.rate)
            if self._early_report is not None:
                self.hear(*self._early_report)
        elif self.statistics.ssrc != ssrc:
            if now < self._heard + limits.RTSP_SSRC_SILENCE:
                return False
            self.statistics = ReceptionStatistics(ssrc, self.medium.rate)
            self._depacketiser = _depacketiser(self.medium)
            self._jitter = JitterBuffer() if self._jitter is not None else None
        return True

    def _frames(self, units: Sequence[AccessUnit], now: int) -> list[MediaFrame]:
        return [self._frame(unit, now) for unit in units]

    def _frame(self, unit: AccessUnit, now: int) -> MediaFrame:
        index = self.medium.index
        if unit.keyframe:
            self._learn(unit.payload)
        pts, captured = self._sync.moment(index, unit.timestamp, now)
        dts = self._times.place(pts) if self._times is not None else pts
        return MediaFrame(self.track, pts, dts, unit.payload, unit.keyframe, arrival=now, captured=captured or 0)

    def _learn(self, payload: bytes) -> None:
        """What the stream itself tells of its track; nothing if that is damaged, which its decoder will notice."""
        try:
            configuration = self._depacketiser.configuration
            if configuration and configuration == self.track.configuration:
                return
            if configuration:
                track = evolve(self.track, configuration)
            elif self.track.codec in _SELF_DESCRIBED:
                track = learn(self.track, payload)
            else:
                return
        except PeerViolation:
            self._dropped["configuration"] += 1
            return
        if track.configuration != self.track.configuration and self._times is not None:
            self._times.depth = max(self._times.depth, _depth(track))
        self.track = track if track == self.track else replace(track, id=self.medium.index)


def _depacketiser(medium: Medium) -> Depacketiser:
    assert medium.track is not None
    if medium.track.codec is CodecId.AAC:
        return aac_depacketiser(medium.form)
    return FORMATS[medium.track.codec].depacketiser()


def _depth(track: Track) -> int:
    """How many pictures are out of order, by the track's configuration; 0 when it does not say."""
    reader: Callable[[bytes], avc.AvcConfiguration | hevc.HevcConfiguration]
    reader = avc.read_configuration if track.codec is CodecId.H264 else hevc.read_configuration
    try:
        described = reader(track.configuration).described() if track.configuration else None
    except PeerViolation:
        return 0
    return (described.reorder_depth or 0) if described is not None else 0


_REORDERED = frozenset({CodecId.H264, CodecId.H265})
_NEEDS_CONFIGURATION = frozenset({CodecId.H264, CodecId.H265, CodecId.AAC, CodecId.AV1})
_SELF_DESCRIBED = frozenset({CodecId.VP8, CodecId.VP9, CodecId.MP3})

_PATIENCE = 3 * NS_PER_S
"""A track whose configuration is told only by its first keyframe is waited for so long: an ordinary GOP and a half."""

_EARLY = 1024
"""Frames that wait with it: three seconds of pictures and sound."""
