"""The publisher's process: sends a transport stream at its own pace with libsrt, or by UDP to many ports at once.

`python -m bench.srt.publisher STREAM SECONDS SECRET srt PORT STREAMID` or `… udp PORT PORT …`; prints a line of JSON
when it publishes and one when it is stopped. Stamps in the video are set to the time of their packet's send.
"""

import gc
import signal
import socket
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import FrameType

from bench.child import say
from bench.srt.clip import CHUNK, DIGITS, stamps
from bench.srt.libsrt import Srt
from bench.stamp import stamp


class Stopped(Exception):
    """SIGTERM came."""


def main(path: str, seconds: str, secret: str, way: str, *where: str) -> None:
    """Publish until told to stop."""
    stream = bytearray(Path(path).read_bytes())
    marked = list(stamps(bytes(stream)))
    send = _by_srt(int(where[0]), where[1], secret) if way == "srt" else _by_udp([int(port) for port in where])
    chunks = range(0, len(stream), CHUNK)
    every = float(seconds) / len(chunks)
    gc.freeze()
    say(event="publishing")
    try:
        _publish(stream, marked, every, send)
    except Stopped:
        say(event="stopped")


def _publish(stream: bytearray, marked: list[int], every: float, send: Callable[[bytes], None]) -> None:
    began = time.monotonic()
    next_mark = numbers = 0
    for at in count():
        start = at * CHUNK
        if start >= len(stream):
            raise RuntimeError("the stream came to its end before it was stopped")
        due = began + at * every
        while (now := time.monotonic()) < due:
            time.sleep(due - now)
        while next_mark < len(marked) and marked[next_mark] < start + CHUNK:
            place = marked[next_mark]
            stream[place : place + DIGITS] = stamp(numbers, time.monotonic_ns())
            next_mark, numbers = next_mark + 1, numbers + 1
        send(bytes(stream[start : start + CHUNK]))


def _by_srt(port: int, stream_id: str, secret: str) -> Callable[[bytes], None]:
    library = Srt()
    number = library.connect(port, stream_id, passphrase=secret)
    return lambda data: library.send(number, data)


def _by_udp(ports: list[int]) -> Callable[[bytes], None]:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(data: bytes) -> None:
        for port in ports:
            made.sendto(data, ("127.0.0.1", port))

    return send


def _stop(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: let the last line out
    raise Stopped


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    main(*sys.argv[1:])
