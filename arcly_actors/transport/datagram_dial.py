"""Dialling over UDP: where a name leads, and from which local address to go there. What goes wrong is a value."""

import asyncio
import socket

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import System
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dialler import DialFailed
from arcly_actors.transport.udp_socket import Source


async def resolve(system: System, host: str, port: int) -> Source | DialFailed:
    """The first address of `host`, as a UDP socket names it."""
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
