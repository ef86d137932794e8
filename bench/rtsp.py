"""`python -m bench rtsp`: RTMP in, RTSP out over TCP or UDP, N viewers; CPU per viewer-second and added latency."""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.child import Child, Cores
from bench.clip import bytes_per_second, cached_clip, load
from bench.machine import split_cores, this_machine
from bench.proc import cpu_seconds, resident_bytes
from bench.server import free_port, wait_listening

_JOIN, _SETTLE, _GOP = 5.0, 2.0, 2.0
_TARGETS = {"tcp": 0.15, "udp": 0.6}
"""Milliseconds of CPU per viewer-second that are aimed at."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of one number of viewers: ms of CPU per viewer-second, share of what was expected, ms of latency."""

    viewers: int
    transport: str
    cpu_ms: float
    delivered: float
    p50: float | None
    p95: float | None
    most: float | None
    resident_kb: float
    client_cpu: float
    errors: dict[str, int]

    def __str__(self) -> str:
        late = "/".join("-" if value is None else f"{value:.0f}" for value in (self.p50, self.p95, self.most))
        return (
            f"| {self.viewers} | {self.transport} | {self.cpu_ms:.3f} | {self.delivered:.1%} | {late} | "
            f"{self.resident_kb:.0f} | {self.client_cpu:.0%} | {self.errors or 'none'} |"
        )


HEAD = (
    "| viewers | transport | CPU ms / viewer-second | delivered | latency ms p50/p95/max | RSS kB / viewer "
    "| client CPU | errors |\n|---|---|---|---|---|---|---|---|"
)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 1 when a viewer lost something over TCP."""
    parser = argparse.ArgumentParser(prog="python -m bench rtsp", description=__doc__)
    parser.add_argument("--viewers", default="1,50,200,500", help="numbers of viewers, comma separated")
    parser.add_argument("--transport", choices=["tcp", "udp", "both"], default="both")
    parser.add_argument("--seconds", type=float, default=10.0, help="the steady window (default: %(default)s)")
    options = parser.parse_args(arguments)
    counts = [int(part) for part in options.viewers.split(",")]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    machine = this_machine()
    print(
        f"{machine.cpu}, {machine.cores} cores, Linux {machine.kernel}, Python {machine.python}, load {machine.load:.2f}"
    )
    print(f"aimed at: {', '.join(f'{way} {value} ms' for way, value in _TARGETS.items())}; p95 at most 100 ms\n\n{HEAD}")
    whole = True
    for transport in ("tcp", "udp") if options.transport == "both" else (options.transport,):
        for count in counts:
            figures = measure(count, transport, options.seconds)
            print(figures, flush=True)
            whole = whole and (transport == "udp" or not any(figures.errors.values()))
    return not whole


def measure(viewers: int, transport: str, seconds: float) -> Figures:
    """One row: server, publisher and players are three processes, the server on a core of its own."""
    server_cores, other_cores = split_cores(os.sched_getaffinity(0))
    clip = cached_clip().absolute()
    rtmp, rtsp = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        path, log = Path(folder) / "bench.yaml", Path(folder) / "server.log"
        path.write_text(_topology(rtmp, rtsp, viewers))
        command = [sys.executable, "-m", "arcly_actors", "run", str(path)]
        with Child(command, server_cores, log=log) as server:
            wait_listening(server, rtsp, log)
            publish: list[str | Path] = [
                sys.executable,
                "-m",
                "bench.publisher",
                clip,
                "127.0.0.1",
                str(rtmp),
                "live",
                "bench",
            ]
            with Child(publish, other_cores) as publisher:
                publisher.wait_event("publishing", 15)
                time.sleep(_GOP * 1.5)
                return _watch(viewers, transport, seconds, server, rtsp, other_cores, clip)


def _watch(viewers: int, transport: str, seconds: float, server: Child, port: int, cores: Cores, clip: Path) -> Figures:
    resident = resident_bytes(server.pid)
    spread = _JOIN if viewers > 1 else 0.0
    numbers = map(str, (port, "live/bench", viewers, spread, _SETTLE, seconds, transport))
    with Child([sys.executable, "-m", "bench.rtsp_viewers", *numbers], cores) as client:
        client.wait_event("steady", spread + _SETTLE + 60)
        began, cpu = time.monotonic(), cpu_seconds(server.pid)
        client.wait_event("end", seconds + 20)
        share = (cpu_seconds(server.pid) - cpu) / (time.monotonic() - began)
        resident = resident_bytes(server.pid) - resident
        told = client.wait_event("result", 20)
    expected = viewers * bytes_per_second(load(clip)) * told["seconds"]
    return Figures(
        viewers, transport, share * 1000 / viewers, told["payload"] / expected, told["p50"], told["p95"], told["most"],
        resident / 1000 / viewers, told["cpu"] / told["seconds"], told["errors"],
    )  # fmt: skip


def _topology(rtmp: int, rtsp: int, viewers: int) -> str:
    return (
        "version: 1\napplications:\n  live: {}\nendpoints:\n"
        f'  rtmp: {{listen: "127.0.0.1:{rtmp}"}}\n'
        f'  rtsp: {{listen: "127.0.0.1:{rtsp}", udp_ports: {{rtp: 0, rtcp: 0}}}}\n  http: {{enabled: false}}\n'
        f"limits: {{max_connections: {viewers + 100}}}\n"
    )
