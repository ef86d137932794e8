"""A small reader of fragmented MP4 (ISO/IEC 14496-12 §8.8), for what the engine's HLS origin sends."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from arcly_actors.clock import NS_PER_S
from arcly_actors.media.codec import Kind

_INSIDE = frozenset({b"moov", b"trak", b"mdia", b"moof", b"traf"})
_KINDS = {b"vide": Kind.VIDEO, b"soun": Kind.AUDIO}
_NON_SYNC = 0x0001_0000


class Sample(NamedTuple):
    """One frame: its DTS in ns, and whether it is a sync sample."""

    kind: Kind
    dts: int
    keyframe: bool
    payload: bytes


@dataclass(slots=True)
class _Lane:
    rate: int
    kind: Kind


class Fmp4:
    """The tracks of an initialisation segment."""

    def __init__(self, init: bytes) -> None:
        self._lanes: dict[int, _Lane] = {}
        number = rate = 0
        for kind, _, body in _boxes(init):
            if kind == b"tkhd":
                number = _number(body, 20 if body[0] else 12)
            elif kind == b"mdhd":
                rate = _number(body, 20 if body[0] else 12)
            elif kind == b"hdlr" and body[8:12] in _KINDS:
                self._lanes[number] = _Lane(rate, _KINDS[body[8:12]])

    @property
    def kinds(self) -> frozenset[Kind]:
        """Which it has."""
        return frozenset(lane.kind for lane in self._lanes.values())

    def samples(self, segment: bytes) -> list[Sample]:
        """The frames of a media segment, each track's in order, by their DTS."""
        made: list[Sample] = []
        moof = track = dts = size = flags = duration = 0
        for kind, start, body in _boxes(segment):
            if kind == b"moof":
                moof = start
            elif kind == b"tfhd":
                track, duration, size, flags = _defaults(body)
            elif kind == b"tfdt":
                dts = int.from_bytes(body[4:12]) if body[0] else _number(body, 4)
            elif kind == b"trun":
                lane = self._lanes[track]
                for sample in _run(body, duration, size, flags):
                    at = moof + sample.start
                    time = dts * NS_PER_S // lane.rate
                    keyframe = not sample.flags & _NON_SYNC
                    made.append(Sample(lane.kind, time, keyframe, segment[at : at + sample.size]))
                    dts += sample.duration
        return sorted(made, key=lambda sample: sample.dts)


class _Listed(NamedTuple):
    start: int
    duration: int
    size: int
    flags: int


def _defaults(body: bytes) -> tuple[int, int, int, int]:
    told, at = _number(body, 0) & 0xFFFFFF, 8
    at += (8 if told & 0x1 else 0) + (4 if told & 0x2 else 0)
    found = []
    for bit in (0x8, 0x10, 0x20):
        found.append(_number(body, at) if told & bit else 0)
        at += 4 if told & bit else 0
    return _number(body, 4), found[0], found[1], found[2]


def _run(body: bytes, duration: int, size: int, flags: int) -> Iterator[_Listed]:
    told, count, at = _number(body, 0) & 0xFFFFFF, _number(body, 4), 8
    start = _number(body, at) if told & 0x1 else 0
    at += 4 if told & 0x1 else 0
    first = _number(body, at) if told & 0x4 else flags
    at += 4 if told & 0x4 else 0
    for index in range(count):
        values = [duration, size, first if index == 0 else flags, 0]
        for place, bit in enumerate((0x100, 0x200, 0x400, 0x800)):
            if told & bit:
                values[place] = _number(body, at)
                at += 4
        yield _Listed(start, *values[:3])
        start += values[1]


def _boxes(data: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, bytes]]:
    """Each box with its start, containers before what is in them; KeyError, if anything, for what we did not write."""
    end = len(data) if end is None else end
    while at + 8 <= end:
        size, kind = _number(data, at), data[at + 4 : at + 8]
        size = int.from_bytes(data[at + 8 : at + 16]) if size == 1 else size
        yield kind, at, b"" if kind in _INSIDE or kind == b"mdat" else data[at + 8 : at + size]
        if kind in _INSIDE:
            yield from _boxes(data, at + 8, at + size)
        at += max(size, 8)


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4])
