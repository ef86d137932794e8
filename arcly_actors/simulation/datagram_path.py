"""A peer's way to a port: datagrams that take a while, get lost, come twice."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.runtime.seams import Place
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.simulation.world import World


class DatagramPath:
    """From `address` to the endpoint `door` and back. `loss` and `doubled` are shares; `latency` is one way, in ns.

    Only `jitter` has datagrams overtake each other; what leaves at one moment over a clean path arrives at one, too.
    """

    def __init__(self, world: "World", door: str, address: Address, received: Callable[[bytes], None]) -> None:
        self._world = world
        self._door = door
        self._address = address
        self._received = received
        self.latency = 5 * NS_PER_MS
        self.jitter = 0
        self.loss = 0.0
        self.doubled = 0.0
        self.open = False
        self._last: dict[bool, int] = {}
        self._together: dict[bool, tuple[int, list[bytes]]] = {}

    def begin(self) -> bool:
        """Hear what is sent to this address; False when the endpoint is not there."""
        self.open = self._world.address(self._door) is not None
        if self.open:
            self._world.hear(self._address, self._come)
        return self.open

    def send(self, data: bytes) -> None:
        """Send a datagram."""
        self._carry(data, self._arrive, up=True)

    def close(self) -> None:
        """Hear and send nothing more, without a word."""
        self.open = False
        self._world.hear(self._address, None)

    def _come(self, data: bytes) -> None:
        self._carry(data, self._deliver, up=False)

    def _carry(self, data: bytes, arrive: Callable[[bytes], None], *, up: bool) -> None:
        chance, world = self._world.chance, self._world
        if not self.open:
            return
        now = world.now
        if not (self.loss or self.doubled or self.jitter):
            sent, datagrams = self._together.get(up, (-1, []))
            if sent == now:
                datagrams.append(data)
                return
            datagrams = [data]
            self._together[up] = now, datagrams
            at = self._last[up] = max(now + self.latency + chance.whole(1, 9999), self._last.get(up, 0) + 1)
            world.loop.call_at(at / NS_PER_S, self._land, datagrams, arrive)
            return
        if self.loss and chance.happens(self.loss):
            return
        for _ in range(2 if self.doubled and chance.happens(self.doubled) else 1):
            at = now + self.latency + chance.whole(1, 9999 + self.jitter)
            if not self.jitter:  # without it they stay in order
                at = self._last[up] = max(at, self._last.get(up, 0) + 1)
            world.loop.call_at(at / NS_PER_S, arrive, data)

    def _land(self, datagrams: list[bytes], arrive: Callable[[bytes], None]) -> None:
        for datagram in datagrams:
            arrive(datagram)

    def to(self) -> Place | None:
        """Where its datagrams go; None while nobody is there."""
        at = self._world.address(self._door)
        return (at.host, at.port) if at is not None else None

    def _arrive(self, data: bytes) -> None:
        to = self.to()
        if self.open and to is not None:
            self._world.network.send(data, to, self._address)

    def _deliver(self, data: bytes) -> None:
        if self.open:
            self._received(data)
