"""Sinks against real servers: FFmpeg that listens, and our own engine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from arcly_actors.bus.events import PublishHeld, PublishResumed, PublishStarted, SinkConnected, SinkEnded, SinkFailed
from arcly_actors.errors import ConfigurationError, Refused
from arcly_actors.media.codec import CodecId
from tests.interop.conftest import ClipFile
from tests.interop.test_ffmpeg import check_probed
from tests.support.live import Live, live
from tests.support.publishers import ffmpeg_publishes
from tests.support.tools import Program, require_tool, running
from tests.support.viewers import ffprobe
from tests.support.waiting import until

pytestmark = pytest.mark.interop


@contextlib.asynccontextmanager
async def ffmpeg_listens(path: str, port: int, to: Path) -> AsyncIterator[Program]:
    """FFmpeg as an RTMP server for one publisher, which it writes to a file, once it listens."""
    url = f"rtmp://127.0.0.1:{port}/{path}"
    record = (
        "-nostdin",
        "-v",
        "warning",
        "-y",
        "-listen",
        "1",
        "-f",
        "flv",
        "-i",
        url,
        "-c",
        "copy",
        "-f",
        "flv",
        str(to),
    )
    async with running(require_tool("ffmpeg"), *record) as listener:
        yield listener


def pushed(server: Live) -> int:
    """Frames that the only stream's only push has had."""
    (report,) = server.engine.streams()
    (seat,) = report.seats
    return seat.qos.frames if seat.qos is not None else 0


@pytest.mark.parametrize(
    ("path", "video", "audio"),
    [
        ("app/sesame", CodecId.H264, CodecId.AAC),
        ("app/sesame", CodecId.H264, None),
        ("sesame", None, CodecId.AAC),  # as MediaMTX has it: an application without a name
    ],
)
async def test_ffmpeg_takes_it(
    clip_file: ClipFile,
    tmp_path: Path,
    unused_tcp_port: int,
    path: str,
    video: CodecId | None,
    audio: CodecId | None,
) -> None:
    recorded = tmp_path / "recorded.flv"
    async with live() as server, ffmpeg_listens(path, unused_tcp_port, recorded) as listener:
        await server.engine.push("live/cam", f"rtmp://127.0.0.1:{unused_tcp_port}/{path}")
        await server.engine.pull("live/cam", clip_file(video, audio))
        await server.event(SinkConnected)
        await until(lambda: pushed(server) > 70)
        server.engine.end_stream("live/cam")
        assert await listener.status(10) == 0, listener.errors
        check_probed(await ffprobe(str(recorded), 60), *[str(codec) for codec in (video, audio) if codec], pictures=20)
        assert "sesame" not in repr(server.seen)
        assert "sesame" not in repr(server.engine.tree())


async def test_another_engine_takes_it_and_restarts(clip_file: ClipFile) -> None:
    async with live() as target:
        port = target.port("rtmp")
    endpoints = {"rtmp": {"listen": f"127.0.0.1:{port}"}, "http": {"listen": "127.0.0.1:0"}}
    sinks = [{"key": "live/cam", "url": f"rtmp://127.0.0.1:{port}/live/copy"}]
    async with live(sinks=sinks) as server, ffmpeg_publishes(server, clip_file()):
        await server.event(SinkFailed)
        (node,) = next(child for child in server.engine.tree().children if child.id == "sinks").children
        assert f"127.0.0.1:{port}: connection refused" in node.last_error
        for number in (1, 2):
            async with live(endpoints=endpoints) as target:
                await server.event(SinkConnected, number)
                await target.event(PublishStarted)
                check_probed(await ffprobe(target.flv("live/copy")), "h264", "aac")
        assert server.events(PublishHeld) == []


async def test_of_two_targets_one_fails_and_nobody_else_notices(clip_file: ClipFile, unused_tcp_port: int) -> None:
    async with live() as target:
        good, bad = target.rtmp("live/copy"), f"rtmp://127.0.0.1:{unused_tcp_port}/live/copy"
        sinks = [{"key": "live/cam", "url": url} for url in (bad, good)]
        async with live(sinks=sinks) as server, ffmpeg_publishes(server, clip_file()):
            await server.event(SinkFailed, 5)
            for probed in await asyncio.gather(ffprobe(target.flv("live/copy")), ffprobe(server.rtmp())):
                check_probed(probed, "h264", "aac")
            assert len(server.events(SinkConnected)) == 1
            assert target.events(PublishHeld) == []


async def test_it_follows_the_stream_through_hold_end_and_a_new_beginning(clip_file: ClipFile) -> None:
    async with live() as target, live(hold="500ms") as server:
        handle = await server.engine.push("live/cam", target.rtmp("live/copy"))
        async with ffmpeg_publishes(server, clip_file()):
            await target.event(PublishStarted)
        await server.event(SinkEnded)  # with the hold
        await target.event(PublishHeld)
        async with ffmpeg_publishes(server, clip_file(CodecId.H264, None)):
            await target.event(PublishResumed)
            await server.event(SinkConnected, 2)
            await handle.stop()
            await target.event(PublishHeld, 2)
            assert len(server.events(SinkConnected)) == 2


async def test_a_chain_of_source_and_sink_over_tls(clip_file: ClipFile, certificate: tuple[Path, Path]) -> None:
    async with live(tls=certificate) as target, live() as server:
        await server.engine.pull("live/film", clip_file())
        await server.engine.push("live/film", target.rtmp("live/copy", "rtmps"), verify=False)
        await target.event(PublishStarted)
        await server.engine.pull("live/back", target.rtmp("live/copy", "rtmps"), verify=False)
        await server.engine.stream("live/back")
        check_probed(await ffprobe(server.rtmp("live/back")), "h264", "aac")


async def test_what_cannot_work_is_said_at_once() -> None:
    async with live() as server:
        with pytest.raises(ConfigurationError, match="url: 'http' is not a scheme"):
            await server.engine.push("live/a", "http://host/app/sesame")
        with pytest.raises(ConfigurationError, match="names a stream"):
            await server.engine.push("live/a", "rtmp://host/")
        with pytest.raises(Refused, match="no application"):
            await server.engine.push("nowhere/a", "rtmp://host/app/sesame")
