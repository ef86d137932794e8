"""Accepting: listening sockets, a budget, TLS, and what to do when the process runs out of descriptors."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Refused
from arcly_actors.runtime import Seams
from arcly_actors.transport.addresses import Address, listen
from arcly_actors.transport.budget import Budget, Complaints, Permit
from arcly_actors.transport.wire import set_options

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

ProtocolFactory = Callable[[Permit], asyncio.Protocol]


class Acceptor:
    """Accepts for one endpoint. `make` gives the protocol of a connection; that protocol releases the permit when it is
    lost.

    Sockets are accepted here and not by ``loop.create_server`` so that one who is over the budget costs no TLS
    handshake, and so that asyncio and uvloop behave alike when descriptors run out.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        addresses: Sequence[Address],
        make: ProtocolFactory,
        *,
        budget: Budget,
        complaints: Complaints,
        tls: ssl.SSLContext | None = None,
        tls_timeout: int = limits.TLS_HANDSHAKE_TIMEOUT,
        seams: Seams | None = None,
    ) -> None:
        self._loop = loop
        self._seams = seams or Seams()
        self._addresses = addresses
        self._make = make
        self._budget = budget
        self._complaints = complaints
        self._tls = tls
        self._tls_timeout = tls_timeout / NS_PER_S
        self._sockets: list[socket.socket] = []
        self._opening: set[asyncio.Task[bool]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self.bound: tuple[Address, ...] = ()

    def bind(self) -> None:
        """Listen; ConfigurationError when an address cannot be had (none is kept then)."""
        network = self._seams.network
        if network is not None:
            self.bound = tuple(Address(*network.listen((at.host, at.port), self._joined)) for at in self._addresses)
            return
        try:
            for address in self._addresses:
                self._sockets += listen(address, limits.ACCEPT_BACKLOG)
        except BaseException:
            self.close()
            raise
        self.bound = tuple(Address.of_peer(one.getsockname()) for one in self._sockets)

    def start(self) -> None:
        """Accept from now on."""
        self._retry = None
        for one in self._sockets:
            self._loop.add_reader(one.fileno(), self._readable, one)

    def pause(self) -> None:
        """Accept no more; who connects waits in the kernel's backlog."""
        for one in self._sockets:
            self._loop.remove_reader(one.fileno())

    def close(self) -> None:
        """Stop listening, give up handshakes under way. Connections that stand are not touched."""
        if self._retry is not None:
            self._retry.cancel()
        self.pause()
        for one in self._sockets:
            one.close()
        self._sockets = []
        if self._seams.network is not None:
            for at in self.bound:
                self._seams.network.close((at.host, at.port))
        for task in self._opening:
            task.cancel()

    def _readable(self, listening: socket.socket) -> None:
        for _ in range(limits.ACCEPT_BURST):
            try:
                accepted, name = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # it went away while it waited
            except OSError as error:
                self._cannot_accept(listening, error)
                return
            self._accepted(listening, accepted, Address.of_peer(name))

    def _joined(self, transport: asyncio.Transport) -> asyncio.Protocol | None:
        """A connection that is no socket's."""
        where = Address.of_peer(transport.get_extra_info("sockname"))
        permit = self._permit(Address.of_peer(transport.get_extra_info("peername")), where)
        if permit is None:
            return None
        protocol = self._protocol(permit, where)
        protocol.connection_made(transport)
        return protocol

    def _protocol(self, permit: Permit, where: Address) -> asyncio.Protocol:
        return self._seams.taped(self._make(permit), (where.host, where.port))

    def _permit(self, peer: Address, where: Address) -> Permit | None:
        try:
            permit = self._budget.take(peer.host)
        except Refused as refused:
            self._complaints.add(where, "budget", refused.detail, peer)
            return None
        if permit.refused is not None:
            self._complaints.add(where, "budget", permit.refused.detail, peer)
        return permit

    def _cannot_accept(self, listening: socket.socket, error: OSError) -> None:
        reason = "descriptors" if error.errno in _EXHAUSTED else "accept"
        self._complaints.add(Address.of_peer(listening.getsockname()), reason, error.strerror or str(error))
        self.pause()
        if self._retry is None:
            self._retry = self._loop.call_later(limits.ACCEPT_RETRY / NS_PER_S, self.start)

    def _accepted(self, listening: socket.socket, accepted: socket.socket, peer: Address) -> None:
        permit = self._permit(peer, Address.of_peer(listening.getsockname()))
        if permit is None:
            accepted.close()
            return
        accepted.setblocking(False)
        set_options(accepted)
        task = self._loop.create_task(self._open(accepted, permit, peer))
        self._opening.add(task)

        def opened(done: "asyncio.Task[bool]") -> None:  # not a `finally` in the task: one cancelled early never runs
            self._opening.discard(done)
            if done.cancelled() or not done.result():
                permit.release()
                accepted.close()

        task.add_done_callback(opened)

    async def _open(self, accepted: socket.socket, permit: Permit, peer: Address) -> bool:
        where = Address.of_peer(accepted.getsockname())
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._protocol(permit, where),
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._tls_timeout if self._tls is not None else None,
            )
        except OSError as error:  # ssl.SSLError, TimeoutError and resets are all of this family
            self._complaints.add(where, "handshake", str(error) or type(error).__name__, peer)
            return False
        except Exception as error:  # noqa: BLE001 - a defect in one connection's making must not pass unheard
            self._complaints.add(where, "defect", repr(error), peer)
            return False
        return True
