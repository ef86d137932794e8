"""Dialling over UDP: where a name leads, from which local address to go there, and an actor that does. What goes wrong
is a value.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pykka

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import AddressUnavailable
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.runtime.seams import NoAnswer, Remote
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.datagram_link import DatagramLink
from arcly_actors.transport.datagram_port import DatagramPort, Switchboard
from arcly_actors.transport.dialler import DialFailed
from arcly_actors.transport.udp_socket import Source

Connect: TypeAlias = Callable[[Source | None], tuple[Switchboard, Any]]
"""Makes what tells the connections apart, and the engine of the one that we begin (None when we wait for it)."""


async def resolve(system: System, host: str, port: int, remote: Remote | None = None) -> Source | DialFailed:
    """The first address of `host`, as a UDP socket names it, for a source or sink."""
    await system.seams.may_dial()
    system.seams.dialling(remote, (host, port))
    if system.seams.refused(remote):
        found: Source | DialFailed = DialFailed(f"{host} is not known: refused on purpose")
    else:
        found = await _resolved(system, host, port, remote)
    if isinstance(found, DialFailed):
        system.seams.undialled(remote, found.detail)
    else:
        system.seams.found(remote, found)
    return found


async def may_listen(system: System, host: str, port: int, remote: Remote | None = None) -> DialFailed | None:
    """Whether a source or sink may wait there for who comes: a dial whose answer is our own address."""
    seams = system.seams
    await seams.may_dial()
    seams.dialling(remote, (host, port), listens=True)
    failed: DialFailed | None = None
    if seams.refused(remote):
        failed = DialFailed(f"cannot listen on port {port}: refused on purpose")
    elif seams.network is not None:
        try:
            await seams.network.resolve((host, port), remote)
        except NoAnswer as error:
            failed = DialFailed(str(error))
    if failed is not None:
        seams.undialled(remote, failed.detail)
    else:
        seams.found(remote, (host, port))
    return failed


async def _resolved(system: System, host: str, port: int, remote: Remote | None) -> Source | DialFailed:
    network = system.seams.network
    if network is not None:
        try:
            host, port = await network.resolve((host, port), remote)
        except NoAnswer as error:
            return DialFailed(str(error))
        return (host, port, 0, 0) if ":" in host else (host, port)
    try:
        async with asyncio.timeout(limits.DIAL_TIMEOUT / NS_PER_S):
            found = await system.loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except TimeoutError:
        return DialFailed(f"{host} was not found within {limits.DIAL_TIMEOUT / NS_PER_S:g} s")
    except OSError as error:
        return DialFailed(f"{host} is not known: {error.strerror or error}")
    source: Source = found[0][4]
    return source


def local_address(adapter: str, port: int, towards: Source | None) -> Address:
    """Where to bind: `adapter`, or any address of the family of the peer."""
    everywhere = "::" if towards is not None and len(towards) == 4 else "0.0.0.0"  # noqa: S104 - as any client does
    return Address(adapter or everywhere, port)


@dataclass(frozen=True, slots=True)
class _Resolved:
    where: Source | DialFailed | None


@dataclass(frozen=True, slots=True)
class _Linked:
    link: DatagramLink


class DatagramCaller(LoopActor):
    """An actor with one connection on a datagram port of its own, whichever side begins it.

    `call` opens it. A subclass hears `connected` and, when that cannot be, `unreachable`; it may `spare` further
    connections that come. Its port is closed with it, in order.
    """

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self._port: pykka.ActorRef[Any] | None = None
        self._connect: Connect | None = None
        self._local = ("", 0)
        self._remote: Remote | None = None
        self.link: DatagramLink | None = None

    def on_stop(self) -> None:
        """The port says good-bye."""
        if self._port is not None:
            self._port.stop(block=False)

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self.on_stop()

    def figures(self) -> dict[str, int | float]:
        """What the tree shows: the engine's statistics."""
        if self.link is None:
            return {}
        found: dict[str, int | float] = self.link.engine.statistics(self.system.clock.monotonic_ns()).values()
        return found

    def call(
        self, to: tuple[str, int] | None, local: tuple[str, int], connect: Connect, remote: Remote | None = None
    ) -> None:
        """Connect to a host and port from a local address, or wait there for a caller (`to` None), for `remote`."""
        self._connect, self._local, self._remote = connect, local, remote
        if to is None:
            self.spawn(may_listen(self.system, *local, remote), then=_Resolved)
        else:
            self.spawn(resolve(self.system, *to, remote), then=_Resolved)

    def connected(self, link: DatagramLink) -> None:
        """There is a connection; it has yet to shake hands."""
        raise NotImplementedError

    def spare(self, link: DatagramLink) -> None:
        """Another one came while there is one."""
        raise NotImplementedError

    def unreachable(self, detail: str) -> None:
        """There will be none."""
        raise NotImplementedError

    @receives(_Resolved)
    def resolved(self, resolved: _Resolved) -> None:
        """Where the name leads."""
        if isinstance(resolved.where, DialFailed):
            self.unreachable(resolved.where.detail)
        else:
            self._open(resolved.where)

    def _open(self, peer: Source | None) -> None:
        assert self._connect is not None
        with self.system.seams.drawing_by(self._remote):
            switchboard, engine = self._connect(peer)
        call = (engine, peer) if engine is not None and peer is not None else None
        ours = self.actor_ref
        self._port = DatagramPort.start(
            self.system,
            local_address(*self._local, peer),
            switchboard,
            lambda link: notify(ours, _Linked(link)),
            name="srt" if self._remote is not None else "",
            call=call,
            remote=self._remote,
        )
        self.watch(self._port)

    @receives(_Linked)
    def linked(self, linked: _Linked) -> None:
        """The port has a connection."""
        if self.link is None:
            self.link = linked.link
            self.connected(linked.link)
            linked.link.attach(self.actor_ref)
        else:
            self.spare(linked.link)

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """The port could not be opened, or failed; what else may end is a subclass's."""
        if self._port is not None and exited.urn == self._port.actor_urn:
            if isinstance(exited.error, AddressUnavailable):
                self.system.seams.undialled(self._remote, str(exited.error))
            self.unreachable(str(exited.error) if exited.error is not None else "the port was closed")
        else:
            self.child_gone(exited)

    def child_gone(self, exited: Exited) -> None:
        """Another actor that this one watches is gone."""
