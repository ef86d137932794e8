"""A pair of UDP ports for RTP and RTCP (RFC 3550 §11), shared by all sessions of an endpoint.

Packets come to the session that registered their very source address: others are counted and ignored. They leave in
trains (`rtp_trains`), which are cut once for all viewers of the same bytes.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol

from arcly_actors.errors import AddressUnavailable
from arcly_actors.runtime import LoopActor, System, receives
from arcly_actors.runtime.seams import Remote, Source, Tap
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.datagrams import close_datagrams, open_datagrams
from arcly_actors.transport.listener import WhereBound
from arcly_actors.transport.rtp_trains import Cut, Train, cut
from arcly_actors.transport.train_call import Addresses
from arcly_actors.transport.udp_crowd import UdpCrowd
from arcly_actors.transport.udp_socket import (
    FOR_MANY,
    NO_SEGMENTS,
    Datagrams,
    Path,
    UdpBounds,
    UdpSocket,
    drop_reason,
)

Datagram = tuple[int, bool, bytes]
"""The number that a route was registered with, whether it came to the RTCP port, and the packet."""

Take = Callable[[list[Datagram]], None]
_TRIES = 32
_SLICE = 0.005
"""Seconds between two parts of a burst."""

_CACHED = 4
_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


class Paced(Protocol):
    """What has more to send than may leave at once."""

    def go_on(self) -> bool:
        """Send the next part; whether something is left."""


@dataclass(frozen=True, slots=True)
class _Route:
    number: int
    take: Take


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the packets of one channel go; `pair` are the ports that they leave from, if not those of the outlet."""

    path: Path
    rtcp: bool
    pair: "PortPair | None" = None


