"""Where a UDP viewer's bytes go: an outlet that the fan-out writes to as to any other (see `transport.outlet`)."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import System
from arcly_actors.transport.rtp_ports import Destination, PortPair
from arcly_actors.transport.rtp_trains import Train

_SLICE = 0.005
"""Seconds between two parts of a burst."""


class UdpOutlet:
    """Where a UDP viewer's bytes go: whole interleaved frames, to the destination of their channel.

    What is more than `limits.UDP_PLAY_BURST` at once waits and leaves at `limits.UDP_PLAY_RATE`, for a player's socket
    buffer would lose it; `pending` tells the fan-out so.
    """

    direct = -1

    def __init__(self, pair: PortPair, system: System, destinations: Mapping[int, Destination]) -> None:
        self._pair = pair
        self._loop = system.loop
        self._now = system.clock.monotonic_ns
        self._destinations = destinations
        self._waiting: deque[Train] = deque()
        self._allowance = limits.UDP_PLAY_BURST
        self._filled_at = self._now()
        self._timer: asyncio.TimerHandle | None = None
        self._callbacks: list[Callable[[], None]] = []
        self.pending = 0
        self.closed = False

    def write(self, data: bytes) -> None:
        """Send, or queue behind what waits."""
        if self.closed:
            return
        trains = self._pair.trains(data)
        if self._timer is None and len(data) <= self._refilled():  # the usual case
            self._allowance -= len(data)
            for train in trains:
                self._send(train)
            return
        for train in trains:
            self._waiting.append(train)
            self.pending += len(train.data)
        if self._timer is None:
            self._go_on()

    def spill(self, data: bytes, taken: int) -> None:
        """Nothing is written to it directly."""

    def fail(self, error: OSError) -> None:
        """Likewise."""
        del error

    def when_writable(self, callback: Callable[[], None]) -> None:
        """See `Outlet.when_writable`."""
        if self.pending:
            self._callbacks.append(callback)
        else:
            self._loop.call_soon(callback)

    def end(self) -> None:
        """Send what waits, and take no more."""
        while self._waiting:
            self._send(self._waiting.popleft())
        self.pending = 0
        self._close()

    def drop(self) -> None:
        """Forget what waits, and take no more."""
        self._waiting.clear()
        self.pending = 0
        self._close()

    def fileno(self) -> int:
        """It has none of its own."""
        return -1

    def _close(self) -> None:
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def _go_on(self) -> None:
        self._timer = None
        self._refilled()
        while self._waiting and self._allowance > 0:
            train = self._waiting.popleft()
            self._send(train)
            self._allowance -= len(train.data)
            self.pending -= len(train.data)
        if self._waiting:
            self._timer = self._loop.call_later(_SLICE, self._go_on)
        elif self._callbacks:
            self._wake()

    def _refilled(self) -> int:
        now = self._now()
        gained = (now - self._filled_at) * limits.UDP_PLAY_RATE // NS_PER_S
        self._allowance = min(limits.UDP_PLAY_BURST, self._allowance + gained)
        self._filled_at = now
        return self._allowance

    def _send(self, train: Train) -> None:
        destination = self._destinations.get(train.channel)
        if destination is not None:
            (destination.pair or self._pair).send_train(train, destination)

    def _wake(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._loop.call_soon(callback)
