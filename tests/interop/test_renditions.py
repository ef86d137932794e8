"""Sound that players do not know, from a real publisher to real players: it arrives as one that they know."""

import asyncio
from itertools import pairwise

import pytest

from arcly_actors.bus.events import BFramesDropped, TranscodeFailed, TranscodeStarted
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame
from arcly_actors.renditions import Wish
from tests.interop.conftest import ClipFile
from tests.support.live import live
from tests.support.publishers import av_publishes, ffmpeg_publishes
from tests.support.viewers import av_play, ffprobe
from tests.support.waiting import until

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
        assert {str(report.wish): len(report.tracks) for report in server.engine.renditions()} == {"flv": 2, "hls": 2}
        assert sorted(event.rendition for event in started) == ["flv", "hls"]  # one encoder for all players of a class
        assert server.events(TranscodeFailed) == []


def of(frames: list[MediaFrame], kind: Kind) -> list[MediaFrame]:
    return [frame for frame in frames if frame.track.kind is kind]


def apart(frames: list[MediaFrame]) -> float:
    """How far (ns) the newest sound is from the newest picture; endless while there is none of one kind."""
    pictures, sounds = of(frames, Kind.VIDEO), of(frames, Kind.AUDIO)
    return abs(sounds[-1].pts - pictures[-1].pts) if pictures and sounds else float("inf")


@pytest.mark.parametrize(
    ("count", "bframes", "started"),
    [(1, "drop", ["opus"]), (2, "drop", ["h264", "opus"]), (1, "transcode", ["h264", "opus"])],
)
async def test_what_browsers_get_of_a_publisher_with_b_frames(
    clip_file: ClipFile, count: int, bframes: str, started: list[str]
) -> None:
    clip = clip_file(CodecId.H264, CodecId.AAC, count)  # x264 makes a pyramid of two
    async with live(bframes=bframes) as server, ffmpeg_publishes(server, clip):
        await server.until_pictures(20)
        running = server.engine._running
        (entry,) = running.bus._entries.values()
        channel = running.renditions.acquire(entry.channel, Wish.WEBRTC)
        frames: list[MediaFrame] = []
        channel.feed.subscribe(frames.append)
        # Opening a codec takes its time, once, on a busy machine seconds: sound then catches up with the pictures.
        await until(lambda: len(frames) > 120 and apart(frames) < 300_000_000)
        pictures, sounds = of(frames, Kind.VIDEO), of(frames, Kind.AUDIO)
        assert sorted(event.target for event in server.events(TranscodeStarted)) == started
        assert bool(server.events(BFramesDropped)) == ("h264" not in started)
        assert all(later.pts > earlier.pts for earlier, later in pairwise(pictures))
        assert all(later.dts > earlier.dts for earlier, later in pairwise(sounds))
        assert {frame.track.codec for frame in sounds} == {CodecId.OPUS}
        assert len(sounds) > 30
        assert server.events(TranscodeFailed) == []
