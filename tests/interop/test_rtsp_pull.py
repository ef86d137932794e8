"""Pulling from and pushing to RTSP servers, ours among them; crashes under viewers who are watching."""

import contextlib

import pytest

from arcly_actors import limits
from arcly_actors.bus.events import (
    ActorRestarted,
    PublishHeld,
    PublishResumed,
    PublishStarted,
    SinkConnected,
    SinkEnded,
    SinkFailed,
    SourceConnected,
    SourceFailed,
    SourceIdled,
    SourceStalled,
)
from arcly_actors.clock import NS_PER_S
from arcly_actors.transport.udp_outlet import UdpOutlet
from tests.interop.conftest import ClipFile
from tests.interop.test_rtsp import check_played, has_heard, plays
from tests.support.live import ANYWHERE, Live, live
from tests.support.publishers import ffmpeg_records
from tests.support.tools import require_tool, running
from tests.support.waiting import until

pytestmark = pytest.mark.interop

USERS = {"users": [{"name": "bob", "password": "s3cret"}]}
BOB = "bob:s3cret"


def seats(server: Live, key: str) -> list[str]:
    """The protocols of a stream's viewers."""
    return [seat.protocol for report in server.engine.streams() if str(report.key) == key for seat in report.seats]


@pytest.mark.parametrize("transport", ["auto", "tcp", "udp"])
async def test_a_camera_is_pulled_and_left(clip_file: ClipFile, transport: str) -> None:
    async with live(rtsp=USERS) as server, ffmpeg_records(server, clip_file(), server.rtsp(user=BOB)):
        handle = await server.engine.pull("live/yard", server.rtsp(user=BOB), transport=transport)
        await server.event(SourceConnected)
        check_played(await plays(server.rtsp("live/yard", user=BOB)), "h264", "aac")
        assert seats(server, "live/cam") == ["rtsp" if transport == "tcp" else "rtsp-udp"]
        await handle.stop()
        await until(lambda: seats(server, "live/cam") == [])
        assert "s3cret" not in repr(server.seen)
        assert "s3cret" not in repr(server.engine.tree())


async def test_udp_that_is_refused_falls_back_to_tcp(clip_file: ClipFile) -> None:
    async with live(rtsp={"udp_ports": None}) as server, ffmpeg_records(server, clip_file(), server.rtsp()):
        await server.engine.pull("live/yard", server.rtsp())
        await server.event(SourceConnected)
        assert seats(server, "live/cam") == ["rtsp"]
        await server.engine.pull("live/udp", server.rtsp(), transport="udp")
        assert "461" in (await server.event(SourceFailed)).error


