"""Opening sockets for datagrams where an engine's seams see it: tapes hear of them, a script has sockets of its own."""

from collections.abc import Callable, Iterable

from arcly_actors.runtime import System
from arcly_actors.runtime.seams import Remote, Source
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.udp_socket import FOR_MANY, Datagrams, UdpBounds, UdpSocket


def nobody() -> Iterable[Source]:
    """Of a socket whose peers nothing is known of."""
    return ()


def open_datagrams(
    system: System,
    address: Address,
    on: str = "",
    *,
    batched: bool = True,
    bounds: UdpBounds = FOR_MANY,
    heard: Callable[[], Iterable[Source]] = nobody,
    remote: Remote | None = None,
) -> Datagrams:
    """A UDP socket, or what the engine's network has in place of one. AddressUnavailable when it is taken.

    Tapes know it as `on`; without a name they do not hear of it. `heard` gives the peers of connections that stand.
    `remote` is the source or sink that it is for.
    """
    network = system.seams.network
    opened: Datagrams
    if network is not None:
        opened = network.bind((address.host, address.port), on, remote)
    else:
        opened = UdpSocket(system.loop, address, batched=batched, bounds=bounds)
    if on:
        system.seams.opened(on, opened, heard, remote)
    return opened


def close_datagrams(system: System, opened: Datagrams) -> None:
    """Close it; more than once does no harm."""
    system.seams.closed(opened)
    opened.close()
