"""Sound as MPEG-TS carries it: PES payloads to frames with a time each.

A PTS is that of the first frame that begins in its PES packet (ISO/IEC 13818-1 §2.4.3.7); the others follow it by their
own length, and a frame that began in the packet before goes on where that one's ended.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media import aac, ac3, mp3, opus
from arcly_actors.media.mpegts.clock import RATE
from arcly_actors.media.mpegts.events import Unit
from arcly_actors.media.mpegts.kinds import Carriage
from arcly_actors.media.mpegts.latm import HEADER, LatmReader, loas_size
from arcly_actors.media.mpegts.piece import Piece
from arcly_actors.media.timebase import SECOND, to_ns

Sounds = list[tuple[bytes, int]]
"""Packets, and the nanoseconds that each lasts."""


class Found(NamedTuple):
    """What begins at a place: `size` bytes of it, 0 while they are not known. `joins`: it belongs to the frame before."""

    size: int
    joins: bool = False


class Cutter:
    """One way to lie in the stream. `head` is how many bytes `measure` needs, `mark` what a frame begins with."""

    head = 4
    mark = b"\xff"
    configuration = b""

    def measure(self, data: bytes) -> Found:
        """What `data` begins with; `Malformed` when no frame does."""
        raise NotImplementedError

    def packets(self, frame: bytes) -> Sounds:
        """What a whole frame holds; `Malformed` when it is damaged."""
        raise NotImplementedError


class _Adts(Cutter):
    head = aac.ADTS_BYTES

    def __init__(self) -> None:
        self._known = b""
        self._length = 0

    def measure(self, data: bytes) -> Found:
        return Found(aac.read_adts(data[: self.head]).frame_length)

    def packets(self, frame: bytes) -> Sounds:
        header = aac.read_adts(frame[: self.head])
        if header.blocks > 1:
            raise Malformed("ADTS frame of several raw data blocks")
        # The fixed part of the header (§1.A.2.2.1) is the configuration.
        fixed = bytes((frame[1], frame[2], frame[3] & 0xF0))
        if fixed != self._known:
            self._known, self.configuration = fixed, header.configuration
            self._length = to_ns(1024, header.sample_rate)
        return [(frame[header.header_length :], self._length)]


class _Latm(Cutter):
    head = HEADER
    mark = b"\x56"

    def __init__(self) -> None:
        self._reader = LatmReader()
        self._length = 0

    def measure(self, data: bytes) -> Found:
        return Found(loas_size(data))

    def packets(self, frame: bytes) -> Sounds:
        raw = self._reader.read(frame[HEADER:])
        if raw and self._reader.configuration != self.configuration:
            self.configuration = self._reader.configuration
            read = aac.read_configuration(self.configuration)
            self._length = to_ns(read.frame_length, read.core_rate)
        return [(packet, self._length) for packet in raw]


class _MpegAudio(Cutter):
    head = mp3.HEADER_BYTES

    def measure(self, data: bytes) -> Found:
        found = mp3.read_frame(data)
        if not found.size or found.layer != 3:
            raise Malformed(f"MPEG audio of layer {found.layer}, and of {found.size} bytes, is not carried")
        return Found(found.size)

    def packets(self, frame: bytes) -> Sounds:
        found = mp3.read_frame(frame)
        return [(frame, to_ns(found.samples, found.sample_rate))]


class _Ac3(Cutter):
    head = 8
    mark = b"\x0b"

    def measure(self, data: bytes) -> Found:
        found = ac3.read_frame(data)
        # E-AC-3: strmtyp 1 is dependent; programmes beside the first have a substreamid (ETSI TS 102 366 §E.1.3.1.2).
        return Found(found.size, joins=found.enhanced and (data[2] >> 6 == 1 or bool(data[2] >> 3 & 7)))

    def packets(self, frame: bytes) -> Sounds:
        found = ac3.read_frame(frame)
        return [(frame, to_ns(found.samples, found.sample_rate))]


class _Opus(Cutter):
    """Each packet behind a control header (ETSI TS 103 491 draft, "Opus in MPEG-2 TS")."""

    head = 3
    mark = b"\x7f"

    def __init__(self, code: int) -> None:
        self.configuration = opus.write_head(_OPUS_HEADS.get(code, _OPUS_HEADS[2]))

    def measure(self, data: bytes) -> Found:
        start, size = _opus_header(data)
        return Found(start + size if start else 0)

    def packets(self, frame: bytes) -> Sounds:
        start, _ = _opus_header(frame)
        return [(frame[start:], opus.packet_duration(frame[start:]))]


def _opus_header(data: bytes) -> tuple[int, int]:
    """Where the packet begins, 0 while that is not known, and its size."""
    if data[0] != 0x7F or data[1] & 0xE0 != 0xE0:
        raise Malformed("no Opus control header")
    at, size = 2, 0
    while at < len(data):
        step = data[at]
        size, at = size + step, at + 1
        if step != 255:
            break
    else:
        if size > limits.OPUS_PACKET:
            raise Malformed("an Opus packet that is too long")
        return 0, 0
    at += 2 * (data[1] >> 4 & 1) + 2 * (data[1] >> 3 & 1)
    if data[1] & 4:
        if at >= len(data):
            return 0, 0
        at += 1 + data[at]
    return at, size


def _surround(channels: int, streams: int, coupled: int, order: bytes) -> opus.OpusHead:
    return opus.OpusHead(channels, family=1, mapping=bytes((streams, coupled)) + order)


# By channel_config_code; the mappings are those of RFC 7845 §5.1.1.2.
_OPUS_HEADS: Final[Mapping[int, opus.OpusHead]] = MappingProxyType(
    {
        1: opus.OpusHead(1),
        2: opus.OpusHead(2),
        3: _surround(3, 2, 1, b"\x00\x02\x01"),
        4: _surround(4, 2, 2, b"\x00\x01\x02\x03"),
        5: _surround(5, 3, 2, b"\x00\x04\x01\x02\x03"),
        6: _surround(6, 4, 2, b"\x00\x04\x01\x02\x03\x05"),
        7: _surround(7, 4, 3, b"\x00\x04\x01\x02\x03\x05\x06"),
        8: _surround(8, 5, 3, b"\x00\x06\x01\x02\x03\x04\x05\x07"),
    }
)

_CUTTERS: Final[Mapping[Carriage, Callable[[int], Cutter]]] = MappingProxyType(
    {
        Carriage.ADTS: lambda _: _Adts(),
        Carriage.LATM: lambda _: _Latm(),
        Carriage.MPEG_AUDIO: lambda _: _MpegAudio(),
        Carriage.AC3: lambda _: _Ac3(),
        Carriage.OPUS: _Opus,
    }
)
_TRIES: Final = 64
"""Places at which a frame is looked for in a PES packet that has lost its order."""


class Sound:
    """Frames of one stream. `counts`: ``unreadable`` (bytes or frames that are none), ``untimed``."""

    def __init__(self, carriage: Carriage, detail: int, counts: Counter[str]) -> None:
        self._cutter = _CUTTERS[carriage](detail)
        self._counts = counts
        self._rest = b""
        self._next: int | None = None  # ns: where the newest frame ends

    @property
    def configuration(self) -> bytes:
        """The decoder configuration, as far as it is known; Opus's is in the PMT already."""
        return self._cutter.configuration

    def push(self, unit: Unit) -> list[Piece]:
        """The frames that are whole with this unit."""
        if unit.lost or unit.broken:
            self._rest, self._next = b"", None
        data, fresh = self._rest + unit.payload, len(self._rest)
        anchor = None if unit.pts is None else to_ns(unit.pts, RATE)
        if fresh and anchor is not None and self._next is not None and abs(anchor - self._next) > SECOND:
            data, fresh = unit.payload, 0  # its first part is lost time
        pieces: list[Piece] = []
        at = tries = 0
        while at + self._cutter.head <= len(data) and len(pieces) < limits.TS_UNITS:
            try:
                found = self._cutter.measure(data[at : at + 2048])
                if not found.size or at + found.size > len(data):
                    break
                frame = data[at : at + found.size]
                if found.joins and pieces:
                    pieces[-1] = pieces[-1]._replace(payload=pieces[-1].payload + frame)
                else:
                    if at >= fresh and anchor is not None:
                        self._next, anchor = anchor, None
                    pieces += self._timed(frame, broken=unit.broken and not pieces)
                at += found.size
            except Malformed:
                self._counts["unreadable"] += 1
                tries += 1
                at = data.find(self._cutter.mark, at + 1) if tries < _TRIES else -1
                if at < 0:
                    at = len(data)
        if anchor is not None and fresh <= at < len(data):
            self._next = anchor  # of the frame that begins here and ends in another packet
        self._rest = data[at:] if len(data) - at <= limits.TS_REMAINDER else b""
        return pieces

    def flush(self) -> list[Piece]:
        """What is cut is lost."""
        return []

    def _timed(self, frame: bytes, *, broken: bool) -> list[Piece]:
        try:
            packets = self._cutter.packets(frame)
        except Malformed:
            self._counts["unreadable"] += 1
            return []
        if self._next is None:
            self._counts["untimed"] += len(packets)
            return []
        pieces = []
        for payload, length in packets:
            pieces.append(Piece(payload, self._next, self._next, True, self._cutter.configuration, broken))
            self._next += length
            broken = False
        return pieces
