"""Where a UDP viewer's bytes go: an outlet that the fan-out writes to as to any other (see `transport.outlet`)."""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import System
from arcly_actors.transport import train_call
from arcly_actors.transport.rtp_ports import Destination, PortPair
from arcly_actors.transport.rtp_trains import Cut, Train
from arcly_actors.transport.train_call import Addresses
from arcly_actors.transport.udp_socket import tell_train


class UdpOutlet:
    """Where a UDP viewer's bytes go: whole interleaved frames, to the destination of their channel.

    What is more than `limits.UDP_PLAY_BURST` at once waits and leaves at `limits.UDP_PLAY_RATE`, for a player's socket
    buffer would lose it. `pending` tells the fan-out only of what waits beyond `limits.UDP_PLAY_QUEUE`: a viewer that is
    being sent a keyframe is not behind.
    """

    direct = -1

    def __init__(self, pair: PortPair, system: System, destinations: Mapping[int, Destination]) -> None:
        self._pair = pair
        self._loop = system.loop
        self._now = system.clock.monotonic_ns
        self._destinations = destinations
        self._media = frozenset(channel for channel in destinations if not channel & 1)
        self._addresses = self._common()
        self.crowd = pair.crowd if self._addresses is not None else None
        self._waiting: deque[tuple[Cut, int]] = deque()  # with the train that is next
        self._queued = 0
        self._allowance = limits.UDP_PLAY_BURST
        self._filled_at = self._now()
        self._callbacks: list[Callable[[], None]] = []
        self.closed = False

    @property
    def pending(self) -> int:
        """Bytes that wait beyond what an up-to-date viewer may have waiting."""
        return max(0, self._queued - limits.UDP_PLAY_QUEUE)

    def write(self, data: bytes) -> None:
        """Send, or queue behind what waits."""
        if self.closed:
            return
        what = self._pair.trains(data)
        if not self._waiting and len(data) <= self._refilled(self._now()):  # the usual case
            self._allowance -= len(data)
            self._send(what, 0, len(what.trains))
            return
        self._waiting.append((what, 0))
        self._queued += what.ends[-1] if what.ends else 0
        if len(self._waiting) == 1 and self.go_on():
            self._pair.pace(self)

    def admit(self, what: Cut, size: int, now: int) -> Addresses | None:
        """See `udp_crowd.Member`."""
        if self.closed or self._waiting or size > self._refilled(now) or not what.channels <= self._media:
            return None
        self._allowance -= size
        return self._addresses

    def refused(self, train: Train) -> None:
        """See `udp_crowd.Member`."""
        self._single()
        self.send_train(train)

    def send_train(self, train: Train) -> None:
        """To the destination of its channel, alone."""
        destination = self._destinations.get(train.channel)
        if destination is not None:
            (destination.pair or self._pair).send_train(train, destination)

    def go_on(self) -> bool:
        """Send as much of what waits as may leave now; whether something is left."""
        was_behind = self.pending
        self._refilled(self._now())
        while self._waiting and self._allowance > 0:
            what, start = self._waiting.popleft()
            before = what.ends[start - 1] if start else 0
            end = min(bisect_left(what.ends, before + self._allowance) + 1, len(what.trains))
            size = what.ends[end - 1] - before if end else 0
            self._send(what, start, end)
            self._allowance -= size
            self._queued -= size
            if end < len(what.trains):
                self._waiting.appendleft((what, end))
        if was_behind and not self.pending:
            self._wake()
        return bool(self._waiting)

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
        for what, start in self._waiting:
            self._send(what, start, len(what.trains))
        self.drop()

    def drop(self) -> None:
        """Forget what waits, and take no more."""
        self._waiting.clear()
        self._queued = 0
        self.closed = True
        self._wake()

    def fileno(self) -> int:
        """It has none of its own."""
        return -1

    def _refilled(self, now: int) -> int:
        gained = (now - self._filled_at) * limits.UDP_PLAY_RATE // NS_PER_S
        self._allowance = min(limits.UDP_PLAY_BURST, self._allowance + gained)
        self._filled_at = now
        return self._allowance

    def _common(self) -> Addresses | None:
        """All media's addresses, if one call can send to them: from the same port, with segments."""
        media = {channel: self._destinations[channel] for channel in self._media}
        together = all(to.pair in {None, self._pair} and to.path.segments for to in media.values())
        if not media or not together or not train_call.SUPPORTED:
            return None
        return Addresses({channel: to.path.peer for channel, to in media.items()})

    def _send(self, what: Cut, start: int, end: int) -> None:
        for report in what.reports if start == 0 else ():
            self.send_train(report)
        if self._addresses is not None and what.channels <= self._media:
            begun, start = start, self._pair.send_trains(what, start, end, self._addresses)
            if self._pair.taps:
                self._tell(what.trains[begun:start])
            if start < end:
                self._single()
        for train in what.trains[start:end] if start < end else ():
            self.send_train(train)

    def _single(self) -> None:
        """This interface or route has no segments: datagrams go one by one from now on."""
        self._addresses = self.crowd = None

    def _tell(self, sent: Sequence[Train]) -> None:
        for train in sent:
            tell_train(self._pair.taps, train.data, train.bounds, self._destinations[train.channel].path.source)

    def _wake(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._loop.call_soon(callback)