class PortPair:
    """The two sockets, while `RtpPorts` has them open, and the routes, which outlive its restarts.

    Tapes know the datagrams as those of ``NAME-rtp`` and ``NAME-rtcp``, and of the source or sink `remote`.
    """

    def __init__(
        self,
        system: System,
        rtp: Address,
        rtcp: Address | None,
        bounds: UdpBounds = FOR_MANY,
        name: str = "",
        remote: Remote | None = None,
    ) -> None:
        self._system = system
        self._remote = remote
        self._name = name
        self._loop = system.loop
        self._bounds = bounds
        self._wanted = (rtp, rtcp or Address(rtp.host, rtp.port + 1 if rtp.port else 0))
        self._sockets: tuple[Datagrams, Datagrams] | None = None
        self._latest: Datagrams | None = None
        self._routes: dict[tuple[str, int, bool], _Route] = {}
        self._found: dict[tuple[Source, bool], _Route] = {}  # by a source as the socket says it
        self._trains: dict[int, tuple[bytes, Cut]] = {}
        self._paced: list[Paced] = []
        self.dropped: Counter[str] = Counter()
        self.crowd = UdpCrowd(self, system.clock.monotonic_ns)

    @property
    def bound(self) -> tuple[Address, Address]:
        """Where the two are bound, or will be."""
        return self._wanted

    @property
    def ports(self) -> tuple[int, int]:
        """The RTP and the RTCP port."""
        return self._wanted[0].port, self._wanted[1].port

    def open(self) -> None:
        """Bind both; AddressUnavailable when one is taken. Where the system chooses, both ports are neighbours."""
        rtp, rtcp = self._wanted
        sockets = self._bind_neighbours(rtp) if not rtp.port else self._bind(rtp, rtcp)
        self._sockets, self._latest = sockets, sockets[0]
        self._wanted = (Address(rtp.host, sockets[0].bound.port), Address(rtp.host, sockets[1].bound.port))
        for one, is_rtcp in zip(sockets, (False, True), strict=True):
            one.start(_Reading(self, one, is_rtcp=is_rtcp).wake)

    def close(self) -> None:
        """Close both; more than once does no harm."""
        sockets, self._sockets = self._sockets, None
        for one in sockets or ():
            close_datagrams(self._system, one)
            self.dropped.update(one.dropped)

    def register(
        self, host: str, ports: tuple[int, int], number: int, take: Take, owner: Address | None = None
    ) -> Callable[[], None]:
        """Have packets of this host's RTP and RTCP port (0: any port) go to `take`; the result ends that.

        `owner` is the peer of the connection that arranged it.
        """
        if owner is not None:
            self._system.seams.beside([(host, port) for port in ports], str(owner))
        keys = [(host, port, bool(index)) for index, port in enumerate(ports)]
        route = _Route(number, take)
        self._routes.update(dict.fromkeys(keys, route))
        self._found.clear()

        def forget() -> None:
            self._found.clear()
            for key in keys:
                if self._routes.get(key) is route:
                    del self._routes[key]

        return forget

    def route(self, source: tuple[Any, ...], *, rtcp: bool) -> _Route | None:
        """Whose packets come from there."""
        found = self._found.get((source, rtcp))
        if found is None:
            address = Address.of_peer(source)
            exact = self._routes.get((address.host, address.port, rtcp))
            found = exact if exact is not None else self._routes.get((address.host, 0, rtcp))
            if found is not None and len(self._found) < len(self._routes):
                self._found[source, rtcp] = found
        return found

    def path(self, host: str, port: int, local: str) -> Path | None:
        """The way to a peer, from our address `local`; None before the sockets were opened.

        Like all ways it outlives them: it is a way again when they are open again.
        """
        if self._latest is None:
            return None
        bound = self._latest.bound.host
        source: tuple[Any, ...] = (host, port)
        if ":" in bound:
            source = (host if ":" in host else f"::ffff:{host}", port, 0, 0)
        return self._latest.path(source, _from(local, bound) if bound in _WILDCARDS else b"")

    def send(self, data: bytes, destination: Destination) -> None:
        """One packet, dropped when the sockets are closed."""
        if self._sockets is None:
            self.dropped["closed"] += 1
        else:
            self._sockets[destination.rtcp].send(data, destination.path)

    def send_train(self, train: Train, destination: Destination) -> None:
        """Packets of one channel."""
        if self._sockets is None:
            self.dropped["closed"] += len(train.bounds)
        elif len(train.bounds) == 1:
            self._sockets[destination.rtcp].send(train.data, destination.path)
        else:
            whole = memoryview(train.data)
            self._sockets[destination.rtcp].send_segments(whole, train.bounds[0][1], train.bounds, destination.path)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """What hears of media that is sent; who uses `send_trains` tells them (`udp_socket.tell_train`)."""
        return self._sockets[0].taps if self._sockets is not None else ()

    def send_trains(self, what: Cut, start: int, end: int, to: Addresses) -> int:
        """Trains `start` … `end` - 1 of media in one call; the one at which segments were refused, or `end`.

        What the kernel does not take otherwise is dropped and counted.
        """
        if self._sockets is None:
            self.dropped["closed"] += sum(len(train.bounds) for train in what.trains[start:end])
            return end
        call, socket = what.call(to.control), self._sockets[0]
        assert isinstance(socket, UdpSocket), "others have no paths with segments"
        while start < end:
            start, failed = call.send(socket.fileno(), to, start, end)
            if failed in NO_SEGMENTS:
                break
            if failed:
                socket.dropped[drop_reason(failed)] += 1
                start += 1
        return start

    def send_all(self, what: Cut, to: Sequence[Addresses]) -> list[tuple[int, int]]:
        """All trains of media to each of these, in as few calls as it takes; the viewer and the train (indices) where
        segments were refused. What the kernel does not take otherwise is dropped and counted.
        """
        if self._sockets is None:
            self.dropped["closed"] += len(to) * sum(len(train.bounds) for train in what.trains)
            return []
        socket = self._sockets[0]
        assert isinstance(socket, UdpSocket), "others have no paths with segments"
        refused: list[tuple[int, int]] = []
        for control in {each.control for each in to}:
            places = [place for place, each in enumerate(to) if each.control == control]
            for viewer, train, failed in what.call(control).send_all(socket.fileno(), [to[place] for place in places]):
                if failed in NO_SEGMENTS:
                    refused.append((places[viewer], train))
                else:
                    socket.dropped[drop_reason(failed)] += 1
        return refused

    def pace(self, paced: Paced) -> None:
        """Have it go on every `_SLICE` until nothing is left: one timer for all."""
        if not self._paced:
            self._loop.call_later(_SLICE, self._go_on)
        self._paced.append(paced)

    def _go_on(self) -> None:
        self._paced = [paced for paced in self._paced if paced.go_on()]
        if self._paced:
            self._loop.call_later(_SLICE, self._go_on)

    def trains(self, data: bytes) -> Cut:
        """Interleaved frames as trains; made once for the same bytes, which many viewers are written in turn."""
        known = self._trains.get(id(data))
        if known is not None and known[0] is data:
            return known[1]
        made = cut(data)
        if len(self._trains) >= _CACHED:
            del self._trains[next(iter(self._trains))]
        self._trains[id(data)] = (data, made)
        return made

    def _bind(self, rtp: Address, rtcp: Address) -> tuple[Datagrams, Datagrams]:
        first = self._bind_one(rtp, "rtp")
        try:
            return first, self._bind_one(rtcp, "rtcp")
        except AddressUnavailable:
            close_datagrams(self._system, first)
            raise

    def _bind_one(self, address: Address, what: str) -> Datagrams:
        on = f"{self._name}-{what}" if self._name else ""
        return open_datagrams(
            self._system, address, on, batched=False, bounds=self._bounds, heard=self._heard, remote=self._remote
        )

    def _heard(self) -> Iterable[Source]:
        return [(host, port) for host, port, _ in self._routes]

    def _bind_neighbours(self, rtp: Address) -> tuple[Datagrams, Datagrams]:
        """Until the system has chosen an even port whose neighbour is free (RFC 3550 §11)."""
        for left in reversed(range(_TRIES)):
            first = self._bind_one(rtp, "rtp")
            port = first.bound.port
            close_datagrams(self._system, first)
            try:
                return self._bind(Address(rtp.host, port & ~1), Address(rtp.host, port | 1))
            except AddressUnavailable:
                if not left:
                    raise
        raise AssertionError("unreachable")


