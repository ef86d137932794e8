"""The RTSP benchmark's table, and whether its targets are met."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.case import Measurement
from bench.rtsp.case import RtspCase
from bench.tables import Column, Verdict, at_most, columns, milliseconds

CPU_TARGETS = {"tcp": 0.15, "udp": 0.6}
"""Transport to CPU in ms per viewer-second, at `CROWD` viewers."""
CROWD = 500
LATENCY_P95_MS = 100.0


@dataclass(frozen=True, slots=True)
class Row:
    """A case with what was measured: the server, and the floor where there is a C compiler."""

    case: RtspCase
    server: Measurement
    floor: Measurement | None
    floor_flush_ms: float

    @property
    def times_floor(self) -> float | None:
        """The server's CPU in floors."""
        return self.server.cpu_ms / self.floor.cpu_ms if self.floor and self.floor.cpu_ms else None


_COLUMNS: Sequence[Column[Row]] = (
    ("viewers", lambda row: str(row.case.viewers)),
    ("transport", lambda row: row.case.transport.upper()),
    ("CPU ms / viewer-s", lambda row: f"{row.server.cpu_ms:.3f}"),
    ("floor", lambda row: f"{row.floor.cpu_ms:.3f} @ {row.floor_flush_ms:g} ms" if row.floor else "–"),
    ("× floor", lambda row: "–" if row.times_floor is None else f"{row.times_floor:.1f}"),
    ("core %", lambda row: f"{row.server.cpu_share * 100:.0f}"),
    ("MB/s (expected)", lambda row: f"{row.server.delivered_mbs:.2f} ({row.server.expected_mbs:.2f})"),
    ("added p50 / p95 / max ms", lambda row: _latency(row.server)),
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
    if row.case.viewers != CROWD:
        return []
    name = f"{CROWD} viewers over {row.case.transport.upper()}: "
    bound = CPU_TARGETS[row.case.transport]
    return [
        at_most(f"{name}CPU per viewer-second", row.server.cpu_ms, bound, "ms"),
        at_most(f"{name}added latency p95", row.server.latency_p95_ms, LATENCY_P95_MS, "ms"),
    ]


def _latency(measured: Measurement) -> str:
    return milliseconds(measured.latency_p50_ms, measured.latency_p95_ms, measured.latency_max_ms)
