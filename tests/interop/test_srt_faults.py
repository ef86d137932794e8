"""What fails on our side while libsrt publishes and watches, and what strangers send to the port."""

import random
import socket

import pytest

from arcly_actors.bus.events import ActorRestarted, PublishHeld, PublishResumed, SubscriberJoined
from tests.interop.conftest import ClipFile
from tests.support.live import live
from tests.support.srt_network import Network
from tests.support.srt_peers import counted, srt, srt_publishes, transmit, unbroken
from tests.support.waiting import until

pytestmark = pytest.mark.interop


async def test_a_viewer_does_not_notice_that_its_subscriber_or_the_stream_crashed(clip_file: ClipFile) -> None:
    async with live() as server, srt_publishes(server, clip_file()):
        async with transmit(srt(server.port("srt"), "read:live/cam"), "file://con") as viewer:
            await viewer.until(lambda: len(viewer.written) > 20_000)
            server.crash("ByteSubscriber")
            await server.event(ActorRestarted)
            size = len(viewer.written)
            await viewer.until(lambda: len(viewer.written) > size + 20_000)
            server.crash("StreamActor")
            size = len(viewer.written)
            await viewer.until(lambda: len(viewer.written) > size + 40_000)
            assert unbroken(bytes(viewer.written)) > 40
        assert len(server.events(SubscriberJoined)) >= 1


async def test_a_publisher_that_crashes_ends_its_connection_and_its_stream_is_held(clip_file: ClipFile) -> None:
    async with live() as server:
        async with srt_publishes(server, clip_file()) as publisher:
            await until(lambda: counted(server)["pktRecvUnique"] > 20 and server.logged_pictures() > 5)
            server.crash("SrtPublisher")
            await server.event(PublishHeld)
            await publisher.until(lambda: not publisher.running or bool(publisher.errors))
        async with srt_publishes(server, clip_file()):
            await server.event(PublishResumed)
        assert len(server.events(PublishHeld)) >= 1


async def test_a_port_that_crashes_comes_back_where_its_callers_know_it(clip_file: ClipFile) -> None:
    async with live() as server:
        port = server.port("srt")
        async with srt_publishes(server, clip_file()):
            await until(lambda: server.logged_pictures() > 5)
            server.crash("DatagramPort")
            await server.event(PublishHeld)
        async with srt_publishes(server, clip_file(), srt(port, "publish:live/cam")):
            await server.event(PublishResumed)
            assert server.events(ActorRestarted)[0].actor == "srt/port"


async def test_strangers_change_nothing_for_those_who_are_in(clip_file: ClipFile) -> None:
    chance = random.Random(7)
    captured = Network()
    captured.run(200)
    async with live() as server, srt_publishes(server, clip_file()):
        port = server.port("srt")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(3000):
                stranger.sendto(chance.randbytes(chance.randrange(1, 200)), ("127.0.0.1", port))
            for data in captured.caller.sent * 50:  # handshakes of another server, with its cookie
                stranger.sendto(data, ("127.0.0.1", port))
        before = server.logged_pictures()
        await until(lambda: server.logged_pictures() > before + 20)
        assert counted(server)["pktRcvDrop"] == 0
        assert len(server.actors("SrtSession")) == 1
