"""A pull over RTMP from a server that is not an engine of ours but its sans-IO half: what comes, and what goes wrong."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from arcly_actors.clock import SystemClock, SystemEntropy
from arcly_actors.errors import Refusal
from arcly_actors.ingest.publisher import KeyframeNeeded
from arcly_actors.ingest.pull import PullFailed, PullFrames, PullRequest, PullTracks
from arcly_actors.ingest.rtmp_pull import RtmpPull
from arcly_actors.media.codec import CodecId
from arcly_actors.media.flv_audio import audio_configuration, audio_frame_header
from arcly_actors.media.flv_video import video_configuration, video_frame_header
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtmp.events import (
    Connected,
    EndPlay,
    PlayRequested,
    PlayStopped,
    RefuseConnect,
    RefusePlay,
    Send,
    ServerCommand,
    ServerEvent,
)
from arcly_actors.protocols.rtmp.message import Message, MessageType
from arcly_actors.runtime import System
from arcly_actors.transport.urls import Url
from tests.bus.stage import KEY
from tests.support.rtmp import agree
from tests.support.rtmp_target import Connection, rtmp_target
from tests.support.streams import clip
from tests.support.virtual import Probe
from tests.support.waiting import until


def messages(frames: tuple[MediaFrame, ...]) -> tuple[Message, ...]:
    """A clip as a server plays it."""
    made = []
    for track in clip(gop=10).tracks:
        video = track.codec is CodecId.H264
        body = video_configuration(track) if video else audio_configuration(track)
        made.append(Message(MessageType.VIDEO if video else MessageType.AUDIO, 1, 0, body))
    for frame in frames:
        video = frame.track.codec is CodecId.H264
        head = (
            video_frame_header(frame.track.codec, keyframe=frame.keyframe, composition_ms=0)
            if video
            else audio_frame_header(frame.track)
        )
        kind = MessageType.VIDEO if video else MessageType.AUDIO
        made.append(Message(kind, 1, frame.dts // 1_000_000, head + frame.payload))
    return tuple(made)


@contextlib.asynccontextmanager
async def pulling(url: str) -> AsyncIterator[Probe]:
    system = System(asyncio.get_running_loop(), SystemClock(), SystemEntropy())
    owner = Probe(system)
    pull = RtmpPull.start(system, PullRequest(KEY, Url.parse(url)), owner.ref)
    yield owner
    pull.stop(block=False)
    await until(lambda: len(system.actors()) == 1)
    for ref in reversed(system.actors()):
        ref.stop(block=False)
    await until(lambda: not system.actors())


def command(connection: Connection, value: ServerCommand) -> None:
    connection.served.command(value)
    connection.flush()


async def test_what_is_played_comes_out_as_frames() -> None:
    frames = clip(gop=10).frames
    async with rtmp_target() as target, pulling(target.url("app/cam?token=abcd")) as owner:
        connection = await target.connection(1)
        await target.until(lambda: connection.of(PlayRequested))
        (asked,) = connection.of(PlayRequested)
        assert isinstance(asked, PlayRequested)
        assert (asked.path, asked.parameters) == ("app/cam", {"token": "abcd"})
        command(connection, Send(messages(frames)))
        await until(lambda: sum(len(told.frames) for told in owner.of(PullFrames)) == len(frames))
        told = [frame for each in owner.of(PullFrames) for frame in each.frames]
        assert [frame.payload for frame in told] == [frame.payload for frame in frames]
        assert [track.codec for track in owner.of(PullTracks)[-1].tracks] == [CodecId.H264, CodecId.AAC]
        owner.messages.clear()
        command(connection, EndPlay(1))
        assert await owner.next(PullFailed) == PullFailed("the server ended the stream")
        await target.until(lambda: connection.lost)


def no_application(event: ServerEvent) -> ServerCommand | None:
    return RefuseConnect(Refusal.UNAUTHORISED, "who are you") if isinstance(event, Connected) else None


def no_stream(event: ServerEvent) -> ServerCommand | None:
    if isinstance(event, PlayRequested):
        return RefusePlay(event.stream_id, Refusal.NOT_FOUND, "no such stream")
    return agree(event)


@pytest.mark.parametrize(("session", "words"), [(no_application, "who are you"), (no_stream, "no such stream")])
async def test_the_servers_refusal_is_told(session: object, words: str) -> None:
    async with rtmp_target(session) as target, pulling(target.url()) as owner:  # type: ignore[arg-type]
        assert words in (await owner.next(PullFailed)).detail


async def test_a_server_that_breaks_off_or_talks_rubbish() -> None:
    async with rtmp_target() as target:
        async with pulling(target.url()) as owner:
            connection = await target.connection(1)
            connection.transport.abort()
            assert (await owner.next(PullFailed)).detail
        async with pulling(target.url()) as owner:
            connection = await target.connection(2)
            await target.until(lambda: connection.of(PlayRequested))
            rubbish = Message(MessageType.VIDEO, 1, 0, b"\x17\x00\x00\x00\x00\x01")
            command(connection, Send((rubbish,)))
            assert "avcC" in (await owner.next(PullFailed)).detail


async def test_a_pull_that_is_stopped_says_goodbye() -> None:
    async with rtmp_target() as target:
        async with pulling(target.url()) as owner:
            connection = await target.connection(1)
            await target.until(lambda: connection.of(PlayRequested))
            assert owner.messages == []
        await target.until(lambda: connection.of(PlayStopped) and connection.lost)


async def test_an_address_without_a_name() -> None:
    async with pulling("rtmp://127.0.0.1:1/") as owner:
        assert "an RTMP address names a stream" in (await owner.next(PullFailed)).detail
        assert not owner.of(KeyframeNeeded)
