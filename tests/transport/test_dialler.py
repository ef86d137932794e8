"""Dialling: a wire, or what went wrong as a value."""

import asyncio
import ssl
from pathlib import Path
from typing import cast

from arcly_actors.clock import NS_PER_MS, SystemClock, SystemEntropy
from arcly_actors.runtime import System
from arcly_actors.transport.dialler import Destination, DialFailed, client_context, dial
from arcly_actors.transport.urls import Url
from arcly_actors.transport.wire import Wire
from tests.support.certificates import write_certificate
from tests.support.waiting import until


class Echo(asyncio.Protocol):
    """Says back what it hears."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by class

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


class Heard:
    """A wire's receiver."""

    def __init__(self) -> None:
        self.data = b""
        self.over = False

    def received(self, data: bytes) -> None:
        self.data += data

    def half_closed(self) -> None:
        self.over = True

    def lost(self, error: Exception | None) -> None:
        self.over = True


def here() -> System:
    return System(asyncio.get_running_loop(), SystemClock(), SystemEntropy())


async def exchange(wire: Wire) -> None:
    heard = Heard()
    wire.attach(heard)
    wire.outlet.write(b"hello")
    await until(lambda: heard.data == b"hello")
    wire.end()
    await until(lambda: heard.over)


async def test_a_plain_and_an_encrypted_wire(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    for tls in (None, context):
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        to = Destination("localhost", port, client_context(verify=False) if tls else None)
        wire = await dial(here(), to)
        assert isinstance(wire, Wire)
        assert wire.encrypted is (tls is not None)
        await exchange(wire)
        server.close()


async def test_a_peer_that_does_not_finish_its_handshake() -> None:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    failed = await dial(here(), Destination("127.0.0.1", port, client_context()), 50 * NS_PER_MS)
    assert failed == DialFailed(f"127.0.0.1:{port} did not answer within 0.05 s")
    server.close()


async def test_a_peer_that_speaks_no_tls() -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    failed = await dial(here(), Destination("127.0.0.1", port, client_context()))
    assert isinstance(failed, DialFailed)
    assert "does not speak TLS" in failed.detail
    server.close()


async def test_a_name_that_is_not_known() -> None:
    failed = await dial(here(), Destination("name.invalid", 80))
    assert isinstance(failed, DialFailed)
    assert failed.detail.startswith("name.invalid is not known: ")


def test_where_a_url_leads() -> None:
    ports = {"rtmp": 1935, "rtmps": 443}
    plain = Destination.of(Url.parse("rtmp://[::1]/a/b"), ports, secure="rtmps")
    assert (str(plain), plain.tls) == ("[::1]:1935", None)
    encrypted = Destination.of(Url.parse("rtmps://host:444/a/b"), ports, secure="rtmps")
    assert str(encrypted) == "host:444"
    assert encrypted.tls is not None
    assert encrypted.tls.verify_mode is ssl.CERT_REQUIRED
