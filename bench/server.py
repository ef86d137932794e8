"""The server under test: a topology made for the case, its process, and the wait until it listens."""

import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.child import Child

if TYPE_CHECKING:
    from bench.case import Bench

APPLICATION, NAME = "live", "bench"
_START_SECONDS = 20.0


def topology(port: int, viewers: int, flush_ms: float | None) -> str:
    """A topology with RTMP alone, room for the viewers, and the flush interval unless it is to be the default."""
    application = "" if flush_ms is None else f"flush_interval: {flush_ms:g}ms"
    return (
        "version: 1\n"
        f"applications:\n  {APPLICATION}: {{{application}}}\n"
        f'endpoints:\n  rtmp: {{listen: "127.0.0.1:{port}"}}\n  http: {{enabled: false}}\n  rtsp: {{enabled: false}}\n'
        "  webrtc: {enabled: false}\n  srt: {enabled: false}\n"
        f"limits: {{max_connections: {viewers + 100}}}\n"
    )


def webrtc_topology(rtmp: int, http: int, viewers: int) -> str:
    """A topology with RTMP to publish, HTTP for WHEP, any UDP port for its media, and room for the viewers."""
    return (
        "version: 1\n"
        f"applications:\n  {APPLICATION}: {{}}\n"
        f'endpoints:\n  rtmp: {{listen: "127.0.0.1:{rtmp}"}}\n  http: {{listen: "127.0.0.1:{http}"}}\n'
        '  rtsp: {enabled: false}\n  webrtc: {listen: "127.0.0.1:0"}\n  srt: {enabled: false}\n'
        f"limits: {{max_connections: {viewers + 100}}}\n"
    )


def srt_topology(rtmp: int, srt: int, passphrase: str) -> str:
    """A topology with SRT, and RTMP because that tells when it listens; all streams encrypted with a passphrase."""
    security = f'srt: {{passphrase: "{passphrase}"}}' if passphrase else ""
    return (
        "version: 1\n"
        f"applications:\n  {APPLICATION}: {{{security}}}\n"
        f'endpoints:\n  rtmp: {{listen: "127.0.0.1:{rtmp}"}}\n  http: {{enabled: false}}\n  rtsp: {{enabled: false}}\n'
        f'  webrtc: {{enabled: false}}\n  srt: {{listen: "127.0.0.1:{srt}"}}\n'
    )


def rtsp_topology(rtmp: int, rtsp: int, viewers: int) -> str:
    """A topology with RTMP to publish, RTSP to play with any pair of UDP ports, and room for the viewers."""
    return (
        "version: 1\n"
        f"applications:\n  {APPLICATION}: {{}}\n"
        f'endpoints:\n  rtmp: {{listen: "127.0.0.1:{rtmp}"}}\n'
        f'  rtsp: {{listen: "127.0.0.1:{rtsp}", udp_ports: {{rtp: 0, rtcp: 0}}}}\n'
        "  http: {enabled: false}\n  webrtc: {enabled: false}\n  srt: {enabled: false}\n"
        f"limits: {{max_connections: {viewers + 100}}}\n"
    )


@contextmanager
def running_server(text: str, port: int, bench: "Bench") -> Iterator[Child]:
    """The server with this topology in a process of its own, listening on `port` as the topology says."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(text)
        command = _filled(bench.server_command, path, port)
        with Child(command, bench.server_cores, log=bench.log) as server:
            wait_listening(server, port, bench.log)
            yield server


def _filled(command: Sequence[str], path: Path, port: int) -> list[str]:
    return [part.replace("{topology}", str(path)).replace("{port}", str(port)) for part in command]


def free_port() -> int:
    """A TCP port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_listening(server: Child, port: int, log: Path) -> None:
    """Return when the server takes connections there; RuntimeError with the end of its log when it does not."""
    deadline = time.monotonic() + _START_SECONDS
    while server.alive and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server does not listen; its log {log} ends: {log.read_text()[-2000:]}")
