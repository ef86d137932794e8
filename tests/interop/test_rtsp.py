"""RTSP with programs that are not ours: what they publish is what others play, over TCP and UDP, from and to RTMP."""

import asyncio
import contextlib
import itertools
import re
from pathlib import Path

import pytest

from arcly_actors.bus.events import PublishEnded, PublishHeld, PublishResumed, SubscriberJoined
from arcly_actors.media.codec import CodecId
from tests.interop.conftest import ClipFile
from tests.support.live import Live, live
from tests.support.publishers import accepted, av_publishes, ffmpeg_publishes, ffmpeg_records
from tests.support.tools import Program, require_tool, run, running
from tests.support.viewers import Probed, av_play, ffprobe
from tests.support.waiting import until

pytestmark = pytest.mark.interop

BOTH = ("tcp", "udp")
TRANSPORTS = [(way, back) for way in BOTH for back in BOTH]


def check_played(probed: Probed, *codecs: str, pictures: int = 20) -> None:
    """Exactly these streams, decoded without complaint, from a keyframe on, in order."""
    assert probed.codecs == sorted(codecs)
    assert [line for line in probed.errors.splitlines() if "still experimental" not in line] == []
    for stream in probed.streams:
        assert stream.monotonic
        # Of VP9 over RTP FFmpeg does not say which packets are keyframes; before one it could not decode all of them.
        assert stream.starts_with_keyframe or stream.decoded == stream.packets
        assert stream.decoded >= (pictures if stream.width else 15)


async def plays(url: str, transport: str = "tcp", seconds: float = 1.5) -> Probed:
    """FFprobe, over this transport."""
    return await ffprobe(url, seconds, "-rtsp_transport", transport)


async def check_gstreamer_played(player: Program) -> None:
    """It played all that it was to play, or all there was.

    Then now and then its main thread closes the connection under its other thread's PAUSE, of which it complains and
    for which it exits with 1; on the same connection it sends a TEARDOWN afterwards. Nothing else is forgiven.
    """
    status = await player.status(10)
    assert "Got EOS from element" in player.output, player.errors
    complained = re.findall(r"gstrtspsrc\.c\(\d+\): (\w+)", player.errors)
    assert complained == (["gst_rtspsrc_try_send", "gst_rtspsrc_pause"] if status else []), player.errors


@pytest.mark.parametrize(("way", "back"), TRANSPORTS)
async def test_ffmpeg_publishes_and_plays(clip_file: ClipFile, way: str, back: str) -> None:
    async with live() as server, ffmpeg_records(server, clip_file(), server.rtsp(), transport=way):
        check_played(await plays(server.rtsp(), back), "h264", "aac")
        (report,) = server.engine.streams()
        assert report.dropped_frames == 0
        assert report.protocol == "rtsp"


CODECS = [
    (CodecId.H265, CodecId.OPUS, ("hevc", "opus")),
    (CodecId.VP9, CodecId.MP3, ("vp9", "mp3")),
    (None, CodecId.OPUS, ("opus",)),
    (CodecId.H264, None, ("h264",)),
]


@pytest.mark.parametrize(("video", "audio", "names"), CODECS, ids=str)
async def test_codecs(clip_file: ClipFile, video: CodecId | None, audio: CodecId | None, names: tuple[str, ...]) -> None:
    async with live() as server, ffmpeg_records(server, clip_file(video, audio), server.rtsp(), "-strict", "-2"):
        tcp, udp = await asyncio.gather(plays(server.rtsp()), plays(server.rtsp(), "udp"))
        for probed in (tcp, udp):
            check_played(probed, *names)


async def test_av1_by_ffmpegs_newer_library(clip_file: ClipFile) -> None:
    async with live() as server, av_publishes(server, clip_file(CodecId.AV1, CodecId.AAC), "live/cam", scheme="rtsp"):
        probed = await av_play(server.rtsp(), 1.0)
        assert probed.codecs == ["aac", "libdav1d"]
        assert all(stream.decoded >= 15 and stream.starts_with_keyframe for stream in probed.streams)


