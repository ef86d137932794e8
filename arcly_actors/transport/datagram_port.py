"""`DatagramPort`: an actor with one UDP socket for all connections of a protocol that tells them apart itself.

A *switchboard* (injected, pure) says which connection's engine a datagram is for, and takes those that are for none. What
was read together is given to an engine together; the port then does what it puts out. As with a TCP `Connection`, engines
run in the socket's own callback and only events become messages. Deadlines are looked at all together by a pulse: a
comparison per connection, and no timers. A busy port is read by that pulse, too, instead of with each packet: on an
otherwise idle loop a wake-up costs more than ten packets.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pykka

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import Exited, Failed, LoopActor, System, receives
from arcly_actors.runtime.seams import Remote
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.connection import ConnectionClosed
from arcly_actors.transport.datagram_link import DatagramLink
from arcly_actors.transport.datagrams import close_datagrams, open_datagrams
from arcly_actors.transport.listener import WhereBound
from arcly_actors.transport.udp_socket import Arrived, Datagrams, Source

OpenSocket = Callable[[asyncio.AbstractEventLoop, Address], Datagrams]


class Switchboard(Protocol):
    """Tells connections apart, and answers those that are none yet."""

    def engine_of(self, data: memoryview, peer: Hashable) -> Any:
        """The engine that is to be given the datagram; None: `receive` is."""
        ...

    def receive(self, data: bytes, peer: Hashable, now: int) -> Any:
        """Take a datagram that is for no engine: one that began with it, bytes to answer it with, or None."""
        ...

    def forget(self, engine: Any, now: int) -> None:
        """The connection of this engine is over."""
        ...


@dataclass(frozen=True, slots=True)
class PortFigures:
    """How a port is doing; `dropped` are datagrams that could not be read or did not leave, by reason."""

    bound: Address
    connections: int
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class PortStatus:
    """Ask for `PortFigures`."""


@dataclass(frozen=True, slots=True)
class _Broken:
    """The socket's callback raised; raised again where the actor's supervisor sees it."""

    error: Exception


class DatagramPort(LoopActor):
    """See the module. `on_link` is given each new connection; `call` is the engine of one that we begin, and where its
    peer is; tapes know its datagrams as those of `name`, and of the source or sink `remote`. AddressUnavailable is the
    actor's failure when there is no such address to be had.
    """

    def __init__(
        self,
        system: System,
        listen: Address,
        switchboard: Switchboard,
        on_link: Callable[[DatagramLink], None],
        *,
        name: str = "",
        open_socket: OpenSocket | None = None,
        on_bound: Callable[[Address], None] | None = None,
        call: tuple[Any, Source] | None = None,
        remote: Remote | None = None,
    ) -> None:
        super().__init__(system)
        self._listen = listen
        self._switchboard = switchboard
        self._on_link = on_link
        self._name = name
        self._open_socket = open_socket
        self._on_bound = on_bound
        self._call = call
        self._remote = remote
        self._links: dict[Any, DatagramLink] = {}
        self._owners: dict[str, dict[DatagramLink, None]] = {}
        self._pulsing: asyncio.TimerHandle | None = None
        self._due = 0
        self._busy = False
        self._hurried = 0
        self._read_at = 0
        self.now = system.clock.monotonic_ns
        self.udp: Datagrams

    def on_start(self) -> None:
        """Bind and listen."""
        if self._open_socket is not None:
            self.udp = self._open_socket(self.system.loop, self._listen)
        else:
            self.udp = open_datagrams(self.system, self._listen, self._name, heard=self._heard, remote=self._remote)
        if self._on_bound is not None:
            self._on_bound(Address(self._listen.host, self.udp.bound.port))
        self.udp.start(self._readable)
        if self._call is not None:
            link = self.add(*self._call)
            self._on_link(link)
            self.guarded(link, link.drain)

    def on_stop(self) -> None:
        """Every peer and every owner is told."""
        self._close(ConnectionClosed("the port was closed"))

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        """As `on_stop`: the restarted port needs the address."""
        self._close(ConnectionClosed("the port failed", exception_value))

    # --- messages ---

    @receives(WhereBound)
    def on_where_bound(self, _message: WhereBound) -> tuple[Address, ...]:
        """See `WhereBound`."""
        return (self.udp.bound,)

    @receives(PortStatus)
    def on_status(self, _message: PortStatus) -> PortFigures:
        """See `PortStatus`."""
        dropped: Counter[str] = Counter(getattr(self._switchboard, "dropped", {}))
        return PortFigures(self.udp.bound, len(self._links), dict(dropped + self.udp.dropped))

    @receives(Exited)
    def on_exited(self, message: Exited) -> None:
        """The owner of a connection is gone."""
        for link in tuple(self._owners.pop(message.urn, {})):
            link.owner_ended(message.reason if message.error is None else "its session failed")

    @receives(_Broken)
    def on_broken(self, message: _Broken) -> None:
        """A defect of the port itself is its failure."""
        raise message.error

    # --- what links ask for ---

    def follow(self, link: DatagramLink, owner: pykka.ActorRef[Any]) -> None:
        """The link ends with this actor."""
        self._owners.setdefault(owner.actor_urn, {})[link] = None
        self.watch(owner)

    def forget(self, link: DatagramLink) -> None:
        """A link is over."""
        if self._links.pop(link.engine, None) is None:
            return
        self._switchboard.forget(link.engine, self.now())
        owner = link.owner
        if owner is not None:
            others = self._owners.get(owner.actor_urn, {})
            others.pop(link, None)
            if not others and self._owners.pop(owner.actor_urn, None) is not None:
                self.unwatch(owner)

    def add(self, engine: Any, source: Source, local: bytes = b"") -> DatagramLink:
        """A connection: `engine` is its, `source` where its peer is, `local` which of our addresses it talks to."""
        link = self._links[engine] = DatagramLink(self, engine, self.udp.path(source, local))
        if self.system.seams.tapes:
            link.note = self.system.seams.notes(link)
        if self._pulsing is None:
            self._pulse_later(limits.DATAGRAM_TICK)
        return link

    def _heard(self) -> Iterable[Source]:
        return [link.path.source for link in self._links.values()]

    # --- datagrams ---

    def _readable(self) -> None:
        now = self.now()
        self._hurried = self._hurried + 1 if now - self._read_at < limits.DATAGRAM_TICK else 0
        self._read_at = now
        self.system.run_queue.expect()
        try:
            self._read()
        finally:
            self.system.run_queue.drain()
        if self._hurried >= limits.DATAGRAM_BUSY and self._links:
            self._busy, self._hurried = True, 0
            self.udp.pause()
            self.hurry(now + limits.DATAGRAM_TICK)

    def _read(self) -> int:
        try:
            return self.udp.read_all(self._arrived)
        except Exception as error:  # noqa: BLE001 - whatever a defect raises must reach the supervisor, not the loop
            self.actor_ref.tell(_Broken(error))
            return 0

    def _arrived(self, datagrams: Sequence[Arrived]) -> None:
        engine_of, links = self._switchboard.engine_of, self._links
        came: dict[DatagramLink, list[memoryview]] = {}
        for data, source, local in datagrams:
            engine = engine_of(data, source)
            link = links.get(engine) if engine is not None else self._meet(data, source, local)
            if link is None:
                if engine is None:
                    continue
                link = self._join(engine, source, local)
            run = came.get(link)
            if run is None:
                run = came[link] = []
            if engine is not None:
                run.append(data)
        now = self.now()
        for link, run in came.items():
            self.guarded(link, link.receive, run, now)

    def _meet(self, data: memoryview, source: Source, local: bytes) -> DatagramLink | None:
        """A datagram that is for no engine: the connection that begins with it."""
        try:
            taken = self._switchboard.receive(bytes(data), source, self.now())
        except Exception as error:  # noqa: BLE001 - a defect that one datagram reveals must not end all connections
            self.system.failures.report(Failed(self.actor_ref, self.actor_urn, error))
            self.udp.dropped["defect"] += 1
            return None
        if isinstance(taken, bytes):
            self.udp.send(taken, self.udp.path(source, local))
            return None
        if taken is None:
            return None
        return self._links.get(taken) or self._join(taken, source, local)

    def _join(self, engine: Any, source: Source, local: bytes) -> DatagramLink:
        link = self.add(engine, source, local)
        self._on_link(link)
        return link

    def guarded(self, link: DatagramLink, call: Callable[..., None], *arguments: Any) -> None:
        """Call it; a defect that one peer's bytes reveal is reported and ends that connection, not all the others."""
        try:
            call(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.system.failures.report(Failed(self.actor_ref, self.actor_urn, error))
            link.over(ConnectionClosed("failed", error))

    # --- time ---

    def hurry(self, at: int) -> None:
        """A link wants to be woken then, perhaps before the next pulse."""
        if self._pulsing is not None and at < self._due - limits.DATAGRAM_SOONEST:
            self._pulsing.cancel()
            self._pulse_later(max(at - self.now(), limits.DATAGRAM_SOONEST))

    def _pulse_later(self, ns: int) -> None:
        self._due = self.now() + ns
        self._pulsing = self.system.timers.call_later(ns / NS_PER_S, self._pulse)

    def _pulse(self) -> None:
        self._pulsing = None
        self.system.run_queue.expect()
        try:
            late = self.now() - self._due >= limits.DATAGRAM_STALL  # a loop may run timers before it looks at sockets
            count = self._catch_up() if late else self._read() if self._busy else 0
            if self._busy:
                self._stay_busy(count)
            now = self.now()
            links = self._links.values()
            for link in [link for link in links if link.wake_at <= now]:
                self.guarded(link, link.wake, now)
            if links:
                wanted = min([link.wake_at for link in links]) - now
                patience = min([link.engine.patience for link in links]) if self._busy else limits.DATAGRAM_REST
                wait = min(max(wanted, limits.DATAGRAM_SOONEST), patience)
                self._pulse_later(0 if count >= limits.UDP_READS else wait)
        finally:
            self.system.run_queue.drain()

    def _catch_up(self) -> int:
        """Read all that came during a stall: nobody is to be judged by what still waits in the socket."""
        count = limits.UDP_READS
        for _ in range(limits.DATAGRAM_CATCH_UP):
            count = self._read()
            if count < limits.UDP_READS:
                break
        return count

    def _stay_busy(self, count: int) -> None:
        self._hurried = 0 if count else self._hurried + 1
        if self._hurried >= limits.DATAGRAM_BUSY or not self._links:
            self._busy, self._hurried = False, 0
            self.udp.start(self._readable)

    def _close(self, verdict: ConnectionClosed) -> None:
        if self._pulsing is not None:
            self._pulsing.cancel()
        for link in tuple(self._links.values()):
            link.close()
            link.over(verdict)
        if hasattr(self, "udp"):
            close_datagrams(self.system, self.udp)
