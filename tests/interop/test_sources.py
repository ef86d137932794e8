"""Sources against real servers: FFmpeg, an HTTP server, and our own engine at both ends."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from arcly_actors import limits
from arcly_actors.bus.events import (
    PublishEnded,
    PublishHeld,
    PublishResumed,
    SourceConnected,
    SourceFailed,
    SourceIdled,
    SourceStalled,
)
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import ConfigurationError, Refused
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame
from arcly_actors.runtime import TreeNode
from tests.interop.conftest import ClipFile
from tests.interop.test_ffmpeg import check_probed
from tests.support.files import file_site
from tests.support.live import Live, live
from tests.support.publishers import ffmpeg_publishes
from tests.support.streams import encode
from tests.support.tools import require_tool, run, running
from tests.support.viewers import ffprobe

pytestmark = pytest.mark.interop

HLS = {"segment": "500ms"}


@pytest.fixture(autouse=True)
def short_time_outs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is let go while FFmpeg waits for a server ends with FFmpeg's own time-out: let that be soon."""
    monkeypatch.setattr(limits, "SOURCE_OPEN", 4 * NS_PER_S)


async def watch(server: Live, key: str, until: Callable[[list[MediaFrame]], bool]) -> list[MediaFrame]:
    """The frames of a stream until there are enough; their times rise in each track."""
    frames: list[MediaFrame] = []
    async with asyncio.timeout(20):
        stream = await server.engine.stream(key)
        async for frame in stream.frames():
            frames.append(frame)
            if until(frames):
                break
    for kind in (Kind.VIDEO, Kind.AUDIO):
        dts = [frame.dts for frame in frames if frame.track.kind is kind]
        assert all(earlier < later for earlier, later in itertools.pairwise(dts))
    return frames


def seconds(count: float) -> Callable[[list[MediaFrame]], bool]:
    return lambda frames: frames[-1].dts - frames[0].dts > count * NS_PER_S


async def test_our_own_endpoints_are_pulled_and_come_out_of_every_other(clip_file: ClipFile) -> None:
    async with live(hls=HLS) as server, live(hls=HLS) as mirror, ffmpeg_publishes(server, clip_file()):
        for key, url in {"live/a": server.rtmp(), "live/b": server.flv(), "live/c": server.hls()}.items():
            handle = await mirror.engine.pull(key, url, stall="3s")
            assert str(handle.key) == key
        outputs = [mirror.rtmp("live/a"), mirror.flv("live/b"), mirror.flv("live/c"), mirror.hls("live/a")]
        await asyncio.gather(*(watch(mirror, key, seconds(0.5)) for key in ("live/a", "live/b", "live/c")))
        for probed in await asyncio.gather(*(ffprobe(url) for url in outputs)):
            check_probed(probed, "h264", "aac")
        assert mirror.events(SourceFailed) == []


async def test_a_file_is_played_in_real_time_over_and_over(clip_file: ClipFile) -> None:
    async with live() as server:
        await server.engine.pull("live/film", clip_file(b_frames=2))
        loop = asyncio.get_running_loop()
        before = loop.time()
        frames = await watch(server, "live/film", seconds(5))  # of a clip of two seconds
        assert 4.5 < loop.time() - before < 8
        assert sum(frame.keyframe and frame.track.kind is Kind.VIDEO for frame in frames) > 5
        check_probed(await ffprobe(server.rtmp("live/film")), "h264", "aac")


async def test_a_file_over_http_ends_and_so_does_its_stream() -> None:
    async with live() as server, file_site({"clip.mp4": encode(seconds=2)}) as site:
        await server.engine.pull("live/film", site.url("clip.mp4"), loop=False)
        frames = await watch(server, "live/film", lambda _: False)
        assert sum(frame.track.kind is Kind.VIDEO for frame in frames) == 60
        assert [event.reason for event in server.events(SourceIdled)] == ["it came to its end"]
        assert len(server.events(PublishEnded)) == 1


async def test_a_server_that_is_not_there_at_first_and_restarts_later(clip_file: ClipFile) -> None:
    async with live(hold="1s") as mirror:
        async with live() as server:
            port = server.port("rtmp")
        url = f"rtmp://127.0.0.1:{port}/live/cam"
        await mirror.engine.pull("live/cam", url)
        await mirror.event(SourceFailed)
        assert f"127.0.0.1:{port}: connection refused" in source(mirror).last_error
        endpoints = {"rtmp": {"listen": f"127.0.0.1:{port}"}, "http": {"listen": "127.0.0.1:0"}}
        async with live(endpoints=endpoints) as server, ffmpeg_publishes(server, clip_file()):
            viewer = asyncio.create_task(watch(mirror, "live/cam", lambda frames: resumed(mirror, frames)))
            await mirror.event(SourceConnected)
            await mirror.until(lambda: mirror.seats() == 1)
        await mirror.event(PublishHeld)
        failures = len(mirror.events(SourceFailed))
        await mirror.until(lambda: len(mirror.events(SourceFailed)) > failures + 6, 20)  # well beyond the hold
        async with live(endpoints=endpoints) as server, ffmpeg_publishes(server, clip_file()):
            frames = await viewer
            assert len(mirror.events(PublishResumed)) == 1
            assert sum(frame.discontinuity for frame in frames) == 2  # one of each track
            assert mirror.events(PublishEnded) == []


def source(server: Live) -> TreeNode:
    (node,) = next(child for child in server.engine.tree().children if child.id == "sources").children
    return node


def resumed(server: Live, frames: list[MediaFrame]) -> bool:
    seams = [at for at, frame in enumerate(frames) if frame.discontinuity]
    return len(seams) == 2 and len(frames) > seams[-1] + 40


