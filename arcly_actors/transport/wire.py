"""One TCP or TLS connection: the asyncio protocol under a `Connection` actor or a streamed HTTP response.

Its life: made (reading is off until somebody attaches) -> attached -> ending (nothing more is taken; what was taken
leaves, then our FIN; what the peer still sends is thrown away, because closing a socket with unread bytes makes the
kernel send a reset that destroys the peer's copy of our last bytes) -> lost. Each step that waits for the peer has a
deadline.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, cast

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Refused
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.outlet import SocketOutlet

OutletFactory = Callable[[asyncio.AbstractEventLoop, asyncio.Transport, Callable[[], None]], SocketOutlet]


class Receiver(Protocol):
    """Who hears from a wire; called from the loop, must not raise."""

    def received(self, data: bytes) -> None:
        """Bytes from the peer."""
        ...

    def half_closed(self) -> None:
        """The peer sends no more; what is written during this call still goes out, then the wire ends."""
        ...

    def lost(self, error: Exception | None) -> None:
        """It is over; `error` is None for an orderly end. Called once."""
        ...


class Wire(asyncio.Protocol):
    """See the module. `on_made` is told once the transport (and TLS) stands, `on_lost` once it is gone."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_made: Callable[["Wire"], None] | None = None,
        on_lost: Callable[[], None] | None = None,
        make_outlet: OutletFactory = SocketOutlet,
    ) -> None:
        self._loop = loop
        self._on_made = on_made
        self._on_lost = on_lost
        self._make_outlet = make_outlet
        self._receiver: Receiver | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._ending = False
        self._paused = True
        self._held: list[bytes] = []
        self._peer_finished = False
        self.outlet: SocketOutlet
        self.peer = Address("?", 0)
        self.local = Address("?", 0)
        self.refused: Refused | None = None  # over the budget: to be told so, and nothing else
        self.encrypted = False

    # --- what the owner does ---

    def attach(self, receiver: Receiver, *, reading: bool = True) -> None:
        """Deliver to this receiver from now on (`reading` False: once it resumes); one that is too late hears `lost`."""
        self._receiver = receiver
        if self._transport is None:
            self._loop.call_soon(receiver.lost, None)
        elif not self._ending:
            self._cancel_deadline()
            if reading:
                self.resume()

    def pause(self) -> None:
        """Read no more for now; the kernel's buffer fills and the peer has to wait."""
        self._paused = True
        if self._transport is not None and not self._ending:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        while self._held and not self._paused:
            self.data_received(self._held.pop(0))
        if self._transport is None or self._paused:
            return
        if self._peer_finished:
            self._finished()
        else:
            self._transport.resume_reading()

    def end(self, within: int = limits.LINGER_TIMEOUT) -> None:
        """Close once everything taken so far is out, at the latest `within` ns from now."""
        transport = self._transport
        if transport is None or self._ending:
            return
        self._ending = True
        self.outlet.shut()
        self._arm(within)
        self._held.clear()
        if self.encrypted or self._peer_finished:
            transport.close()
            return
        transport.resume_reading()
        transport.write_eof()

    def abort(self) -> None:
        """Close now; what is pending is dropped."""
        self._ending = True
        if self._transport is not None:
            self.outlet.shut()
            self._transport.abort()

    @property
    def alive(self) -> bool:
        """Whether the connection stands."""
        return self._transport is not None

    # --- what asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol.connection_made`."""
        made = self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by class
        self.encrypted = transport.get_extra_info("sslcontext") is not None
        self.peer = Address.of_peer(transport.get_extra_info("peername"))
        self.local = Address.of_peer(transport.get_extra_info("sockname"))
        self.outlet = self._make_outlet(self._loop, made, self.end)
        made.pause_reading()
        self._arm(limits.ORPHAN_TIMEOUT)
        if self._on_made is not None:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol.data_received`."""
        if self._ending:
            return
        if self._paused or self._receiver is None:
            # uvloop starts to read after `connection_made` whatever that said, and TLS hands out what it has decrypted.
            self._held.append(data)
            self.pause()
        else:
            self._receiver.received(data)

    def eof_received(self) -> bool:
        """See `asyncio.Protocol.eof_received`: True keeps the transport open until what came before has been heard."""
        self._peer_finished = True
        if self._held and not self.encrypted:
            return True
        self._finished()
        return False

    def _finished(self) -> None:
        if not self._ending:
            if self._receiver is not None:
                self._receiver.half_closed()
            self.end()

    def pause_writing(self) -> None:
        """The outlet looks at the buffer itself."""

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol.resume_writing`."""
        self.outlet.drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol.connection_lost`."""
        error = exc or self.outlet.error
        self._transport = None
        self._held.clear()
        self._cancel_deadline()
        self.outlet.lost()
        if self._on_lost is not None:
            self._on_lost()
        if self._receiver is not None:
            self._receiver.lost(error)

    def _arm(self, ns: int) -> None:
        self._cancel_deadline()
        self._deadline = self._loop.call_later(ns / NS_PER_S, self.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


_OPTIONS: tuple[tuple[int, str, int], ...] = (
    (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", limits.KEEPALIVE_IDLE // NS_PER_S),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", limits.KEEPALIVE_INTERVAL // NS_PER_S),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", limits.KEEPALIVE_PROBES),
    # The send buffer itself stays with the kernel's tuning (a fixed SO_SNDBUF would cap the speed of far viewers).
    (socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", limits.UNSENT_IN_KERNEL),
)


def set_options(accepted: socket.socket) -> None:
    """Small writes leave at once, dead peers are found, and the kernel holds a bounded number of unsent bytes."""
    for level, name, value in _OPTIONS:
        number = getattr(socket, name, None)
        if number is None:
            continue
        with suppress(OSError):  # the peer may be gone already, and an option missing in this kernel is no reason to fail
            accepted.setsockopt(level, number, value)
