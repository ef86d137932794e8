"""Peers that speak rubbish, stop half-way or come and go by thousands: nothing crashes, nothing is left."""

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable

import psutil
import pytest

from arcly_actors.bus.events import ActorRestarted, Failed
from arcly_actors.protocols.rtmp.chunk import encode
from arcly_actors.protocols.rtmp.commands import command_message
from arcly_actors.protocols.rtmp.control import set_chunk_size
from arcly_actors.protocols.rtmp.handshake import ClientHandshake
from arcly_actors.protocols.rtmp.message import Message, MessageType
from tests.support.live import Live, live
from tests.support.rtmp_link import linked
from tests.support.waiting import until
from tests.support.wires import Peer, connect, descriptors

pytestmark = pytest.mark.interop

CONNECT = encode(command_message(0, "connect", 1, {"app": "live", "tcUrl": "rtmp://h/live"}), 128)
MIB = 1 << 20


def rubbish(seed: int, size: int) -> bytes:
    """The same random bytes for the same seed."""
    return random.Random(seed).randbytes(size)


async def shake_hands(peer: Peer) -> None:
    """The handshake, done properly."""
    hello = ClientHandshake(b"peer", digest=False)
    await peer.send(hello.start())
    await peer.send(hello.receive(await peer.exactly(1 + 2 * 1536)))


async def say(server: Live, port: int, data: bytes, *, shaken: bool) -> bytes:
    """What the server answers to these bytes until it closes."""
    peer = await connect(port)
    try:
        if shaken:
            await shake_hands(peer)
        await peer.send(data)
        return await peer.rest()
    except ConnectionError:
        return b""
    finally:
        peer.close()


BROKEN = {
    "a chunk size of zero": encode(set_chunk_size(1)._replace(body=bytes(4)), 128),
    "a message of 16 MB": b"\x03" + bytes(3) + b"\xff\xff\xff" + b"\x14" + bytes(4) + bytes(200),
    "a command that is no AMF": encode(Message(MessageType.COMMAND, 0, 0, b"\x02\xff\xff" + rubbish(1, 40)), 128),
    "a continuation of nothing": b"\xc7" + rubbish(2, 400),
    "nested AMF": encode(
        Message(MessageType.COMMAND, 0, 0, b"\x02\x00\x07connect\x00" + bytes(8) + b"\x0a\x00\x00\x00\x01" * 900), 65536
    ),
    **{f"noise {seed}": rubbish(seed, 4000) for seed in range(12)},
}


async def test_what_breaks_rtmp_ends_that_connection_alone() -> None:
    async with live(limits={"handshake_timeout": "300ms"}) as server, linked(server.port("rtmp")) as bystander:
        await bystander.connect()
        port = server.port("rtmp")
        answers = [say(server, port, data, shaken=True) for data in BROKEN.values()]
        answers += [say(server, port, CONNECT + data, shaken=True) for data in BROKEN.values()]
        answers += [say(server, port, rubbish(seed, 5000), shaken=False) for seed in range(20)]
        async with asyncio.timeout(10):
            await asyncio.gather(*answers)
        await until(lambda: len(server.actors("RtmpSession")) == 1)
        assert not bystander.over
        assert server.events(Failed) == []
        assert server.events(ActorRestarted) == []
        kinds = {line.partition(":")[0] for line in server.log}
        assert kinds <= {"malformed", "peerlimit"}
        assert len(server.log) == len(kinds)  # one line of a kind, however many came


@pytest.mark.parametrize("sent", [b"", b"\x03", b"\x03" + bytes(700), b"\x03" + bytes(1536), b"\x03" + bytes(3000)])
async def test_a_half_open_rtmp_connection_is_closed_by_the_timeout(sent: bytes) -> None:
    async with live(limits={"handshake_timeout": "200ms"}) as server:
        async with asyncio.timeout(5):
            await say(server, server.port("rtmp"), sent, shaken=False)
        await server.settled()
        assert server.actors("RtmpSession") == []


async def test_a_connection_that_asks_for_nothing_is_closed_by_the_timeout() -> None:
    async with live(limits={"handshake_timeout": "200ms"}) as server:
        async with asyncio.timeout(5):
            assert await say(server, server.port("rtmp"), b"", shaken=True) == b""
        await server.settled()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (rubbish(3, 3000) + b"\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /static/../../../pyproject.toml HTTP/1.1\r\nHost: h\r\n\r\n", b"404"),
        (b"GET /live/%00.flv HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", b"400"),
        (b"DELETE /live/cam.flv HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", b"405"),
    ],
)
async def test_bad_requests_have_their_status(sent: bytes, status: bytes) -> None:
    async with live() as server:
        peer = await connect(server.port("http"))
        await peer.send(sent)
        answer = await peer.receive()
        peer.close()
        assert answer[9:12] == status
        assert server.lines("Traceback") == []


async def come_and_go(port: int, number: int) -> None:
    """One of several ways to connect and leave."""
    peer = await connect(port)
    try:
        if number % 4 == 1:
            await peer.send(b"\x03" + bytes(1000))
        elif number % 4 == 2:
            await peer.send(rubbish(number, 64))
        elif number % 4 == 3:
            peer.reset()
    except ConnectionError:
        pass
    finally:
        peer.close()


async def ask_and_go(port: int, number: int) -> None:
    """One request, answered or not."""
    peer = await connect(port)
    try:
        await peer.send(f"GET /live/absent{number}.{('flv', 'mp4')[number % 2]} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        if number % 3:
            await peer.receive()
    except ConnectionError:
        pass
    finally:
        peer.close()


async def repeat(times: int, once: Callable[[int], Awaitable[None]], together: int = 50) -> None:
    """`once` for every number below `times`, so many at a time."""
    numbers = iter(range(times))

    async def work() -> None:
        for number in numbers:
            await once(number)

    async with asyncio.timeout(50):
        await asyncio.gather(*(work() for _ in range(together)))


async def test_ten_thousand_connections_leave_nothing_behind() -> None:
    process = psutil.Process()
    async with live() as server:
        rtmp, http = server.port("rtmp"), server.port("http")

        async def storm(times: int) -> tuple[int, int, int]:
            await repeat(times, lambda number: come_and_go(rtmp, number))
            await repeat(times // 5, lambda number: ask_and_go(http, number))
            await server.settled()
            await until(lambda: descriptors() <= before + 1)  # /proc/self/fd's own
            gc.collect()
            return len(server.actors()), descriptors(), process.memory_info().rss

        before = descriptors()
        actors, _, memory = await storm(1000)  # what is made at first use is there now
        assert (await storm(9000))[0] == actors
        assert descriptors() <= before + 1
        assert process.memory_info().rss - memory < 16 * MIB
        assert server.events(Failed) == []
        assert len(server.log) <= 4
