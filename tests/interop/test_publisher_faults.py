"""What viewers see when a publisher dies, comes back, or is not wanted."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable

import pytest

from arcly_actors.bus.events import (
    PublishEnded,
    PublishHeld,
    PublishRefused,
    PublishResumed,
    SubscriberJoined,
    SubscriberRefused,
)
from arcly_actors.errors import Refusal
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtmp.client import PlayEnded
from arcly_actors.protocols.rtmp.message import Message, MessageType
from tests.interop.conftest import ClipFile
from tests.support.publishers import ffmpeg_publishes
from tests.support.flv_view import FlvView, fetch, viewing
from tests.support.live import Live, live
from tests.support.rtmp_link import RtmpLink, linked, media_messages, pictures, playing, publishing
from tests.support.streams import Clip, clip
from tests.support.tools import Program, require_tool, running

pytestmark = pytest.mark.interop


def rising(times: Iterable[int]) -> bool:
    """Whether each is larger than the one before."""
    return all(earlier < later for earlier, later in itertools.pairwise(times))


def of_kind(viewer: RtmpLink | FlvView, kind: str) -> list[int]:
    """The times (ms) of what a viewer got of one kind, configurations left out."""
    if kind == "video":
        return [at for at, _ in pictures(viewer.media)]
    return [event.timestamp_ms for event in viewer.media if event.kind == kind and event.body[1] != 0]


@contextlib.asynccontextmanager
async def ffmpeg_plays(server: Live, url: str) -> AsyncIterator[Program]:
    """FFmpeg copying what it plays to its standard output, as soon as it has its seat."""
    already = len(server.events(SubscriberJoined))
    command = (require_tool("ffmpeg"), "-nostdin", "-v", "warning", "-i", url, "-c", "copy", "-f", "flv", "-")
    async with running(*command) as player:
        await server.event(SubscriberJoined, already + 1)
        yield player


async def test_viewers_outlive_a_killed_publisher_and_see_the_next_one(clip_file: ClipFile) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(live(hold="1s", hls={"segment": "500ms"}))
        first = await stack.enter_async_context(ffmpeg_publishes(server, clip_file()))
        players = [
            await stack.enter_async_context(ffmpeg_plays(server, url)) for url in (server.rtmp(), server.flv(), server.hls())
        ]
        link = await stack.enter_async_context(playing(server.port("rtmp")))
        view = await stack.enter_async_context(viewing(server.flv()))
        await asyncio.gather(*(viewer.until(lambda viewer=viewer: len(pictures(viewer.media)) > 20) for viewer in (link, view)))
        first.kill()
        await server.event(PublishHeld)
        seen = len(pictures(link.media))
        assert server.seats() == 5  # FFmpeg's two, our two, and the packager's, which all HLS players share
        async with ffmpeg_publishes(server, clip_file(), "", "-metadata", "title=second"):
            await server.event(PublishResumed)
            for viewer in (link, view):
                await viewer.until(lambda viewer=viewer: len(pictures(viewer.media)) > seen + 30)
            status, playlist = await fetch(server.http("live/cam/media.m3u8"))
        for viewer in (link, view):
            for kind in ("video", "audio"):
                assert rising(of_kind(viewer, kind))
            assert [key for _, key in pictures(viewer.media)][0]
            assert not viewer_over(viewer)
        assert status == 200
        assert "#EXT-X-DISCONTINUITY\n" in playlist
        await server.event(PublishEnded)
        for player in players:
            assert await player.status(10) == 0, player.errors
            print('PLAYER', player.errors)
        await link.until(lambda: link.told(PlayEnded))
        await view.until(lambda: view.ended)
        assert view.ended == "properly"
        _, playlist = await fetch(server.http("live/cam/media.m3u8"))
        assert playlist.endswith("#EXT-X-ENDLIST\n")


def viewer_over(viewer: RtmpLink | FlvView) -> bool:
    """Whether a viewer has been told that it is over."""
    return bool(viewer.ended) if isinstance(viewer, FlvView) else bool(viewer.told(PlayEnded) or viewer.over)
