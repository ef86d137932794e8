"""PES packet headers (ISO/IEC 13818-1 §2.4.3.6), read and written."""

import struct
from typing import Final, NamedTuple

from arcly_actors.errors import Malformed

VIDEO_ID: Final = 0xE0
AUDIO_ID: Final = 0xC0
PRIVATE_ID: Final = 0xBD
METADATA_ID: Final = 0xFC

_PREFIX: Final = b"\x00\x00\x01"
# program_stream_map, padding, private_stream_2, ECM, EMM, program_stream_directory, DSM-CC, H.222.1 type E: no header.
_BARE: Final = frozenset({0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xFF, 0xF2, 0xF8})
_PADDING: Final = 0xBE


class PesHeader(NamedTuple):
    """Where the payload begins, and the 33-bit times (None where the header has none)."""

    start: int
    pts: int | None
    dts: int | None


def pes_size(data: bytes) -> int | None:
    """The bytes of the whole PES packet that begins so; 0 when it does not say, None while it is not known yet.

    `Malformed` when no PES packet begins so.
    """
    if not _PREFIX.startswith(data[:3]):
        raise Malformed("no PES packet begins here")
    if len(data) < 6:
        return None
    length = data[4] << 8 | data[5]
    return length + 6 if length else 0


def read_pes(data: bytes) -> PesHeader:
    """Read the header of a whole PES packet; `Malformed` when it is cut or none.

    A timestamp without its marker bits is read as it stands: the bits are there for framing, which is sound here.
    """
    if len(data) < 9 or data[:3] != _PREFIX:
        raise Malformed(f"no PES header in {len(data)} bytes")
    if data[3] in _BARE:
        return PesHeader(len(data) if data[3] == _PADDING else 6, None, None)
    if data[6] >> 6 != 2:
        raise Malformed("no MPEG-2 PES header")
    flags, start = data[7] >> 6, 9 + data[8]
    if start > len(data):
        raise Malformed("PES header longer than its packet")
    pts = _read_time(data, 9) if flags & 2 and data[8] >= 5 else None
    dts = _read_time(data, 14) if flags == 3 and data[8] >= 10 else pts
    return PesHeader(start, pts, dts)


def write_pes(stream_id: int, size: int, pts: int, dts: int, *, aligned: bool = True) -> bytes:
    """The header before `size` bytes of payload; times in ticks of 90 kHz, of which 33 bits are written.

    Its length is told where it fits in 16 bits, for then receivers need not wait for what comes next.
    """
    both = pts != dts
    length = size + (13 if both else 8)
    head = struct.pack(
        ">3sBHBBB",
        _PREFIX,
        stream_id,
        length if length <= 0xFFFF else 0,
        0x84 if aligned else 0x80,
        0xC0 if both else 0x80,
        10 if both else 5,
    )
    return head + (_write_time(3, pts) + _write_time(1, dts) if both else _write_time(2, pts))


def _read_time(data: bytes, at: int) -> int:
    high, middle, low = data[at], data[at + 1] << 8 | data[at + 2], data[at + 3] << 8 | data[at + 4]
    return (high >> 1 & 7) << 30 | middle >> 1 << 15 | low >> 1


def _write_time(mark: int, ticks: int) -> bytes:
    return struct.pack(
        ">BHH",
        mark << 4 | (ticks >> 30 & 7) << 1 | 1,
        (ticks >> 15 & 0x7FFF) << 1 | 1,
        (ticks & 0x7FFF) << 1 | 1,
    )
