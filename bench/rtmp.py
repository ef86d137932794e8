"""`python -m bench rtmp`: the ladder of viewers at the default setting, and the latency classes at its top."""

import os
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.case import Bench, Case, Measurement, measure_floor, measure_server
from bench.clip import FPS, bytes_per_second, cached_clip, load
from bench.machine import Machine, split_cores, this_machine
from bench.outcome import Outcome
from bench.report import Row, table, verdicts

FLUSH_MS = {350: 340.0, 100: 97.0, 40: 38.0}
"""Latency class to flush interval: a flush every T makes the added latency uniform in 0..T, its p95 below the bound."""
FRAME_MS = 1000 / FPS
BUSY_CLIENT = 0.85


def cases(viewers: Sequence[int], which: str, seconds: float) -> list[Case]:
    """The cases of a run: all, the ladder alone ("default"), or one latency class at each number of viewers."""
    if which not in ("all", "default"):
        bound = int(which)
        return [Case(count, FLUSH_MS[bound], bound, seconds) for count in viewers]
    ladder = [Case(count, None, None, seconds) for count in viewers]
    top = [Case(max(viewers), flush, bound, seconds) for bound, flush in FLUSH_MS.items()]
    return ladder + (top if which == "all" else [])


def run(planned: Sequence[Case], server_command: Sequence[str], *, save: bool) -> bool:
    """Measure the cases and print them; True when every viewer of every case got every byte."""
    started = time.monotonic()
    machine, bench = this_machine(), prepare_bench(max(case.viewers for case in planned), server_command)
    introduce(machine, bench)
    rows = []
    for row in _rows(planned, bench):
        rows.append(row)
        _print_row(row)
    outcome = Outcome("rtmp", rows, table(rows), verdicts(rows), machine, time.monotonic() - started)
    print(f"\n{outcome.document()}\n\ntook {outcome.took_seconds:.0f} s")
    if save:
        outcome.save()
    return all(row.server.lossless for row in rows)


def prepare_bench(viewers: int, server_command: Sequence[str]) -> Bench:
    """What the cases share, with the clip that has AAC."""
    return bench_of(cached_clip(), viewers, server_command)


def bench_of(clip: Path, viewers: int, server_command: Sequence[str]) -> Bench:
    """With this clip; raises this process's limit of open files, which the children inherit."""
    wanted = viewers + 200
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < wanted:
        raise SystemExit(f"{wanted} open files are needed and the hard limit is {most}: raise it (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clip = clip.absolute()
    server_cores, other_cores = split_cores(os.sched_getaffinity(0))
    log = clip.parent / "server.log"
    return Bench(clip, bytes_per_second(load(clip)), server_cores, other_cores, server_command, log)


def _rows(planned: Sequence[Case], bench: Bench) -> Iterator[Row]:
    for case in planned:
        server = measure_server(case, bench)
        flush = case.flush_ms or shown_interval(server)
        yield Row(case, server, measure_floor(case, flush, bench), flush)


def shown_interval(server: Measurement) -> float:
    """The flush interval that the default setting came to, in ms, as its added latency (uniform in 0..T) shows."""
    return round(max(FRAME_MS, (server.latency_p95_ms or 0) / 0.95))


def introduce(machine: Machine, bench: Bench) -> None:
    """Print where it runs."""
    print(
        f"{machine.cpu}, {machine.cores} cores, Linux {machine.kernel}, Python {machine.python}, load {machine.load:.2f}"
    )
    if machine.busy:
        print("WARNING: the machine is busy; absolute numbers are not to be trusted")
    print(f"server on core {sorted(bench.server_cores)}, publisher and load client on {sorted(bench.other_cores)}")
    print(f"clip: {bench.payload_rate * 8 / 1e6:.2f} Mb/s")


def _print_row(row: Row) -> None:
    print(table([row]).splitlines()[-1], flush=True)
    for name, measurement in (("server", row.server), ("floor", row.floor)):
        if measurement is not None:
            complain(name, measurement)


def complain(name: str, measurement: Measurement) -> None:
    """Print what makes a measurement doubtful."""
    if not measurement.lossless:
        faults = {kind: times for kind, times in measurement.errors.items() if times}
        print(f"  {name}: {measurement.failed} viewers failed, {faults}; first: {measurement.first_error}")
    if measurement.client_cpu_share > BUSY_CLIENT:
        print(f"  {name}: the load client was the bottleneck ({measurement.client_cpu_share:.0%} of its core)")
