"""Dialling: a TCP or TLS connection that we open. What goes wrong is a value."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import System
from arcly_actors.runtime.seams import NoAnswer, Remote
from arcly_actors.transport.urls import Url
from arcly_actors.transport.wire import Wire, set_options


@dataclass(frozen=True, slots=True)
class DialFailed:
    """There is no connection, and why: in words for a person, with nothing of the URL but host and port."""

    detail: str


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to: `tls` None for a plain connection; else the certificate has to be good for `host`. `remote` dials."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    remote: Remote | None = None

    @classmethod
    def of(
        cls, url: Url, ports: Mapping[str, int], *, secure: str, verify: bool = True, remote: Remote | None = None
    ) -> "Destination":
        """Where `url` leads: `ports` are the defaults by scheme, `secure` is the scheme with TLS."""
        tls = client_context(verify=verify) if url.scheme == secure else None
        return cls(url.host, url.port or ports[url.scheme], tls, remote)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Dial: TypeAlias = Callable[[System, Destination], Coroutine[Any, Any, Wire | DialFailed]]
"""Opens a wire; `dial`, or what stands in for it in a test."""


def client_context(*, verify: bool = True) -> ssl.SSLContext:
    """TLS 1.2 or later with the system's authorities; without `verify` any certificate is taken."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def dial(system: System, to: Destination, within: int = limits.DIAL_TIMEOUT) -> Wire | DialFailed:
    """A wire that stands (TLS done) and reads once somebody attaches; it closes itself if nobody does. `within` is ns."""
    seams = system.seams
    await seams.may_dial()
    seams.dialling(to.remote, (to.host, to.port))
    wire = Wire(system.loop)
    if seams.refused(to.remote):
        failed: DialFailed | None = DialFailed(f"{to}: connection refused")
    else:
        failed = await _opened(system, to, within, lambda: seams.dialled(to.remote, wire))
    if failed is None:
        return wire
    seams.undialled(to.remote, failed.detail)
    return failed


async def _opened(
    system: System, to: Destination, within: int, protocol: Callable[[], asyncio.Protocol]
) -> DialFailed | None:
    """Connect this protocol."""
    network = system.seams.network
    try:
        async with asyncio.timeout(within / NS_PER_S):
            if network is not None:
                await network.dial((to.host, to.port), protocol, to.remote)
                return None
            transport, _ = await system.loop.create_connection(
                protocol, to.host, to.port, ssl=to.tls, server_hostname=to.host if to.tls else None
            )
    except NoAnswer as error:
        return DialFailed(str(error))
    except TimeoutError:
        return DialFailed(f"{to} did not answer within {within / NS_PER_S:g} s")
    except socket.gaierror as error:
        return DialFailed(f"{to.host} is not known: {error.strerror or error}")
    except ssl.SSLCertVerificationError as error:
        return DialFailed(f"the certificate of {to} is not accepted: {error.verify_message}")
    except ssl.SSLError as error:
        return DialFailed(f"{to} does not speak TLS: {(error.reason or str(error)).lower().replace('_', ' ')}")
    except OSError as error:
        # asyncio puts words of its own, in a language of tuples, into `strerror`.
        return DialFailed(f"{to}: {(os.strerror(error.errno) if error.errno else str(error)).lower()}")
    raw = transport.get_extra_info("socket")
    if raw is not None:
        set_options(cast("socket.socket", raw))
    return None
