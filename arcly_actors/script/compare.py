"""Comparing what a replay made with what a script says; specs/scripts/FORMAT.md tells what has to be equal.

Records are compared lane by lane: a lane is what one connection was sent, what its engine told and was told, the frames
of a stream, the events of a stream. A recorded engine's writes are compared as one row of bytes per connection, because
where a real socket cut them is its own affair; a settled script's are compared one by one, with their times.
"""

import itertools
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from arcly_actors.script.packets import timeless
from arcly_actors.script.record import Record, Script, digest
from arcly_actors.script.sent_datagrams import media_only, sockets_of, without_tail

NEIGHBOURS = 4
_TAIL = 250_000_000
"""In its last so many ns a recording may lack what a replay, which takes no time, has made already; or the other way."""

_SHOWN = 48
_PACKETS = ("rtp-out", "rtcp-out")
_DATE = re.compile(rb"(?<=\r\nDate: )[^\r]+")
"""When a response left, which a machine that was busy did later."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first difference: in which lane, what was expected, what came (None: nothing), what was around them."""

    lane: str
    expected: Record | None
    made: Record | None
    before: tuple[Record, ...]
    after: tuple[Record, ...]
    note: str = ""

    @property
    def at(self) -> int:
        """When, in ns from the beginning."""
        return min(record.at for record in (self.expected, self.made) if record is not None)

    def lines(self) -> list[str]:
        """As a diff: what both have, then what the script has (-) and what the replay made (+)."""
        return [
            f"{self.lane} goes another way at {self.at / 1e9:.6f} s{': ' if self.note else ''}{self.note}",
            *(f"    {shown(record)}" for record in self.before),
            f"  - {shown(self.expected)}",
            f"  + {shown(self.made)}",
            *(f"    {shown(record)}" for record in self.after),
        ]


def compare(script: Script, made: Sequence[Record]) -> Divergence | None:
    """The first difference in time, None when there is none."""
    if all(record.comes_in for record in script.records):
        return None  # a script that says nothing of what comes, but by what it expects
    expected, found = _lanes(script, script.records), _lanes(script, made)
    by_bytes = not script.head.exact
    sockets = sockets_of(script.records)
    ends = {record.who: record.at for record in reversed(script.records) if record.kind in ("eof", "lost", "shut")}
    divergences = []
    for lane in dict.fromkeys((*expected, *found)):
        ours, theirs = expected.get(lane, []), found.get(lane, [])
        on = sockets.get((ours or theirs)[0].who)
        if by_bytes and on is not None:
            ours, theirs = without_tail(media_only(ours, on), media_only(theirs, on))
            _end_alike(ours, theirs, script.duration_ns - _TAIL, "sent")
        if by_bytes and (on is not None or lane.endswith(" is sent")):
            _shut_alike(ours, theirs, script.duration_ns - _TAIL)
            end = ends.get((ours or theirs)[0].who, script.duration_ns) if ours or theirs else 0
            difference = _differ_in_bytes(lane, ours, theirs, end - _TAIL)
        else:
            if by_bytes:
                _end_alike(ours, theirs, script.duration_ns - _TAIL)
            difference = _differ(lane, ours, theirs, exact=script.head.exact)
        if difference is not None:
            divergences.append(difference)
    return min(divergences, key=lambda each: each.at, default=None)


def _end_alike(ours: list[Record], theirs: list[Record], end: int, kind: str = "") -> None:
    """Leave out what only one of the two has at the end, of one kind or any, when a recording was broken off."""
    for records, others in ((ours, theirs), (theirs, ours)):
        while records and records[-1].at >= end and len(records) > len(others) and records[-1].kind.endswith(kind):
            records.pop()


def _shut_alike(ours: list[Record], theirs: list[Record], end: int) -> None:
    """Leave out that only one of the two has closed at the end."""
    for records, others in ((ours, theirs), (theirs, ours)):
        last = records[-1] if records else None
        if last is not None and last.kind == "shut" and last.at >= end and not (others and others[-1].kind == "shut"):
            records.pop()


def _size(record: Record) -> int:
    return len(record.data) if record.data is not None else int(record.get("size", 0))


