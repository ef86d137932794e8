"""The RTMP benchmark's table, and whether its targets are met."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.case import Case, Measurement
from bench.tables import Column, Verdict, at_most, columns, milliseconds

CPU_TARGETS = {350: 0.10, 100: 0.13, 40: 0.26}
"""Latency class (p95 in ms) to CPU in ms per viewer-second."""
ONE_VIEWER_P95_MS = 5.0
FIRST_KEYFRAME_P50_MS, FIRST_KEYFRAME_MAX_MS = 8.0, 60.0
RSS_KB = 40.0
CROWD = 1000
GROWTH = 1.05
"""The cost per viewer may not grow from 200 to 1000 viewers; what two runs of the same differ by is allowed."""


@dataclass(frozen=True, slots=True)
class Row:
    """A case with what was measured: the server, and the floor where there is a C compiler."""

    case: Case
    server: Measurement
    floor: Measurement | None
    floor_flush_ms: float


_COLUMNS: Sequence[Column[Row]] = (
    ("viewers", lambda row: str(row.case.viewers)),
    ("class", lambda row: row.case.label),
    ("flush ms", lambda row: "default" if row.case.flush_ms is None else f"{row.case.flush_ms:g}"),
    ("CPU ms / viewer-s", lambda row: f"{row.server.cpu_ms:.3f}"),
    ("floor", lambda row: f"{row.floor.cpu_ms:.3f} @ {row.floor_flush_ms:g} ms" if row.floor else "–"),
    ("core %", lambda row: f"{row.server.cpu_share * 100:.0f}"),
    ("MB/s (expected)", lambda row: f"{row.server.delivered_mbs:.2f} ({row.server.expected_mbs:.2f})"),
    (
        "added p50 / p95 ms",
        lambda row: milliseconds(row.server.latency_p50_ms, row.server.latency_p95_ms),
    ),
    (
        "first keyframe p50 / max ms",
        lambda row: milliseconds(row.server.first_keyframe_p50_ms, row.server.first_keyframe_max_ms),
    ),
    ("RSS kB / viewer", lambda row: f"{row.server.rss_kb_per_viewer:.0f}"),
    ("lossless", lambda row: "yes" if row.server.lossless else "**no**"),
    ("client core %", lambda row: f"{row.server.client_cpu_share * 100:.0f}"),
)


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    return columns(_COLUMNS, rows)


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """Each target that these rows can judge."""
    found = [verdict for row in rows for verdict in _of_row(row)]
    by_viewers = {row.case.viewers: row.server.cpu_ms for row in rows if row.case.latency_class is None}
    if {200, CROWD} <= by_viewers.keys():
        few, many = by_viewers[200], by_viewers[CROWD]
        found.append(
            Verdict("CPU per viewer does not grow from 200 to 1000", f"{few:.3f} → {many:.3f} ms", many <= few * GROWTH)
        )
    lossy = [row.case for row in rows if not row.server.lossless]
    found.append(Verdict("no viewer loses a byte", f"{len(rows) - len(lossy)} of {len(rows)} cases lossless", not lossy))
    return found


def _of_row(row: Row) -> list[Verdict]:
    server, bound = row.server, row.case.latency_class
    found = []
    if row.case.viewers == 1 and bound is None:
        p95 = server.latency_p95_ms
        found.append(at_most("added latency with one viewer, p95", p95, ONE_VIEWER_P95_MS, "ms"))
    if row.case.viewers != CROWD:
        return found
    if bound is None:
        p50, slowest = server.first_keyframe_p50_ms, server.first_keyframe_max_ms
        found.append(at_most("first keyframe while 1000 join, p50", p50, FIRST_KEYFRAME_P50_MS, "ms"))
        found.append(at_most("first keyframe while 1000 join, max", slowest, FIRST_KEYFRAME_MAX_MS, "ms"))
        found.append(at_most("RSS per viewer", server.rss_kb_per_viewer, RSS_KB, "kB"))
    elif bound in CPU_TARGETS:
        found.append(at_most(f"class {bound} ms: added latency p95", server.latency_p95_ms, float(bound), "ms"))
        found.append(at_most(f"class {bound} ms: CPU per viewer-second", server.cpu_ms, CPU_TARGETS[bound], "ms"))
    return found
