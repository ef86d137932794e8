"""The multiplexer: frames in, whole packets out, once for all viewers. Pure, and nothing waits.

Each frame is one PES packet, made into packets at once. PCR and tables come at their cadence by the frames' own clock,
also within silence that ends with this frame. A keyframe begins with PAT and PMT, so that a viewer can join there.

    muxer = TsMuxer()
    muxer.follow(tracks)
    data = muxer.frame(frame)             # a multiple of 188 bytes, empty for a track that is not carried

PCR and DTS never go back. Where the stream was spliced (`MediaFrame.discontinuity`) its DTS go on and its time of day
does not, so the PCR is marked as discontinuous there and the tables are repeated; continuity counters go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from arcly_actors import limits
from arcly_actors.errors import PeerViolation
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.mpegts.clock import RATE
from arcly_actors.media.mpegts.kinds import CARRIED, row_of
from arcly_actors.media.mpegts.packetiser import Packetiser
from arcly_actors.media.mpegts.payloads import STREAM_IDS, Payload, payload_of
from arcly_actors.media.mpegts.pes import write_pes
from arcly_actors.media.mpegts.splice import at_time
from arcly_actors.media.mpegts.tables import PAT_PID, write_pat, write_pmt
from arcly_actors.media.timebase import from_ns

PROGRAM: Final = 1
PMT_PID: Final = 0x1000
FIRST_PID: Final = 0x100

_LEAD: Final = from_ns(limits.TS_LEAD, RATE)
_PCR_EVERY: Final = from_ns(limits.TS_PCR_EVERY, RATE)
_TABLES_DUE: Final = from_ns(limits.TS_TABLES_EVERY - limits.TS_PCR_EVERY, RATE)
_FILLED: Final = from_ns(limits.TS_PCR_FILLED, RATE)
_REANNOUNCE: Final = from_ns(limits.TS_REANNOUNCE, RATE)
_SPLICES: Final = b"\x05\x04CUEI"
_ID3_POINTER: Final = b"\x25\x0f\xff\xffID3 \xffID3 \x00\x1f\x00\x01"


@dataclass(slots=True)
class _Lane:
    """A track on its way out."""

    track: Track
    packets: Packetiser
    payload: Payload
    stream_id: int


class TsMuxer:
    """See the module. `dropped` counts frames of carried tracks that could not be written."""

    def __init__(self) -> None:
        self._pat = Packetiser(PAT_PID)
        self._pmt = Packetiser(PMT_PID)
        self._packetisers: dict[int, Packetiser] = {}  # by track, for good: a track that comes back goes on
        self._lanes: dict[int, _Lane] = {}
        self._clock: Packetiser | None = None
        self._sections = (b"", b"")
        self._rows: object = None
        self._version = -1
        self._pcr: int | None = None  # of the newest DTS, without the lead
        self._now = 0
        self._tables: int | None = None
        self._announced: int | None = None
        self.dropped = 0

    def follow(self, tracks: Sequence[Track]) -> None:
        """These tracks come from the next frame on; those that MPEG-TS cannot carry are left out."""
        lanes: dict[int, _Lane] = {}
        for track in tracks:
            known = self._lanes.get(track.id)
            if known is not None and known.track == track:
                lanes[track.id] = known
            elif (lane := self._lane(track)) is not None:
                lanes[track.id] = lane
        self._lanes = lanes
        chosen = min(lanes.values(), key=lambda lane: _PCR_ORDER[lane.track.kind], default=None)
        clock = chosen.packets if chosen is not None else None
        if clock is not self._clock:
            self._clock, self._pcr = clock, None
        self._write_tables()

    def frame(self, frame: MediaFrame) -> bytes:
        """The packets of a frame, and what is due before it."""
        track, clock = frame.track, self._clock
        lane = self._lanes.get(track.id)
        if lane is None or clock is None:
            return b""
        dts, pts = from_ns(frame.dts, RATE), from_ns(frame.pts, RATE)
        try:
            data = at_time(frame.payload, pts + _LEAD) if track.codec is CodecId.SCTE35 else lane.payload(frame)
        except PeerViolation:
            self.dropped += 1
            return b""
        out: list[bytes] = []
        self._advance(dts, out, clock)
        start = frame.keyframe and track.kind is Kind.VIDEO
        if frame.discontinuity:
            self._announce(out, clock)
        timed = start or self._tables is None or self._now - self._tables > _TABLES_DUE
        if timed:
            self._put_tables(out)
        if track.codec is CodecId.SCTE35:
            out.append(lane.packets.section(data))
        else:
            pcr = self._due_pcr(lane.packets, out, clock, timed=timed)
            pes = write_pes(lane.stream_id, len(data), pts + _LEAD, dts + _LEAD) + data
            out.append(lane.packets.pes(pes, pcr, random_access=start or (frame.keyframe and pcr is not None)))
        return b"".join(out)

    def _lane(self, track: Track) -> _Lane | None:
        if track.codec not in CARRIED:
            return None
        try:
            payload = payload_of(track)
        except PeerViolation:
            return None
        packets = self._packetisers.get(track.id)
        if packets is None:
            packets = self._packetisers[track.id] = Packetiser(FIRST_PID + len(self._packetisers))
        return _Lane(track, packets, payload, STREAM_IDS[track.codec])

    # -- the clock ----------------------------------------------------------------------------------------------------

    def _advance(self, dts: int, out: list[bytes], clock: Packetiser) -> None:
        """Go on to this DTS, with the PCRs and tables that were due on the way."""
        if self._pcr is not None and dts - self._pcr <= _FILLED:
            while dts - self._pcr > _PCR_EVERY:
                self._now = self._pcr = self._pcr + _PCR_EVERY
                if self._tables is not None and self._now - self._tables > _TABLES_DUE:
                    self._put_tables(out)
                out.append(clock.clock(self._pcr))
        self._now = max(self._now, dts)

    def _due_pcr(self, packets: Packetiser, out: list[bytes], clock: Packetiser, *, timed: bool) -> int | None:
        """The PCR for a frame to carry, if it is of the PID that has them; else one is put before it when it is time."""
        since = None if self._pcr is None else self._now - self._pcr
        if packets is clock and (timed or since is None or 2 * since >= _PCR_EVERY):
            self._pcr = self._now
            return self._now
        if timed or since is None or since >= _PCR_EVERY:
            self._pcr = self._now
            out.append(clock.clock(self._now))
        return None

    def _announce(self, out: list[bytes], clock: Packetiser) -> None:
        if self._announced is not None and self._now - self._announced < _REANNOUNCE:
            return
        self._announced = self._now
        self._put_tables(out)
        self._pcr = self._now
        out.append(clock.clock(self._now, discontinuity=True))

    # -- tables -------------------------------------------------------------------------------------------------------

    def _put_tables(self, out: list[bytes]) -> None:
        pat, pmt = self._sections
        out += (self._pat.section(pat), self._pmt.section(pmt))
        self._tables = self._now

    def _write_tables(self) -> None:
        rows = []
        info = b""
        for lane in self._lanes.values():
            row = row_of(lane.track)
            if row is not None:
                rows.append((row[0], lane.packets.pid, row[1]))
            if lane.track.codec in _INFO:
                info += _INFO[lane.track.codec]
        pcr_pid = self._clock.pid if self._clock is not None else 0x1FFF
        if (rows, pcr_pid) == self._rows:
            return
        self._rows = (rows, pcr_pid)
        self._version = self._version + 1 & 31
        self._sections = write_pat({PROGRAM: PMT_PID}), write_pmt(PROGRAM, self._version, pcr_pid, rows, info)
        self._tables = None


_PCR_ORDER: Final = {Kind.VIDEO: 0, Kind.AUDIO: 1, Kind.DATA: 2}
_INFO: Final = {CodecId.SCTE35: _SPLICES, CodecId.TIMED_METADATA: _ID3_POINTER}
