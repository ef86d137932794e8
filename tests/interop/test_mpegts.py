"""MPEG-TS with FFmpeg at both ends, and from engine to engine: UDP, RTP, HTTP."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from arcly_actors.bus.events import PublishHeld, PublishStarted, SinkConnected, SourceConnected
from arcly_actors.clock import NS_PER_S
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from tests.interop.conftest import ClipFile
from tests.interop.test_ffmpeg import check_probed
from tests.support.live import ANYWHERE, Live, live
from tests.support.publishers import accepted, ffmpeg_publishes
from tests.support.tools import Program, require_tool, run, running
from tests.support.transport_streams import media, muxed, read, recorded, seen_from_outside
from tests.support.viewers import ffprobe
from tests.support.waiting import until

pytestmark = pytest.mark.interop

FEED: dict[str, Any] = {"listen": "udp://127.0.0.1:0", "key": "live/feed", "silence": "1s"}


def endpoints(**feed: Any) -> dict[str, Any]:
    """Everything there is, and a feed."""
    return {**ANYWHERE, "mpegts": [{**FEED, **feed}]}


@contextlib.asynccontextmanager
async def ffmpeg_feeds(server: Live, clip: str, form: str = "mpegts") -> AsyncIterator[Program]:
    """FFmpeg sending a clip over and over in real time to the server's feed, once it is published."""
    scheme = "rtp" if form == "rtp_mpegts" else "udp"
    url = f"{scheme}://127.0.0.1:{server.port('mpegts')}?pkt_size=1316"
    pace = ("-nostdin", "-v", "warning", "-re", "-stream_loop", "-1")
    already = accepted(server)
    async with running(require_tool("ffmpeg"), *pace, "-i", clip, "-c", "copy", "-f", form, url) as sender:
        await server.until(lambda: accepted(server) > already)
        yield sender


@pytest.mark.parametrize("form", ["mpegts", "rtp_mpegts"])
async def test_ffmpeg_sends_and_every_output_plays(clip_file: ClipFile, form: str) -> None:
    async with live(endpoints=endpoints()) as server, ffmpeg_feeds(server, clip_file(b_frames=2), form):
        for probed in await asyncio.gather(
            ffprobe(server.flv("live/feed")), ffprobe(server.http("live/feed.ts")), ffprobe(server.rtmp("live/feed"))
        ):
            check_probed(probed, "h264", "aac", pictures=20)


@pytest.mark.parametrize(
    ("video", "audio"), [(CodecId.H265, CodecId.MP3), (CodecId.H264, CodecId.OPUS), (None, CodecId.AC3)]
)
async def test_other_codecs_come_in_and_go_out(clip_file: ClipFile, video: CodecId | None, audio: CodecId) -> None:
    async with live(endpoints=endpoints()) as server, ffmpeg_feeds(server, clip_file(video, audio)):
        probed = await ffprobe(server.http("live/feed.ts"))
        check_probed(probed, *[str(codec) for codec in (video, audio) if codec], pictures=20)


async def test_silence_holds_the_stream_and_the_same_feed_goes_on(clip_file: ClipFile) -> None:
    async with live(endpoints=endpoints()) as server:
        async with ffmpeg_feeds(server, clip_file()):
            assert server.events(PublishStarted)[0].key.name == "feed"
        await server.event(PublishHeld)
        async with ffmpeg_feeds(server, clip_file()):
            check_probed(await ffprobe(server.http("live/feed.ts")), "h264", "aac", pictures=20)