def shown(record: Record | None) -> str:
    """A record as a line for a person."""
    if record is None:
        return "(nothing)"
    fields = " ".join(f"{name}={value}" for name, value in record.fields.items() if name not in ("hash", "size"))
    payload = ""
    if record.data is not None:
        dots = "…" if len(record.data) > _SHOWN else ""
        payload = f" {len(record.data)} bytes {record.data[:_SHOWN].hex()}{dots}"
    elif "size" in record.fields:
        payload = f" {record.fields['size']} bytes #{str(record.fields.get('hash', ''))[:12]}"
    line = f" (line {record.line})" if record.line else ""
    return f"{record.at / 1e9:11.6f} {record.kind} {fields[:400]}{payload}{line}"


def _lanes(script: Script, records: Iterable[Record]) -> dict[str, list[Record]]:
    by_frames: dict[str, int] = {}  # with how many seats were taken before
    for record in script.records:
        if record.kind == "publish":
            by_frames.setdefault(record.fields["key"], record.get("seats", 0))
    exact = script.head.exact
    viewers: dict[str, set[object]] = {}
    for record in script.records if exact else records:  # which numbers they have is a matter of who was first
        if record.kind == "view" and "number" in record.fields:
            viewers.setdefault(record.fields["key"], set()).add(record.fields["number"])
    seats = {} if exact else _seats(records)
    lanes: dict[str, list[Record]] = {}
    for record in records if exact else _loosened(script, records):
        if record.comes_in:
            continue
        lane = _lane(record, loosely=not exact)
        if record.kind == "event":
            if _of_others(record, by_frames.get(_key(record)), viewers.get(_key(record), ())):
                continue
            seat = seats.get((_key(record), _number(record)))
            if seat is not None:
                lane = f"the events of {_key(record)}: {seat}"
        lanes.setdefault(lane, []).append(record)
    return lanes


def _seats(records: Iterable[Record]) -> dict[tuple[str, object], str]:
    """Whose seat each number is."""
    return {
        (_key(record), _number(record)): f"{told['protocol']} {told['peer']}"
        for record in records
        if record.get("what") == "SubscriberJoined" and (told := record.fields["with"])
    }


def _number(record: Record) -> int | None:
    """The seat that an event tells of; None where it tells of none."""
    told = record.get("with", {})
    number = told.get("number") if isinstance(told, dict) else None
    return number if isinstance(number, int) else None


def _loosened(script: Script, records: Iterable[Record]) -> Iterator[Record]:
    """What of a recording, and so of its replay, is the same whatever delays its machine had."""
    kept = all(record.data is not None for record in script.records if record.kind in (*_PACKETS, "out"))
    left = {record.who for record in script.records if record.kind in ("eof", "lost")}
    for record in records:
        if record.kind in _PACKETS:
            loose = timeless(record) if kept else None
            if loose is not None:
                yield loose
        elif record.kind == "shut" and record.who in left:
            pass  # whether it or its peer was first is a matter of microseconds
        elif kept and record.kind == "out" and record.data is not None and record.data.startswith(b"HTTP/1."):
            yield replace(record, data=_DATE.sub(lambda date: b"-" * len(date[0]), record.data, count=1))
        elif record.kind != "seen":
            yield record


def _of_others(record: Record, seats: int | None, viewers: Container[object]) -> bool:
    """Whether an event tells of somebody whose part is played by another, or of a viewer from before."""
    number = _number(record)
    if number is not None:
        return number in viewers or (seats is not None and number <= seats)
    return seats is not None and str(record.get("what")).startswith("Publish")


def _key(record: Record) -> str:
    """Which stream an event or a frame belongs to."""
    told = record.get("with", {})
    return str(record.get("key") or (told.get("key") if isinstance(told, dict) else "") or "")


def _lane(record: Record, *, loosely: bool) -> str:
    if record.kind in ("out", "sent", "shut"):
        return f"what {record.who} is sent"
    if record.kind == "request":
        return f"what {record.who} asks over HTTP"
    if record.kind == "dial":
        return f"what {record.who.rpartition('-')[0]} dials"
    if record.kind in _PACKETS:
        source = (record.data or b"")[8:12].hex() if record.kind == "rtp-out" and loosely else ""
        return f"the {record.kind.partition('-')[0].upper()} to {record.who}{' of ' if source else ''}{source}"
    if record.kind in ("told", "asked"):
        return f"the session of {record.who}"
    if record.kind in ("frame", "tracks"):
        return f"the stream {record.get('key')}"
    if record.kind == "seen":
        return f"what {record.who} sees"
    return f"the events of {_key(record) or 'the engine'}"


