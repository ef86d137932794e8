"""UDP without sockets: what an engine on a `ScriptedNetwork` binds, and what a script sends to it."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence

from arcly_actors.runtime.seams import Place, Source, Tap, heard_by
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.send_batch import SendBatch
from arcly_actors.transport.udp_socket import Deliver, Path, TakeAll

Carry = Callable[[bytes, "ScriptedDatagrams", Place], None]
"""Takes a datagram, who sent it, and where it is to go."""


class ScriptedDatagrams:
    """Implements `transport.udp_socket.Datagrams`; what is sent is given to `carry`.

    Datagrams that come before its owner has read are read together, as from a socket.
    """

    def __init__(self, bound: Address, carry: Carry, on_close: Callable[[], None]) -> None:
        self.bound = bound
        self.dropped: Counter[str] = Counter()
        self.batch: SendBatch | None = None
        self.taps: tuple[Tap, ...] = ()
        self._carry = carry
        self._on_close = on_close
        self._came: deque[tuple[bytes, Source]] = deque()
        self._wake: Callable[[], None] | None = None
        self._waking = False
        self._closed = False

    # --- the script's side ---

    def arrive(self, data: bytes, peer: Address) -> None:
        """A datagram from `peer`; it is read in the next turn of the loop, unless the owner has paused."""
        self._came.append((data, source_of(peer, self.bound)))
        self._soon()

    # --- the engine's side ---

    def start(self, wake: Callable[[], None]) -> None:
        """See `UdpSocket.start`."""
        self._wake = wake
        if self._came:
            self._soon()

    def pause(self) -> None:
        """See `UdpSocket.pause`."""
        self._wake = None

    def poke(self) -> None:
        """See `UdpSocket.poke`."""
        if self._wake is not None:
            self._wake()

    def close(self) -> None:
        """See `UdpSocket.close`."""
        self.pause()
        self._came.clear()
        if not self._closed:
            self._closed = True
            self._on_close()

    def read(self, deliver: Deliver) -> int:
        """See `UdpSocket.read`."""
        deliver = heard_by(self.taps, deliver)
        came, self._came = self._came, deque()
        for data, source in came:
            deliver(memoryview(bytearray(data)), source, b"")
        return len(came)

    def read_all(self, take: TakeAll) -> int:
        """See `UdpSocket.read_all`."""
        return self.read(lambda data, source, local: take(((data, source, local),)))

    def path(self, source: Source, local: bytes) -> Path:
        """See `UdpSocket.path`."""
        return Path(source, local, segments=False)

    def send(self, data: bytes | memoryview, path: Path) -> bool:
        """See `UdpSocket.send`."""
        for tap in self.taps:
            tap.went(data, path.source)
        self._carry(bytes(data), self, (path.address.host, path.address.port))
        return True

    def send_segments(self, data: memoryview, step: int, bounds: Sequence[tuple[int, int]], path: Path) -> bool:
        """See `UdpSocket.send_segments`."""
        del step
        for start, end in bounds:
            self.send(data[start:end], path)
        return True

    def _soon(self) -> None:
        if self._wake is not None and not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._woken)

    def _woken(self) -> None:
        self._waking = False
        if self._wake is not None and self._came:
            self._wake()


def source_of(peer: Address, bound: Address) -> Source:
    """How a socket that is bound there names this peer."""
    if ":" not in bound.host:
        return (peer.host, peer.port)
    return (peer.host if ":" in peer.host else f"::ffff:{peer.host}", peer.port, 0, 0)
