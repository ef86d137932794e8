"""Both ends of a loopback connection: ours as a `Wire`, the peer's as a bare socket."""

import asyncio
import socket
import struct
from pathlib import Path
from typing import Protocol

from arcly_actors.transport.outlet import SocketOutlet
from arcly_actors.transport.wire import OutletFactory, Wire
from tests.support.waiting import until


class Recorder:
    """A receiver that keeps what it hears; `over` is set once the wire is lost."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.finished = False
        self.error: Exception | None = None
        self.over = asyncio.Event()

    def received(self, data: bytes) -> None:
        self.data += data

    def half_closed(self) -> None:
        self.finished = True

    def lost(self, error: Exception | None) -> None:
        self.error = error
        self.over.set()


class Peer:
    """The other end: reads and writes when told, never by itself."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        connected.setblocking(False)

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def receive(self, size: int = 1 << 16) -> bytes:
        async with asyncio.timeout(20):
            return await asyncio.get_running_loop().sock_recv(self.socket, size)

    async def exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            more = await self.receive(size - len(data))
            if not more:
                break
            data += more
        return bytes(data)

    async def rest(self) -> bytes:
        """Everything until our end closes; a reset ends it, too."""
        data = bytearray()
        try:
            while more := await self.receive():
                data += more
        except ConnectionError:
            pass
        return bytes(data)

    def finish(self) -> None:
        """Close the sending half only."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Go away with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()


async def connect(port: int, *, receive_buffer: int | None = None) -> Peer:
    """Connect to our listener on loopback; a small receive buffer makes a viewer that stalls early."""
    made = socket.socket()
    if receive_buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
    except BaseException:
        made.close()
        raise
    return Peer(made)


async def wire_pair(make_outlet: OutletFactory = SocketOutlet, *, small: bool = False) -> tuple[Wire, Peer]:
    """A connected pair; `small` gives both kernels small buffers, so that backpressure comes after some 10 kB."""
    loop = asyncio.get_running_loop()
    with socket.socket() as listening:
        if small:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        peer = await connect(listening.getsockname()[1], receive_buffer=4096 if small else None)
        accepted, _ = listening.accept()
    accepted.setblocking(False)
    wire = Wire(loop, make_outlet=make_outlet)
    await loop.connect_accepted_socket(lambda: wire, accepted)
    return wire, peer


class MakePair(Protocol):
    """`wire_pair` as a fixture that cleans up after the test."""

    async def __call__(self, make_outlet: OutletFactory = SocketOutlet, *, small: bool = False) -> tuple[Wire, Peer]: ...


async def dispose(wire: Wire, peer: Peer) -> None:
    """Close both ends, and let the loop let go of them."""
    peer.close()
    wire.abort()
    await until(lambda: not wire.alive)
    for _ in range(3):  # a loop closes its handle in the turns after `connection_lost`
        await asyncio.sleep(0)


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