def _same(one: Record, other: Record, *, exact: bool) -> bool:
    if one.kind != other.kind or (exact and one.at != other.at):
        return False
    if (one.data is None) != (other.data is None):
        one, other = one.hashed(), other.hashed()
    fields, others = (record.fields if exact else _steady(record) for record in (one, other))
    return fields == others and one.data == other.data


def _steady(record: Record) -> dict[str, Any]:
    """The fields of a recorded outcome without what depends on how fast its machine was: what a socket did not take at
    once, and the number of a seat, which tells who was first.
    """
    fields = {name: value for name, value in record.fields.items() if name != "left"}
    told = fields.get("with")
    if record.kind == "event" and isinstance(told, dict):
        fields["with"] = {name: value for name, value in told.items() if name != "number"}
    return fields


def _differ(lane: str, ours: Sequence[Record], theirs: Sequence[Record], *, exact: bool) -> Divergence | None:
    for index, (one, other) in enumerate(itertools.zip_longest(ours, theirs)):
        if one is None or other is None or not _same(one, other, exact=exact):
            before = tuple(ours[max(0, index - NEIGHBOURS) : index])
            return Divergence(lane, one, other, before, tuple(ours[index + 1 : index + 1 + NEIGHBOURS]))
    return None


def _differ_in_bytes(lane: str, ours: Sequence[Record], theirs: Sequence[Record], end: int) -> Divergence | None:
    """Bytes without regard to how they were cut; where only digests were kept, writes as they were. From `end` on one may
    have more than the other: who was closing was or was not sent a last write.
    """
    if any(record.data is None for record in ours if record.kind == "out"):
        return _differ_by_digest(lane, ours, theirs, end)
    at = _in_common(_writes(ours), _writes(theirs))
    one, other = _at(ours, at), _at(theirs, at)
    rest = one or other
    if rest is None or ((one is None or other is None) and rest.at >= end):
        return _differ(lane, _others(ours), _others(theirs), exact=False)
    index = ours.index(one) if one is not None else len(ours)
    before, after = tuple(ours[max(0, index - NEIGHBOURS) : index]), tuple(ours[index + 1 : index + 1 + NEIGHBOURS])
    said, came = (_joined(records)[at : at + 16].hex() or "the end" for records in (ours, theirs))
    note = f"byte {at}: {said} in the script, {came} made"
    return Divergence(lane, one, other, before, after, note)


def _in_common(ours: Iterator[bytes], theirs: Iterator[bytes]) -> int:
    """How many bytes two rows of writes begin alike with, however they are cut; none of them is joined for that."""
    position = 0
    one = other = b""
    while True:
        one, other = one or next(ours, b""), other or next(theirs, b"")
        size = min(len(one), len(other))
        if not size or one[:size] != other[:size]:
            return position + _first_difference(one, other)
        position += size
        one, other = one[size:], other[size:]


def _first_difference(one: bytes, other: bytes) -> int:
    """Where two differ, or where the shorter ends."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _differ_by_digest(lane: str, ours: Sequence[Record], theirs: Sequence[Record], end: int) -> Divergence | None:
    """The replay's bytes are cut as the script's were, then compared by their digests."""
    made, start = _joined(theirs), 0
    for index, one in enumerate(record for record in ours if record.kind == "out"):
        size = _size(one)
        part = made[start : start + size]
        start += size
        if len(part) < size and one.at >= end:
            return None
        if digest(part) != (one.get("hash") if one.data is None else digest(one.data)):
            before = tuple(ours[max(0, index - NEIGHBOURS) : index])
            return Divergence(lane, one, _at(theirs, start - size), before, (), "another digest")
    return None


def _joined(records: Sequence[Record]) -> bytes:
    return b"".join(_writes(records))


def _writes(records: Sequence[Record]) -> Iterator[bytes]:
    return (record.data for record in records if record.kind == "out" and record.data)


def _others(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.kind != "out"]


def _at(records: Sequence[Record], position: int) -> Record | None:
    for record in records:
        size = len(record.data or b"") if record.kind == "out" else 0
        if position < size:
            return record
        position -= size
    return None
