"""A script as a sequence diagram: actors as columns, time downwards, for a terminal or as HTML (`show_html`)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.script.packets import asks
from arcly_actors.script.record import Record, Script

_NARROW, _WIDE = 9, 18
_PICTURES = frozenset(codec.value for codec in CodecId if codec.kind is Kind.VIDEO)
_MARKS = {
    "KeyframeRequested": "PLI",
    "SubscriberLagged": "LAG",
    "SubscriberEvicted": "EVICTED",
    "ActorRestarted": "RESTART",
    "ActorGaveUp": "GAVE UP",
    "Failed": "FAILED",
    "PublishHeld": "HELD",
    "PublishResumed": "RESUMED",
}
_OF_RECORDS = {"crash": "CRASH", "closed": "CLOSED", "clock": "CLOCK", "expect": "EXPECT"}
_COUNTED = {
    "in": "read", "out": "written", "frame": "frame", "send": "frame sent", "seen": "frame seen",
    "datagram": "datagram in", "sent": "datagram out", "rtp-in": "RTP in", "rtp-out": "RTP out", "rtcp-in": "RTCP in",
    "rtcp-out": "RTCP out",
}  # fmt: skip
"""Of which those that nothing marks are counted together, and how one is called."""

_OUTWARD = frozenset({"dial", "request", "out", "shut", "sent", "rtp-out", "rtcp-out"})
_SILENT = frozenset({"draw", "end", "time"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the diagram: when, from which column to which (the same: beside it), what, and whether it is marked.

    `bulk`: several media together. `whole` is the text uncut, where it was cut.
    """

    at: int
    start: int
    end: int
    text: str
    mark: str = ""
    bulk: bool = False
    whole: str = ""


def facts(script: Script) -> list[tuple[str, str]]:
    """What there is to say of a script as a whole: names and values."""
    came = sum(record.comes_in for record in script.records)
    told = [("stream", script.head.key or "everything"), ("length", f"{script.duration_ns / 1e9:.3f} s")]
    told.append(("records", f"{came} in, {len(script.records) - came} out"))
    told += [(name.replace("_", " "), str(value)) for name, value in script.head.provenance.items()]
    ends = [str(record.get("reason")) for record in script.records if record.kind == "end" and "reason" in record.fields]
    return [*told, *(("ended", reason) for reason in ends)]


def columns(script: Script) -> list[str]:
    """The actors: the engine first, then streams, connections, publishers and viewers as they appear."""
    found = dict.fromkeys(("engine",))
    for record in script.records:
        for name in (_stream(record), record.who):
            if name:
                found.setdefault(name)
    return list(found)


def diagram(script: Script) -> Iterator[Line]:
    """Its lines; media that nothing marks are counted together."""
    names = {name: index for index, name in enumerate(columns(script))}
    quiet: dict[tuple[int, int, str], list[int]] = {}
    pictures: set[object] = set()
    for record in script.records:
        if record.kind == "tracks":
            pictures |= {each.get("id") for each in record.fields["tracks"] if each.get("codec") in _PICTURES}
        drawn = _line(record, names, pictures)
        if drawn is None:
            continue
        if not drawn.mark and record.kind in _COUNTED:
            counted = quiet.setdefault((drawn.start, drawn.end, record.kind), [record.at, 0, 0])
            counted[1] += 1
            counted[2] += _size(record)
            continue
        yield from _counted(quiet)
        quiet = {}
        yield drawn
    yield from _counted(quiet)


def text(script: Script) -> Iterator[str]:
    """The diagram for a terminal of any width; a marked line ends with its mark in brackets."""
    names = columns(script)
    widths = [min(max(_NARROW, len(name) + 2), _WIDE) for name in names]
    starts = [sum(widths[:index]) for index in range(len(widths))]
    yield " " * 11 + "".join(name[: width - 1].ljust(width) for name, width in zip(names, widths, strict=True)).rstrip()
    for line in diagram(script):
        mark = f"  [{line.mark}]" if line.mark else ""
        yield f"{line.at / 1e9:10.4f} {_arrow(line, starts)}  {line.text}{mark}"


