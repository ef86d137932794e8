"""Enhanced RTMP from and to FFmpeg 8.1 (PyAV): the codecs that FLV had no number for, on every output."""

import asyncio

import pytest

from arcly_actors.media.codec import CodecId
from tests.interop.conftest import ClipFile
from tests.support.live import live
from tests.support.publishers import av_publishes
from tests.support.viewers import av_play

pytestmark = pytest.mark.interop

PAIRS = [(CodecId.H265, CodecId.AAC), (CodecId.AV1, CodecId.OPUS), (CodecId.VP9, CodecId.AC3)]
DECODERS = {CodecId.H265: {"hevc"}, CodecId.AV1: {"libdav1d", "av1"}, CodecId.VP9: {"vp9"}}


@pytest.mark.parametrize(("video", "audio"), PAIRS)
async def test_codecs(clip_file: ClipFile, video: CodecId, audio: CodecId) -> None:
    async with (
        live(hls={"segment": "500ms"}, audio="passthrough") as server,
        av_publishes(server, clip_file(video, audio), "live/cam"),
    ):
        urls = (server.rtmp(), server.flv(), server.hls())
        for url, probed in zip(urls, await asyncio.gather(*(av_play(url) for url in urls)), strict=True):
            picture, sound = sorted(probed.streams, key=lambda stream: not stream.width)
            assert (picture.width, len(probed.streams)) == (160, 2), url
            assert picture.codec in DECODERS[video], url
            assert sound.codec == str(audio), url
            assert picture.starts_with_keyframe, url
            assert picture.monotonic, url
            assert sound.monotonic, url
            assert picture.decoded >= 25, url
            assert sound.decoded >= 20, url
