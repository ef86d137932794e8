"""PAT and PMT (ISO/IEC 13818-1 §2.4.4.3, §2.4.4.8): which programmes there are, and what they consist of."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from arcly_actors.errors import Malformed
from arcly_actors.media.cursor import Cursor
from arcly_actors.media.mpegts.kinds import StreamKind, kind_of, read_descriptors
from arcly_actors.media.mpegts.sections import checked, write_section

PAT_PID = 0
NULL_PID = 0x1FFF
PAT, PMT, SPLICE = 0x00, 0x02, 0xFC
_ISO_639 = 0x0A


@dataclass(frozen=True, slots=True)
class PatSection:
    """One section of a PAT: `programs` is programme number → PID of its PMT."""

    stream: int
    version: int
    number: int
    last: int
    programs: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class ElementaryStream:
    """One row of a PMT. `kind` is None for what is not carried: `stream_type` and `descriptors` say what it was."""

    pid: int
    stream_type: int
    kind: StreamKind | None
    language: str = ""
    descriptors: bytes = b""


@dataclass(frozen=True, slots=True)
class ProgramMap:
    """A PMT. `pcr_pid` is 0x1FFF where there is no PCR."""

    program: int
    version: int
    pcr_pid: int
    streams: tuple[ElementaryStream, ...]

    @property
    def carried(self) -> tuple[ElementaryStream, ...]:
        """The streams that are put together."""
        return tuple(stream for stream in self.streams if stream.kind is not None)


def read_pat(section: bytes) -> PatSection | None:
    """Read a PAT section; None when it is for later or of another table, `Malformed` when it is damaged."""
    cursor = Cursor(checked(section), "PAT")
    table, stream, version, number, last = _head(cursor)
    if table != PAT or not version & 1:
        return None
    programs: dict[int, int] = {}
    while cursor.remaining >= 4:
        program, pid = cursor.u16(), cursor.u16() & 0x1FFF
        if program:  # 0 is the network information table
            programs[program] = pid
    return PatSection(stream, version >> 1 & 31, number, last, programs)


def read_pmt(section: bytes) -> ProgramMap | None:
    """Read a PMT section; None when it is for later or of another table, `Malformed` when it is damaged."""
    cursor = Cursor(checked(section), "PMT")
    table, program, version, *_ = _head(cursor)
    if table != PMT or not version & 1:
        return None
    pcr_pid = cursor.u16() & 0x1FFF
    cursor.skip(cursor.u16() & 0xFFF)
    streams: dict[int, ElementaryStream] = {}
    while cursor.remaining >= 5:
        stream_type, pid = cursor.u8(), cursor.u16() & 0x1FFF
        descriptors = cursor.take(cursor.u16() & 0xFFF)
        read = read_descriptors(descriptors)
        language = next((data[:3].decode("latin-1") for tag, data in read if tag == _ISO_639 and len(data) >= 3), "")
        language = language if language.isascii() and language.isalpha() else ""
        if pid not in {PAT_PID, NULL_PID}:
            streams[pid] = ElementaryStream(pid, stream_type, kind_of(stream_type, read), language, descriptors)
    return ProgramMap(program, version >> 1 & 31, pcr_pid, tuple(streams.values()))


def write_pat(programs: Mapping[int, int], version: int = 0, stream: int = 1) -> bytes:
    """The PAT section of these programmes (number → PMT's PID)."""
    body = b"".join(struct.pack(">HH", number, 0xE000 | pid) for number, pid in programs.items())
    return write_section(PAT, stream, version, body)


def write_pmt(
    program: int, version: int, pcr_pid: int, rows: Iterable[tuple[int, int, bytes]], info: bytes = b""
) -> bytes:
    """The PMT section of rows (stream type, PID, descriptors); `info` is the programme's own descriptors.

    `Malformed` when it does not fit into 1021 bytes.
    """
    body = struct.pack(">HH", 0xE000 | pcr_pid, 0xF000 | len(info)) + info
    for stream_type, pid, descriptors in rows:
        body += struct.pack(">BHH", stream_type, 0xE000 | pid, 0xF000 | len(descriptors)) + descriptors
    if len(body) > 1012:
        raise Malformed(f"a PMT of {len(body)} bytes does not fit into a section")
    return write_section(PMT, program, version, body)


def names(streams: Sequence[ElementaryStream]) -> str:
    """The streams as a person reads them."""
    return ", ".join(str(each.kind.codec) if each.kind else f"stream type 0x{each.stream_type:02x}" for each in streams)


def _head(cursor: Cursor) -> tuple[int, int, int, int, int]:
    table = cursor.u8()
    cursor.skip(2)
    return table, cursor.u16(), cursor.u8(), cursor.u8(), cursor.u8()
