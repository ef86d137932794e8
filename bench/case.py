"""One case: so many viewers at one flush interval, against the server or against the floor.

Server, publisher and load client are three processes; the server has one core to itself, the others share what is left.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.child import Child, Cores
from bench.histogram import Histogram
from bench.native_tools import native
from bench.proc import cpu_seconds, resident_bytes
from bench.server import APPLICATION, NAME, free_port, running_server, topology

JOIN_SECONDS, JOIN_STEP, SETTLE_SECONDS = 5.0, 0.125, 2.0
GOP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured: `flush_ms` None leaves the server its default, `latency_class` is the bound in ms or None."""

    viewers: int
    flush_ms: float | None
    latency_class: int | None
    seconds: float

    @property
    def label(self) -> str:
        """How tables call its setting."""
        return "default" if self.latency_class is None else f"{self.latency_class} ms"


@dataclass(frozen=True, slots=True)
class Bench:
    """What all cases of a run share: the clip, who runs where, how the server is started, where its log goes."""

    clip: Path
    payload_rate: float
    server_cores: Cores
    other_cores: Cores
    server_command: Sequence[str]
    log: Path


@dataclass(slots=True)
class Measurement:
    """What came of a case; times in ms, `cpu_ms` per viewer-second, rates in 10^6 bytes of payload per second."""

    cpu_ms: float
    cpu_share: float
    delivered_mbs: float
    expected_mbs: float
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_max_ms: float | None
    first_keyframe_p50_ms: float | None
    first_keyframe_max_ms: float | None
    rss_kb_per_viewer: float
    joined: int
    failed: int
    frames: int
    errors: dict[str, int]
    first_error: str
    client_cpu_share: float
    publisher_late_p95_ms: float | None = None
    spread_frames: int = 0
    latency_bins: dict[int, int] = field(default_factory=dict, repr=False)

    @property
    def lossless(self) -> bool:
        """Every viewer joined and got every frame once, in order, with the publisher's very bytes."""
        return not self.failed and not any(self.errors.values())


def measure_server(case: Case, bench: Bench) -> Measurement:
    """Run the case against the server."""
    port = free_port()
    text = topology(port, case.viewers, case.flush_ms)
    with running_server(text, port, bench) as server:
        return with_publisher(bench, port, lambda: _watch(case, bench, server, port))


def with_publisher(bench: Bench, port: int, measure: Callable[[], Measurement]) -> Measurement:
    """Measure while a publisher sends to `port` over RTMP, and how late its own frames were."""
    module: list[str | Path] = [sys.executable, "-m", "bench.publisher"]
    command = [*module, bench.clip, "127.0.0.1", str(port), APPLICATION, NAME]
    with Child(command, bench.other_cores) as publisher:
        publisher.wait_event("publishing", 15)
        time.sleep(GOP_SECONDS * 1.5)  # a whole GOP in the cache before anybody joins
        measurement = measure()
        publisher.terminate()
        measurement.publisher_late_p95_ms = publisher.wait_event("stopped", 5)["late_p95_ms"]
    return measurement


def measure_floor(case: Case, flush_ms: float, bench: Bench) -> Measurement | None:
    """Run the same case against the floor at a flush interval; None where there is no C compiler."""
    program = native("floor")
    if program is None:
        return None
    with Child([program, bench.clip, str(flush_ms)], bench.server_cores) as floor:
        port = floor.wait_event("listening", 5)["port"]
        time.sleep(GOP_SECONDS * 0.5)
        return _watch(case, bench, floor, port)


def phases(viewers: int, seconds: float) -> tuple[str, str, str, str]:
    """What load clients are told: how many come, within how many seconds, how long all is left to settle, then measured.

    They come one after the other, so that no two find the same GOP at the same place in it; many come faster.
    """
    join = min(JOIN_SECONDS, (viewers - 1) * JOIN_STEP)
    return str(viewers), str(join), str(SETTLE_SECONDS), str(seconds)


def _watch(case: Case, bench: Bench, server: Child, port: int) -> Measurement:
    program = native("viewers")
    command: list[str | Path] = [program] if program else [sys.executable, "-m", "bench.viewers"]
    command += [bench.clip, "127.0.0.1", str(port), APPLICATION, NAME, *phases(case.viewers, case.seconds)]
    return watch(command, case.viewers, case.seconds, bench, server)


def watch(command: Sequence[str | Path], viewers: int, seconds: float, bench: Bench, server: Child) -> Measurement:
    """Run a load client, and measure the server while it says that all is steady."""
    resident = resident_bytes(server.pid)
    with Child(command, bench.other_cores) as client:
        client.wait_event("steady", JOIN_SECONDS + SETTLE_SECONDS + 30)
        began, cpu = time.monotonic(), cpu_seconds(server.pid)
        client.wait_event("end", seconds + 10)
        cpu, lasted = cpu_seconds(server.pid) - cpu, time.monotonic() - began
        resident = resident_bytes(server.pid) - resident
        result = client.wait_event("result", 20)
    return _measurement(viewers, bench, result, cpu / lasted, resident)


def _measurement(viewers: int, bench: Bench, result: dict[str, Any], cpu_share: float, resident: int) -> Measurement:
    late = Histogram({int(index): times for index, times in result["latency"].items()})
    first = [microseconds / 1000 for microseconds in result["first_keyframe_us"]]
    return Measurement(
        cpu_ms=cpu_share * 1000 / viewers,
        cpu_share=cpu_share,
        delivered_mbs=result["payload"] / result["seconds"] / 1e6,
        expected_mbs=viewers * bench.payload_rate / 1e6,
        latency_p50_ms=late.quantile_ms(0.5),
        latency_p95_ms=late.quantile_ms(0.95),
        latency_max_ms=late.quantile_ms(1),
        first_keyframe_p50_ms=median(first) if first else None,
        first_keyframe_max_ms=max(first, default=None),
        rss_kb_per_viewer=resident / 1000 / viewers,
        joined=result["joined"],
        failed=result["failed"],
        frames=result["frames"],
        errors=result["errors"],
        first_error=result["first_error"],
        client_cpu_share=result["cpu"] / result["seconds"],
        spread_frames=result["spread"],
        latency_bins=dict(late.bins),
    )
