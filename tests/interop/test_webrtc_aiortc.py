"""aiortc as WHEP viewer and as WHIP sender: pictures and sound arrive, and they are the ones that were sent."""

import itertools

import aioice.ice
import pytest

from arcly_actors.bus.events import PublishHeld, SubscriberLeft
from arcly_actors.media.codec import CodecId, Kind
from tests.support.aiortc_peer import aiortc_publishes, aiortc_watches
from tests.support.bars import bars, broadcasting
from tests.support.decoding import decode_bars, first_frames
from tests.support.live import live
from tests.support.viewers import ffprobe

pytestmark = pytest.mark.interop

CODECS = [("H264", CodecId.H264), ("VP8", CodecId.VP8)]


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiortc offers this machine's other addresses no more than a browser does."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_families: ["127.0.0.1"])


@pytest.mark.parametrize(("name", "codec"), CODECS)
async def test_a_viewer_sees_and_hears_the_pattern(name: str, codec: CodecId) -> None:
    async with live() as server, broadcasting(server.engine, "live/cam", bars(codec)):
        async with aiortc_watches(server, codec=name) as viewer:
            await viewer.until(lambda: viewer.barred >= 30 and viewer.samples >= 24_000 and viewer.loudest > 4_000)
            assert viewer.barred == viewer.decoded
            assert server.seats("whep") == 1
        await server.event(SubscriberLeft)
        assert viewer.ended == {"audio", "video"}
        assert server.seats() == 0


@pytest.mark.parametrize(("name", "codec"), CODECS)
async def test_a_sender_is_received(name: str, codec: CodecId) -> None:
    async with live() as server:
        async with aiortc_publishes(server, codec=name):
            frames = await first_frames(server, pictures=30)
            pictures, sound = (
                [frame for frame in frames if frame.track.kind is kind] for kind in (Kind.VIDEO, Kind.AUDIO)
            )
            assert (pictures[0].track.codec, sound[0].track.codec) == (codec, CodecId.OPUS)
            assert pictures[0].keyframe
            assert len(sound) > 20
            for track in (pictures, sound):
                assert all(earlier.dts < later.dts for earlier, later in itertools.pairwise(track))
            decoded, barred = decode_bars(pictures)
            assert decoded == barred == len(pictures)
            if codec is CodecId.H264:
                for url in (server.rtmp(), server.flv()):
                    probed = await ffprobe(url)
                    assert probed["h264"].decoded > 5, url
        assert (await server.event(PublishHeld)).reason == "the publisher left"
