"""Transport streams for tests: the recorded ones, what a muxed one looks like from outside, and packets made by hand."""

from bisect import bisect
from dataclasses import dataclass, field
from pathlib import Path

from arcly_actors.ingest.track_gathering import TracksGathered
from arcly_actors.ingest.ts_source import TsItem, TsSource
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.mpegts.muxer import TsMuxer
from arcly_actors.media.mpegts.packetiser import Packetiser
from arcly_actors.media.mpegts.pes import VIDEO_ID, write_pes
from arcly_actors.media.mpegts.tables import write_pat, write_pmt

DATA = Path(__file__).parent.parent / "data" / "mpegts"
PACKET = 188


def recorded(name: str) -> bytes:
    """A recorded transport stream."""
    return (DATA / name).read_bytes()


def read(data: bytes, cut: int = 1316, source: TsSource | None = None) -> list[TsItem]:
    """What comes out of a whole stream."""
    source = source or TsSource()
    made = [item for at in range(0, len(data), cut) for _, item in source.receive(data[at : at + cut], 1)]
    return made + [item for _, item in source.flush(1)]


def media(items: list[TsItem]) -> tuple[tuple[Track, ...], list[MediaFrame]]:
    """The newest tracks, and all frames."""
    tracks = [item.tracks for item in items if isinstance(item, TracksGathered)]
    return (tracks[-1] if tracks else ()), [item for item in items if isinstance(item, MediaFrame)]


def muxed(tracks: tuple[Track, ...], frames: list[MediaFrame], muxer: TsMuxer | None = None) -> bytes:
    """Frames as a transport stream."""
    muxer = muxer or TsMuxer()
    muxer.follow(tracks)
    return b"".join(muxer.frame(frame) for frame in frames)


def packets(data: bytes) -> list[bytes]:
    """The packets of a stream that is in step."""
    assert len(data) % PACKET == 0
    return [data[at : at + PACKET] for at in range(0, len(data), PACKET)]


def pid_of(packet: bytes) -> int:
    """Whose packet it is."""
    return (packet[1] & 0x1F) << 8 | packet[2]


@dataclass
class Outside:
    """A stream as a monitor sees it: PCRs (ms), the one that follows each table, what is wrong with counters."""

    pcrs: list[float] = field(default_factory=list)
    tables: dict[int, list[float]] = field(default_factory=dict)
    miscounted: list[int] = field(default_factory=list)
    marked: int = 0


def seen_from_outside(data: bytes, table_pids: tuple[int, ...] = (0, 0x1000)) -> Outside:
    """Read packet headers only."""
    seen = Outside(tables={pid: [] for pid in table_pids})
    counters: dict[int, int] = {}
    clocks: list[int] = []
    places: dict[int, list[int]] = {pid: [] for pid in table_pids}
    for number, packet in enumerate(packets(data)):
        assert packet[0] == 0x47
        pid = pid_of(packet)
        if packet[3] & 0x20 and packet[4]:
            if packet[5] & 0x10:
                seen.pcrs.append((int.from_bytes(packet[6:11]) >> 7) / 90)
                clocks.append(number)
            seen.marked += bool(packet[5] & 0x80)
        if packet[3] & 0x10:
            if counters.get(pid, packet[3] - 1 & 15) != packet[3] - 1 & 15:
                seen.miscounted.append(number)
            counters[pid] = packet[3] & 15
        if pid in seen.tables and packet[1] & 0x40:
            places[pid].append(number)
    for pid, numbers in places.items():
        seen.tables[pid] = [seen.pcrs[bisect(clocks, number)] for number in numbers if number < clocks[-1]]
    return seen


class Studio:
    """Packets of one programme with one stream, made by hand."""

    def __init__(self, stream_type: int = 0x1B, pid: int = 0x100, pmt_pid: int = 0x1000, program: int = 1) -> None:
        self.pid = pid
        self.program = program
        self.pmt_pid = pmt_pid
        self.rows = [(stream_type, pid, b"")]
        self.version = 0
        self.pat_version = 0
        self.pat = Packetiser(0)
        self.pmt = Packetiser(pmt_pid)
        self.media: dict[int, Packetiser] = {}

    def tables(self, pcr_pid: int | None = None) -> bytes:
        """PAT and PMT."""
        return self.program_table() + self.program_map(pcr_pid)

    def program_table(self) -> bytes:
        """The PAT."""
        return self.pat.section(write_pat({self.program: self.pmt_pid}, self.pat_version))

    def program_map(self, pcr_pid: int | None = None) -> bytes:
        """The PMT."""
        clock = self.pid if pcr_pid is None else pcr_pid
        return self.pmt.section(write_pmt(self.program, self.version, clock, self.rows))

    def pes(
        self, payload: bytes, ticks: int, pcr: int | None = None, *, pid: int = 0, stream_id: int = VIDEO_ID
    ) -> bytes:
        """A PES packet at 90 kHz `ticks`."""
        packetiser = self.media.setdefault(pid or self.pid, Packetiser(pid or self.pid))
        return packetiser.pes(write_pes(stream_id, len(payload), ticks, ticks) + payload, pcr)

    def clock(self, pcr: int, *, discontinuity: bool = False) -> bytes:
        """A PCR alone."""
        return self.media.setdefault(self.pid, Packetiser(self.pid)).clock(pcr, discontinuity=discontinuity)
