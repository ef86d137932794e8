"""Opening one-way feeds where an engine's seams can see it: a socket's, or datagrams of a scripted network."""

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from arcly_actors.runtime import System
from arcly_actors.runtime.seams import Remote, Source, Tap
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.datagrams import nobody
from arcly_actors.transport.feed_address import FeedAddress
from arcly_actors.transport.feed_socket import Deliver, FeedInlet, FeedOutlet
from arcly_actors.transport.udp_socket import Datagrams


class Inlet(Protocol):
    """The face of `FeedInlet`, for sockets that are none."""

    bound: Address
    taps: tuple[Tap, ...]

    def start(self, wake: Callable[[], None]) -> None:
        """See `FeedInlet.start`."""
        ...

    def read(self, deliver: Deliver) -> None:
        """See `FeedInlet.read`."""
        ...

    def poke(self) -> None:
        """See `FeedInlet.poke`."""
        ...

    def close(self) -> None:
        """See `FeedInlet.close`."""
        ...


class Outlet(Protocol):
    """The face of `FeedOutlet`, likewise."""

    bound: Address
    taps: tuple[Tap, ...]

    def poke(self) -> None:
        """See `FeedOutlet.poke`."""
        ...

    def send(self, data: bytes | memoryview) -> None:
        """See `FeedOutlet.send`."""
        ...

    def close(self) -> None:
        """See `FeedOutlet.close`."""
        ...


def open_feed(
    system: System,
    address: FeedAddress,
    on: str = "",
    heard: Callable[[], Iterable[Source]] = nobody,
    remote: Remote | None = None,
) -> Inlet:
    """What receives a feed; tapes know it as `on`, and of the source `remote`. AddressUnavailable when it cannot be bound
    or joined.
    """
    network = system.seams.network
    inlet: Inlet = (
        FeedInlet(system.loop, address)
        if network is None
        else _ScriptedInlet(network.bind((address.host, address.port), on, remote), address)
    )
    if on:
        system.seams.opened(on, inlet, heard, remote)
    return inlet


def open_outlet(system: System, address: FeedAddress, resolved: tuple[Any, ...], remote: Remote | None = None) -> Outlet:
    """What sends a feed to where its host name leads, for the sink `remote`. AddressUnavailable when there is no way to
    it.
    """
    network, on = system.seams.network, _NAMES[address.scheme]
    outlet: Outlet
    if network is None:
        outlet = FeedOutlet(address, resolved)
    else:
        here = address.interface if "." in address.interface else ""
        outlet = _ScriptedOutlet(network.bind((here, 0), on, remote), resolved)
    if remote is not None:
        system.seams.opened(on, outlet, nobody, remote)
    return outlet


def close_outlet(system: System, outlet: Outlet) -> None:
    """Close it; more than once does no harm."""
    system.seams.closed(outlet)
    outlet.close()


_NAMES: Final = {"udp": "udp", "rtp": "rtp-ts"}
"""What tapes know a sink's socket as: datagrams in RTP have the time in them."""


class _Scripted:
    """A scripted network's datagrams, which tapes listen to."""

    def __init__(self, datagrams: Datagrams) -> None:
        self._datagrams = datagrams
        self.bound = datagrams.bound
        self.poke = datagrams.poke
        self.close = datagrams.close

    @property
    def taps(self) -> tuple[Tap, ...]:
        return self._datagrams.taps

    @taps.setter
    def taps(self, taps: tuple[Tap, ...]) -> None:
        self._datagrams.taps = taps


class _ScriptedInlet(_Scripted):
    """They are a feed; a group's sources are looked at here, as the kernel does elsewhere."""

    def __init__(self, datagrams: Datagrams, address: FeedAddress) -> None:
        super().__init__(datagrams)
        self._sources = address.sources
        self.start = datagrams.start

    def read(self, deliver: Deliver) -> None:
        def unwrapped(data: memoryview, source: Source, _local: bytes) -> None:
            host = Address.of_peer(source).host
            if not self._sources or host in self._sources:
                deliver(bytes(data), host)

        self._datagrams.read(unwrapped)


class _ScriptedOutlet(_Scripted):
    """They go from a port of their own to one place."""

    def __init__(self, datagrams: Datagrams, where: tuple[Any, ...]) -> None:
        super().__init__(datagrams)
        self._path = datagrams.path(where, b"")

    def send(self, data: bytes | memoryview) -> None:
        self._datagrams.send(data, self._path)
