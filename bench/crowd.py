"""The viewers of a Python load client and the loop that serves them, whatever protocol they speak."""

import selectors
import socket
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from bench.checker import FAULTS, Checker
from bench.child import say
from bench.histogram import Histogram

_PATIENCE_NS = 20_000_000_000


class Tally:
    """What all viewers count together, while the steady window is open."""

    def __init__(self) -> None:
        self.measuring = False
        self.late = Histogram()
        self.bytes = self.payload = 0


class Watching(Protocol):
    """One viewer; `first_keyframe_ns` is the time from asking for the media to the first keyframe, None before it."""

    sockets: Sequence[socket.socket]
    checker: Checker
    failed: bool
    first_keyframe_ns: int | None

    def on_readable(self, ready: socket.socket) -> None:
        """Take what came to this one of its sockets."""


Make = Callable[[Tally], Watching]


class Crowd:
    """All viewers and their loop; they join evenly within `join_ns`."""

    def __init__(self, count: int, join_ns: int, make: Make) -> None:
        self.tally = Tally()
        self.viewers: list[Watching] = []
        self._count, self._join_ns = count, join_ns
        self._make = make
        self._start = time.monotonic_ns()
        self._selector = selectors.DefaultSelector()

    def serve(self, until: int, *, for_playing: bool = False) -> None:
        """Handle events until a moment, or once everybody plays; viewers join as they are due."""
        while (now := time.monotonic_ns()) < until:
            self._join(now)
            if (
                for_playing
                and len(self.viewers) == self._count
                and all(v.failed or v.first_keyframe_ns for v in self.viewers)
            ):
                return
            for key, _ in self._selector.select(min(until - now, 5_000_000) / 1e9):
                viewer: Watching = key.data
                ready = key.fileobj
                if isinstance(ready, socket.socket) and not viewer.failed:
                    viewer.on_readable(ready)
                if viewer.failed:
                    self._selector.unregister(ready)

    def _join(self, now: int) -> None:
        due = min(self._count, (now - self._start) * self._count // self._join_ns + 1) if self._join_ns else self._count
        while len(self.viewers) < due:
            viewer = self._make(self.tally)
            self.viewers.append(viewer)
            for each in () if viewer.failed else viewer.sockets:
                self._selector.register(each, selectors.EVENT_READ, viewer)

    def result(self, seconds: float, cpu: float) -> dict[str, object]:
        """The line that ends the run."""
        firsts = [v.first_keyframe_ns // 1000 for v in self.viewers if v.first_keyframe_ns is not None]
        heads = [v.checker.next_video for v in self.viewers if v.checker.next_video is not None]
        return {
            "event": "result", "joined": len(firsts), "failed": sum(v.failed for v in self.viewers),
            "seconds": seconds, "bytes": self.tally.bytes, "payload": self.tally.payload, "frames": self.tally.late.count,
            "cpu": cpu, "first_keyframe_us": firsts, "spread": max(heads, default=0) - min(heads, default=0),
            "errors": {kind: sum(v.checker.faults[kind] for v in self.viewers) for kind in FAULTS},
            "first_error": next((v.checker.first_error for v in self.viewers if v.checker.first_error), ""),
            "latency": dict(self.tally.late.bins),
        }  # fmt: skip


def run(numbers: Sequence[str], make: Make) -> None:
    """What every load client does: join, settle, measure, tell. `numbers` are N, JOIN_S, SETTLE_S and STEADY_S."""
    join, settle, steady = (int(float(seconds) * 1e9) for seconds in numbers[1:4])
    crowd = Crowd(int(numbers[0]), join, make)
    crowd.serve(time.monotonic_ns() + join + _PATIENCE_NS, for_playing=True)
    crowd.serve(time.monotonic_ns() + settle)
    say(event="steady")
    cpu, began = time.process_time(), time.monotonic_ns()
    crowd.tally.measuring = True
    crowd.serve(began + steady)
    crowd.tally.measuring = False
    cpu, seconds = time.process_time() - cpu, (time.monotonic_ns() - began) / 1e9
    say(event="end")
    crowd.serve(time.monotonic_ns() + 250_000_000)  # keeps reading while the server's CPU is read
    say(**crowd.result(seconds, cpu))
