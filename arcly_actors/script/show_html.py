"""A script's sequence diagram as one HTML page that loads nothing: lifelines, arrows, and what is marked."""

import html
from collections.abc import Iterator, Sequence
from itertools import pairwise

from arcly_actors.script.record import Script
from arcly_actors.script.show import Line, columns, diagram, facts

_LEFT, _STEP, _ROW, _TEXT = 92, 150, 22, 30
_GAP = 300_000_000
"""A pause of so many ns is shown as one."""

_TONES = {
    "KEY": "good", "RESUMED": "good", "PLI": "ask", "HELD": "warn", "LAG": "warn", "STALLED": "warn", "CLOCK": "warn",
    "RESTART": "warn", "LOST": "bad", "CRASH": "bad", "FAILED": "bad", "GAVE UP": "bad", "EVICTED": "bad",
    "CLOSED": "bad", "EXPECT": "ask",
}  # fmt: skip
_STYLE = """
:root{--ink:#1c2330;--dim:#768092;--line:#d8dde6;--paper:#fbfcfe;--head:#ffffffee;--flow:#3b6fd4;--bulk:#a9b4c6;--good:#1a8f5a;
--ask:#8a4fd0;--warn:#c27a00;--bad:#d03a3a}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9f2;--dim:#8d98ab;--line:#2c3442;--paper:#12161d;--head:#12161dee;
--flow:#7ea6f5;--bulk:#4a566a;--good:#4cc38a;--ask:#b794f6;--warn:#e5a93d;--bad:#f07171}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink)}
body{font:13px/1.45 ui-sans-serif,system-ui,sans-serif}
header{padding:22px 28px 10px}h1{font-size:19px;margin:0 0 8px}dl{display:flex;flex-wrap:wrap;gap:4px 26px;margin:0}
dl div{display:flex;gap:7px}dt{color:var(--dim)}dd{margin:0}
.names{position:sticky;top:0;background:var(--head);border-bottom:1px solid var(--line);height:38px;z-index:1}
.names b{position:absolute;top:8px;transform:translateX(-50%);padding:2px 10px;border-radius:11px;max-width:142px}
.names b{border:1px solid var(--line);font-weight:600;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.names b{background:var(--paper)}
svg{display:block;font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.life{stroke:var(--line)}.t{fill:var(--dim);text-anchor:end}.w{fill:var(--ink)}.bulk .w{fill:var(--dim)}
.a{stroke:var(--flow);stroke-width:1.6;fill:none;marker-end:url(#h)}.d{fill:var(--flow)}
.bulk .a{stroke:var(--bulk);stroke-dasharray:3 3;marker-end:url(#hb)}.bulk .d{fill:var(--bulk)}
.gap{fill:var(--dim);font-style:italic}.gapline{stroke:var(--line);stroke-dasharray:2 5}
.pill{rx:8;height:16px}.pt{fill:#fff;font-weight:700;font-size:10.5px;text-anchor:middle}
.good .pill,.good .band{fill:var(--good)}.ask .pill,.ask .band{fill:var(--ask)}.warn .pill,.warn .band{fill:var(--warn)}
.bad .pill,.bad .band{fill:var(--bad)}.band{opacity:.09}g:hover>.w{text-decoration:underline}
#h path{fill:var(--flow)}#hb path{fill:var(--bulk)}
"""


def page(script: Script) -> str:
    """The page."""
    names = columns(script)
    right = _LEFT + _STEP * (len(names) - 1) + 40
    rows = list(_placed(list(diagram(script))))
    height = (rows[-1][0] if rows else 0) + 2 * _ROW
    width = right + 760
    lives = "".join(
        f'<line class="life" x1="{_x(index)}" x2="{_x(index)}" y1="0" y2="{height}"/>' for index in range(len(names))
    )
    heads = "".join(
        f'<b style="left:{_x(index)}px" title="{html.escape(name)}">{html.escape(name)}</b>'
        for index, name in enumerate(names)
    )
    told = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts(script)
    )
    drawn = "".join(_row(y, line, right, width) for y, line in rows)
    title = html.escape(script.source)
    marker = '<marker id="{}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    markers = "".join(f'{marker.format(name)}<path d="M0 0 8 4 0 8z"/></marker>' for name in ("h", "hb"))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<header><h1>{title}</h1><dl>{told}</dl></header>"
        f'<main><div style="width:{width}px"><div class="names">{heads}</div>'
        f'<svg width="{width}" height="{height}"><defs>{markers}</defs>{lives}{drawn}</svg></div></main></html>\n'
    )


def _x(index: int) -> int:
    return _LEFT + 20 + _STEP * index


def _placed(lines: Sequence[Line]) -> Iterator[tuple[int, Line]]:
    """Each line with its height; a pause is a line of its own."""
    y = _ROW
    for before, line in pairwise([None, *lines]):
        if line is None:
            continue
        if before is not None and line.at - before.at > _GAP:
            yield y, Line(before.at, -1, -1, f"{(line.at - before.at) / 1e9:.2f} s")
            y += _ROW
        yield y, line
        y += _ROW


def _row(y: int, line: Line, right: int, width: int) -> str:
    if line.start < 0:
        return (
            f'<line class="gapline" x1="{_LEFT}" x2="{right}" y1="{y - 4}" y2="{y - 4}"/>'
            f'<text class="gap" x="{right + _TEXT}" y="{y}">{html.escape(line.text)} later</text>'
        )
    tone = _TONES.get(line.mark, "ask") if line.mark else ""
    parts = [
        f'<g class="{tone or ("bulk" if line.bulk else "")}">',
        f"<title>{html.escape(line.whole or line.text)}</title>",
    ]
    if tone:
        parts.append(f'<rect class="band" x="0" y="{y - 15}" width="{width}" height="{_ROW}"/>')
    parts.append(f'<text class="t" x="{_LEFT - 8}" y="{y}">{line.at / 1e9:.4f}</text>')
    start, end = _x(line.start), _x(line.end)
    if start == end:
        parts.append(f'<circle class="d" cx="{start}" cy="{y - 4}" r="4"/>')
    else:
        parts.append(f'<path class="a" d="M{start} {y - 4}H{end}"/>')
    x = right + _TEXT
    if line.mark:
        wide = 14 + 7 * len(line.mark)
        parts.append(f'<rect class="pill" x="{x}" y="{y - 12}" width="{wide}"/>')
        parts.append(f'<text class="pt" x="{x + wide / 2}" y="{y}">{html.escape(line.mark)}</text>')
        x += wide + 8
    parts.append(f'<text class="w" x="{x}" y="{y}">{html.escape(line.text)}</text></g>')
    return "".join(parts)
