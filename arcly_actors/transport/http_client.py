"""One HTTP exchange at a time, as a client. What goes wrong is a value, in words with nothing of the URL but its host.

Redirects are answers like others: who asks decides. Nothing is kept between two exchanges, no connection and no cookie.
"""

import os
import socket
import ssl
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import aiohttp

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.transport.dialler import client_context


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request. URL and header fields may hold secrets, so they are not shown."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back; fields that are repeated are there as often. The body is cut at `limits.HTTP_REPLY`."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpFailed:
    """There is no answer, and why, in words for a person."""

    detail: str


Exchange: TypeAlias = Callable[[HttpCall, bool], Coroutine[Any, Any, HttpReply | HttpFailed]]
"""`exchange`, or what stands in for it in a test. The flag: certificates have to be good."""


async def exchange(
    call: HttpCall, verify: bool = True, connector: aiohttp.BaseConnector | None = None
) -> HttpReply | HttpFailed:
    """Ask, within `limits.HTTP_CALL`; by `connector`, which is closed then, if it is no network's."""
    parts = urlsplit(call.url)
    place = parts.netloc.rpartition("@")[2]
    tls: ssl.SSLContext | bool = client_context(verify=verify) if parts.scheme == "https" else True
    timeout = aiohttp.ClientTimeout(total=limits.HTTP_CALL / NS_PER_S)
    try:
        connector = connector or aiohttp.TCPConnector(ssl=tls, force_close=True)
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            ) as session,
            session.request(
                call.method,
                call.url,
                data=call.body or None,
                headers={"Accept-Encoding": "identity", **call.headers},
                allow_redirects=False,
            ) as response,
        ):
            fields = tuple((name, value) for name, value in response.headers.items())
            return HttpReply(response.status, fields, await _body(response.content))
    except TimeoutError:
        return HttpFailed(f"{place} did not answer within {limits.HTTP_CALL / NS_PER_S:g} s")
    except aiohttp.ClientConnectorCertificateError as error:
        said = error.certificate_error
        why = said.verify_message if isinstance(said, ssl.SSLCertVerificationError) else type(said).__name__
        return HttpFailed(f"the certificate of {place} is not accepted: {why}")
    except aiohttp.ClientConnectorDNSError as error:
        return HttpFailed(f"{parts.hostname} is not known: {error.strerror or 'no address'}")
    except aiohttp.ClientSSLError:
        return HttpFailed(f"{place} does not speak TLS")
    except (aiohttp.ClientOSError, socket.gaierror) as error:
        number = error.errno
        return HttpFailed(f"{place}: {os.strerror(number).lower() if number and number > 0 else 'it cannot be reached'}")
    except aiohttp.ServerDisconnectedError:
        return HttpFailed(f"{place} closed the connection without an answer")
    except (aiohttp.ClientError, ValueError) as error:
        return HttpFailed(f"{place} cannot be talked to over HTTP ({type(error).__name__})")


async def _body(content: aiohttp.StreamReader) -> bytes:
    """What fits the bound; the rest is not read, since the connection is closed."""
    body = b""
    while len(body) < limits.HTTP_REPLY and (piece := await content.read(limits.HTTP_REPLY - len(body))):
        body += piece
    return body
