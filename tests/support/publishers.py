"""Real publishers, each in a process of its own for the length of a block."""

import contextlib
import sys
from collections.abc import AsyncIterator

from arcly_actors.bus.events import PublishResumed, PublishStarted
from tests.support.live import Live
from tests.support.tools import Program, require_tool, running


def accepted(server: Live) -> int:
    """How many publishers have been accepted."""
    return len(server.events(PublishStarted)) + len(server.events(PublishResumed))


async def _accepted_after(server: Live, already: int, publisher: Program) -> None:
    try:
        await server.until(lambda: accepted(server) > already)
    except TimeoutError as error:
        raise AssertionError(f"{publisher!r}; {server!r}") from error


@contextlib.asynccontextmanager
async def ffmpeg_publishes(server: Live, clip: str, url: str = "", *options: str) -> AsyncIterator[Program]:
    """FFmpeg publishing a clip over and over in real time, once it has been accepted."""
    pace = ("-nostdin", "-v", "warning", "-re", "-stream_loop", "-1")
    already = accepted(server)
    async with running(
        require_tool("ffmpeg"), *pace, "-i", clip, *options, "-c", "copy", "-f", "flv", url or server.rtmp()
    ) as publisher:
        await _accepted_after(server, already, publisher)
        yield publisher


@contextlib.asynccontextmanager
async def ffmpeg_records(
    server: Live, clip: str, url: str, *options: str, transport: str = "tcp"
) -> AsyncIterator[Program]:
    """The same by RTSP."""
    pace = ("-nostdin", "-v", "warning", "-re", "-stream_loop", "-1")
    output = ("-c", "copy", *options, "-f", "rtsp", "-rtsp_transport", transport)
    already = accepted(server)
    async with running(require_tool("ffmpeg"), *pace, "-i", clip, *output, url) as publisher:
        await _accepted_after(server, already, publisher)
        yield publisher


@contextlib.asynccontextmanager
async def av_publishes(server: Live, clip: str, path: str, *, scheme: str = "rtmp") -> AsyncIterator[None]:
    """PyAV publishing a clip over and over in real time, once it has been accepted."""
    async with _av(server, server.rtsp(path) if scheme == "rtsp" else server.rtmp(path), clip):
        yield


@contextlib.asynccontextmanager
async def av_whips(server: Live, clip: str, path: str = "live/cam", **options: str) -> AsyncIterator[Program]:
    """FFmpeg's WHIP muxer (in PyAV) sending a clip over and over in real time, once accepted; it ends in order."""
    given = (f"{name}={value}" for name, value in options.items())
    async with _av(server, server.http(f"{path}/whip"), clip, *given) as publisher:
        yield publisher
        publisher.close_input()
        assert await publisher.status() == 0, publisher.errors


@contextlib.asynccontextmanager
async def _av(server: Live, url: str, *arguments: str) -> AsyncIterator[Program]:
    already = accepted(server)
    async with running(sys.executable, "-m", "tests.support.av_peer", "publish", url, *arguments) as publisher:
        await _accepted_after(server, already, publisher)
        yield publisher
