"""Splice information sections (ANSI/SCTE 35 §9.6): the time that they speak of. Everything else passes as it is."""

from typing import Final

from arcly_actors.errors import Malformed
from arcly_actors.media.bits import BitReader
from arcly_actors.media.mpegts.sections import with_crc

_INSERT, _TIME_SIGNAL = 5, 6
_MASK: Final = (1 << 33) - 1
_ADJUSTMENT: Final = slice(4, 9)


def splice_time(section: bytes) -> int | None:
    """The 33-bit PTS at which it is to happen, adjusted; None for one that names no time or is encrypted."""
    told = _told(section)
    return None if told is None else told[0] + told[1] & _MASK


def at_time(section: bytes, ticks: int) -> bytes:
    """The section for a stream with another clock: its pts_adjustment, which is there for that (§9.6), is made to fit.

    One that names no time is left as it is.
    """
    told = _told(section)
    if told is None:
        return section
    field = int.from_bytes(section[_ADJUSTMENT]) & ~_MASK | ticks - told[0] & _MASK
    return with_crc(section[:4] + field.to_bytes(5) + section[9:-4])


def _told(section: bytes) -> tuple[int, int] | None:
    """pts_time and pts_adjustment."""
    reader = BitReader(section, "splice information")
    try:
        reader.skip(32)
        encrypted = reader.flag()
        reader.skip(6)
        adjustment = reader.bits(33)
        reader.skip(8 + 12 + 12)
        command = reader.bits(8)
        if encrypted or command not in {_INSERT, _TIME_SIGNAL}:
            return None
        if command == _INSERT:
            reader.skip(32)
            if reader.flag():  # splice_event_cancel_indicator
                return None
            reader.skip(7 + 1)
            whole, _, immediate = reader.flag(), reader.flag(), reader.flag()
            reader.skip(4)
            if not whole or immediate:
                return None
        if not reader.flag():  # time_specified_flag
            return None
        reader.skip(6)
        return reader.bits(33), adjustment
    except Malformed:
        return None
