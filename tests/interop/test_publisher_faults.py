"""What viewers see when a publisher dies, comes back, or is not wanted."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable

import pytest

from arcly_actors.bus.events import (
    ConnectionRefused,
    PublishEnded,
    PublishHeld,
    PublishRefused,
    PublishResumed,
    SubscriberJoined,
    SubscriberRefused,
)
from arcly_actors.errors import Refusal
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtmp.client import PlayEnded, StatusReceived
from arcly_actors.protocols.rtmp.message import Message, MessageType
from tests.interop.conftest import ClipFile
from tests.support.flv_view import FlvView, fetch, has_seen, viewing
from tests.support.live import Live, live
from tests.support.publishers import ffmpeg_publishes
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


_STREAMABLE = ("-f", "flv", "-flvflags", "no_duration_filesize")


@contextlib.asynccontextmanager
async def ffmpeg_plays(server: Live, url: str) -> AsyncIterator[Program]:
    """FFmpeg copying what it plays to its standard output, as soon as it has its seat."""
    already = len(server.events(SubscriberJoined))
    command = (require_tool("ffmpeg"), "-nostdin", "-v", "warning", "-i", url, "-c", "copy", *_STREAMABLE, "-")
    async with running(*command) as player:
        await server.event(SubscriberJoined, already + 1)
        yield player


async def test_viewers_outlive_a_killed_publisher_and_see_the_next_one(clip_file: ClipFile) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(live(hold="1s", hls={"segment": "500ms"}))
        first = await stack.enter_async_context(ffmpeg_publishes(server, clip_file()))
        players = [
            await stack.enter_async_context(ffmpeg_plays(server, url))
            for url in (server.rtmp(), server.flv(), server.hls())
        ]
        link = await stack.enter_async_context(playing(server.port("rtmp")))
        view = await stack.enter_async_context(viewing(server.flv()))
        await asyncio.gather(*(has_seen(viewer, 20) for viewer in (link, view)))
        first.kill()
        await server.event(PublishHeld)
        seen = len(pictures(link.media))
        assert server.seats() == 5  # FFmpeg's two, our two, and the packager's, which all HLS players share
        async with ffmpeg_publishes(server, clip_file(), "", "-metadata", "title=second"):
            await server.event(PublishResumed)
            for viewer in (link, view):
                await has_seen(viewer, seen + 30)
            status, playlist = await fetch(server.http("live/cam/media.m3u8"))
        for viewer in (link, view):
            for kind in ("video", "audio"):
                assert rising(of_kind(viewer, kind))
            assert pictures(viewer.media)[0][1]
            assert not viewer_over(viewer)
        assert status == 200
        assert "#EXT-X-DISCONTINUITY\n" in playlist
        await server.event(PublishEnded)
        for player in players:
            assert await player.status(10) == 0, player.errors
            assert "onoton" not in player.errors  # its words for DTS that goes back
        await link.until(lambda: link.told(PlayEnded))
        await view.until(lambda: view.ended)
        assert view.ended == "properly"
        _, playlist = await fetch(server.http("live/cam/media.m3u8"))
        assert playlist.endswith("#EXT-X-ENDLIST\n")


def viewer_over(viewer: RtmpLink | FlvView) -> bool:
    """Whether a viewer has been told that it is over."""
    return bool(viewer.ended) if isinstance(viewer, FlvView) else bool(viewer.told(PlayEnded) or viewer.over)


async def ffmpeg_fails_to(*arguments: str) -> str:
    """What FFmpeg says when a server turns it away."""
    async with running(require_tool("ffmpeg"), "-nostdin", "-hide_banner", "-v", "info", *arguments) as program:
        assert await program.status() != 0
        return program.errors


async def test_ffmpeg_understands_every_no(clip_file: ClipFile) -> None:
    publish = ("-i", clip_file(), "-c", "copy", "-f", "flv")
    play = ("-f", "null", "-")
    async with live(limits={"max_publishers": 1}) as server, ffmpeg_publishes(server, clip_file()):
        busy, limit, unknown, absent, no_flv, no_hls = await asyncio.gather(
            ffmpeg_fails_to(*publish, server.rtmp()),
            ffmpeg_fails_to(*publish, server.rtmp("live/another")),
            ffmpeg_fails_to(*publish, server.rtmp("nowhere/cam")),
            ffmpeg_fails_to("-i", server.rtmp("live/nobody"), *play),
            ffmpeg_fails_to("-i", server.flv("live/nobody"), *play),
            ffmpeg_fails_to("-i", server.hls("nowhere/cam"), *play),
        )
        assert "live/cam is being published" in busy, busy
        assert "1 streams are being published" in limit, limit
        assert "no application 'nowhere'" in unknown, unknown
        assert "nobody publishes live/nobody" in absent, absent
        assert "404" in no_flv, no_flv
        assert "404" in no_hls, no_hls
        refusals = {event.refusal for event in server.events(PublishRefused)}
        assert refusals == {Refusal.BUSY, Refusal.LIMIT}
        assert (await server.event(ConnectionRefused)).refusal is Refusal.UNKNOWN_APPLICATION
        assert {event.refusal for event in server.events(SubscriberRefused)} >= {Refusal.NOT_FOUND}
        assert server.engine.streams()[0].state == "live"


CLIP = clip(gop=10)


def take(material: Clip, seconds: float, start: float = 0.0) -> list[MediaFrame]:
    """So many seconds of it, from `start` on."""
    return [frame for frame in material.play(start + seconds) if frame.dts >= start * 1e9]


async def test_a_takeover_moves_the_viewers_over() -> None:
    async with (
        live(on_conflict="takeover") as server,
        publishing(server.port("rtmp")) as first,
    ):
        await first.send(media_messages(CLIP.tracks, take(CLIP, 1)))
        async with playing(server.port("rtmp")) as viewer, publishing(server.port("rtmp")) as second:
            await first.until(lambda: first.over)
            assert "NetStream.Publish.BadName" in first.codes
            before = len(viewer.media)
            await second.send(media_messages(CLIP.tracks, take(CLIP, 1)))
            await viewer.until(lambda: len(pictures(viewer.media)) >= before // 2 + 10)
            assert rising(of_kind(viewer, "video"))
            assert not viewer_over(viewer)


async def test_multitrack_is_refused_in_words() -> None:
    async with live() as server, publishing(server.port("rtmp")) as link:
        await link.send([Message(MessageType.VIDEO, 1, 0, bytes((0x80 | 1 << 4 | 6, 0x00)) + b"avc1" + bytes(8))])
        await link.until(lambda: link.over)
        told = [event for event in link.told(StatusReceived) if event.level == "error"]
        assert [event.code for event in told] == ["NetStream.Failed"]
        assert "multitrack" in told[0].description.lower()


async def test_too_many_connections_are_told_so_and_said_once() -> None:
    async with live(limits={"max_connections": 2}) as server:
        async with linked(server.port("rtmp")) as first, linked(server.port("rtmp")) as second:
            await first.connect()
            await second.connect()
            for _ in range(20):
                async with linked(server.port("rtmp")) as third:
                    await third.connect()
                    assert third.hangup is not None
                    assert "NetConnection.Connect.Rejected" in third.hangup.reason
            assert (await server.event(ConnectionRefused)).refusal is Refusal.LIMIT
            assert len(server.lines("connections are in use")) == 1
        await server.settled()
        async with linked(server.port("rtmp")) as later:
            await later.connect()
            assert not later.over


async def test_a_viewer_starts_at_a_keyframe_on_every_output() -> None:
    async with live(hls={"segment": "500ms"}) as server, publishing(server.port("rtmp")) as link:
        await link.send(media_messages(CLIP.tracks, take(CLIP, 1.5)))  # 45 pictures: in the middle of the fifth GOP
        await server.until_pictures(45)
        async with playing(server.port("rtmp")) as player, viewing(server.flv()) as view:
            for viewer in (player, view):
                await has_seen(viewer, 5)
                assert [key for _, key in pictures(viewer.media)] == [True, False, False, False, False]
            _, playlist = await fetch(server.http("live/cam/media.m3u8"))
            assert playlist.count("#EXTINF") >= 1
