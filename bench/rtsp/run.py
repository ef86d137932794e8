"""`python -m bench rtsp`: the ladder of viewers over TCP, and again over UDP."""

import time
from collections.abc import Sequence

from bench.case import Measurement
from bench.clip import FPS
from bench.machine import this_machine
from bench.outcome import Outcome
from bench.rtmp import complain, introduce, prepare_bench
from bench.rtsp.case import RtspCase, measure_floor, measure_server
from bench.rtsp.report import Row, table, verdicts

TRANSPORTS = ("tcp", "udp")


def cases(viewers: Sequence[int], transport: str, seconds: float) -> list[RtspCase]:
    """The cases of a run, over "tcp", "udp" or "both"."""
    ways = TRANSPORTS if transport == "both" else (transport,)
    return [RtspCase(count, way, seconds) for way in ways for count in viewers]


def run(planned: Sequence[RtspCase], server_command: Sequence[str], *, save: bool) -> bool:
    """Measure the cases and print them; True when no viewer of any case lost anything."""
    started, machine = time.monotonic(), this_machine()
    # A connection and a pair of ports for each.
    bench = prepare_bench(3 * max(case.viewers for case in planned), server_command)
    introduce(machine, bench)
    rows = []
    for case in planned:
        server = measure_server(case, bench)
        flush = _shown_interval(server)
        row = Row(case, server, measure_floor(case, flush, bench), flush)
        rows.append(row)
        print(table([row]).splitlines()[-1], flush=True)
        complain("server", row.server)
        if row.floor is not None:
            complain("floor", row.floor)
    outcome = Outcome("rtsp", rows, table(rows), verdicts(rows), machine, time.monotonic() - started)
    print(f"\n{outcome.document()}\n\ntook {outcome.took_seconds:.0f} s")
    if save:
        outcome.save()
    return all(row.server.lossless for row in rows)


def _shown_interval(server: Measurement) -> float:
    """The flush interval in ms that the added latency, uniform in 0..T, shows: by its median, since over UDP a keyframe
    is paced and so later than by the flushes alone."""
    return round(max(1000 / FPS, 2 * (server.latency_p50_ms or 0)))
