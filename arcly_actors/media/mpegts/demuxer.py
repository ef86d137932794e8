"""The demultiplexer: bytes of a transport stream in, programmes and their units out. Pure, and nothing waits.

A PES packet that tells its length (sound always, pictures of many senders) comes out with its last byte. One that does
not, which only pictures may, ends where the next of its PID begins: that is one frame later, and no receiver can know it
sooner. Nothing is probed: a programme is told with its PMT, and what needs no PMT to be known is not waited for.

    demuxer = TsDemuxer()                    # the first programme; `every=True` for all, `program=7` for that one
    for event in demuxer.feed(datagram):     # any cuts will do
        ...

Ordinary packets (payload only, in order, not the first of their PES packet) are taken a run at a time; all others go
through `_packet`. What is wrong with the input is counted, and told where somebody may act on it; nothing raises.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media.mpegts.clock import ProgramClock
from arcly_actors.media.mpegts.events import (
    ClockJumped,
    ContinuityLost,
    ProgramChanged,
    ProgramEnded,
    Scrambled,
    TsEvent,
    Unit,
)
from arcly_actors.media.mpegts.kinds import Carriage
from arcly_actors.media.mpegts.lane import BODY, FOLLOWING, Lane
from arcly_actors.media.mpegts.sections import SectionAssembler, crc32
from arcly_actors.media.mpegts.splice import splice_time
from arcly_actors.media.mpegts.sync import PacketSync
from arcly_actors.media.mpegts.tables import (
    NULL_PID,
    PAT_PID,
    PMT,
    SPLICE,
    ElementaryStream,
    PatSection,
    ProgramMap,
    read_pat,
    read_pmt,
)

_RUN: Final = 256
"""Packets that are taken at once at most: those of a picture of 47 kB, of which all may be looked at for one alone."""

_PID: Final = 0x1FFF
_ERROR, _STARTS, _PRIORITY = 0x8000, 0x4000, 0x2000
_SCRAMBLED, _ADAPTED, _FILLED = 0xC0, 0x20, 0x10
_DISCONTINUOUS, _HAS_PCR = 0x80, 0x10
_KINDS: Final = bytes(byte & 0xF0 for byte in range(256))
_COUNTING: Final = bytes(_FILLED | counter & 15 for counter in range(16 + _RUN))
"""The fourth bytes of ordinary packets in order."""
_SWEEP: Final = 4096
_FIRST_FREE: Final = 0x20  # below it are tables of DVB and ISO that nobody needs here


class TsDemuxer:
    """See the module.

    `program`: the only one to take; `every`: take all; else the first with a stream that is carried. `counts` has what
    was dropped: ``transport-error``, ``damaged`` (PES packets with something missing), ``repeated``, ``scrambled``,
    ``continuity``, ``no-pes``, ``too-large``, ``section-damaged``, ``unknown`` (packets of PIDs that nothing names);
    `skipped` the bytes outside packets.
    """

    def __init__(self, program: int | None = None, *, every: bool = False, counts: Counter[str] | None = None) -> None:
        self.counts: Counter[str] = Counter() if counts is None else counts
        self.programs: dict[int, ProgramMap] = {}
        self._program = program
        self._every = every
        self._sync = PacketSync()
        self._out: list[TsEvent] = []
        self._lanes: dict[int, Lane] = {}  # by PID, and by PID with the priority bit
        self._tables: dict[int, tuple[int | None, SectionAssembler]] = {PAT_PID: (None, SectionAssembler(self.counts))}
        self._splices: dict[int, tuple[int, ElementaryStream, SectionAssembler]] = {}
        self._clocks: dict[int, ProgramClock] = {}
        self._clocked: dict[int, list[int]] = {}
        self._pat: dict[int, PatSection] = {}
        self._pmt_pids: dict[int, int] = {}  # by programme
        self._known: dict[int, bytes] = {}  # the section that is in force, by PID
        self._repeated: dict[int, bytes] = {}  # the payload that says no more than that, by PID
        self._sweep = _SWEEP

    @property
    def skipped(self) -> int:
        """Bytes that belong to no packet."""
        return self._sync.skipped

    def now(self, program: int) -> int | None:
        """A programme's time in ticks of 90 kHz: its newest PCR, or DTS without PCRs."""
        clock = self._clocks.get(program)
        return None if clock is None else clock.now

    def feed(self, data: bytes) -> list[TsEvent]:
        """Take what came; the events that it completes."""
        for block in self._sync.feed(data):
            self._block(block)
        out, self._out = self._out, []
        return out

    def flush(self) -> list[TsEvent]:
        """The stream is over: the units that only the next ones would have ended."""
        for lane in self._own_lanes():
            self._tell(lane.finish())
        out, self._out = self._out, []
        return out

    def _block(self, block: bytes) -> None:
        highs, lows, controls = block[1::188], block[2::188], block[3::188]
        kinds = controls.translate(_KINDS)
        at, end = 0, len(controls)
        while at < end:
            word, control, count = highs[at] << 8 | lows[at], controls[at], 1
            lane = self._lanes.get(word)
            if lane is not None and control == lane.following:
                most = max(min(lane.room, _RUN), 1)
                count = min(_alike(kinds, at, most), _alike(highs, at, most), _alike(lows, at, most))
                if controls[at : at + count] != _COUNTING[control & 15 : (control & 15) + count]:
                    count = 1
                self._tell(lane.take(_payloads(count).unpack_from(block, at * 188), controls[at + count - 1]))
            elif word & _PID != NULL_PID:
                self._packet(word, control, block[at * 188 + 4 : at * 188 + 188])
            at += count
        self._sweep -= end
        if self._sweep <= 0:
            self._sweep = _SWEEP
            self._bound()

    def _tell(self, unit: Unit | None) -> None:
        if unit is not None:
            self._out.append(unit)

    def _own_lanes(self) -> Iterable[Lane]:
        return [lane for word, lane in self._lanes.items() if not word & _PRIORITY]

    def _bound(self) -> None:
        """The bound over all lanes; each has one of its own."""
        lanes = self._own_lanes()
        if sum(lane.held for lane in lanes) > limits.TS_PENDING:
            self.counts["too-large"] += 1
            max(lanes, key=lambda lane: lane.held).damage()

    # -- packets that are not ordinary --------------------------------------------------------------------------------

    def _packet(self, word: int, control: int, payload: bytes) -> None:
        pid = word & _PID
        if word & _ERROR:
            self.counts["transport-error"] += 1
            return
        flags = 0
        if control & _ADAPTED:
            size = payload[0]
            if size >= BODY:
                self.counts["transport-error"] += 1
                return
            if size:
                flags = payload[1]
                if flags & _HAS_PCR and size >= 7 and pid in self._clocked:
                    self._pcr(pid, int.from_bytes(payload[2:7]) >> 7, announced=bool(flags & _DISCONTINUOUS))
            payload = payload[1 + size :]
        if not control & _FILLED:
            return
        lane = self._lanes.get(pid)
        if lane is not None:
            self._stream(lane, word, control, payload, announced=bool(flags & _DISCONTINUOUS))
        elif not control & _SCRAMBLED:
            self._section(pid, control & 15, payload, starts=bool(word & _STARTS))

    def _pcr(self, pid: int, raw: int, *, announced: bool) -> None:
        for program in self._clocked[pid]:
            if self._clocks[program].pcr(raw, announced=announced):
                self._out.append(ClockJumped(program))

    def _stream(self, lane: Lane, word: int, control: int, payload: bytes, *, announced: bool) -> None:
        counter, last = control & 15, lane.last
        if lane.following >= 0:
            last = lane.following - 1 & 15
        lane.following = FOLLOWING[counter]
        if last >= 0 and counter != (last + 1) & 15 and not announced:
            if counter == last and lane.repeats(payload):
                self.counts["repeated"] += 1
                return
            self.counts["continuity"] += 1
            self._out.append(ContinuityLost(lane.program, lane.stream.pid, (last + 1) & 15, counter))
            lane.damage()
        if control & _SCRAMBLED:
            self._scrambled(lane)
        elif word & _STARTS:
            lane.scrambled = False
            self._out += lane.begin(payload)
        else:
            self._tell(lane.extend(payload))

    def _scrambled(self, lane: Lane) -> None:
        self.counts["scrambled"] += 1
        lane.damage()
        if not lane.scrambled:
            lane.scrambled = True
            self._out.append(Scrambled(lane.program, lane.stream.pid))

    # -- tables -------------------------------------------------------------------------------------------------------

    def _section(self, pid: int, counter: int, payload: bytes, *, starts: bool) -> None:
        splice = self._splices.get(pid)
        if splice is not None:
            program, stream, assembler = splice
            for section in assembler.push(payload, counter, starts=starts):
                self._splice(program, stream, section)
            return
        table = self._tables.get(pid)
        if table is None:
            if pid >= _FIRST_FREE:
                self.counts["unknown"] += 1
            if not starts or not self._may_be_pmt(payload):
                return
            table = self._tables[pid] = (0, SectionAssembler(self.counts))
        if payload == self._repeated.get(pid) and table[1].passes(counter):
            return
        sections = table[1].push(payload, counter, starts=starts)
        if starts and sections == [self._known.get(pid)]:
            self._repeated[pid] = payload
            return
        for section in sections:
            if section != self._known.get(pid):
                self._repeated.pop(pid, None)
                self._take(pid, section)

    def _splice(self, program: int, stream: ElementaryStream, section: bytes) -> None:
        if section[0] != SPLICE or crc32(section):
            self.counts["section-damaged"] += 1
            return
        clock, told = self._clocks[program], splice_time(section)
        pts = None if told is None or clock.now is None else clock.place(told, clock.bases)
        self._out.append(Unit(program, stream, section, pts, clock.now, clock.now))

    def _may_be_pmt(self, payload: bytes) -> bool:
        """A PMT shows itself where no PAT does: table id, section syntax, room for a programme."""
        orphans = sum(1 for owner, _ in self._tables.values() if owner == 0)
        return (
            not self._pat
            and orphans < limits.TS_ORPHANS
            and len(payload) > 12
            and payload[:2] == bytes((0, PMT))
            and payload[2] & 0xF0 == 0xB0
        )

    def _take(self, pid: int, section: bytes) -> None:
        try:
            if pid == PAT_PID:
                pat = read_pat(section)
                if pat is not None:
                    self._take_pat(pat)
                    if not pat.last:
                        self._known[pid] = section
            else:
                pmt = read_pmt(section)
                if pmt is not None and self._pmt_pids.get(pmt.program, pid if not self._pat else None) == pid:
                    if pid not in self._lanes:
                        self._known[pid] = section
                    self._take_pmt(pmt)
        except Malformed:
            self.counts["section-damaged"] += 1

    def _take_pat(self, pat: PatSection) -> None:
        self._forget(PAT_PID)
        first = next(iter(self._pat.values()), None)
        if first is not None and (first.version, first.stream, first.last) != (pat.version, pat.stream, pat.last):
            self._pat = {}
        self._pat[pat.number] = pat
        if len(self._pat) <= pat.last:
            return
        found = {number: pid for _, each in sorted(self._pat.items()) for number, pid in each.programs.items()}
        named = dict(list(found.items())[: limits.TS_PROGRAMS])
        if named == self._pmt_pids:
            return
        self._pmt_pids = named
        for program in [program for program in self.programs if program not in named]:
            self._end(program)
        for pid in [pid for pid, (owner, _) in self._tables.items() if owner is not None and pid not in named.values()]:
            del self._tables[pid]
            self._forget(pid)
        for program, pid in named.items():
            if pid not in self._tables:
                self._tables[pid] = (program, SectionAssembler(self.counts))
            self._forget(pid)  # the programme that was passed over may be the one to take now

    def _forget(self, pid: int) -> None:
        self._known.pop(pid, None)
        self._repeated.pop(pid, None)

    def _wants(self, pmt: ProgramMap) -> bool:
        if self._every:
            return len(self.programs) < limits.TS_PROGRAMS or pmt.program in self.programs
        if self._program is not None:
            return pmt.program == self._program
        return pmt.program in self.programs or (not self.programs and bool(pmt.carried))

    def _take_pmt(self, pmt: ProgramMap) -> None:
        before = self.programs.get(pmt.program)
        if not self._wants(pmt) or (before is not None and _same(before, pmt)):
            return
        self._follow_clock(pmt)
        kept = {stream.pid for stream in pmt.carried}
        for pid, owner in self._pids(pmt.program):
            if pid not in kept or owner not in pmt.streams:
                self._close(pid)
        self.programs[pmt.program] = pmt
        for stream in pmt.carried:
            self._open(pmt.program, stream)
        self._out.append(ProgramChanged(pmt))

    def _follow_clock(self, pmt: ProgramMap) -> None:
        self._clocks.setdefault(pmt.program, ProgramClock())
        for programs in self._clocked.values():
            if pmt.program in programs:
                programs.remove(pmt.program)
        self._clocked = {pid: programs for pid, programs in self._clocked.items() if programs}
        if pmt.pcr_pid != NULL_PID:
            self._clocked.setdefault(pmt.pcr_pid, []).append(pmt.program)

    def _pids(self, program: int) -> list[tuple[int, ElementaryStream]]:
        streams = [(lane.stream.pid, lane.stream) for lane in self._own_lanes() if lane.program == program]
        return streams + [(pid, stream) for pid, (owner, stream, _) in self._splices.items() if owner == program]

    def _open(self, program: int, stream: ElementaryStream) -> None:
        pid = stream.pid
        if pid in self._lanes or pid in self._splices or pid in self._tables:
            return  # a PID belongs to the programme that named it first
        if stream.kind is not None and stream.kind.carriage is Carriage.SECTIONS:
            self._splices[pid] = (program, stream, SectionAssembler(self.counts))
        elif len(self._lanes) < 2 * limits.TS_STREAMS:
            lane = Lane(program, stream, self._clocks[program], self.counts)
            self._lanes[pid] = self._lanes[pid | _PRIORITY] = lane

    def _close(self, pid: int) -> None:
        lane = self._lanes.pop(pid, None)
        if lane is not None:
            del self._lanes[pid | _PRIORITY]
            self._tell(lane.finish())
        self._splices.pop(pid, None)

    def _end(self, program: int) -> None:
        for pid, _ in self._pids(program):
            self._close(pid)
        self._clocks.pop(program, None)
        for programs in self._clocked.values():
            if program in programs:
                programs.remove(program)
        del self.programs[program]
        self._out.append(ProgramEnded(program))


def _alike(data: bytes, at: int, most: int) -> int:
    """How many bytes from `at` on are the same, up to `most`."""
    part = data[at : at + most]
    return len(part) - len(part.lstrip(part[:1]))


@lru_cache(_RUN)
def _payloads(count: int) -> struct.Struct:
    """Takes the payloads of so many packets."""
    return struct.Struct(f"4x{BODY}s" * count)


def _same(before: ProgramMap, now: ProgramMap) -> bool:
    return before.pcr_pid == now.pcr_pid and before.streams == now.streams


def codecs(programs: Mapping[int, ProgramMap]) -> dict[int, tuple[str, ...]]:
    """What each programme carries, for people."""
    return {number: tuple(str(each.kind.codec) for each in pmt.carried if each.kind) for number, pmt in programs.items()}
