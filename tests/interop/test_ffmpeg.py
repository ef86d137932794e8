"""Debian's FFmpeg both ways: it publishes, and what it plays is what was published."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.interop.conftest import ClipFile
from tests.support.live import Live, live
from tests.support.publishers import ffmpeg_publishes
from tests.support.tools import require_tool, run, running
from tests.support.viewers import Probed, ffprobe

pytestmark = pytest.mark.interop

HLS = {"segment": "500ms"}


def check_probed(probed: Probed, *codecs: str, pictures: int = 30) -> None:
    """Exactly these streams, decoded without complaint, from a keyframe on, in order."""
    assert probed.codecs == sorted(codecs)
    assert probed.errors == ""
    for stream in probed.streams:
        assert stream.monotonic
        assert stream.starts_with_keyframe
        assert stream.decoded >= (pictures if stream.width else 20)
        assert not stream.width or stream.width == 160


async def check_outputs(server: Live, path: str, *codecs: str) -> None:
    """Play everything that there is of a stream, at the same time."""
    for probed in await asyncio.gather(
        *(ffprobe(url) for url in (server.rtmp(path), server.flv(path), server.hls(path)))
    ):
        check_probed(probed, *codecs)


async def test_every_output_of_picture_and_sound_together_and_alone(clip_file: ClipFile) -> None:
    async with (
        live(hls=HLS) as server,
        ffmpeg_publishes(server, clip_file()),
        ffmpeg_publishes(server, clip_file(audio=None), server.rtmp("live/silent")),
        ffmpeg_publishes(server, clip_file(video=None), server.rtmp("live/dark")),
    ):
        await asyncio.gather(
            check_outputs(server, "live/cam", "h264", "aac"),
            check_outputs(server, "live/silent", "h264"),
            check_outputs(server, "live/dark", "aac"),
        )


async def test_pictures_that_are_shown_in_another_order(clip_file: ClipFile) -> None:
    applications = {"live": {"hls": HLS}, "old": {"hls": {**HLS, "format": "mpegts"}}}
    clip = clip_file(b_frames=2)
    async with (
        live(applications=applications) as server,
        ffmpeg_publishes(server, clip),
        ffmpeg_publishes(server, clip, server.rtmp("old/cam")),
    ):
        *_, times, older = await asyncio.gather(
            check_outputs(server, "live/cam", "h264", "aac"), presented(server.flv()), ffprobe(server.hls("old/cam"))
        )
        assert len({pts - dts for pts, dts in times}) > 1  # B frames were sent as such
        assert len({pts for pts, _ in times}) == len(times)
        check_probed(older, "h264", "aac")


async def presented(url: str) -> list[tuple[int, int]]:
    """PTS and DTS of a second of pictures."""
    what = ("-select_streams", "v", "-read_intervals", "%+1", "-of", "csv=p=0", "-show_entries", "packet=pts,dts")
    output, _ = await run("ffprobe", "-v", "error", *what, url)
    numbers = [line.split(",") for line in output.split()]
    return [(int(line[0]), int(line[1])) for line in numbers]


async def test_rtmps(clip_file: ClipFile, certificate: tuple[Path, Path]) -> None:
    async with live(tls=certificate) as server:
        url = server.rtmp(endpoint="rtmps")
        async with ffmpeg_publishes(server, clip_file(), url):
            for probed in await asyncio.gather(ffprobe(url), ffprobe(server.rtmp())):
                check_probed(probed, "h264", "aac")


ADDRESSES = {
    "studio/one/cam": "studio/one/cam",
    "live/cam?token=secret": "live/cam?token=other",
    "live//second": "live/second",
}


async def test_addresses(clip_file: ClipFile) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(live(applications={"live": {}, "studio/one": {}}))
        for address in ADDRESSES:
            await stack.enter_async_context(ffmpeg_publishes(server, clip_file(), server.rtmp(address)))
        splits = [played.partition("?") for played in ADDRESSES.values()]
        urls = [server.rtmp(played) for played in ADDRESSES.values()]
        urls += [f"{server.flv(path)}?{query}" for path, _, query in splits]
        for probed in await asyncio.gather(*(ffprobe(url, 0.5) for url in urls)):
            check_probed(probed, "h264", "aac", pictures=10)


async def test_rtmpdump_plays_to_the_end(clip_file: ClipFile, tmp_path: Path) -> None:
    dumped = tmp_path / "dumped.flv"
    async with live() as server, ffmpeg_publishes(server, clip_file()):
        async with running(require_tool("rtmpdump"), "-q", "-v", "-r", server.rtmp(), "-o", "-") as player:
            await player.until(lambda: len(player.written) > 30_000)
            server.engine.end_stream("live/cam")
            assert await player.status(5) == 0, player.errors
        dumped.write_bytes(player.written)
        check_probed(await ffprobe(str(dumped), 5), "h264", "aac", pictures=20)


async def test_gstreamer_plays(clip_file: ClipFile) -> None:
    launch = require_tool("gst-launch-1.0")
    async with live() as server, ffmpeg_publishes(server, clip_file()):
        source = ("rtmp2src", f"location={server.rtmp()}", "num-buffers=60", "!", "flvdemux", "name=demux")
        picture = ("demux.video", "!", "queue", "!", "h264parse", "!", "fakesink", "sync=false")
        async with running(launch, "-q", *source, *picture) as player:
            assert await player.status() == 0, player.errors
