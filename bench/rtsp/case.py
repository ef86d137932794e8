"""One case: so many RTSP players over TCP or UDP, against the server or against the floor."""

import sys
from dataclasses import dataclass
from pathlib import Path

from bench.case import Bench, Measurement, phases, watch, with_publisher
from bench.child import Child
from bench.native_tools import native
from bench.rtsp.packets import cached_packets
from bench.server import APPLICATION, NAME, free_port, rtsp_topology, running_server


@dataclass(frozen=True, slots=True)
class RtspCase:
    """What is measured: `transport` is "tcp" (interleaved) or "udp"."""

    viewers: int
    transport: str
    seconds: float


def measure_server(case: RtspCase, bench: Bench) -> Measurement:
    """Run the case against the server, with a publisher over RTMP."""
    rtmp, rtsp = free_port(), free_port()
    with running_server(rtsp_topology(rtmp, rtsp, case.viewers), rtsp, bench) as server:
        return with_publisher(bench, rtmp, lambda: _watch(case, bench, server, rtsp))


def measure_floor(case: RtspCase, flush_ms: float, bench: Bench) -> Measurement | None:
    """Run the same case against the floor at a flush interval; None where there is no C compiler."""
    program = native("rtsp_floor")
    if program is None:
        return None
    command: list[str | Path] = [program, cached_packets(bench.clip), str(flush_ms), case.transport]
    with Child(command, bench.server_cores) as floor:
        port = floor.wait_event("listening", 5)["port"]
        return _watch(case, bench, floor, port)


def _watch(case: RtspCase, bench: Bench, server: Child, port: int) -> Measurement:
    program = native("rtsp_viewers")
    command: list[str | Path] = [program] if program else [sys.executable, "-m", "bench.rtsp.viewers"]
    command += [
        bench.clip,
        "127.0.0.1",
        str(port),
        f"{APPLICATION}/{NAME}",
        *phases(case.viewers, case.seconds),
        case.transport,
    ]
    return watch(command, case.viewers, case.seconds, bench, server)
