"""Metadata as MPEG-TS carries it: KLV (SMPTE ST 336 in MISB ST 1402), ID3 (timed metadata of HLS), SCTE 35 sections."""

from collections import Counter
from typing import Final

from arcly_actors import limits
from arcly_actors.media.mpegts.clock import RATE
from arcly_actors.media.mpegts.events import Unit
from arcly_actors.media.mpegts.kinds import Carriage
from arcly_actors.media.mpegts.piece import Piece
from arcly_actors.media.timebase import to_ns

_CELL: Final = 5


class Metadata:
    """Messages of one stream, each with its time: its own, or that of the programme when it came.

    Of a splice section DTS is when it came and PTS when it is to happen, if it says so. `counts`: ``unreadable``,
    ``untimed`` (nothing has told the programme's time yet).
    """

    def __init__(self, carriage: Carriage, counts: Counter[str]) -> None:
        self._cells = carriage is Carriage.METADATA_CELLS
        self._counts = counts
        self._open = b""
        self.configuration = b""

    def push(self, unit: Unit) -> list[Piece]:
        """The messages that are whole with this unit."""
        dts = unit.dts if unit.dts is not None else unit.now
        if dts is None:
            self._counts["untimed"] += 1
            return []
        pts = max(dts, unit.pts if unit.pts is not None else dts)
        if unit.lost:
            self._open = b""
        messages = self._messages(unit.payload) if self._cells else [unit.payload]
        return [Piece(message, to_ns(pts, RATE), to_ns(dts, RATE), broken=unit.broken) for message in messages if message]

    def flush(self) -> list[Piece]:
        """What is cut is lost."""
        return []

    def _messages(self, data: bytes) -> list[bytes]:
        """Metadata access unit cells (ISO/IEC 13818-1 §2.12.4.2): whole (3), first (2), last (1) or amid (0)."""
        found: list[bytes] = []
        at = 0
        while at + _CELL <= len(data) and len(found) < limits.TS_UNITS:
            size = data[at + 3] << 8 | data[at + 4]
            content = data[at + _CELL : at + _CELL + size]
            place, at = data[at + 2] >> 6, at + _CELL + size
            if len(content) < size:
                self._counts["unreadable"] += 1
                self._open = b""
                break
            if place == 3:
                found.append(content)
            elif place == 2:
                self._open = content
            elif self._open and len(self._open) + size <= limits.FRAME_BYTES:
                self._open += content
                if place == 1:
                    found.append(self._open)
                    self._open = b""
            else:
                self._counts["unreadable"] += 1
        return found