@pytest.mark.parametrize(
    ("codec", "name"), [("pcm_mulaw", "pcm_mulaw"), ("pcm_alaw", "pcm_alaw"), ("g722", "adpcm_g722")]
)
async def test_sound_of_telephones(clip_file: ClipFile, codec: str, name: str) -> None:
    rate = ("-ac", "1", "-ar", "16000" if codec == "g722" else "8000", "-c:a", codec)
    async with live() as server, ffmpeg_records(server, clip_file(None), server.rtsp(), *rate):
        check_played(await plays(server.rtsp()), name)


async def test_pictures_that_are_shown_in_another_order(clip_file: ClipFile) -> None:
    clip = clip_file(b_frames=2)
    async with live() as server, ffmpeg_records(server, clip, server.rtsp()):
        rtsp, rtmp = await asyncio.gather(plays(server.rtsp()), ffprobe(server.rtmp(), 1.0))
        check_played(rtsp, "h264", "aac")
        check_played(rtmp, "h264", "aac")
        what = ("-select_streams", "v", "-read_intervals", "%+1", "-of", "csv=p=0", "-show_entries", "packet=pts,dts")
        output, _ = await run("ffprobe", "-v", "error", *what, server.rtmp())
        times = [tuple(map(int, line.split(",")[:2])) for line in output.split()]
        assert all(pts >= dts for pts, dts in times)
        assert len({pts for pts, _ in times}) == len(times)
        gaps = sorted(later[1] - earlier[1] for earlier, later in itertools.pairwise(times))
        assert gaps[len(gaps) // 10] > 25  # DTS are spread evenly, not repaired
        assert gaps[-len(gaps) // 10] < 45


async def test_from_rtmp_to_rtsp_and_back(clip_file: ClipFile) -> None:
    async with (
        live() as server,
        ffmpeg_publishes(server, clip_file()),
        ffmpeg_records(server, clip_file(), server.rtsp("live/other")),
    ):
        for probed in await asyncio.gather(
            plays(server.rtsp()), ffprobe(server.rtmp("live/other")), av_play(server.rtsp())
        ):
            check_played(probed, "h264", "aac")


async def test_sound_and_picture_stay_together(clip_file: ClipFile) -> None:
    """What began together is played together: within an audio frame and what FFmpeg leaves out before a keyframe."""
    async with live() as server, ffmpeg_records(server, clip_file(), server.rtsp()):
        await until(lambda: server.engine.streams()[0].qos.frames > 60)
        for transport in BOTH:
            what = ("-read_intervals", "%+1", "-of", "csv=p=0", "-show_entries", "packet=codec_type,pts_time")
            output, _ = await run("ffprobe", "-v", "error", "-rtsp_transport", transport, *what, server.rtsp())
            rows = [line.split(",")[:2] for line in output.split() if "N/A" not in line and "," in line]
            first = {kind: float(next(at for name, at in rows if name == kind)) for kind in ("audio", "video")}
            assert abs(first["audio"] - first["video"]) < 0.12, first


async def test_rtsps(clip_file: ClipFile, certificate: tuple[Path, Path]) -> None:
    async with live(tls=certificate) as server:
        url = server.rtsp(endpoint="rtsps")
        async with ffmpeg_records(server, clip_file(), url):
            for probed in await asyncio.gather(plays(url), plays(server.rtsp())):
                check_played(probed, "h264", "aac")


USERS = {"users": [{"name": "cam", "password": "s3cret", "may": ["publish"]}, {"name": "eye", "password": "gl4ss"}]}


async def test_users(clip_file: ClipFile, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with live(rtsp=USERS) as server, ffmpeg_records(server, clip_file(), server.rtsp(user="cam:s3cret")):
        check_played(await plays(server.rtsp(user="eye:gl4ss")), "h264", "aac")
        for wrong in ("", "eye:s3cret", "cam:s3cret"):
            async with running(require_tool("ffprobe"), "-v", "error", server.rtsp(user=wrong)) as player:
                assert await player.status() != 0
                assert ("403 Forbidden" if wrong.startswith("cam") else "401 Unauthorized") in player.errors
        launch = require_tool("gst-launch-1.0")
        source = ("rtspsrc", f"location={server.rtsp(user='eye:gl4ss')}", "protocols=tcp", "!", "fakesink")
        async with running(launch, *source, "num-buffers=20") as player:
            await check_gstreamer_played(player)
    assert "s3cret" not in caplog.text + str(server.seen)


async def test_ffmpeg_understands_every_no(clip_file: ClipFile) -> None:
    publish = ("-i", clip_file(), "-c", "copy", "-f", "rtsp")
    async with live(limits={"max_publishers": 1}) as server, ffmpeg_records(server, clip_file(), server.rtsp()):
        expected = {
            (*publish, server.rtsp()): "409 Conflict: live/cam is being published",
            (*publish, server.rtsp("live/another")): "503 Service Unavailable: 1 streams are being published",
            (*publish, server.rtsp("nowhere/cam")): "404 Not Found: no application 'nowhere'",
            ("-i", server.rtsp("live/nobody"), "-f", "null", "-"): "404 Not Found: nobody publishes live/nobody",
            ("-i", server.rtsp("nowhere/cam"), "-f", "null", "-"): "404 Not Found",
        }
        for arguments, text in expected.items():
            async with running(require_tool("ffmpeg"), "-nostdin", "-hide_banner", *arguments) as program:
                assert await program.status() != 0
                assert text in program.errors, program.errors


@pytest.mark.parametrize("transport", BOTH)
async def test_players_outlive_a_killed_publisher_and_end_with_the_stream(clip_file: ClipFile, transport: str) -> None:
    copy = ("-c", "copy", "-f", "flv", "-flvflags", "no_duration_filesize", "-")
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(live(hold="1s"))
        first = await stack.enter_async_context(ffmpeg_records(server, clip_file(), server.rtsp()))
        command = (require_tool("ffmpeg"), "-nostdin", "-v", "error", "-rtsp_transport", transport, "-i", server.rtsp())
        player = await stack.enter_async_context(running(*command, *copy))
        await server.event(SubscriberJoined)
        await player.until(lambda: len(player.written) > 20_000)
        first.kill()
        await server.event(PublishHeld)
        seen = len(player.written)
        async with ffmpeg_records(server, clip_file(), server.rtsp()):
            await server.event(PublishResumed)
            await player.until(lambda: len(player.written) > seen + 20_000)
            assert player.running
        await server.event(PublishEnded)
        assert await player.status(10) == 0, player.errors


@pytest.mark.parametrize("transport", BOTH)
async def test_gstreamer_plays_and_publishes(clip_file: ClipFile, transport: str) -> None:
    launch = require_tool("gst-launch-1.0")
    picture = ("videotestsrc", "is-live=true", "!", "video/x-raw,width=160,height=96,framerate=30/1", "!")
    coder = ("x264enc", "tune=zerolatency", "key-int-max=10", "!")
    async with live() as server:
        sink = ("rtspclientsink", f"location={server.rtsp()}", f"protocols={transport}")
        async with running(launch, "-q", *picture, *coder, *sink) as publisher:
            await server.until(lambda: accepted(server))
            check_played(await plays(server.rtsp(), transport), "h264")
            source = ("rtspsrc", f"location={server.rtsp()}", f"protocols={transport}", "!", "rtph264depay")
            async with running(launch, *source, "!", "fakesink", "num-buffers=40") as player:
                await check_gstreamer_played(player)
            assert publisher.running


@pytest.mark.parametrize("transport", BOTH)
async def test_gstreamer_hears_the_end(clip_file: ClipFile, transport: str) -> None:
    launch = require_tool("gst-launch-1.0")
    async with live() as server, ffmpeg_records(server, clip_file(audio=None), server.rtsp()):
        what = ("rtspsrc", f"location={server.rtsp()}", f"protocols={transport}")
        source = (*what, "!", "rtph264depay", "!", "fakesink")
        async with running(launch, *source, "sync=false") as player:
            await server.event(SubscriberJoined)
            await until(lambda: has_heard(server))
            server.engine.end_stream("live/cam")
            await check_gstreamer_played(player)


def has_heard(server: Live) -> bool:
    """Whether a player has got something."""
    return any(seat.qos is not None and seat.qos.frames > 60 for seat in server.engine.streams()[0].seats)
