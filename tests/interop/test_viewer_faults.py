"""A viewer that stops reading, and crashes of our own actors under viewers who are watching."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import psutil
import pytest

from arcly_actors.bus.events import ActorRestarted, PublishHeld, SubscriberEvicted, SubscriberLagged
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Refusal
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtmp.client import PlayEnded
from tests.support.flv_view import FlvView, has_seen, viewing
from tests.support.live import Live, live
from tests.support.rtmp_link import RtmpLink, media_messages, pictures, playing, publishing
from tests.support.streams import clip

pytestmark = pytest.mark.interop

CLIP = clip(gop=10)
MIB = 1 << 20


@dataclass(slots=True)
class Show:
    """A server with a publisher and an RTMP and a FLV viewer, all of ours; `go_on` publishes a second."""

    server: Live
    publisher: RtmpLink
    player: RtmpLink
    view: FlvView
    seconds: int = 1

    async def go_on(self, weight: int = 0) -> None:
        """Publish the next second, each picture `weight` bytes heavier, and wait until both viewers have all of it."""
        frames = [heavy(frame, weight) for frame in CLIP.play(self.seconds + 1) if frame.dts >= self.seconds * NS_PER_S]
        self.seconds += 1
        await self.publish(frames, until=count(CLIP.play(self.seconds)))

    async def publish(self, frames: list[MediaFrame], until: int) -> None:
        """Send the frames; return when both viewers have had so many pictures."""
        await self.publisher.send(media_messages(CLIP.tracks, frames, with_opening=False))
        for viewer in (self.player, self.view):
            await has_seen(viewer, until)

    def check_whole(self) -> None:
        """Nobody missed a picture or got one twice."""
        for viewer in (self.player, self.view):
            times = [at for at, _ in pictures(viewer.media)]
            assert len(times) == count(CLIP.play(self.seconds))
            assert times == sorted(set(times))
        assert not self.player.over
        assert not self.player.told(PlayEnded)
        assert not self.view.ended


def count(frames: Iterable[MediaFrame]) -> int:
    """How many pictures are among them."""
    return sum(frame.track is CLIP.tracks[0] for frame in frames)


def heavy(frame: MediaFrame, weight: int) -> MediaFrame:
    """A picture with a filler NAL unit, which decoders skip."""
    if frame.track is not CLIP.tracks[0] or not weight:
        return frame
    return replace(frame, payload=frame.payload + weight.to_bytes(4) + b"\x0c" + bytes(weight - 1))


@asynccontextmanager
async def show(**application: Any) -> AsyncIterator[Show]:
    """See `Show`. The viewers join at the first picture of all, so that they get every one."""
    frames = list(CLIP.play(1))
    first = next(index for index, frame in enumerate(frames) if frame.track is CLIP.tracks[0]) + 1
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(live(**application))
        publisher = await stack.enter_async_context(publishing(server.port("rtmp")))
        await publisher.send(media_messages(CLIP.tracks, frames[:first]))
        await server.until_pictures(1)
        player = await stack.enter_async_context(playing(server.port("rtmp")))
        view = await stack.enter_async_context(viewing(server.flv()))
        await server.until_live(seats=2)
        made = Show(server, publisher, player, view)
        await made.publish(frames[first:], until=count(frames))
        yield made


async def test_a_viewer_that_stops_reading_costs_nobody_else_anything() -> None:
    process = psutil.Process()
    async with show(subscriber={"max_lag": "4s"}) as made:
        async with playing(made.server.port("rtmp"), receive_buffer=4096) as deaf:
            await deaf.until(lambda: deaf.media)
            deaf.deafen()
            before = process.memory_info().rss
            while not made.server.events(SubscriberEvicted):
                assert made.seconds < 60
                await made.go_on(weight=50_000)
            evicted = await made.server.event(SubscriberEvicted)
            assert evicted.refusal is Refusal.LAGGED
            assert made.server.events(SubscriberLagged)
            assert all(event.number == evicted.number for event in made.server.events(SubscriberLagged))
            deaf.read()
            await deaf.until(lambda: deaf.over)
            assert "NetStream.Play.InsufficientBW" in deaf.codes
            times = pictures(deaf.media)
            assert [at for at, _ in times] == sorted({at for at, _ in times})
        made.check_whole()
        # The log holds two GOPs and the lag: 5 s of 1.5 MB; what our own viewers keep grows with the seconds.
        kept = 3 * made.seconds * 30 * 50_000
        assert process.memory_info().rss - before < kept + 64 * MIB


@pytest.mark.parametrize("actor", ["StreamActor", "GopCacheActor"])
async def test_a_crash_on_the_bus_is_not_seen_by_viewers(actor: str) -> None:
    async with show() as made:
        made.server.crash(actor)
        restarted = await made.server.event(ActorRestarted)
        assert restarted.actor == f"live/cam/{'stream' if actor == 'StreamActor' else 'gop-cache'}"
        if actor == "StreamActor":
            await made.server.until_live(seats=2)
        for _ in range(2):
            await made.go_on()
        made.check_whole()
        assert not made.server.events(PublishHeld)


@pytest.mark.parametrize("protocol", ["rtmp", "http-flv"])
async def test_a_subscriber_that_crashes_goes_on_where_it_was(protocol: str) -> None:
    async with show() as made:
        made.server.crash("ByteSubscriber", protocol)
        assert protocol in (await made.server.event(ActorRestarted)).actor
        await made.server.until_live(seats=2)
        for _ in range(2):
            await made.go_on()
        made.check_whole()


async def test_a_publisher_that_crashes_is_disconnected_and_its_viewers_are_held() -> None:
    async with show() as made:
        made.server.crash("RtmpPublisher")
        await made.publisher.until(lambda: made.publisher.over)
        assert "NetStream.Failed" in made.publisher.codes
        await made.server.event(PublishHeld)
        async with publishing(made.server.port("rtmp")) as made.publisher:
            await made.publisher.send(media_messages(CLIP.tracks, []))
            await made.go_on()
            made.check_whole()


@pytest.mark.parametrize(("listener", "endpoint"), [("Listener", "rtmp"), ("HttpSite", "http")])
async def test_an_endpoint_that_crashes_comes_back_on_its_port_alone(listener: str, endpoint: str) -> None:
    async with show() as made:
        port = made.server.port(endpoint)
        made.server.crash(listener, endpoint=endpoint)
        await made.server.event(ActorRestarted)
        await made.server.until_listening(port)
        await made.go_on()
        made.check_whole()  # connections outlive their listener
        async with playing(made.server.port("rtmp")) as player, viewing(made.server.flv()) as view:
            for viewer in (player, view):
                await has_seen(viewer, 1)