def page(script: Script) -> str:
    """The diagram as one HTML page that loads nothing."""
    from arcly_actors.script.show_html import page as made  # noqa: PLC0415 - it is built on this module

    return made(script)


def _arrow(line: Line, starts: list[int]) -> str:
    row = [" "] * (starts[-1] + 1)
    for start in starts:
        row[start] = "│"
    low, high = sorted((starts[line.start], starts[line.end]))
    if low == high:
        row[low] = "●"
        return "".join(row)
    row[low + 1 : high] = "─" * (high - low - 1)
    row[high - 1 if line.end > line.start else low + 1] = "▶" if line.end > line.start else "◀"
    return "".join(row)


def _line(record: Record, names: dict[str, int], pictures: set[object]) -> Line | None:
    who = names.get(record.who, 0)
    stream = names.get(_stream(record), 0)
    kind, what = record.kind, str(record.get("what", ""))
    if kind in _SILENT:
        return None
    if kind == "expect":
        return _said(record, who, who, str(record.fields["expect"]), _rest(record, "expect"), "EXPECT")
    if kind == "tracks" and not record.who:
        return Line(record.at, stream, stream, "tracks")
    if kind == "event":
        return _said(record, 0, stream, what, _told(record), _MARKS.get(what, ""))
    if kind in ("told", "asked"):
        start, end = (who, 0) if kind == "told" else (0, who)
        return _said(record, start, end, what, _told(record))
    if kind in ("frame", "send", "seen"):
        key = bool(record.get("keyframe")) and record.get("track") in pictures
        start, end = (stream, stream) if kind == "frame" else ((who, 0) if kind == "send" else (0, who))
        time = f"{record.get('dts', 0) / 1e9:.3f} s"
        return Line(record.at, start, end, f"track {record.get('track')} at {time}", "KEY" if key else "")
    start, end = (0, who) if kind in _OUTWARD else (who, 0)
    mark = _OF_RECORDS.get(kind, "LOST" if kind == "lost" and "error" in record.fields else "")
    if kind in ("rtcp-in", "rtcp-out"):
        mark = asks(record.data)
    return _said(record, start, end, kind, _rest(record), mark or ("STALLED" if "left" in record.fields else ""))


def _said(record: Record, start: int, end: int, what: str, rest: str, mark: str = "") -> Line:
    whole = f"{what} {rest}".strip()
    short = whole if len(whole) <= 120 else f"{whole[:119]}…"
    return Line(record.at, start, end, short, mark, whole=whole[:4000])


def _counted(quiet: dict[tuple[int, int, str], list[int]]) -> Iterator[Line]:
    for (start, end, kind), (at, count, size) in quiet.items():
        amount = f"{size} bytes" if size < 10_000 else f"{size / 1000:.0f} kB"
        yield Line(at, start, end, f"{count} × {_COUNTED[kind]}, {amount}", bulk=True)


def _stream(record: Record) -> str:
    told = record.get("with", {})
    return str(record.get("key") or (told.get("key") if isinstance(told, dict) else "") or "")


def _told(record: Record) -> str:
    told = record.get("with", {})
    return _joined((name, value) for name, value in told.items() if name != "key") if isinstance(told, dict) else ""


def _rest(record: Record, *more: str) -> str:
    hidden = ("who", "key", "tracks", "turns", "hash", "size", *more)
    return _joined((name, value) for name, value in record.fields.items() if name not in hidden)


def _joined(fields: Iterable[tuple[str, object]]) -> str:
    return " ".join(f"{name}={_value(name, value)}" for name, value in fields if value not in ("", {}, None))


def _value(name: str, value: object) -> str:
    if name.endswith("_ns") and isinstance(value, int):
        return f"{value / 1e9:g}s"
    return str(value)


def _size(record: Record) -> int:
    return len(record.data) if record.data is not None else int(record.get("size", 0))
