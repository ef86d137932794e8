"""A viewer's outlet made of datagrams: what it is given leaves evenly until the next is due, and never in bursts.

A frame's packets are spread over the longest time between two PCRs (`limits.TS_PCR_EVERY`), since a keyframe at line rate
overruns a switch's or a receiver's buffer; what fits into a few datagrams leaves at once. What comes meanwhile follows,
faster if need be, so that nothing leaves later than two such times after it came, and nothing piles up.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.ts import DATAGRAM
from arcly_actors.media.mpegts.sync import PACKET
from arcly_actors.runtime import System


class Datagrams(Protocol):
    """Where datagrams go."""

    def send(self, data: bytes | memoryview) -> None:
        """One of them; never waits."""
        ...


class PacedOutlet:
    """See the module; implements `bus.place.Outlet`. `size` is the most bytes of a datagram, in whole packets."""

    def __init__(self, system: System, datagrams: Datagrams, size: int = DATAGRAM) -> None:
        self._system = system
        self.direct = -1  # there is no descriptor that the fan-out could write to by itself (`transport.outlet`)
        self.crowd = None
        self._datagrams = datagrams
        self._size = max(PACKET, size // PACKET * PACKET)
        self._queue: deque[memoryview] = deque()
        self._ends = 0  # when the queue is to be empty
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.sent = 0

    @property
    def pending(self) -> int:
        """Nothing is ever kept back for the peer's sake: what waits here waits for its time."""
        return 0

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def write(self, data: bytes) -> None:
        """Whole packets, to leave within the next PCR interval."""
        if self._closed or not data:
            return
        now = self._system.clock.monotonic_ns()
        view = memoryview(data)
        self._queue += [view[at : at + self._size] for at in range(0, len(data), self._size)]
        self._ends = min(max(self._ends, now) + _interval(data), now + 2 * limits.TS_PCR_EVERY)
        if self._timer is None:
            self._step()

    def when_writable(self, callback: Callable[[], None]) -> None:
        """At once."""
        self._system.loop.call_soon(callback)

    def close(self) -> None:
        """What waits is dropped."""
        self._closed = True
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()

    def drain(self) -> None:
        """Send what waits now: the stream is over."""
        while self._queue:
            self._datagrams.send(self._queue.popleft())

    def _step(self) -> None:
        """Send this step's share of what waits."""
        self._timer = None
        left = self._ends - self._system.clock.monotonic_ns()
        steps = max(1, -(-left // limits.TS_PACING_STEP))
        for _ in range(-(-len(self._queue) // steps)):
            self._datagrams.send(self._queue.popleft())
            self.sent += 1
        if self._queue:
            self._timer = self._system.timers.call_later(limits.TS_PACING_STEP / NS_PER_S, self._step)


def _interval(data: bytes) -> int:
    """How long a write takes to leave (ns): small ones at once, for they are no burst."""
    return limits.TS_PCR_EVERY if len(data) > _AT_ONCE else 0


_AT_ONCE: Final = 4 * DATAGRAM
