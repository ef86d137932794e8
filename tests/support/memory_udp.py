"""A UDP socket for a `WebRtcPort` in virtual time: datagrams go to and come from `Host`s by plain calls."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from arcly_actors import limits
from arcly_actors.runtime.seams import Tap
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.send_batch import SendBatch
from arcly_actors.transport.udp_socket import Deliver, Path, Source, TakeAll


class MemoryUdp:
    """See the module; implements `Datagrams`. `lose(data)` True loses what is sent."""

    def __init__(self) -> None:
        self.bound = Address("10.0.0.1", 8189)
        self.dropped: Counter[str] = Counter()
        self.batch: SendBatch | None = None
        self.taps: tuple[Tap, ...] = ()
        self.closed = False
        self.hosts: dict[Source, Callable[[bytes], None]] = {}
        self.sent: list[tuple[bytes, Source]] = []
        self.lose: Callable[[bytes], bool] = lambda _data: False
        self._waiting: list[tuple[bytes, Source]] = []
        self._wake: Callable[[], None] = lambda: None

    def open(self, _loop: asyncio.AbstractEventLoop, _address: Address) -> "MemoryUdp":
        """For a port's `open_socket`."""
        return self

    def arrive(self, data: bytes, source: Source) -> None:
        """A datagram reaches the port."""
        self._waiting.append((data, source))
        self._wake()

    def arrive_unnoticed(self, data: bytes, source: Source) -> None:
        """A datagram lies in the socket, and the loop has had no time yet to notice."""
        self._waiting.append((data, source))

    def start(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def pause(self) -> None:
        self._wake = lambda: None

    def poke(self) -> None:
        self._wake()

    def close(self) -> None:
        self.closed = True

    def read(self, deliver: Deliver) -> int:
        waiting, self._waiting = self._waiting[: limits.UDP_READS], self._waiting[limits.UDP_READS :]
        for data, source in waiting:
            deliver(memoryview(bytearray(data)), source, b"")
        return len(waiting)

    def read_all(self, take: TakeAll) -> int:
        return self.read(lambda data, source, local: take(((data, source, local),)))

    def path(self, source: Source, local: bytes) -> Path:
        return Path(source, local, segments=False)

    def send(self, data: bytes | memoryview, path: Path) -> bool:
        self.sent.append((bytes(data), path.source))
        host = self.hosts.get(path.source)
        if host is not None and not self.lose(bytes(data)):
            asyncio.get_running_loop().call_soon(host, bytes(data))
        return True

    def send_segments(self, data: memoryview, step: int, bounds: Sequence[tuple[int, int]], path: Path) -> bool:
        for start, end in bounds:
            self.send(data[start:end], path)
        return True

    def place(self, peer: Any, port: int) -> Source:
        """Put a peer at a port of the network; it is where the peer sends from, too."""
        source = ("192.0.2.9", port)
        self.hosts[source] = peer.receive
        peer.out = lambda datagram: self.arrive(datagram, source)
        return source