async def test_udp_that_does_not_come_through_falls_back_to_tcp(
    clip_file: ClipFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UdpOutlet, "admit", lambda *_: None)
    monkeypatch.setattr(UdpOutlet, "write", lambda _outlet, _data: None)
    monkeypatch.setattr(limits, "RTSP_UDP_PATIENCE", NS_PER_S // 2)
    async with live() as server, ffmpeg_records(server, clip_file(), server.rtsp()):
        await server.engine.pull("live/yard", server.rtsp())
        await until(lambda: seats(server, "live/cam") == ["rtsp-udp"])
        await server.event(SourceConnected)
        assert seats(server, "live/cam") == ["rtsp"]
        await server.engine.pull("live/udp", server.rtsp(), transport="udp", stall="1s")
        assert "no packet for 1 s" in (await server.event(SourceFailed)).error


async def test_failures_are_told_without_the_password(clip_file: ClipFile) -> None:
    async with live(rtsp=USERS) as server, ffmpeg_records(server, clip_file(), server.rtsp(user=BOB)):
        wrong = {
            server.rtsp(user="bob:gu3ss"): "401 Unauthorized",
            server.rtsp("live/nobody", user=BOB): "404 Not Found",
            "rtsp://bob:s3cret@127.0.0.1:1/x": "127.0.0.1:1: connection refused",
        }
        for number, (url, reason) in enumerate(wrong.items()):
            key = f"live/yard{number}"
            await server.engine.pull(key, url)
            await until(lambda key=key: any(str(event.key) == key for event in server.events(SourceFailed)))  # type: ignore[misc]  # mypy cannot infer a default's type
            (error, *_) = (event.error for event in server.events(SourceFailed) if str(event.key) == key)
            assert reason in error
        assert "s3cret" not in repr(server.seen) + repr(server.engine.tree())
        assert "gu3ss" not in repr(server.seen) + repr(server.engine.tree())


async def test_a_server_that_restarts_under_a_pull_and_its_viewers(clip_file: ClipFile) -> None:
    async with live() as camera:
        port = camera.port("rtsp")
    endpoints = {**ANYWHERE, "rtsp": {"listen": f"127.0.0.1:{port}", "udp_ports": None}}
    async with live() as server, contextlib.AsyncExitStack() as stack:
        await server.engine.pull("live/yard", f"rtsp://127.0.0.1:{port}/live/cam")
        assert f"127.0.0.1:{port}: connection refused" in (await server.event(SourceFailed)).error
        copy = ("-c", "copy", "-f", "flv", "-flvflags", "no_duration_filesize", "-")
        async with live(endpoints=endpoints) as camera, ffmpeg_records(camera, clip_file(), camera.rtsp()):
            await server.event(SourceConnected)
            play = ("-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", server.rtsp("live/yard"), *copy)
            player = await stack.enter_async_context(running(require_tool("ffmpeg"), *play))
            await player.until(lambda: len(player.written) > 30_000)
        await server.event(PublishHeld)
        async with live(endpoints=endpoints) as camera, ffmpeg_records(camera, clip_file(), camera.rtsp()):
            await server.event(PublishResumed)
            seen = len(player.written)
            await player.until(lambda: len(player.written) > seen + 30_000)
            assert player.running
            server.engine.end_stream("live/yard")


async def test_a_camera_that_goes_silent_is_dialled_anew(clip_file: ClipFile) -> None:
    async with live(hold="30s") as server:
        async with ffmpeg_records(server, clip_file(), server.rtsp()):
            await server.engine.pull("live/yard", server.rtsp(), stall="1s")
            await server.event(SourceConnected)
        assert "for 1 s" in (await server.event(SourceStalled)).detail  # of pictures or all; its connection stands
        async with ffmpeg_records(server, clip_file(), server.rtsp()):
            await server.event(SourceConnected, 2)
            check_played(await plays(server.rtsp("live/yard")), "h264", "aac")


async def test_a_player_that_only_describes_wakes_a_camera_on_demand(clip_file: ClipFile) -> None:
    async with live() as server, ffmpeg_records(server, clip_file(), server.rtsp()):
        await server.engine.pull("live/yard", server.rtsp(), on_demand=True, idle="1s")
        assert seats(server, "live/cam") == []
        check_played(await plays(server.rtsp("live/yard")), "h264", "aac")
        await server.event(SourceIdled)
        await until(lambda: seats(server, "live/cam") == [])
        assert server.events(SourceFailed) == []


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_stream_is_pushed(clip_file: ClipFile, transport: str) -> None:
    async with live(rtsp=USERS) as target, live() as server:
        await server.engine.push("live/cam", target.rtsp("live/copy", user=BOB), transport=transport)
        await server.engine.push("live/cam", target.rtsp("live/copy", user="bob:gu3ss"))
        async with ffmpeg_records(server, clip_file(), server.rtsp()):
            await server.event(SinkConnected)
            check_played(await plays(target.rtsp("live/copy", user=BOB)), "h264", "aac")
            server.crash("PushSubscriber")
            await server.event(SinkConnected, 2)
            check_played(await plays(target.rtsp("live/copy", user=BOB)), "h264", "aac")
            assert "401 Unauthorized" in (await server.event(SinkFailed)).error
            assert target.engine.streams()[0].dropped_frames == 0
        server.engine.end_stream("live/cam")
        await server.event(SinkEnded)
        await target.event(PublishHeld, 2)
        assert "s3cret" not in repr(server.seen) + repr(server.engine.tree())
        assert len(target.events(PublishStarted)) == 1


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
