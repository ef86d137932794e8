"""Connections that we make ourselves: to cameras that are pulled from, to servers that are pushed to."""

import asyncio
import ssl

from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import ArclyError
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.wire import Wire, set_options


class Unreachable(ArclyError):
    """Nobody answers at `address`, or TLS does not come about; the text says why."""

    def __init__(self, address: Address, reason: str) -> None:
        super().__init__(f"cannot connect to {address}: {reason}")
        self.address = address


async def dial(loop: asyncio.AbstractEventLoop, address: Address, within: int, tls: ssl.SSLContext | None = None) -> Wire:
    """A wire to `address`, reading off, for a `Connection`; raises `Unreachable`, also after `within` ns."""
    try:
        async with asyncio.timeout(within / NS_PER_S):
            transport, wire = await loop.create_connection(
                lambda: Wire(loop),
                address.host,
                address.port,
                ssl=tls,
                server_hostname=address.host if tls is not None else None,
            )
    except TimeoutError:
        raise Unreachable(address, f"no answer within {within / NS_PER_S:g} s") from None
    except OSError as error:  # ssl.SSLError is one
        raise Unreachable(address, error.strerror or str(error)) from error
    opened = transport.get_extra_info("socket")
    if opened is not None:
        set_options(opened)
    return wire


def client_context(*, verify: bool) -> ssl.SSLContext:
    """TLS for dialling: `verify` checks the certificate and its name (cameras mostly have one that nobody signed)."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
