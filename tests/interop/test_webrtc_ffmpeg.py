"""FFmpeg's own WHIP muxer (8.1, in PyAV) publishes to the engine: frames arrive whole, and again after it came back."""

import asyncio
import itertools
import sys
from pathlib import Path

import pytest

from arcly_actors.bus.events import PublishHeld, PublishResumed
from arcly_actors.media.codec import CodecId, Kind
from tests.interop.conftest import ClipFile
from tests.support.decoding import decode, first_frames
from tests.support.live import Live, live
from tests.support.publishers import av_whips
from tests.support.streams import encode
from tests.support.tools import running
from tests.support.viewers import ffprobe

pytestmark = pytest.mark.interop


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file that no test sees the end of: the muxer takes none that begins anew. A keyframe every third of a second."""
    path = tmp_path_factory.mktemp("whip") / "clip.mp4"
    path.write_bytes(encode(CodecId.H264, CodecId.OPUS, seconds=30, gop=10))
    return str(path)


@pytest.fixture
def active(certificate: tuple[Path, Path]) -> dict[str, str]:
    """Options that have it start DTLS; with a certificate on P-256, since GnuTLS makes it one on P-224."""
    chain, key = certificate
    return {"whip_flags": "dtls_active", "cert_file": str(chain), "key_file": str(key)}


async def check_received(server: Live, pictures: int = 45) -> None:
    """Pictures and sound arrive complete and in order, and every picture can be decoded and shows the white bar."""
    frames = await first_frames(server, pictures)
    shown, heard = ([frame for frame in frames if frame.track.kind is kind] for kind in (Kind.VIDEO, Kind.AUDIO))
    assert (shown[0].track.codec, heard[0].track.codec) == (CodecId.H264, CodecId.OPUS)
    shown = shown[max((at for at, frame in enumerate(shown) if frame.discontinuity), default=0) :]
    assert [frame.keyframe for frame in shown] == [at % 10 == 0 for at in range(len(shown))], "one is missing"
    for track in (shown, heard):
        assert all(earlier.dts < later.dts for earlier, later in itertools.pairwise(track))
    decoded = decode(shown)
    assert len(decoded) == len(shown)
    assert all(picture.min() < 30 and picture.max() > 220 for picture in decoded)


async def test_the_muxer_waits_for_us_to_start_dtls(clip: str) -> None:
    async with live() as server:
        async with av_whips(server, clip):
            await check_received(server)
        assert (await server.event(PublishHeld)).reason == "the publisher left"


async def test_the_muxer_starts_dtls_and_others_play_it(clip: str, active: dict[str, str]) -> None:
    async with live() as server, av_whips(server, clip, **active):
        await check_received(server)
        for probed in await asyncio.gather(ffprobe(server.rtmp()), ffprobe(server.flv())):
            assert probed["h264"].decoded > 5
            assert probed["h264"].monotonic


async def test_the_muxer_comes_back(clip: str, active: dict[str, str]) -> None:
    async with live() as server:
        async with av_whips(server, clip, **active):
            await first_frames(server, 10)
        await server.event(PublishHeld)
        async with av_whips(server, clip, **active):
            await server.event(PublishResumed)
            await check_received(server)


async def test_the_muxer_itself_declines_b_frames(clip_file: ClipFile) -> None:
    """RTP as WebRTC has it knows no order but that of display, so it ends before it offers anything."""
    clip = clip_file(CodecId.H264, CodecId.OPUS, 2)
    async with (
        live() as server,
        running(sys.executable, "-m", "tests.support.av_peer", "publish", server.http("live/cam/whip"), clip) as muxer,
    ):
        assert await muxer.status() != 0
        assert "PatchWelcomeError" in muxer.errors
        assert server.seen == []
