"""The load client of the RTSP benchmark: so many players in one process, which find each picture's stamp and check it.

`python -m bench.rtsp_viewers PORT PATH COUNT JOIN SETTLE SECONDS tcp|udp`; prints lines of JSON. Players over UDP share a
few sockets, each of which is sent what all of its players are sent, so that receiving does not cost more than sending.
"""

import gc
import json
import selectors
import socket
import sys
import time
from collections import Counter

from bench.histogram import Histogram

NAME = b"arcly-bench-sei!"
_DIGITS = 24
_KEEP = len(NAME) + _DIGITS - 1
UDP_SOCKETS = 8


class Viewer:
    """One source of stamped pictures: a TCP player, or a socket of several UDP players (`times` of them)."""

    def __init__(self, times: int = 1) -> None:
        self.times = times
        self.tail = b""
        self.last: int | None = None
        self.size = 0

    def take(self, data: bytes, late: Histogram | None, errors: Counter[str]) -> None:
        """Look for stamps; in order and without a gap they are what a player has to get."""
        self.size += len(data)
        data = self.tail + data
        at = data.find(NAME)
        while at >= 0 and at + len(NAME) + _DIGITS <= len(data):
            digits = data[at + len(NAME) : at + len(NAME) + _DIGITS]
            index, sent = int(digits[:8], 16), int(digits[8:], 16)
            if late is not None:
                late.add(time.monotonic_ns() - sent)
            if self.times == 1:
                errors["gap"] += self.last is not None and index != self.last + 1
                self.last = index
            at = data.find(NAME, at + len(NAME) + _DIGITS)
        self.tail = data[max(at, 0) if at >= 0 else -_KEEP :] if self.times == 1 else b""


def ask(connection: socket.socket, method: str, uri: str, sequence: int, *fields: str) -> bytes:
    """One request and its answer, as far as it has come with the blank line."""
    lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {sequence}", *fields, "", ""]
    connection.sendall("\r\n".join(lines).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    if not answer.startswith(b"RTSP/1.0 200"):
        raise RuntimeError(answer.decode(errors="replace"))
    return answer


def join(port: int, path: str, transports: tuple[str, str]) -> tuple[socket.socket, bytes]:
    """A player that plays; what came behind the answer to PLAY."""
    connection = socket.create_connection(("127.0.0.1", port))
    uri = f"rtsp://127.0.0.1:{port}/{path}"
    ask(connection, "DESCRIBE", uri, 1)
    session = b""
    for index, transport in enumerate(transports):
        answer = ask(connection, "SETUP", f"{uri}/trackID={index}", 2 + index, f"Transport: {transport}")
        session = answer.partition(b"Session: ")[2].partition(b";")[0]
    answer = ask(connection, "PLAY", uri, 4, f"Session: {session.decode()}")
    return connection, answer.partition(b"\r\n\r\n")[2]


def main(port: int, path: str, count: int, spread: float, settle: float, seconds: float, transport: str) -> None:
    """Join within `spread` s, let it settle, and measure for `seconds`."""
    gc.freeze()
    selector = selectors.DefaultSelector()
    errors: Counter[str] = Counter()
    sockets = [_udp() for _ in range(UDP_SOCKETS if transport == "udp" else 0)]
    for index, (rtp, _) in enumerate(sockets):
        players = (count - index + UDP_SOCKETS - 1) // UDP_SOCKETS
        selector.register(rtp, selectors.EVENT_READ, Viewer(max(players, 2)))
    idle: list[socket.socket] = []
    began = time.monotonic()
    for number in range(count):
        _read(selector, 0, None, errors)
        while time.monotonic() < began + spread * number / count:
            _read(selector, 0.01, None, errors)
        if transport == "udp":
            rtp, rtcp = sockets[number % UDP_SOCKETS]
            ports = f"RTP/AVP;unicast;client_port={rtp.getsockname()[1]}-{rtcp.getsockname()[1]}"
            idle.append(join(port, path, (ports, ports))[0])
        else:
            connection, rest = join(port, path, tuple(f"RTP/AVP/TCP;unicast;interleaved={n}-{n + 1}" for n in (0, 2)))  # type: ignore[arg-type]  # two of them
            connection.setblocking(False)
            viewer = Viewer()
            viewer.take(rest, None, errors)
            selector.register(connection, selectors.EVENT_READ, viewer)
    _until(selector, time.monotonic() + settle, None, errors)
    late, cpu = Histogram(), time.process_time()
    errors.clear()
    before = sum(key.data.size for key in selector.get_map().values())
    _say(event="steady")
    started = time.monotonic()
    _until(selector, started + seconds, late, errors)
    _say(event="end")
    lasted = time.monotonic() - started
    size = sum(key.data.size for key in selector.get_map().values()) - before
    _say(
        event="result", seconds=lasted, cpu=time.process_time() - cpu, payload=size, errors=dict(errors),
        frames=late.count, p50=late.quantile_ms(0.5), p95=late.quantile_ms(0.95), most=late.quantile_ms(1),
    )  # fmt: skip


def _udp() -> tuple[socket.socket, socket.socket]:
    """A pair of sockets; the second only has a port."""
    pair = tuple(socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for one in pair:
        one.bind(("127.0.0.1", 0))
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    return pair[0], pair[1]


def _until(selector: selectors.BaseSelector, end: float, late: Histogram | None, errors: Counter[str]) -> None:
    while (left := end - time.monotonic()) > 0:
        _read(selector, left, late, errors)


def _read(selector: selectors.BaseSelector, wait: float, late: Histogram | None, errors: Counter[str]) -> None:
    for key, _ in selector.select(wait):
        ready = key.fileobj
        assert isinstance(ready, socket.socket)
        try:
            for _ in range(64):
                data = ready.recv(1 << 18)
                if not data and ready.type is socket.SOCK_STREAM:
                    errors["closed"] += 1
                    selector.unregister(ready)
                    break
                key.data.take(data, late, errors)
        except BlockingIOError:
            continue


def _say(**line: object) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    spread, settle, seconds = map(float, sys.argv[4:7])
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), spread, settle, seconds, sys.argv[7])