async def test_a_player_over_http_gets_a_stream_that_keeps_its_cadence(clip_file: ClipFile, tmp_path: Path) -> None:
    taken = tmp_path / "played.ts"
    async with (
        live() as server,
        ffmpeg_publishes(server, clip_file(b_frames=2)),
        running(require_tool("curl"), "-sN", "-m", "3", "-o", str(taken), server.http("live/cam.ts")) as player,
    ):
        assert await player.status() == 28  # its time was up
    data = taken.read_bytes()
    seen = seen_from_outside(data[: len(data) // 188 * 188])
    assert seen.miscounted == []
    assert max(later - earlier for earlier, later in itertools.pairwise(seen.pcrs)) <= 40.01
    for times in seen.tables.values():
        assert max(later - earlier for earlier, later in itertools.pairwise(times)) <= 100.01
    check_probed(await ffprobe(str(taken), 60), "h264", "aac", pictures=60)


async def test_what_it_cannot_carry_is_refused(clip_file: ClipFile) -> None:
    async with live() as server:
        await server.engine.pull("live/cam", clip_file(CodecId.VP9, None))
        await server.event(SourceConnected)
        output, _ = await run("curl", "-s", "-m", "5", "-w", "%{http_code}", server.http("live/cam.ts"))
        assert output.endswith("406"), output
        assert "vp9" in output


@pytest.mark.parametrize("scheme", ["udp", "rtp"])
async def test_ffmpeg_takes_a_push(clip_file: ClipFile, tmp_path: Path, unused_udp_port: int, scheme: str) -> None:
    taken = tmp_path / "recorded.ts"
    url = f"{scheme}://127.0.0.1:{unused_udp_port}"
    taking = ("-nostdin", "-v", "warning", "-y", "-i", url, "-t", "3", "-c", "copy", "-f", "mpegts", str(taken))
    async with live() as server, running(require_tool("ffmpeg"), *taking) as taker:
        await server.engine.pull("live/cam", clip_file())
        await server.engine.push("live/cam", f"{url}?pkt_size=1316")
        await server.event(SinkConnected)
        assert await taker.status(20) == 0, taker.errors
    check_probed(await ffprobe(str(taken), 60), "h264", "aac", pictures=60)


@pytest.mark.parametrize("scheme", ["udp", "rtp"])
async def test_from_engine_to_engine(clip_file: ClipFile, scheme: str) -> None:
    async with live(endpoints=endpoints()) as target, live() as server:
        await server.engine.pull("live/cam", clip_file(b_frames=2))
        await server.engine.push("live/cam", f"{scheme}://127.0.0.1:{target.port('mpegts')}")
        await target.event(PublishStarted)
        check_probed(await ffprobe(target.http("live/feed.ts")), "h264", "aac", pictures=20)
        check_probed(await ffprobe(target.flv("live/feed")), "h264", "aac", pictures=20)


async def test_udp_is_pulled_without_probing(clip_file: ClipFile, unused_udp_port: int) -> None:
    async with live() as target, live() as server:
        await server.engine.pull("live/cam", clip_file())
        await server.engine.push("live/cam", f"udp://127.0.0.1:{unused_udp_port}")
        await target.engine.pull("live/copy", f"udp://127.0.0.1:{unused_udp_port}")
        await target.event(SourceConnected)
        await until(lambda: bool(target.engine.streams()))
        check_probed(await ffprobe(target.flv("live/copy")), "h264", "aac", pictures=20)
        assert target.actors("UdpPull")


async def test_metadata_goes_through_ffmpeg_and_disturbs_no_other_output(clip_file: ClipFile, tmp_path: Path) -> None:
    """KLV and splice sections come in; MPEG-TS and programs have them, players of other formats do not notice."""
    tracks, frames = media(read(recorded("h264_aac.ts")))
    klv, splice = Track(8, CodecId.KLV), Track(9, CodecId.SCTE35)
    every: list[MediaFrame] = []
    for number in range(10):  # six seconds
        at = number * NS_PER_S * 6 // 10
        every += [frame.at(pts=frame.pts + at, dts=frame.dts + at) for frame in frames]
        every.append(MediaFrame(klv, frames[0].dts + at, frames[0].dts + at, KLV, keyframe=True))
        every.append(MediaFrame(splice, frames[0].dts + at, frames[0].dts + at, SPLICE, keyframe=True))
    every.sort(key=lambda frame: frame.dts)
    clip = tmp_path / "metadata.ts"
    clip.write_bytes(muxed((*tracks, klv, splice), every))
    async with live(endpoints=endpoints(), hls={"segment": "500ms"}) as server:
        url = f"udp://127.0.0.1:{server.port('mpegts')}?pkt_size=1316"
        sending = ("-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(clip), "-map", "0:v", "-map", "0:a")
        async with running(require_tool("ffmpeg"), *sending, "-map", "0:d:0", "-c", "copy", "-f", "mpegts", url):
            await server.event(PublishStarted)
            stream = await server.engine.stream("live/feed")
            seen: set[CodecId] = set()
            async with asyncio.timeout(20):
                async for frame in stream.frames():
                    seen.add(frame.track.codec)
                    if frame.track.codec is CodecId.KLV:
                        assert frame.payload == KLV
                    if len(seen) == 3:
                        break
            flv, hls, ts = await asyncio.gather(
                ffprobe(server.flv("live/feed")), ffprobe(server.hls("live/feed")), ffprobe(server.http("live/feed.ts"))
            )
            assert (flv.codecs, hls.codecs, ts.codecs) == (["aac", "h264"], ["aac", "h264"], ["aac", "h264", "klv"])


KLV = bytes.fromhex("060e2b34020b01010e01030101000000") + b"\x0a" + b"0123456789"
SPLICE = bytes.fromhex(
    "fc302f000000000000fffff014054800008f7feffe7369c02efe0052ccf500000000000a0008435545490000013562dba30a"
)
