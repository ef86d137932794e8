"""A network without sockets: whoever holds it connects to an engine's endpoints by plain calls, in virtual time."""

import asyncio
import errno
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import pykka

from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import AddressUnavailable
from arcly_actors.runtime import SessionNote, System
from arcly_actors.runtime.seams import Asked, Place, Remote, Replied
from arcly_actors.script.datagrams import ScriptedDatagrams
from arcly_actors.script.http import ask
from arcly_actors.script.pipe import join
from arcly_actors.script.webrtc import ScriptedPeers, ScriptedPort
from arcly_actors.script.webrtc_dial import ScriptedDial
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls_srtp import Ice


class Far(Protocol):
    """Answers what is dialled in place of whoever is on the network."""

    async def dial(self, protocol: Callable[[], asyncio.Protocol], remote: Remote) -> None:
        """See `Network.dial`."""
        ...

    async def resolve(self, remote: Remote) -> Place:
        """See `Network.resolve`."""
        ...

    async def ask(self, remote: Remote, number: int) -> Replied:
        """See `Network.ask`."""
        ...

    def play(self, remote: Remote, hear: Callable[[object], None]) -> None:
        """See `Network.play`."""
        ...

    def local(self, remote: Remote, at: Place, on: str) -> int:
        """The port for a datagram socket of this one that is to be bound there; 0: any. AddressUnavailable when it was
        not to be had.
        """
        ...


Accept = Callable[[asyncio.Transport], asyncio.Protocol | None]

_FIRST_PORT = 49152
_HERE = "127.0.0.1"
_ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound to


class ScriptedNetwork:
    """Implements `runtime.seams.Network`. `heard(data, sender, to)` is told of datagrams to where nobody has bound.

    What an engine on it dials is on it, too: another engine, or a peer that a test has `listen`. `delay` is how many ns
    all that takes from one end to the other.
    """

    def __init__(self, delay: int = 0) -> None:
        self.delay = delay
        self._listening: dict[Place, Accept] = {}
        self._next_port = _FIRST_PORT
        self.peers = ScriptedPeers()
        self._bound: dict[Place, ScriptedDatagrams] = {}
        self._next_udp_port = _FIRST_PORT
        self.heard: Callable[[bytes, Address, Place], None] = lambda _data, _sender, _to: None
        self.far: Far | None = None

    def listen(self, at: Place, accept: Accept) -> Place:
        """See `Network.listen`."""
        host, port = at
        if not port:
            port = self._next_port
            self._next_port += 1
        if (host, port) in self._listening:
            raise AddressUnavailable(f"{host}:{port}", "another endpoint has it")
        self._listening[host, port] = accept
        return host, port

    def close(self, at: Place) -> None:
        """See `Network.close`."""
        self._listening.pop(at, None)

    def webrtc_port(self, system: System, listen: Address, ice: Ice, **options: Any) -> pykka.ActorRef[ScriptedPort]:
        """See `Network.webrtc_port`; `peers` are the other ends of its sessions."""

        def opened(_loop: object, at: Address) -> ScriptedDatagrams:
            return self.bind((at.host, at.port))

        return ScriptedPort.start(system, listen, ice, peers=self.peers, open_socket=opened, **options)

    def webrtc_dial(self, system: System, note: SessionNote | None) -> pykka.ActorRef[ScriptedDial]:
        """See `Network.webrtc_dial`."""
        at = Address(_HERE, self._next_udp_port)
        self._next_udp_port += 1
        return ScriptedDial.start(system, note, at, self.peers, delay=self.delay, alone=self.far is not None)

    async def ask(self, asked: Asked, remote: Remote | None, number: int) -> Replied:
        """See `Network.ask`."""
        if self.far is not None and remote is not None:
            return await self.far.ask(remote, number)
        return await ask(asked, lambda to, protocol: self.dial(to, protocol, None))

    def plays(self, remote: Remote | None) -> bool:
        """See `Network.plays`."""
        return self.far is not None and remote is not None

    def play(self, remote: Remote | None, hear: Callable[[object], None]) -> bool:
        """See `Network.play`."""
        if self.far is None or remote is None:
            return False
        self.far.play(remote, hear)
        return True

    def bind(self, at: Place, on: str = "", remote: Remote | None = None) -> ScriptedDatagrams:
        """See `Network.bind`."""
        host, port = at
        if self.far is not None and remote is not None:
            port = self.far.local(remote, at, on)
        while not port or (at[1] == 0 and (host, port) in self._bound):
            port = self._next_udp_port
            self._next_udp_port += 1
        if (host, port) in self._bound:
            raise AddressUnavailable(f"{host}:{port}", "another endpoint has it")

        def closed() -> None:
            self._bound.pop((host, port), None)

        bound = self._bound[host, port] = ScriptedDatagrams(Address(host, port), self._carry, closed)
        return bound

    def send(self, data: bytes, to: Place, peer: Address) -> bool:
        """A datagram from `peer`; False when nobody has bound there."""
        at = self._reached(self._bound, to)
        if at is not None:
            self._bound[at].arrive(data, peer)
        return at is not None

    def _carry(self, data: bytes, sender: ScriptedDatagrams, to: Place) -> None:
        here = sender.bound
        peer = Address(_HERE, here.port) if here.host in _ANYWHERE else here
        if self._reached(self._bound, to) is None:
            self.heard(data, peer, to)
        elif self.delay:
            asyncio.get_running_loop().call_later(self.delay / NS_PER_S, self.send, data, to, peer)
        else:
            self.send(data, to, peer)

    async def dial(self, to: Place, protocol: Callable[[], asyncio.Protocol], remote: Remote | None) -> None:
        """See `Network.dial`: to an engine that listens on this network, what `listen` was given, or the script."""
        if self.far is not None and remote is not None:
            await self.far.dial(protocol, remote)
            return
        at = self._reached(self._listening, to)
        if at is None:
            raise _refused()
        port = self._next_port
        self._next_port += 1
        near, far = Address(_HERE, port), Address(to[0] if at[0] in _ANYWHERE else at[0], at[1])
        theirs, ours = ScriptedTransport(near, far), ScriptedTransport(far, near)
        join(ours, theirs, self.delay)
        accepted = self._listening[at](theirs)
        if accepted is None:
            raise _refused()
        theirs.protocol, ours.protocol = accepted, protocol()
        self.joined(ours, theirs)
        ours.protocol.connection_made(ours)

    def joined(self, one: "ScriptedTransport", other: "ScriptedTransport") -> None:
        """A connection was dialled: its ends."""

    async def resolve(self, to: Place, remote: Remote | None) -> Place:
        """See `Network.resolve`: names are as they are, unless the script knows better."""
        if self.far is not None and remote is not None:
            return await self.far.resolve(remote)
        return to

    @staticmethod
    def _reached(places: "Mapping[Place, object]", to: Place) -> Place | None:
        """Where that leads: to who has that very place, or takes what comes to its port by any name."""
        if to in places:
            return to
        tried = [(host, to[1]) for host in _ANYWHERE]
        return next((place for place in tried if place in places), None)

    def connect(
        self, to: Place, peer: Address, *, local: Address | None = None, room: "Iterable[int | None]" = ()
    ) -> "ScriptedTransport | None":
        """A connection from `peer`; `local` is where it says that it came to, `room` is for `ScriptedTransport`.

        None when nobody listens there or it is turned away.
        """
        accept = self._listening.get(to)
        if accept is None:
            return None
        transport = ScriptedTransport(peer, local or Address(*to), room)
        protocol = accept(transport)
        if protocol is None:
            return None
        transport.protocol = protocol
        return transport


