"""A bad network on loopback: a UDP relay that loses, delays, reorders, repeats and throttles, by a seeded chance.

Each client has an upstream socket of its own, so the server sees an address for each; no datagram is changed.
"""

import asyncio
import contextlib
import random
import socket
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

Address = tuple[str, int]
_QUEUE_S = 0.3
"""What a throttled direction queues before it drops, as a home router would."""
_HEADERS = 28  # IPv4 and UDP: a rate is of what is on the wire


@dataclass
class Weather:
    """One direction; set it anew at any time. `loss` and `twice` are shares of datagrams, `jitter` the most seconds that
    one is held back (each for itself, so they overtake each other), `rate` bits per second, 0 for no limit."""

    loss: float = 0.0
    twice: float = 0.0
    jitter: float = 0.0
    rate: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        """Fair again."""
        self.loss = self.twice = self.jitter = 0.0
        self.rate = 0


class _Direction:
    """Applies the weather to what one socket is to send."""

    def __init__(self, weather: Weather, chance: random.Random, send: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._weather = weather
        self._chance = chance
        self._send = send
        self._free_at = 0.0

    def take(self, data: bytes) -> None:
        weather, counts = self._weather, self._weather.counts
        counts["taken"] += 1
        if self._chance.random() < weather.loss:
            counts["lost"] += 1
            return
        self._later(data)
        if self._chance.random() < weather.twice:
            counts["repeated"] += 1
            self._later(data)

    def _later(self, data: bytes) -> None:
        weather, now = self._weather, self._loop.time()
        at = now
        if weather.rate:
            start = max(now, self._free_at)
            if start - now > _QUEUE_S:
                weather.counts["throttled"] += 1
                return
            at = self._free_at = start + (len(data) + _HEADERS) * 8 / weather.rate
        if weather.jitter:
            at += self._chance.uniform(0, weather.jitter)
        if at > now:
            self._loop.call_at(at, self._send, data)
        else:
            self._send(data)


class _Client:
    """Who sends through the relay, and the socket that the server sees in its place."""

    def __init__(self, relay: "Relay", address: Address) -> None:
        self._relay = relay
        self._up = _Direction(relay.up, relay.chance, self.to_server)
        self._down = _Direction(relay.down, relay.chance, lambda data: relay.to_client(data, address))
        self.heard: deque[bytes] = deque(maxlen=500)
        self._upstream = self._open()

    def take(self, data: bytes) -> None:
        self.heard.append(data)
        self._up.take(data)

    def move(self) -> None:
        """Go on from another port, deaf at the former."""
        former, self._upstream = self._upstream, self._open()
        self._shut(former)

    def close(self) -> None:
        self._shut(self._upstream)

    def _open(self) -> socket.socket:
        made = _socket()
        made.connect(self._relay.server)
        asyncio.get_running_loop().add_reader(made.fileno(), _drain, made, lambda data, _source: self._down.take(data))
        return made

    def _shut(self, one: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(one.fileno())
        one.close()

    def to_server(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # it is closed, or the server's port is
            self._upstream.send(data)


class Relay:
    """See the module. `up` is the weather towards the server, `down` towards its clients."""

    def __init__(self, server: Address, seed: int) -> None:
        self.server = server
        self.up, self.down = Weather(), Weather()
        self.chance = random.Random(seed)
        self._clients: dict[Address, _Client] = {}
        self._socket = _socket()
        self._socket.bind(("127.0.0.1", 0))
        asyncio.get_running_loop().add_reader(self._socket.fileno(), _drain, self._socket, self._arrived)

    @property
    def port(self) -> int:
        """Where clients send to."""
        return int(self._socket.getsockname()[1])

    def rebind(self) -> None:
        """Every client has another port from now on, as behind a NAT that forgot it."""
        for client in self._clients.values():
            client.move()

    def latest(self, kind: Callable[[bytes], bool]) -> bytes:
        """The newest datagram of a kind that the only client sent."""
        (client,) = self._clients.values()
        return next(data for data in reversed(client.heard) if kind(data))

    def inject(self, data: bytes) -> None:
        """Send this to the server as the only client."""
        (client,) = self._clients.values()
        client.to_server(data)

    def to_client(self, data: bytes, address: Address) -> None:
        """Send on."""
        with contextlib.suppress(OSError):
            self._socket.sendto(data, address)

    def close(self) -> None:
        """What is still delayed is lost."""
        for client in self._clients.values():
            client.close()
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    def _arrived(self, data: bytes, source: Address) -> None:
        client = self._clients.get(source)
        if client is None:
            client = self._clients[source] = _Client(self, source)
        client.take(data)


@contextlib.asynccontextmanager
async def relaying(port: int, seed: int = 1) -> AsyncIterator[Relay]:
    """A relay before a port of loopback, for the length of a block."""
    relay = Relay(("127.0.0.1", port), seed)
    try:
        yield relay
    finally:
        relay.close()


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    for kind in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        made.setsockopt(socket.SOL_SOCKET, kind, 1 << 22)
    return made


def _drain(one: socket.socket, take: Callable[[bytes, Address], None]) -> None:
    while one.fileno() >= 0:
        try:
            data, source = one.recvfrom(65_536)
        except (BlockingIOError, ConnectionError):
            return
        take(data, source)
