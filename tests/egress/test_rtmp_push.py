"""A push over RTMP to a server that is not an engine of ours but its sans-IO half: what arrives, and what goes wrong."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from arcly_actors.bus.events import PublishHeld, SubscriberEvicted, SubscriberLagged
from arcly_actors.bus.policy import ApplicationPolicy
from arcly_actors.clock import NS_PER_MS, NS_PER_S, SystemClock, SystemEntropy
from arcly_actors.egress.push import PushEnded, PushFailed, PushRequest, PushStarted
from arcly_actors.egress.rtmp_push import RtmpPush
from arcly_actors.errors import Refusal
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtmp.events import (
    Connected,
    PublishRequested,
    PublishStopped,
    RefuseConnect,
    RefusePublish,
    ServerCommand,
    ServerEvent,
)
from arcly_actors.runtime import System
from arcly_actors.transport.urls import Url
from tests.bus.stage import KEY, Source, Stage
from tests.support.certificates import write_certificate
from tests.support.rtmp import agree
from tests.support.rtmp_target import rtmp_target
from tests.support.streams import Clip, clip
from tests.support.virtual import Probe
from tests.support.waiting import until


class SetClock(SystemClock):
    """The real one, set `ahead` by so many ns: what is sent at once comes in time."""

    ahead = 0

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + self.ahead


class Show:
    """A stream of real pictures and sound on the real loop, and a push of it whose owner is a probe."""

    def __init__(self, policy: ApplicationPolicy | None = None) -> None:
        self.clock = SetClock()
        self.system = System(asyncio.get_running_loop(), self.clock, SystemEntropy())
        self.stage = Stage(self.system, policy)
        self.owner = Probe(self.system)
        self.clip: Clip = clip(gop=10)
        self.source: Source

    async def open(self) -> None:
        self.source = await self.stage.publish(tracks=self.clip.tracks)

    async def send(self, seconds: float, start: int = 0, of: Clip | None = None) -> list[MediaFrame]:
        """This much of the clip, at once."""
        frames = list((of or self.clip).play(seconds, start=start))
        await self.source.send(*frames)
        return frames

    def push(self, url: str, *, verify: bool = True) -> None:
        request = PushRequest(KEY, Url.parse(url, keyed=True), verify=verify)
        self.ref = RtmpPush.start(self.system, self.stage.bus, request, self.owner.ref)


@contextlib.asynccontextmanager
async def show(policy: ApplicationPolicy | None = None) -> AsyncIterator[Show]:
    made = Show(policy)
    await made.open()
    yield made
    for ref in reversed(made.system.actors()):
        if ref.is_alive():
            ref.stop(block=False)
    await until(lambda: not made.system.actors())


async def test_the_target_gets_what_players_get_from_a_keyframe_on() -> None:
    async with show() as here, rtmp_target() as target:
        frames = await here.send(1)
        here.push(target.url("app/instance/key?token=abcd"))
        connection = await target.connection(1)
        await here.owner.next(PushStarted)
        frames += await here.send(1, start=NS_PER_S)
        pictures = [frame for frame in frames if frame.track.id == 0]
        await target.until(lambda: connection.pictures and connection.pictures[-1].timestamp_ms > 1900)
        first = next(frame for frame in reversed(pictures[:30]) if frame.keyframe)
        assert connection.pictures[0].body[5:] == first.payload
        assert [event.body[5:] for event in connection.pictures] == [
            frame.payload for frame in pictures[pictures.index(first) :]
        ]
        (asked,) = (event for event in connection.served.events if isinstance(event, PublishRequested))
        assert (asked.path, asked.parameters) == ("app/instance/key", {"token": "abcd"})
        (told,) = connection.metadata
        assert told.values["width"] == 160
        assert {event.kind for event in connection.served.media()} == {"video", "audio"}
        assert "encoder" in told.values


async def test_it_shares_its_bytes_with_the_players() -> None:
    async with show() as here, rtmp_target() as target, rtmp_target() as other:
        await here.send(1)
        here.push(target.url())
        await here.owner.next(PushStarted)
        here.push(other.url())
        await here.owner.next(PushStarted)
        (report,) = here.stage.bus.reports()
        assert report.formats == ("rtmp/1/audio+video",)
        assert [seat.protocol for seat in report.seats] == ["push-rtmp", "push-rtmp"]


async def test_the_end_of_the_stream_is_told_to_the_target() -> None:
    async with show() as here, rtmp_target() as target:
        await here.send(1)
        here.push(target.url())
        connection = await target.connection(1)
        await here.owner.next(PushStarted)
        here.stage.bus.end(KEY, "over")
        assert await here.owner.next(PushEnded) == PushEnded("over")
        await target.until(lambda: connection.lost)
        assert len(connection.of(PublishStopped)) == 1


async def test_a_held_stream_is_no_end() -> None:
    async with show() as here, rtmp_target() as target:
        await here.send(1)
        here.push(target.url())
        await here.owner.next(PushStarted)
        await here.source.leave()
        await until(lambda: bool(here.stage.of(PublishHeld)))
        await here.open()
        await here.send(1)
        connection = await target.connection(1)
        await target.until(lambda: len(connection.pictures) > 30)
        assert here.owner.of(PushEnded) == []


async def test_other_tracks_end_it() -> None:
    async with show() as here, rtmp_target() as target:
        await here.send(1)
        here.push(target.url())
        await here.owner.next(PushStarted)
        larger = clip(gop=10, width=320)
        here.source.announce(larger.tracks)
        await here.send(0.5, start=NS_PER_S, of=larger)
        assert await here.owner.next(PushEnded) == PushEnded("its tracks changed")


async def test_a_stream_that_rtmp_cannot_carry() -> None:
    async with show() as here, rtmp_target() as target:
        here.source.announce((Track(0, CodecId.G722, sample_rate=16_000, channels=1),))
        await asyncio.sleep(0)
        here.push(target.url())
        assert await here.owner.next(PushFailed) == PushFailed("RTMP carries none of its tracks: g722")


async def test_nobody_listens() -> None:
    async with rtmp_target() as target:
        url = target.url()
    async with show() as here:
        here.push(url)
        failed = await here.owner.next(PushFailed)
        assert failed.detail == f"127.0.0.1:{target.port}: connection refused"


async def test_a_host_that_is_not_known() -> None:
    async with show() as here:
        here.push("rtmp://host.invalid/app/key")
        failed = await here.owner.next(PushFailed)
        assert failed.detail.startswith("host.invalid is not known")


def no_such_application(event: ServerEvent) -> ServerCommand | None:
    return RefuseConnect(Refusal.UNKNOWN_APPLICATION, "no app") if isinstance(event, Connected) else None


def wrong_key(event: ServerEvent) -> ServerCommand | None:
    if isinstance(event, PublishRequested):
        return RefusePublish(event.stream_id, Refusal.UNAUTHORISED, "bad key sesame")
    return agree(event)


@pytest.mark.parametrize(("session", "words"), [(no_such_application, "no app"), (wrong_key, "bad key ***")])
async def test_the_targets_refusal_is_told_without_the_key(session: object, words: str) -> None:
    async with show() as here, rtmp_target(session) as target:  # type: ignore[arg-type]
        await here.send(1)
        here.push(target.url("app/sesame"))
        failed = await here.owner.next(PushFailed)
        assert words in failed.detail
        assert "sesame" not in failed.detail


async def test_a_target_that_dies() -> None:
    async with show() as here, rtmp_target() as target:
        await here.send(1)
        here.push(target.url())
        connection = await target.connection(1)
        await here.owner.next(PushStarted)
        connection.transport.abort()
        await here.owner.next(PushFailed)
        assert here.owner.of(PushEnded) == []
        assert [seat for report in here.stage.bus.reports() for seat in report.seats] == []


async def test_a_target_that_does_not_read_skips_to_keyframes_and_is_given_up_in_the_end() -> None:
    policy = ApplicationPolicy(max_lag_ns=2 * NS_PER_S, flush_interval_ns=5 * NS_PER_MS)
    heavy = clip(audio=None, gop=10)
    async with show(policy) as here, rtmp_target() as target:
        heavy_frames = [
            frame.__class__(frame.track, frame.pts, frame.dts, frame.payload + bytes(200_000), frame.keyframe)
            for frame in heavy.play(20)
        ]
        here.source.announce(heavy.tracks)
        await here.source.send(*heavy_frames[:10])
        here.push(target.url())
        connection = await target.connection(1)
        await here.owner.next(PushStarted)
        connection.stop_reading()
        for earlier, frame in pairwise(heavy_frames[9:]):
            here.clock.ahead += frame.dts - earlier.dts
            await here.source.send(frame)
            await asyncio.sleep(0)
            if here.owner.of(PushFailed):
                break
        failed = await here.owner.next(PushFailed)
        assert "behind" in failed.detail
        assert here.stage.of(SubscriberLagged)
        assert [event.refusal for event in here.stage.of(SubscriberEvicted)] == [Refusal.LAGGED]


async def test_rtmps_checks_the_certificate_unless_told_not_to(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with show() as here, rtmp_target(tls=context) as target:
        await here.send(1)
        url = target.url(scheme="rtmps", host="localhost")
        here.push(url)
        assert "the certificate of localhost" in (await here.owner.next(PushFailed)).detail
        here.push(url, verify=False)
        await here.owner.next(PushStarted)


async def test_a_target_without_tls_is_told_apart() -> None:
    async with show() as here, rtmp_target() as target:
        here.push(target.url(scheme="rtmps"))
        assert (await here.owner.next(PushFailed)).detail
