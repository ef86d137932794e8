"""A script as a sequence diagram: actors as columns, time downwards, for a terminal or as HTML."""

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.script.packets import asks
from arcly_actors.script.record import Record, Script

_WIDTH = 18
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


_COUNTED = frozenset(
    {"in", "out", "datagram", "sent", "frame", "send", "seen", "rtp-in", "rtp-out", "rtcp-in", "rtcp-out"}
)
"""Of which those that nothing marks are counted together."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the diagram: when, from which column to which (the same: beside it), what, and whether it is marked."""

    at: int
    start: int
    end: int
    text: str
    mark: str = ""


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
    yield " " * 11 + "".join(name[: _WIDTH - 1].ljust(_WIDTH) for name in names)
    for line in diagram(script):
        yield f"{line.at / 1e9:10.4f} {_arrow(line, len(names))}  {line.text}{f'  [{line.mark}]' if line.mark else ''}"


def page(script: Script) -> str:
    """The diagram as one HTML page that loads nothing."""
    names = columns(script)
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    rows = "".join(_row(line, len(names)) for line in diagram(script))
    title = html.escape(script.source)
    style = (
        "body{font:13px monospace}table{border-collapse:collapse}th,td{min-width:8em;border-left:1px solid #bbb;"
        "padding:1px 6px;text-align:left}td.l{border-bottom:2px solid #36c}tr.m td{background:#fe9}"
        "th{position:sticky;top:0;background:#fff}"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{style}</style>'
        f"<h1>{title}</h1><table><tr><th>s</th>{heads}<th></th></tr>{rows}</table></html>\n"
    )


def _row(line: Line, count: int) -> str:
    low, high = sorted((line.start, line.end))
    cells = "".join(
        f'<td class="{"l" if low <= index <= high else ""}">{_head(line, index)}</td>' for index in range(count)
    )
    said = html.escape(f"{line.text} {line.mark}")
    return f'<tr class="{"m" if line.mark else ""}"><td>{line.at / 1e9:.4f}</td>{cells}<td>{said}</td></tr>'


def _head(line: Line, index: int) -> str:
    if index != line.end:
        return ""
    return "●" if line.start == line.end else ("▶" if line.end > line.start else "◀")


def _arrow(line: Line, count: int) -> str:
    cells = ["|".ljust(_WIDTH) for _ in range(count)]
    row = list("".join(cells))
    low, high = sorted((line.start, line.end))
    if low == high:
        row[low * _WIDTH] = "*"
        return "".join(row)
    for at in range(low * _WIDTH + 1, high * _WIDTH):
        row[at] = "-"
    row[line.end * _WIDTH + (-1 if line.end > line.start else 1)] = ">" if line.end > line.start else "<"
    return "".join(row)


def _line(record: Record, names: dict[str, int], pictures: set[object]) -> Line | None:
    who = names.get(record.who, 0)
    stream = names.get(_stream(record), 0)
    kind, what = record.kind, str(record.get("what", ""))
    if kind in ("draw", "end", "expect"):
        return None
    if kind == "event":
        return Line(record.at, 0, stream, f"{what} {_told(record)}".strip(), _MARKS.get(what, ""))
    if kind in ("told", "asked"):
        start, end = (who, 0) if kind == "told" else (0, who)
        return Line(record.at, start, end, f"{what} {_told(record)}".strip())
    if kind in ("frame", "send", "seen"):
        key = bool(record.get("keyframe")) and record.get("track") in pictures
        start, end = (stream, stream) if kind == "frame" else ((who, 0) if kind == "send" else (0, who))
        return Line(record.at, start, end, f"track {record.get('track')} dts {record.get('dts')}", "KEY" if key else "")
    start, end = (0, who) if kind in ("out", "sent", "shut", "rtp-out", "rtcp-out") else (who, 0)
    mark = {
        "crash": "CRASH",
        "lost": "LOST" if "error" in record.fields else "",
        "closed": "CLOSED",
        "clock": "CLOCK",
        "rtcp-in": asks(record.data),
        "rtcp-out": asks(record.data),
    }.get(kind, "")
    return Line(
        record.at, start, end, f"{kind} {_rest(record)}".strip(), mark or ("STALLED" if "left" in record.fields else "")
    )


def _counted(quiet: dict[tuple[int, int, str], list[int]]) -> Iterator[Line]:
    for (start, end, kind), (at, count, size) in quiet.items():
        yield Line(at, start, end, f"{count} x {kind}, {size} bytes")


def _stream(record: Record) -> str:
    told = record.get("with", {})
    return str(record.get("key") or (told.get("key") if isinstance(told, dict) else "") or "")


def _told(record: Record) -> str:
    told = record.get("with", {})
    return _joined(told.items()) if isinstance(told, dict) else ""


def _rest(record: Record) -> str:
    hidden = ("who", "key", "tracks", "turns", "hash", "size")
    return _joined((name, value) for name, value in record.fields.items() if name not in hidden)


def _joined(fields: Iterable[tuple[str, object]]) -> str:
    return " ".join(f"{name}={str(value)[:40]}" for name, value in fields if value not in ("", {}, None))[:160]


def _size(record: Record) -> int:
    return len(record.data) if record.data is not None else int(record.get("size", 0))
