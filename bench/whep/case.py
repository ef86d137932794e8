"""One case: so many WebRTC viewers of one clip, against the server or against the floor."""

import sys
from dataclasses import dataclass
from pathlib import Path

from bench.case import Bench, Measurement, phases, watch, with_publisher
from bench.child import Child
from bench.native_tools import native
from bench.server import APPLICATION, NAME, free_port, running_server, webrtc_topology
from bench.whep.packets import cached_packets


@dataclass(frozen=True, slots=True)
class WhepCase:
    """What is measured: `kilobits` of video a second, and the SRTP profiles that viewers offer (`srtp.PROFILES`)."""

    viewers: int
    kilobits: int
    profiles: str
    seconds: float


def measure_server(case: WhepCase, bench: Bench) -> Measurement:
    """Run the case against the server, with a publisher over RTMP."""
    rtmp, http = free_port(), free_port()
    text = webrtc_topology(rtmp, http, case.viewers)
    url = f"http://127.0.0.1:{http}/{APPLICATION}/{NAME}/whep"
    with running_server(text, http, bench) as server:
        return with_publisher(bench, rtmp, lambda: _watch(case, bench, server, url))


def measure_floor(case: WhepCase, bench: Bench) -> Measurement | None:
    """Run the same case against the floor; None without a C compiler or OpenSSL's headers, and for AES-CM."""
    program = native("whep_floor", "crypto")
    if program is None or case.profiles != "gcm":
        return None
    with Child([program, cached_packets(bench.clip)], bench.server_cores) as floor:
        port = floor.wait_event("listening", 5)["port"]
        return _watch(case, bench, floor, f"floor://127.0.0.1:{port}")


def _watch(case: WhepCase, bench: Bench, server: Child, url: str) -> Measurement:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "bench.whep.viewers",
        bench.clip,
        url,
        *phases(case.viewers, case.seconds),
        case.profiles,
    ]
    return watch(command, case.viewers, case.seconds, bench, server)
