"""HLS over real HTTP: what the headers say, and what ffmpeg makes of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from arcly_actors.clock import NS_PER_S, SystemClock, SystemEntropy
from arcly_actors.egress.hls_muxer import SegmentMuxer
from arcly_actors.egress.hls_policy import Container, HlsPolicy
from arcly_actors.endpoints.http_hls import HlsRoutes
from arcly_actors.endpoints.http_status import STATUS
from arcly_actors.errors import Refusal
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame
from arcly_actors.runtime import System
from tests.egress.hls_scene import KEY, Listing, Scene
from tests.support.streams import clip
from tests.support.tools import run
from tests.support.waiting import turn, until

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def site(policy: HlsPolicy | None = None) -> AsyncIterator[tuple[Scene, Client]]:
    """A scene on the real loop with an HTTP server on a port of its own."""
    system = System(asyncio.get_running_loop(), SystemClock(), SystemEntropy())
    scene = Scene(system, policy or HlsPolicy())
    application = web.Application()
    application.add_routes(HlsRoutes(scene.origin).definitions())
    try:
        async with TestClient(TestServer(application)) as client:
            yield scene, client
    finally:
        scene.origin.close()
        for ref in reversed(system.actors()):
            if ref.is_alive():
                await ref.stop(block=False)


async def playing(scene: Scene, seconds: float = 9) -> None:
    await scene.publish(clip().tracks)
    await scene.play(clip(), seconds, paced=False)


async def listing(client: Client) -> Listing:
    async with client.get(f"/{KEY}/media.m3u8") as response:
        assert response.status == 200, await response.text()
        return Listing(await response.text())


async def test_playlists_are_never_cached() -> None:
    async with site() as (scene, client):
        await playing(scene)
        for name in ("index.m3u8", "media.m3u8"):
            async with client.get(f"/{KEY}/{name}") as response:
                assert response.status == 200
                assert response.headers["Content-Type"] == "application/vnd.apple.mpegurl"
                assert response.headers["Cache-Control"] == "no-cache"
                assert "Content-Encoding" not in response.headers
                assert (await response.text()).startswith("#EXTM3U\n")


@pytest.mark.parametrize(("container", "kind"), [(Container.FMP4, "video/iso.segment"), (Container.MPEGTS, "video/mp2t")])
async def test_segments_may_be_cached_for_good(container: Container, kind: str) -> None:
    async with site(HlsPolicy(container=container)) as (scene, client):
        await playing(scene)
        found = await listing(client)
        names = [*((name, "video/mp4") for name in found.inits), *((name, kind) for name in found.segments)]
        assert len(names) >= 3
        for name, content_type in names:
            async with client.get(f"/{KEY}/{name}") as response:
                assert response.status == 200
                assert response.headers["Content-Type"] == content_type
                assert "immutable" in response.headers["Cache-Control"]
                assert int(response.headers["Content-Length"]) == len(await response.read()) > 0


async def test_head_has_the_headers_alone() -> None:
    async with site() as (scene, client):
        await playing(scene)
        name = (await listing(client)).segments[0]
        async with client.get(f"/{KEY}/{name}") as got, client.head(f"/{KEY}/{name}") as head:
            assert head.status == 200
            assert head.headers["Content-Length"] == got.headers["Content-Length"]
            assert await head.read() == b""


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-99", 206, slice(0, 100)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-50", 206, slice(-50, None)),
        ("bytes=5-5", 206, slice(5, 6)),
        ("bytes=0-99999999", 206, slice(None)),
        ("bytes=99999999-", 416, slice(0)),
        ("bytes=0-1,4-5", 200, slice(None)),
        ("bytes=9-3", 200, slice(None)),
        ("apples=1-2", 200, slice(None)),
    ],
)
async def test_ranges(wanted: str, status: int, part: slice) -> None:
    async with site() as (scene, client):
        await playing(scene)
        url = f"/{KEY}/{(await listing(client)).segments[0]}"
        async with client.get(url) as response:
            whole = await response.read()
        async with client.get(url, headers={"Range": wanted}) as response:
            assert response.status == status
            if status == 416:
                assert response.headers["Content-Range"] == f"bytes */{len(whole)}"
                return
            assert await response.read() == whole[part]
            if status == 206:
                start, stop, _ = part.indices(len(whole))
                assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole)}"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/live/nobody/index.m3u8", 404),
        ("/other/cam/index.m3u8", 404),
        ("/live/cam/segment-1.m4s", 404),
        ("/live/cam/init-1.mp4", 404),
        ("/live/cam/segment-01.m4s", 404),
        ("/live/cam/segment-1.mp4", 404),
        ("/live/.cam/index.m3u8", 400),
        ("/live/a%20b/index.m3u8", 400),
        ("/a/b/c/d/e/f/index.m3u8", 400),
        ("/cam/index.m3u8", 400),
        ("/live/cam/other.m3u8", 404),
        ("/live/%2e%2e/%2e%2e/etc/index.m3u8", 400),
    ],
)
async def test_refusals_are_statuses_with_a_reason(path: str, status: int) -> None:
    async with site() as (_, client), client.get(URL(path, encoded=True)) as response:
        assert response.status == status
        assert await response.text()


def test_every_refusal_has_a_status() -> None:
    assert set(STATUS) == set(Refusal)


async def test_a_limit_asks_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arcly_actors.limits.HLS_STREAMS", 0)
    async with site() as (scene, client):
        await playing(scene)
        async with client.get(f"/{KEY}/media.m3u8") as response:
            assert response.status == 503
            assert response.headers["Retry-After"] == "2"


# -- ffmpeg -----------------------------------------------------------------------------------------------------------

PAIRS = [
    (Container.FMP4, CodecId.H264, CodecId.AAC),
    (Container.FMP4, CodecId.H265, CodecId.AC3),
    (Container.MPEGTS, CodecId.H264, CodecId.AAC),
    (Container.MPEGTS, CodecId.H265, CodecId.MP3),
]


@pytest.mark.interop
@pytest.mark.parametrize(("container", "video", "audio"), PAIRS)
async def test_ffmpeg_plays_it_to_the_end(container: Container, video: CodecId, audio: CodecId) -> None:
    async with site(HlsPolicy(container=container)) as (scene, client):
        made = clip(video, audio)
        await scene.publish(made.tracks)
        await scene.play(made, 7, paced=False)
        await scene.get("media.m3u8")
        scene.bus.end(KEY, "over")
        await until_ended(scene)
        url = str(client.make_url(f"/{KEY}/index.m3u8"))
        output, errors = await run(
            "ffprobe", "-v", "warning", "-live_start_index", "0", "-count_frames", "-of", "csv=p=0",
            "-show_entries", "stream=codec_name,nb_read_frames", url,
        )  # fmt: skip
        assert not errors
        counted = dict(line.split(",")[:2] for line in output.split() if "," in line)
        assert counted[video] == "210"
        assert int(counted[audio]) > 200


@pytest.mark.interop
@pytest.mark.parametrize(("container", "width"), [(Container.FMP4, 160), (Container.MPEGTS, 320)])
async def test_ffmpeg_goes_over_a_resumed_publisher(container: Container, width: int) -> None:
    """In fMP4 with the same size only: ffmpeg does not read a second initialisation segment ("duplicated MOOV")."""
    async with site(HlsPolicy(container=container)) as (scene, client):
        await playing(scene, 4)
        await scene.get("media.m3u8")
        scene.release()
        again = clip(width=width)
        await scene.publish(again.tracks)
        await scene.play(again, 4, paced=False)
        scene.bus.end(KEY, "over")
        await until_ended(scene)
        assert (await listing(client)).discontinuities == 1
        url = str(client.make_url(f"/{KEY}/index.m3u8"))
        output, _ = await run(
            "ffprobe", "-v", "error", "-live_start_index", "0", "-select_streams", "v", "-of", "csv=p=0",
            "-show_entries", "frame=pts_time,width", url,
        )  # fmt: skip
        pictures = [line.strip(",").split(",") for line in output.split()]
        assert [seen for _, seen in pictures] == ["160"] * 120 + [str(width)] * 120
        times = [float(time) for time, _ in pictures]
        assert times == sorted(set(times))


async def until_ended(scene: Scene) -> None:
    """Wait for the playlist's end mark, turn by turn."""
    await until(lambda: scene.origin.packaged == (KEY,), within=10)
    async with asyncio.timeout(10):
        while not (await scene.media()).ended:  # nothing tells when a worker's thread is done
            await turn()


