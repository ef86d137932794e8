"""Debian's FFmpeg both ways: it publishes, and what it plays is what was published."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from arcly_actors.bus.events import PublishStarted
from tests.interop.conftest import ClipFile
from tests.support.live import Live, live
from tests.support.tools import Program, require_tool, running
from tests.support.viewers import Probed, ffprobe

pytestmark = pytest.mark.interop

HLS = {"segment": "500ms"}


@contextlib.asynccontextmanager
async def ffmpeg_publishes(server: Live, clip: str, url: str = "", *options: str) -> AsyncIterator[Program]:
    """FFmpeg publishing a clip over and over in real time, once it has been accepted."""
    pace = ("-nostdin", "-v", "warning", "-re", "-stream_loop", "-1")
    already = len(server.events(PublishStarted))
    async with running(
        require_tool("ffmpeg"), *pace, "-i", clip, *options, "-c", "copy", "-f", "flv", url or server.rtmp()
    ) as publisher:
        await server.event(PublishStarted, already + 1)
        yield publisher


def check(probed: Probed, *codecs: str, pictures: int = 30) -> None:
    """Exactly these streams, decoded without complaint, from a keyframe on, in order."""
    assert probed.codecs == sorted(codecs)
    assert probed.errors == ""
    for stream in probed.streams:
        assert stream.monotonic
        assert stream.starts_with_keyframe
        assert stream.decoded >= (pictures if stream.width else 20)
        assert not stream.width or stream.width == 160


async def test_h264_and_aac_to_every_output(clip_file: ClipFile) -> None:
    async with live(hls=HLS) as server, ffmpeg_publishes(server, clip_file()):
        for probed in await asyncio.gather(*(ffprobe(url) for url in (server.rtmp(), server.flv(), server.hls()))):
            check(probed, "h264", "aac")
