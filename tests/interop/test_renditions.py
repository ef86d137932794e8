"""Sound that players do not know, from a real publisher to real players: it arrives as one that they know."""

import asyncio

import pytest

from arcly_actors.bus.events import TranscodeFailed, TranscodeStarted
from arcly_actors.media.codec import CodecId
from tests.interop.conftest import ClipFile
from tests.support.live import live
from tests.support.publishers import av_publishes
from tests.support.viewers import av_play, ffprobe

pytestmark = pytest.mark.interop


async def test_an_opus_publisher_is_heard_as_aac_everywhere(clip_file: ClipFile) -> None:
    clip = clip_file(CodecId.H264, CodecId.OPUS)
    async with live(hls={"segment": "500ms"}) as server, av_publishes(server, clip, "live/cam"):
        urls = (server.rtmp(), server.flv(), server.hls())
        seen = await asyncio.gather(*(av_play(url) for url in urls), *(ffprobe(url) for url in urls))
        for url, probed in zip(urls * 2, seen, strict=True):
            assert probed.codecs == ["aac", "h264"], url
            assert all(stream.monotonic for stream in probed.streams), url
            assert probed["aac"].decoded >= 20, url
            assert probed["h264"].decoded >= 25, url
            assert probed["h264"].starts_with_keyframe, url
        started = server.events(TranscodeStarted)
        assert sorted(event.rendition for event in started) == ["flv", "hls"]  # one encoder for all players of a class
        assert server.events(TranscodeFailed) == []
