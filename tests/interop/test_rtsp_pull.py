"""Pulling from and pushing to RTSP servers, ours among them; crashes under viewers who are watching."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pykka
import pytest

from arcly_actors.bus.events import ActorRestarted, PublishEnded, PublishHeld, PublishStarted
from arcly_actors.bus.key import StreamKey
from arcly_actors.egress.rtsp_push import PushTo, RtspPush
from arcly_actors.ingest.rtsp_pull import By, PullFrom, RtspPull
from arcly_actors.protocols.rtsp.address import RtspUrl
from arcly_actors.runtime import exit_error
from arcly_actors.transport.udp_outlet import UdpOutlet
from tests.interop.conftest import ClipFile
from tests.interop.test_rtsp import check_played, has_heard, plays
from tests.support.live import Live, live
from tests.support.publishers import ffmpeg_records
from tests.support.tools import require_tool, running
from tests.support.waiting import until

pytestmark = pytest.mark.interop

USERS = {"users": [{"name": "bob", "password": "s3cret"}]}


@contextlib.asynccontextmanager
async def started(actor: type[pykka.Actor], server: Live, key: str, what: Any) -> AsyncIterator[pykka.ActorRef[Any]]:
    """A pull or push for the length of a block."""
    running_engine = server.engine._running
    ref = actor.start(running_engine.system, running_engine.bus, StreamKey.parse(key), what)
    try:
        yield ref
    finally:
        if ref.is_alive():
            await ref.stop(block=False)


def seats(server: Live, key: str) -> list[str]:
    """The protocols of a stream's viewers."""
    return [seat.protocol for report in server.engine.streams() if str(report.key) == key for seat in report.seats]


BOB = "bob:s3cret"


@pytest.mark.parametrize("by", list(By))
async def test_a_camera_is_pulled(clip_file: ClipFile, by: By) -> None:
    async with live(rtsp=USERS) as server, ffmpeg_records(server, clip_file(), server.rtsp(user=BOB)):
        async with started(RtspPull, server, "live/yard", PullFrom(RtspUrl.parse(server.rtsp(user=BOB)), by)):
            await server.event(PublishStarted, 2)
            check_played(await plays(server.rtsp("live/yard", user=BOB)), "h264", "aac")
            assert seats(server, "live/cam") == ["rtsp" if by is By.TCP else "rtsp-udp"]
            assert all("s3cret" not in str(event) for event in server.seen)
        await server.event(PublishHeld)
        await until(lambda: seats(server, "live/cam") == [])


async def test_udp_that_is_refused_falls_back_to_tcp(clip_file: ClipFile) -> None:
    async with live(rtsp={"udp_ports": None}) as server, ffmpeg_records(server, clip_file(), server.rtsp()):
        url = RtspUrl.parse(server.rtsp())
        async with started(RtspPull, server, "live/yard", PullFrom(url)):
            await server.event(PublishStarted, 2)
            check_played(await plays(server.rtsp("live/yard")), "h264", "aac")
            assert seats(server, "live/cam") == ["rtsp"]
        async with started(RtspPull, server, "live/udp", PullFrom(url, By.UDP)) as pull:
            await until(lambda: not pull.is_alive())
            assert "461" in str(exit_error(pull))


async def test_udp_that_does_not_come_through_falls_back_to_tcp(
    clip_file: ClipFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UdpOutlet, "write", lambda _outlet, _data: None)
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(live())
        await stack.enter_async_context(ffmpeg_records(server, clip_file(), server.rtsp()))
        what = PullFrom(RtspUrl.parse(server.rtsp()))
        async with started(RtspPull, server, "live/yard", what):
            await until(lambda: seats(server, "live/cam") == ["rtsp-udp"])
            await until(lambda: seats(server, "live/cam") == ["rtsp"])
            check_played(await plays(server.rtsp("live/yard")), "h264", "aac")


