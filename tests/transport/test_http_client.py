"""One HTTP exchange as a client: a reply, or what went wrong as a value without a secret."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS
from arcly_actors.transport.http_client import HttpCall, HttpFailed, HttpReply, exchange
from tests.support.certificates import write_certificate

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def site(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A web server with one answer to everything; its port."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def test_a_request_and_its_reply() -> None:
    seen: list[tuple[str, str, str, bytes]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.method, request.path_qs, request.headers["Authorization"], await request.read()))
        response = web.Response(status=201, text="v=0", headers={"Location": "/s/1"})
        response.headers.add("Link", "<stun:a>")
        response.headers.add("Link", "<stun:b>")
        response.set_cookie("a", "b")
        return response

    async with site(answer) as port:
        call = HttpCall("POST", f"http://127.0.0.1:{port}/a%2Fb?c=d", {"Authorization": "Bearer sesame"}, b"offer")
        for _ in range(2):
            reply = await exchange(call)
            assert isinstance(reply, HttpReply)
            assert (reply.status, reply.body) == (201, b"v=0")
            assert [value for name, value in reply.headers if name == "Link"] == ["<stun:a>", "<stun:b>"]
            assert ("Location", "/s/1") in reply.headers
    assert seen == [("POST", "/a%2Fb?c=d", "Bearer sesame", b"offer")] * 2
    assert "sesame" not in repr(call)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_replies(status: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.path == "/a"
        return web.Response(status=status, headers={"Location": "/b"})

    async with site(answer) as port:
        reply = await exchange(HttpCall("POST", f"http://127.0.0.1:{port}/a", body=b"offer"))
    assert isinstance(reply, HttpReply)
    assert reply.status == status


async def test_a_reply_without_end_is_cut() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(bytes(10_000))
        return response

    async with site(answer) as port:
        reply = await exchange(HttpCall("GET", f"http://127.0.0.1:{port}/"))
    assert isinstance(reply, HttpReply)
    assert len(reply.body) == limits.HTTP_REPLY


async def test_silence_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTP_CALL", 50 * NS_PER_MS)
    over = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    async with site(answer) as port:
        failed = await exchange(HttpCall("GET", f"http://127.0.0.1:{port}/"))
        over.set()
    assert failed == HttpFailed(f"127.0.0.1:{port} did not answer within 0.05 s")


async def test_certificates_have_to_be_good_unless_told_otherwise(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="in")

    async with site(answer, context) as port:
        call = HttpCall("GET", f"https://user:sesame@localhost:{port}/")
        failed = await exchange(call)
        assert failed == HttpFailed(f"the certificate of localhost:{port} is not accepted: self-signed certificate")
        reply = await exchange(call, verify=False)
        assert isinstance(reply, HttpReply)
        assert reply.body == b"in"
    async with site(answer) as port:
        assert await exchange(HttpCall("GET", f"https://127.0.0.1:{port}/")) == HttpFailed(
            f"127.0.0.1:{port} does not speak TLS"
        )


async def test_what_is_not_there(unused_tcp_port: int) -> None:
    place = f"127.0.0.1:{unused_tcp_port}"
    assert await exchange(HttpCall("GET", f"http://{place}/sesame")) == HttpFailed(f"{place}: connection refused")
    failed = await exchange(HttpCall("GET", "http://host.invalid/sesame"))
    assert isinstance(failed, HttpFailed)
    assert failed.detail.startswith("host.invalid is not known")


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nA\r\n\r\n", b"\xff" * 99])
async def test_what_speaks_no_http(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        failed = await exchange(HttpCall("GET", f"http://{place}/sesame"))
    assert isinstance(failed, HttpFailed)
    assert failed.detail.startswith(place)
    assert "sesame" not in failed.detail