class _Reading:
    """One of the two sockets, read in turns."""

    def __init__(self, pair: PortPair, read: Datagrams, *, is_rtcp: bool) -> None:
        self._pair = pair
        self._socket = read
        self._is_rtcp = is_rtcp
        self._came: dict[int, tuple[Take, list[Datagram]]] = {}

    def wake(self) -> None:
        """Read what has come and give each session its packets at once."""
        self._socket.read(self._deliver)
        came, self._came = self._came, {}
        for take, datagrams in came.values():
            take(datagrams)

    def _deliver(self, datagram: memoryview, source: tuple[Any, ...], _local: bytes) -> None:
        route = self._pair.route(source, rtcp=self._is_rtcp)
        if route is None:
            self._pair.dropped["unknown source"] += 1
            return
        entry = self._came.get(id(route.take))
        if entry is None:
            entry = self._came[id(route.take)] = (route.take, [])
        entry[1].append((route.number, self._is_rtcp, bytes(datagram)))


class RtpPorts(LoopActor):
    """Has a pair open while it lives; restarted, it opens the same ports."""

    def __init__(self, system: System, pair: PortPair) -> None:
        super().__init__(system)
        self._pair = pair

    def on_start(self) -> None:
        """Bind; AddressUnavailable (the actor's failure) when a port cannot be had."""
        self._pair.open()

    def on_stop(self) -> None:
        """Close."""
        self._pair.close()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._pair.close()

    @receives(WhereBound)
    def where_bound(self, _: WhereBound) -> tuple[Address, ...]:
        """The RTP and the RTCP port."""
        return self._pair.bound


def _from(local: str, bound: str) -> bytes:
    """The packet information (as if received) that has an answer leave from `local`, on a socket bound to a wildcard."""
    try:
        address = ip_address(local)
    except ValueError:
        return b""
    if bound == "::":
        mapped = address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed
        return mapped + bytes(4)
    return struct.pack("=I4s4s", 0, address.packed, bytes(4)) if address.version == 4 else b""
