"""A peer's end of a connection over a scripted network: latency, jitter, stalls, cuts."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from arcly_actors.clock import NS_PER_MS
from arcly_actors.script.network import ScriptedTransport
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.simulation.world import World


class Ends(Protocol):
    """Who hears from a link."""

    def received(self, data: bytes) -> None:
        """Bytes from the engine."""
        ...

    def ended(self) -> None:
        """The engine closed its end; nothing more comes."""
        ...


class Link:
    """One connection to the endpoint `door` from `address`; what goes either way stays in order.

    `latency` is one way, in ns; each delivery is up to `jitter` ns later. `closed_by` is "", "us" or "engine".
    """

    def __init__(self, world: "World", door: str, address: Address, ends: Ends) -> None:
        self._world = world
        self._door = door
        self._address = address
        self._ends = ends
        self._transport: ScriptedTransport | None = None
        self._in: deque[bytes] = deque()
        self._out: deque[bytes] = deque()
        self._coming = self._going = False
        self._shut = False
        self.latency = 5 * NS_PER_MS
        self.jitter = 0
        self.stalled = False
        self.closed_by = ""

    def open(self) -> bool:
        """Connect; False when nobody listens or there is no room."""
        at = self._world.address(self._door)
        transport = self._world.network.connect((at.host, at.port), self._address) if at is not None else None
        if transport is None:
            self.closed_by = "engine"
            return False
        transport.heard, transport.shut = self._heard, self._shuts
        self._transport = transport
        if transport.is_closing():
            self._shuts()
        return True

    @property
    def open_now(self) -> bool:
        """Whether both ends stand."""
        return self._transport is not None and not self.closed_by

    def send(self, data: bytes) -> None:
        """Send, unless it is closed."""
        if self.closed_by or self._transport is None:
            return
        self._out.append(data)
        if not self._going:
            self._going = True
            self._later(self._deliver)

    def stall(self) -> None:
        """Read nothing."""
        if self._transport is not None and not self.stalled:
            self.stalled = True
            self._transport.stall()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and self.stalled:
            self.stalled = False
            self._transport.drain()
            self._come()

    def cut(self) -> None:
        """The connection breaks."""
        self._close(ConnectionResetError("the simulation cut it"))

    def vanish(self) -> ScriptedTransport | None:
        """This machine is gone: nothing comes, nothing is read, and nobody is told. The engine's end, which stays."""
        left, self._transport = self._transport, None
        if left is not None:
            left.heard, left.shut = lambda _data: None, lambda: None
            left.stall()
        self.closed_by = self.closed_by or "us"
        self._in.clear()
        self._out.clear()
        return left

    def close(self) -> None:
        """Close it in order: what was sent before still arrives."""
        if self._transport is None or self.closed_by:
            return
        for data in self._out:
            self._transport.feed(data)
        self._out.clear()
        self._close(None)

    def _close(self, error: Exception | None) -> None:
        transport, self._transport = self._transport, None
        self.closed_by = self.closed_by or "us"
        self._in.clear()
        if transport is not None:
            self._world.loop.call_soon(transport.lose, error)  # as of a socket: in a later turn than its being made

    def _later(self, call: Callable[[], None]) -> None:
        wait = self.latency + (self._world.chance.whole(0, self.jitter) if self.jitter else 0)
        self._world.later(wait, call)

    def _deliver(self) -> None:
        self._going = False
        out, self._out = self._out, deque()
        for data in out:
            if self._transport is not None:
                self._transport.feed(data)

    def _heard(self, data: bytes) -> None:
        self._in.append(data)
        self._come()

    def _shuts(self) -> None:
        self._shut = True
        if self.stalled and self._transport is not None and self._transport.is_closing():
            self._later(self._reset)  # who does not read learns of a reset, too
        else:
            self._come()

    def _reset(self) -> None:
        if not self.closed_by:
            self.closed_by = "engine"
            self._ends.ended()
            self._close(None)

    def _come(self) -> None:
        if not self._coming and not self.stalled:
            self._coming = True
            self._later(self._take)

    def _take(self) -> None:
        self._coming = False
        if self.stalled:
            return
        while self._in and not self.stalled:
            self._ends.received(self._in.popleft())
        if self._shut and not self._in:
            self._reset()