def _refused() -> ConnectionRefusedError:
    return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


class ScriptedTransport(asyncio.Transport):
    """The engine's end of a connection whose other end is a script.

    `room` says how many bytes in all "the kernel" takes until each next `drain` (None: any number); what is more waits,
    as for a player that does not read. `heard(data)` is called with what is written, `shut()` when the engine closes.
    """

    def __init__(self, peer: Address, local: Address, room: "Iterable[int | None]" = ()) -> None:
        super().__init__()
        self._named = {"peername": (peer.host, peer.port), "sockname": (local.host, local.port)}
        self._room = list(room)
        self._high = 65536
        self._waits = False
        self._written = self._taken = 0
        self._reading = True
        self._closing = False
        self._held: list[Callable[[], object]] = []
        self.protocol: asyncio.Protocol | None = None
        self.heard: Callable[[bytes], None] = lambda _data: None
        self.shut: Callable[[], None] = lambda: None
        self.over = False

    # --- the script's side ---

    def feed(self, data: bytes) -> None:
        """Bytes from the peer; they wait while the engine does not read."""
        self._come(lambda: self._protocol.data_received(data))

    def finish(self) -> None:
        """The peer sends no more."""

        def finished() -> None:
            if not self._protocol.eof_received():
                self.close()

        self._come(finished)

    def drain(self) -> None:
        """The peer has read everything that waited."""
        if self._room:
            self._room.pop(0)
        self._move()
        if self._waits and self._written == self._taken and not self.over:
            self._waits = False
            self._protocol.resume_writing()

    def stall(self) -> None:
        """The peer takes nothing from here on, until `drain`."""
        self._room = [self._taken]

    def lose(self, error: Exception | None = None) -> None:
        """The connection is gone."""
        if not self.over:
            self.over = self._closing = True
            self._held.clear()
            self._protocol.connection_lost(error)

    @property
    def _protocol(self) -> asyncio.Protocol:
        assert self.protocol is not None, "it stands once `connect` has returned it"
        return self.protocol

    def _come(self, call: Callable[[], object]) -> None:
        if self.over:
            return
        if self._reading:
            call()
        else:
            self._held.append(call)

    # --- the engine's side ---

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`: the names of the two ends."""
        return self._named.get(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`."""
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See `asyncio.BaseTransport`."""
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See `asyncio.WriteTransport`."""
        if self._closing or not data:
            return
        self._written += len(data)
        self._move()
        if self.get_write_buffer_size() > self._high and not self._waits:
            self._waits = True
            self._protocol.pause_writing()
        self.heard(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """See `asyncio.WriteTransport`."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """See `asyncio.WriteTransport`."""
        self.shut()

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`."""
        return True

    def close(self) -> None:
        """See `asyncio.BaseTransport`."""
        self._end()

    def abort(self) -> None:
        """See `asyncio.WriteTransport`."""
        self._end()

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._closing

    def is_reading(self) -> bool:
        """See `asyncio.ReadTransport`."""
        return self._reading

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._reading = False

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._reading = True
        while self._held and self._reading and not self.over:
            self._held.pop(0)()

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`."""
        return self._written - self._taken

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """See `asyncio.WriteTransport`."""
        return 0, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport`."""
        del low
        self._high = 65536 if high is None else high

    def _move(self) -> None:
        room = self._room[0] if self._room else None
        self._taken = self._written if room is None else max(self._taken, min(self._written, room))

    def _end(self) -> None:
        if not self._closing:
            self._closing = True
            self.shut()
            asyncio.get_running_loop().call_soon(self.lose)