async def test_segments_are_muxed_in_a_thread_and_that_ends_with_the_packager() -> None:
    async with site(HlsPolicy(idle_ns=NS_PER_S // 5)) as (scene, client):
        await playing(scene, 5)
        assert len((await listing(client)).segments) == 2
        names = [ref.actor_class.__name__ for ref in scene.system.actors()]
        assert names.count("MuxWorker") == 1
        await until(lambda: not scene.origin.packaged, within=10)
        await until(lambda: "MuxWorker" not in [ref.actor_class.__name__ for ref in scene.system.actors()], within=10)
        assert scene.system.failures.count == 0


async def test_a_muxer_that_crashes_in_its_thread_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    mux, calls = SegmentMuxer.mux, 0

    def failing(self: SegmentMuxer, frames: tuple[MediaFrame, ...], sequence: int) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("injected")
        return mux(self, frames, sequence)

    monkeypatch.setattr(SegmentMuxer, "mux", failing)
    async with site() as (scene, client):
        await playing(scene, 5)
        asked = asyncio.ensure_future(listing(client))
        await until(lambda: scene.system.failures.count == 1, within=10)
        scene.release()
        await scene.publish(clip().tracks)
        await scene.play(clip(), 5, paced=False)
        found = await asked
        assert found.segments
        async with client.get(f"/{KEY}/{found.segments[0]}") as response:
            assert response.status == 200
