"""The publisher's process: sends the clip for ever at its own pace, one write per message as encoders do.

`python -m bench.publisher CLIP HOST PORT APP NAME`; prints a line of JSON when it publishes and, stopped by SIGTERM,
one with how late it was.
"""

import gc
import signal
import sys
import time
from itertools import count
from pathlib import Path
from types import FrameType

from bench.child import say
from bench.clip import SECONDS, load
from bench.histogram import Histogram
from bench.wire import prepare, publish

NS_PER_MS = 1_000_000


class Stopped(Exception):
    """SIGTERM came."""


def main(clip: str, host: str, port: str, application: str, name: str) -> None:
    """Publish until told to stop."""
    messages = load(Path(clip))
    connection, stream = publish(host, int(port), application, name)
    for message in messages:
        if not message.frame:
            connection.sendall(prepare(message, stream).ready(0, 0, 0))
    frames = [prepare(message, stream) for message in messages if message.frame]
    del messages
    gc.freeze()
    late = Histogram()
    start, index = time.monotonic_ns(), 0
    say(event="publishing")
    try:
        for loop in count():
            for frame in frames:
                at_ms = loop * SECONDS * 1000 + frame.dts_ms
                due = start + at_ms * NS_PER_MS
                while (now := time.monotonic_ns()) < due:
                    time.sleep((due - now) / 1e9)
                late.add(now - due)
                connection.sendall(frame.ready(at_ms, index, now))
                index += frame.stamped
    except Stopped:
        say(event="stopped", frames=index, late_p95_ms=late.quantile_ms(0.95), late_max_ms=late.quantile_ms(1))


def _stop(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: let the last line out
    raise Stopped


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    main(*sys.argv[1:6])