async def test_failures_are_told_without_the_password(clip_file: ClipFile) -> None:
    async with live(rtsp=USERS) as server, ffmpeg_records(server, clip_file(), server.rtsp(user=BOB)):
        wrong = {
            server.rtsp(user="bob:gu3ss"): "401 Unauthorized",
            server.rtsp("live/nobody", user=BOB): "404 Not Found",
            "rtsp://bob:s3cret@127.0.0.1:1/x": "cannot connect to 127.0.0.1:1",
        }
        for url, reason in wrong.items():
            async with started(RtspPull, server, "live/yard", PullFrom(RtspUrl.parse(url))) as pull:
                await until(lambda ref=pull: not ref.is_alive())  # type: ignore[misc]  # mypy cannot infer a default's type
                told = str(exit_error(pull))
                assert reason in told
                assert "s3cret" not in told
                assert "gu3ss" not in told


async def test_a_pull_fails_when_its_source_goes(clip_file: ClipFile) -> None:
    async with live(hold="0s") as server:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(ffmpeg_records(server, clip_file(), server.rtsp()))
            what = PullFrom(RtspUrl.parse(server.rtsp()))
            pull = await stack.enter_async_context(started(RtspPull, server, "live/yard", what))
            await server.event(PublishStarted, 2)
            server.engine.end_stream("live/cam")
            await until(lambda: not pull.is_alive())
            assert "live/yard" in str(exit_error(pull))
        await server.event(PublishEnded, 2)


@pytest.mark.parametrize("udp", [False, True])
async def test_a_stream_is_pushed(clip_file: ClipFile, udp: bool) -> None:
    async with live(rtsp=USERS) as server:
        copy = server.rtsp("live/copy", user=BOB)
        async with started(RtspPush, server, "live/cam", PushTo(RtspUrl.parse(copy), udp=udp)) as push:
            async with ffmpeg_records(server, clip_file(), server.rtsp(user=BOB)):
                await server.event(PublishStarted, 2)
                check_played(await plays(copy), "h264", "aac")
                server.crash("ByteSubscriber", "rtsp-push")
                await server.event(ActorRestarted)
                check_played(await plays(copy), "h264", "aac")
                assert server.engine.streams()[1].dropped_frames == 0
            server.engine.end_stream("live/cam")
            await until(lambda: not push.is_alive())
            assert exit_error(push) is None
            await server.event(PublishHeld, 2)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_subscriber_that_crashes_goes_on_where_it_was(clip_file: ClipFile, transport: str) -> None:
    copy = ("-c", "copy", "-f", "flv", "-flvflags", "no_duration_filesize", "-")
    async with live() as server, ffmpeg_records(server, clip_file(), server.rtsp()):
        play = ("-nostdin", "-v", "error", "-rtsp_transport", transport, "-i", server.rtsp(), *copy)
        async with running(require_tool("ffmpeg"), *play) as player:
            await player.until(lambda: len(player.written) > 30_000)
            server.crash("ByteSubscriber", "rtsp-udp" if transport == "udp" else "rtsp")
            assert "rtsp" in (await server.event(ActorRestarted)).actor
            seen = len(player.written)
            await player.until(lambda: len(player.written) > seen + 60_000)
            assert player.running
            server.engine.end_stream("live/cam")


async def test_a_publisher_that_crashes_is_disconnected_and_its_viewers_are_held(clip_file: ClipFile) -> None:
    async with live() as server, ffmpeg_records(server, clip_file(), server.rtsp()) as publisher:
        play = (require_tool("ffmpeg"), "-v", "error", "-i", server.rtsp(), "-f", "null", "-")
        async with running(*play) as player:
            await until(lambda: has_heard(server))
            server.crash("RtspPublisher")
            await server.event(PublishHeld)
            assert await publisher.status() != 0
            async with ffmpeg_records(server, clip_file(), server.rtsp()):
                assert player.running


async def test_an_endpoint_that_crashes_comes_back_on_its_ports(clip_file: ClipFile) -> None:
    async with live() as server, ffmpeg_records(server, clip_file(), server.rtsp(), transport="udp"):
        ports = server.engine.addresses["rtsp-udp"]
        server.crash("RtpPorts")
        assert "udp" in (await server.event(ActorRestarted)).actor
        check_played(await plays(server.rtsp(), "udp"), "h264", "aac")
        assert server.engine.addresses["rtsp-udp"] == ports