@pytest.mark.parametrize(
    ("path", "user", "error"),
    [
        ("nothing.mp4", "", "404"),
        ("secret/clip.mp4", "", "401"),
        ("secret/clip.mp4", "user:wrong@", "401"),
        ("text.txt", "", "nothing in it can be carried: ansi"),
    ],
)
async def test_what_a_web_server_refuses_is_told(path: str, user: str, error: str) -> None:
    async with live() as server, file_site({"clip.mp4": encode(), "text.txt": b"hello" * 1000}) as site:
        await server.engine.pull("live/film", site.url(path, user))
        failed = await server.event(SourceFailed)
        assert error in failed.error
        assert "wrong" not in repr(server.seen)
        assert "wrong" not in repr(server.engine.tree())
        await server.event(SourceFailed, 2)  # and tried again


async def test_a_file_that_appears_later_and_a_password_that_is_right() -> None:
    async with live() as server, file_site({}) as site:
        await server.engine.pull("live/film", site.url("secret/clip.mp4", "user:pass@"))
        await server.event(SourceFailed)
        site.files["clip.mp4"] = encode()
        await watch(server, "live/film", seconds(0.5))
        assert server.events(SourceConnected)[0].url == f"http://***@127.0.0.1:{site.port}/secret/clip.mp4"


async def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SOURCE_OPEN", NS_PER_S)
    async with live() as server, file_site({}) as site:
        await server.engine.pull("live/film", site.url("silent"))
        failed = await server.event(SourceFailed)
        assert failed.error in {"no answer in time", "no answer for 1 s"}
        await server.event(SourceFailed, 2)


async def test_a_server_that_falls_silent(clip_file: ClipFile) -> None:
    async with live() as server, live() as mirror:
        async with ffmpeg_publishes(server, clip_file()):
            await mirror.engine.pull("live/a", server.rtmp(), stall="1s")
            await mirror.engine.pull("live/b", server.flv(), stall="1s")
            await watch(mirror, "live/a", seconds(0.2))
            await watch(mirror, "live/b", seconds(0.2))
        await mirror.event(SourceStalled, 2)
        await mirror.until(lambda: {event.key.name for event in mirror.events(SourceStalled)} == {"a", "b"})
        assert {str(event.key) for event in mirror.events(SourceFailed)} >= {"live/a", "live/b"}


async def test_on_demand_through_every_protocol(clip_file: ClipFile) -> None:
    sources = [
        {"key": f"live/{name}", "url": clip_file(), "on_demand": True, "idle": "500ms"} for name in ("rtmp", "flv", "hls")
    ]
    async with live(hls={**HLS, "idle": "1s"}, sources=sources) as server:
        assert server.engine.streams() == ()
        urls = [server.rtmp("live/rtmp"), server.flv("live/flv"), server.hls("live/hls")]
        for round_number in (1, 2):
            for probed in await asyncio.gather(*(ffprobe(url) for url in urls)):
                check_probed(probed, "h264", "aac")
            await server.event(SourceIdled, 3 * round_number, 20)
        assert server.events(SourceFailed) == []
        assert not server.actors("AvPull")


async def test_ffmpeg_serves_rtmp_and_mpeg_ts(clip_file: ClipFile, unused_tcp_port_factory: Callable[[], int]) -> None:
    ffmpeg = require_tool("ffmpeg")
    play = ("-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip_file(), "-c", "copy")
    port, datagrams = unused_tcp_port_factory(), unused_tcp_port_factory()
    async with (
        live() as server,
        running(ffmpeg, *play, "-f", "mpegts", f"udp://127.0.0.1:{datagrams}?pkt_size=1316"),
        running(ffmpeg, *play, "-f", "mpegts", "-listen", "1", f"http://127.0.0.1:{port}/ts"),
    ):
        await server.engine.pull("live/udp", f"udp://127.0.0.1:{datagrams}", stall="3s")
        await server.engine.pull("live/ts", f"http://127.0.0.1:{port}/ts", stall="3s")
        await asyncio.gather(watch(server, "live/udp", seconds(1)), watch(server, "live/ts", seconds(1)))
        for key in ("live/udp", "live/ts"):
            check_probed(await ffprobe(server.flv(key)), "h264", "aac")


async def test_a_transport_stream_with_b_frames_and_hevc(tmp_path: Path, clip_file: ClipFile) -> None:
    path = tmp_path / "clip.ts"
    await run("ffmpeg", "-v", "error", "-i", clip_file(b_frames=2), "-c", "copy", str(path))
    async with live(hls=HLS) as server:
        await server.engine.pull("live/film", str(path))
        for probed in await asyncio.gather(ffprobe(server.flv("live/film")), ffprobe(server.hls("live/film"))):
            check_probed(probed, "h264", "aac")


async def test_what_cannot_work_is_said_at_once() -> None:
    async with live() as server:
        engine = server.engine
        with pytest.raises(ConfigurationError, match="url: 'rtps' is not a scheme"):
            await engine.pull("live/a", "rtps://user:sesame@host/x")
        with pytest.raises(ConfigurationError, match="stall: 1ns is out of range"):
            await engine.pull("live/a", "rtsp://host/x", stall=1)
        with pytest.raises(ConfigurationError, match="speed: unknown key"):
            await engine.pull("live/a", "rtsp://host/x", speed=1)
        with pytest.raises(Refused, match="no application"):
            await engine.pull("nowhere/a", "rtsp://host/x")
        handle = await engine.pull("live/a", "no-such-file.mp4")
        with pytest.raises(ConfigurationError, match="has a source already"):
            await engine.pull("live/a", "no-such-file.mp4")
        await server.event(SourceFailed)
        assert handle.error == "No such file or directory"
        await handle.stop()
        await engine.pull("live/a", "no-such-file.mp4")
