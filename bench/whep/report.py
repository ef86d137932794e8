"""The WHEP benchmark's table, and whether its targets are met."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.case import Measurement
from bench.tables import Column, Verdict, at_most, columns, milliseconds
from bench.whep.case import WhepCase

CPU_TARGETS = {2600: 1.3, 600: 0.8}
"""Video in kb/s to CPU in ms per viewer-second, from `CROWD` viewers on."""
CROWD = 100
LATENCY_P95_MS = 10.0
RSS_KB = 150.0


@dataclass(frozen=True, slots=True)
class Row:
    """A case with what was measured: the server, and the floor where there is one."""

    case: WhepCase
    server: Measurement
    floor: Measurement | None


_COLUMNS: Sequence[Column[Row]] = (
    ("viewers", lambda row: str(row.case.viewers)),
    ("video kb/s", lambda row: str(row.case.kilobits)),
    ("SRTP", lambda row: {"gcm": "AES-GCM", "cm": "AES-CM"}[row.case.profiles]),
    ("CPU ms / viewer-s", lambda row: f"{row.server.cpu_ms:.2f}"),
    ("floor", lambda row: f"{row.floor.cpu_ms:.2f}" if row.floor else "–"),
    ("core %", lambda row: f"{row.server.cpu_share * 100:.0f}"),
    ("Mb/s", lambda row: f"{row.server.delivered_mbs * 8:.1f}"),
    ("added p50 / p95 / max ms", lambda row: _latency(row.server)),
    ("floor's", lambda row: _latency(row.floor) if row.floor else "–"),
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
    lossy = sum(not row.server.lossless for row in rows)
    return [*found, Verdict("no viewer loses a packet", f"{len(rows) - lossy} of {len(rows)} cases lossless", not lossy)]


def _of_row(row: Row) -> list[Verdict]:
    case, server = row.case, row.server
    if case.viewers < CROWD or case.profiles != "gcm":
        return []
    name = f"{case.viewers} viewers, {case.kilobits} kb/s: "
    found = [at_most(f"{name}CPU per viewer-second", server.cpu_ms, CPU_TARGETS[case.kilobits], "ms")]
    if case.kilobits == max(CPU_TARGETS):
        found.append(at_most(f"{name}RSS per viewer", server.rss_kb_per_viewer, RSS_KB, "kB"))
        if case.viewers == CROWD:
            found.append(at_most(f"{name}added latency p95", server.latency_p95_ms, LATENCY_P95_MS, "ms"))
    return found


def _latency(measured: Measurement) -> str:
    return milliseconds(measured.latency_p50_ms, measured.latency_p95_ms, measured.latency_max_ms)
