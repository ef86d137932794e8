"""The HTTP site: ordinary answers, its limits on time and size, and streams that are taken over."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from arcly_actors import limits
from arcly_actors.runtime import System
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.budget import Budget, Complaint
from arcly_actors.transport.gate import HttpTimes
from arcly_actors.transport.http import Drain, HttpSite
from arcly_actors.transport.listener import WhereBound
from arcly_actors.transport.outlet import write_all
from arcly_actors.transport.takeover import takeover
from arcly_actors.transport.tls import server_context
from arcly_actors.transport.wire import Wire
from tests.support.engines import Witness
from tests.support.waiting import until
from tests.support.wires import Peer, Recorder, connect, descriptors

MS = 1_000_000


class Site:
    """A site with one route of each kind."""

    def __init__(self, system: System, **options: Any) -> None:
        self.budget = options.pop("budget", None) or Budget()
        self.complaints: list[Complaint] = []
        self.exits: list[Any] = []
        self.streams: list[tuple[Wire, Recorder]] = []
        self.cancelled = 0
        self.waiting = 0
        self.go = asyncio.Event()
        routes = [
            web.get("/hello", self.hello),
            web.post("/body", self.body),
            web.get("/big", self.big),
            web.get("/wait", self.wait),
            web.get("/defect", self.defect),
            web.get("/stream.flv", self.stream),
        ]
        self.ref = HttpSite.start(
            system,
            [Address("127.0.0.1", 0)],
            routes,
            budget=self.budget,
            complain=self.complaints.append,
            **options,
        )
        Witness.start(system, self.ref, self.exits)
        self.port = 0

    async def hello(self, _request: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def body(self, request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def big(self, _request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 30_000_000)

    async def wait(self, _request: web.Request) -> web.Response:
        self.waiting += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return web.Response(text="went")

    async def defect(self, _request: web.Request) -> web.Response:
        raise RuntimeError("a defect")

    async def stream(self, request: web.Request) -> web.StreamResponse:
        recorder = Recorder()
        wire, response = await takeover(
            request, recorder, {"Content-Type": "video/x-flv"}, head_only=request.method == "HEAD"
        )
        self.streams.append((wire, recorder))
        return response

    async def get(self, path: str, version: str = "1.1") -> Peer:
        peer = await connect(self.port)
        await peer.send(f"GET {path} HTTP/{version}\r\nHost: x\r\n\r\n".encode())
        return peer


@contextlib.asynccontextmanager
async def serving(system: System, **options: Any) -> AsyncIterator[Site]:
    site = Site(system, **options)
    site.port = (await site.ref.ask(WhereBound(), block=False))[0].port
    try:
        yield site
    finally:
        for wire, _ in site.streams:
            wire.abort()
        if site.ref.is_alive():
            await site.ref.stop(block=False)
        await until(lambda: not site.budget.in_use)
        for _ in range(5):
            await asyncio.sleep(0)


async def head_of(peer: Peer) -> str:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = await peer.receive(1)
        assert more, data
        data += more
    return data.decode()


async def test_ordinary_requests_with_cors_and_keepalive(system: System) -> None:
    async with serving(system) as site, aiohttp.ClientSession(f"http://127.0.0.1:{site.port}") as client:
        async with client.get("/hello") as response:
            assert (response.status, await response.text()) == (200, "hello")
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert "Location" in response.headers["Access-Control-Expose-Headers"]
        async with client.options("/hello", headers={"Access-Control-Request-Method": "GET"}) as response:
            assert response.status == 204
            assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
        async with client.get("/nothing") as response:
            assert response.status == 404
        async with client.post("/body", data=b"offer") as response:
            assert await response.read() == b"offer"
        assert site.budget.in_use == 1


@pytest.mark.parametrize(
    ("pages", "allowed"),
    [(("*",), "*"), (("https://here.example",), "https://here.example"), ((), None), (("https://no",), None)],
)
async def test_web_pages_may_read_streams_as_they_may_other_answers(
    system: System, pages: tuple[str, ...], allowed: str | None
) -> None:
    async with serving(system, allow_origins=pages) as site:
        peer = await connect(site.port)
        await peer.send(b"GET /stream.flv HTTP/1.1\r\nHost: x\r\nOrigin: https://here.example\r\n\r\n")
        head = await head_of(peer)
        told = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        assert told.get("Access-Control-Allow-Origin") == allowed
        assert told["Server"] == "arcly_actors"
        assert told["Content-Type"] == "video/x-flv"
        peer.close()


async def test_a_body_over_the_limit_is_413(system: System) -> None:
    async with (
        serving(system) as site,
        aiohttp.ClientSession(f"http://127.0.0.1:{site.port}") as client,
        client.post("/body", data=b"x" * (limits.HTTP_BODY + 1)) as response,
    ):
        assert response.status == 413


async def test_a_defect_in_a_route_is_a_500_and_a_complaint(system: System) -> None:
    async with serving(system) as site, aiohttp.ClientSession(f"http://127.0.0.1:{site.port}") as client:
        async with client.get("/defect") as response:
            assert response.status == 500
            assert "defect')" not in await response.text()
        assert [one.reason for one in site.complaints] == ["route"]
        async with client.get("/hello") as response:
            assert response.status == 200


@pytest.mark.parametrize("sent", [b"", b"GET /hello HT", b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Slow: 1\r\n"])
async def test_a_header_that_dribbles_in_is_timed_out(system: System, sent: bytes) -> None:
    async with serving(system, times=HttpTimes(header=30 * MS)) as site:
        peer = await connect(site.port)
        await peer.send(sent)
        assert await peer.rest() == b""
        peer.close()


async def test_a_second_header_that_dribbles_in_is_timed_out_too(system: System) -> None:
    async with serving(system, times=HttpTimes(header=30 * MS)) as site:
        peer = await site.get("/hello")
        await head_of(peer)
        assert await peer.exactly(5) == b"hello"
        await peer.send(b"GET /hel")
        assert await peer.rest() == b""
        peer.close()


async def test_a_body_that_does_not_come_is_timed_out(system: System) -> None:
    async with serving(system, times=HttpTimes(body=30 * MS)) as site:
        peer = await connect(site.port)
        await peer.send(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        assert (await head_of(peer)).startswith("HTTP/1.1 408 ")
        await peer.rest()
        peer.close()


async def test_a_client_that_does_not_take_its_response_is_cut_off(system: System) -> None:
    async with serving(system, times=HttpTimes(stall=30 * MS)) as site:
        peer = await site.get("/big")
        await until(lambda: site.budget.in_use == 1)
        await until(lambda: not site.budget.in_use)
        assert len(await peer.rest()) < 30_000_000
        peer.close()


async def test_rubbish_is_a_400(system: System) -> None:
    async with serving(system) as site:
        peer = await connect(site.port)
        await peer.send(b"\x03\x00\x00rubbish\r\n\r\n")
        answer = await peer.rest()
        assert answer.startswith(b"HTTP/1.0 400 ")
        assert b"\r\nServer: arcly_actors\r\n" in answer  # and no versions of what we run
        peer.close()


async def test_a_client_that_goes_away_cancels_its_request(system: System) -> None:
    async with serving(system) as site:
        peer = await site.get("/wait")
        await until(lambda: site.waiting == 1)
        peer.close()
        await until(lambda: not site.budget.in_use)
        await until(lambda: site.cancelled > 0)
        assert (site.waiting, site.cancelled) == (1, 1)


async def test_the_budget_counts_http_too(system: System) -> None:
    async with serving(system, budget=Budget(connections=1)) as site:
        first = await site.get("/stream.flv")
        await head_of(first)
        late = await site.get("/hello")
        answer = await late.rest()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert answer.endswith(b"all 1 connections are in use\n")
        late.close()
        first.close()
        await until(lambda: not site.budget.in_use and not site.budget.refusing)
        assert [one.reason for one in site.complaints] == ["budget"]


async def test_a_stream_is_chunked_for_http_1_1_and_read_by_a_real_client(system: System) -> None:
    async with (
        serving(system) as site,
        aiohttp.ClientSession(f"http://127.0.0.1:{site.port}") as client,
        client.get("/stream.flv") as response,
    ):
        await assert_stream(site, response)


async def test_a_stream_over_tls(system: System, certificate: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    async with (
        serving(system, tls=server_context(*certificate)) as site,
        aiohttp.ClientSession() as client,
        client.get(f"https://127.0.0.1:{site.port}/stream.flv", ssl=trusting, server_hostname="localhost") as response,
    ):
        assert site.streams[0][0].encrypted
        await assert_stream(site, response)


async def assert_stream(site: Site, response: aiohttp.ClientResponse) -> None:
    assert response.status == 200
    assert response.headers["Content-Type"] == "video/x-flv"
    wire, _ = site.streams[0]
    for part in (b"FLV", b"\0" * 100_000, b"end"):
        write_all([wire.outlet], b"%x\r\n%b\r\n" % (len(part), part))
    wire.outlet.write(b"0\r\n\r\n")
    wire.outlet.end()
    assert await response.read() == b"FLV" + b"\0" * 100_000 + b"end"


async def test_a_stream_ends_with_the_connection_for_http_1_0(system: System) -> None:
    async with serving(system) as site:
        peer = await site.get("/stream.flv", "1.0")
        head = await head_of(peer)
        assert head.startswith("HTTP/1.0 200 OK\r\n")
        assert "chunked" not in head
        wire, _ = site.streams[0]
        assert wire.outlet.direct >= 0
        assert write_all([wire.outlet], b"FLV") == []
        wire.outlet.end()
        assert await peer.rest() == b"FLV"
        peer.close()


async def test_head_gets_the_head(system: System) -> None:
    async with serving(system) as site:
        peer = await connect(site.port)
        await peer.send(b"HEAD /stream.flv HTTP/1.1\r\nHost: x\r\n\r\n")
        raw = await peer.rest()
        assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
        assert raw.endswith(b"\r\n\r\n")
        assert b"0\r\n\r\n" not in raw
        peer.close()


@pytest.mark.parametrize("how", ["close", "reset", "finish"])
async def test_a_streams_client_that_goes_is_noticed_at_once(system: System, how: str) -> None:
    async with serving(system) as site:
        peer = await site.get("/stream.flv")
        await head_of(peer)
        getattr(peer, how)()
        await site.streams[0][1].over.wait()
        assert site.streams[0][0].outlet.closed
        peer.close()


async def test_a_streams_client_may_not_keep_talking(system: System) -> None:
    async with serving(system) as site:
        peer = await site.get("/stream.flv")
        await head_of(peer)
        await peer.send(b"GET /hello HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await peer.send(b"x" * limits.HTTP_UNASKED)
        await site.streams[0][1].over.wait()
        assert b"hello" not in await peer.rest()
        peer.close()


async def test_taken_over_streams_leave_no_request_task_behind(system: System) -> None:
    async with serving(system) as site:
        before = len(asyncio.all_tasks())
        peers = [await site.get("/stream.flv") for _ in range(20)]
        for peer in peers:
            await head_of(peer)
        await until(lambda: len(asyncio.all_tasks()) <= before)
        assert site.budget.in_use == 20
        for peer in peers:
            peer.close()


async def test_drain_lets_a_running_request_finish_and_then_stops(system: System) -> None:
    async with serving(system) as site:
        peer = await site.get("/wait")
        await until(lambda: site.waiting == 1)
        site.ref.tell(Drain())
        await until(lambda: not _accepts(site))
        site.go.set()
        assert (await peer.rest()).endswith(b"went")
        await until(lambda: bool(site.exits))
        assert site.exits[0].error is None
        peer.close()


def _accepts(site: Site) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", site.port)) == 0


async def test_stopping_closes_connections_and_frees_everything(system: System) -> None:
    async with serving(system) as site:
        warm = await site.get("/hello")
        await warm.exactly(5)
        warm.close()
        await until(lambda: not site.budget.in_use)
        before = descriptors()
        peers = [await site.get("/wait") for _ in range(5)]
        await until(lambda: site.waiting == 5)
        await site.ref.stop(block=False)
        for peer in peers:
            await peer.rest()
            peer.close()
        await until(lambda: site.cancelled == 5)
        await until(lambda: descriptors() < before)  # the listening socket is closed, too
        assert site.budget.in_use == 0
