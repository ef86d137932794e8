"""H.264 and H.265 as MPEG-TS carries them (Annex B, ISO/IEC 13818-1 §2.14, §2.17) to access units with 4-byte lengths."""

from collections import Counter
from typing import Final

from arcly_actors import limits
from arcly_actors.errors import PeerViolation
from arcly_actors.media import avc, hevc, nal
from arcly_actors.media.codec import CodecId
from arcly_actors.media.mpegts.clock import RATE
from arcly_actors.media.mpegts.events import Unit
from arcly_actors.media.mpegts.piece import Piece
from arcly_actors.media.timebase import to_ns

_CUT: Final = 0xF000
"""A PES packet with a payload of about 64 KiB may be the first part of a picture that does not fit: senders that always
tell the length cut there, and give the rest no time."""

_H264_LEFT_OUT: Final = frozenset({9, 10, 11, 12})  # delimiter, ends of sequence and stream, filler
_H265_LEFT_OUT: Final = frozenset({35, 36, 37, 38})


class Pictures:
    """Access units of one stream. `counts`: ``unreadable``, ``untimed`` (what belongs to no picture), ``empty``."""

    def __init__(self, codec: CodecId, counts: Counter[str]) -> None:
        self._h265 = codec is CodecId.H265
        self._counts = counts
        self._held: Unit | None = None
        self._sets: tuple[tuple[bytes, ...], ...] = ()
        self.configuration = b""

    def push(self, unit: Unit) -> list[Piece]:
        """The pictures that are whole with this unit; one that could go on in the next one waits for it."""
        held, self._held = self._held, None
        cut = unit.bounded and len(unit.payload) >= _CUT
        if unit.pts is None:
            if held is None:
                self._counts["untimed"] += 1
                return []
            unit = held._replace(payload=held.payload + unit.payload)
            held = None
            if len(unit.payload) > limits.FRAME_BYTES:
                self._counts["too-large"] += 1
                return []
        pieces = [] if held is None else self._pieces(held)
        if cut:
            self._held = unit
            return pieces
        return pieces + self._pieces(unit)

    def flush(self) -> list[Piece]:
        """The stream is over."""
        held, self._held = self._held, None
        return [] if held is None else self._pieces(held)

    def _pieces(self, unit: Unit) -> list[Piece]:
        assert unit.pts is not None
        try:
            units = self._units(unit.payload)
            if not units:
                self._counts["empty"] += 1
                return []
            keyframe = hevc.opens(units) if self._h265 else avc.opens(units)
            self._learn(units)
        except PeerViolation:
            self._counts["unreadable"] += 1
            return []
        dts = unit.pts if unit.dts is None else unit.dts
        pts, dts = to_ns(unit.pts, RATE), to_ns(dts, RATE)
        return [Piece(nal.join(units), pts, dts, keyframe, self.configuration, unit.broken)]

    def _units(self, data: bytes) -> list[bytes]:
        units = nal.split_annex_b(data)
        if self._h265:
            return [unit for unit in units if len(unit) > 1 and unit[0] >> 1 & 0x3F not in _H265_LEFT_OUT]
        return [unit for unit in units if unit[0] & 0x1F not in _H264_LEFT_OUT]

    def _learn(self, units: list[bytes]) -> None:
        sets = hevc.parameter_sets(units) if self._h265 else avc.parameter_sets(units)
        if sets == self._sets or not all(sets):
            return
        if self._h265:
            self.configuration = hevc.write_configuration(*sets)
        else:
            self.configuration = avc.write_configuration(*sets)
        self._sets = sets
