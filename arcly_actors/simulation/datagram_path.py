"""A peer's way to a port: datagrams that take a while, get lost, come twice."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from arcly_actors.clock import NS_PER_MS
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.simulation.world import World


class DatagramPath:
    """From `address` to the endpoint `door` and back. `loss` and `doubled` are shares; `latency` is one way, in ns."""

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

    def begin(self) -> bool:
        """Hear what is sent to this address; False when the endpoint is not there."""
        self.open = self._world.address(self._door) is not None
        if self.open:
            self._world.hear(self._address, self._come)
        return self.open

    def send(self, data: bytes) -> None:
        """Send a datagram."""
        self._carry(data, self._arrive)

    def close(self) -> None:
        """Hear and send nothing more, without a word."""
        self.open = False
        self._world.hear(self._address, None)

    def _come(self, data: bytes) -> None:
        self._carry(data, self._deliver)

    def _carry(self, data: bytes, arrive: Callable[[bytes], None]) -> None:
        chance = self._world.chance
        if not self.open or (self.loss and chance.happens(self.loss)):
            return
        for _ in range(2 if self.doubled and chance.happens(self.doubled) else 1):
            wait = self.latency + (chance.whole(0, self.jitter) if self.jitter else 0)
            self._world.later(wait, arrive, data)

    def _arrive(self, data: bytes) -> None:
        at = self._world.address(self._door)
        if self.open and at is not None:
            self._world.network.send(data, (at.host, at.port), self._address)

    def _deliver(self, data: bytes) -> None:
        if self.open:
            self._received(data)
