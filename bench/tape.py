"""`python -m bench.tape`: what a tape costs a server, and how fast a tape is replayed.

One publisher and N viewers over RTMP, with and without `record:`, in turn, so that what else the machine does is in all
of them; the CPU time is the whole server process's, its threads too. Then the last tape is replayed.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.case import Bench, Case, Measurement, with_publisher
from bench.case import _watch as watch_case
from bench.machine import this_machine
from bench.rtmp import complain, introduce, prepare_bench
from bench.server import APPLICATION, NAME, free_port, running_server, topology

_SERVER = [sys.executable, "-m", "arcly_actors", "run", "{topology}"]
_SHARE = "record: [{{key: {key}, to: '{to}', payload: {payload}}}]\n"


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to run the server: without a tape, with one, with one that has digests."""

    name: str
    payload: str = ""


KINDS = (Kind("no tape"), Kind("tape", "true"), Kind("tape, payload: false", "false"))


def main() -> int:
    """Measure in turn; 1 when a viewer lost something or a replay went another way."""
    parser = argparse.ArgumentParser(prog="python -m bench.tape", description=__doc__)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=15.0, help="the steady window (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of each kind, in turn (default: %(default)s)")
    options = parser.parse_args()
    bench = prepare_bench(options.viewers, _SERVER)
    introduce(this_machine(), bench)
    case = Case(options.viewers, None, None, options.seconds)
    found: dict[str, list[float]] = {kind.name: [] for kind in KINDS}
    lossless = same = True
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for kind in KINDS:
                path = Path(folder) / f"{number}-{kind.payload}.jsonl"
                measurement = _measure(case, bench, kind, path)
                complain(kind.name, measurement)
                lossless = lossless and measurement.lossless
                found[kind.name].append(measurement.cpu_share)
                size = f", {path.stat().st_size / 1e6:.1f} MB" if path.exists() else ""
                print(f"round {number + 1}, {kind.name}: {measurement.cpu_share:.2%} of a core{size}", flush=True)
        base = median(found[KINDS[0].name])
        for kind in KINDS:
            cpu = median(found[kind.name])
            print(f"{kind.name}: {cpu:.2%} of a core, {cpu - base:+.2%} of a core more")
        for kind in KINDS[1:]:
            same = _replay(Path(folder) / f"{options.rounds - 1}-{kind.payload}.jsonl", kind.name) and same
    return not (lossless and same)


def _measure(case: Case, bench: Bench, kind: Kind, path: Path) -> Measurement:
    port = free_port()
    text = topology(port, case.viewers, case.flush_ms)
    if kind.payload:
        text += _SHARE.format(key=f"{APPLICATION}/{NAME}", to=path, payload=kind.payload)
    with running_server(text, port, bench) as server:
        return with_publisher(bench, port, lambda: watch_case(case, bench, server, port))


def _replay(path: Path, name: str) -> bool:
    """How much faster than real time; whether it went the same way."""
    from arcly_actors.script import read_file  # noqa: PLC0415 - the server is to be measured without it
    from arcly_actors.script.replay import replay  # noqa: PLC0415

    began = time.perf_counter()
    script = read_file(path)
    read = time.perf_counter()
    replayed = replay(script)
    took = time.perf_counter() - read
    length = script.duration_ns / 1e9
    verdict = "the same" if replayed.divergence is None else "\n".join(replayed.divergence.lines())
    print(f"{name}: {length:.1f} s, {len(script.records)} records, read in {read - began:.2f} s")
    print(f"  replayed in {took:.2f} s, {length / took:.0f} x real time: {verdict[:2000]}")
    return replayed.divergence is None


if __name__ == "__main__":
    sys.exit(main())
