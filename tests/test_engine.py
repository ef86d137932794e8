"""The engine as an embedding program uses it: what comes out, how it ends, and what it says when it cannot."""

import asyncio
import logging

import pytest

import arcly_actors as arcly
from arcly_actors.bus.events import Event, Failed, PublishEnded, PublishStarted
from arcly_actors.runtime.receiver import Kill
from arcly_actors.topology import Address, Endpoints, Http, Rtmp, Srt, Topology, WebRtc
from tests.bus.frames import VIDEO, pictures, video
from tests.support.loopback import ANY, ANY_RTSP, LOOPBACK
from tests.support.waiting import until


async def test_every_public_name_is_there() -> None:
    assert {name for name in arcly.__all__ if getattr(arcly, name, None) is not None} == set(arcly.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = arcly.nothing


async def test_what_is_published_comes_out_from_the_keyframe_on() -> None:
    async with arcly.Engine(LOOPBACK) as engine:
        async with engine.publish("live/made", (VIDEO,)) as publisher:
            stream = await engine.stream("live/made")
            for frame in pictures(7, gop=5):
                publisher.send(frame)
            await until(lambda: len(stream.tracks) == 1)
            frames = stream.frames()
            first = await anext(frames)
            assert first.keyframe
            publisher.send(video(1000))
            payloads = [first.payload] + [(await anext(frames)).payload for _ in range(2)]
        assert payloads == [b"K200;", b"p240;", b"p1000;"]
        assert [report.state for report in engine.streams()] == ["held"]


async def test_the_test_pattern_ends_without_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []
    with caplog.at_level(logging.WARNING):
        async with arcly.Engine(LOOPBACK) as engine:
            engine.events.observable.subscribe(seen.append)
            await engine.start_pattern("live/demo")
            stream = await engine.stream("live/demo")
            async for frame in stream.frames():
                assert frame.keyframe
                break
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert not any(isinstance(event, Failed) for event in seen)
    assert isinstance(seen[0], PublishStarted)
    assert isinstance(seen[-1], PublishEnded)


async def test_viewers_get_a_proper_end() -> None:
    received: list[bytes] = []

    async def view(stream: arcly.Stream) -> None:
        async for frame in stream.frames():
            received.append(frame.payload)  # noqa: PERF401 - it is looked at before the end

    engine = arcly.Engine(LOOPBACK)
    async with engine, engine.publish("live/made", (VIDEO,)) as publisher:
        publisher.send(video(0, key=True))
        stream = await engine.stream("live/made")
        viewing = asyncio.ensure_future(view(stream))
        await until(lambda: bool(received))
        engine.end_stream("live/made")
        await viewing
    assert received == [b"K0;"]


async def test_an_address_that_is_taken_is_named() -> None:
    async with arcly.Engine(LOOPBACK) as engine:
        (taken,) = engine.addresses["rtmp"]
        other = Topology(
            endpoints=Endpoints(
                rtmp=Rtmp(listen=Address(taken.host, taken.port)),
                rtsp=ANY_RTSP,
                http=Http(listen=ANY),
                webrtc=WebRtc(listen=ANY),
                srt=Srt(listen=ANY),
            )
        )
        with pytest.raises(arcly.AddressUnavailable, match=str(taken)) as caught:
            async with arcly.Engine(other):
                pass
        assert caught.value.address == str(taken)


async def test_an_engine_that_does_not_run_says_so() -> None:
    engine = arcly.Engine(LOOPBACK)
    with pytest.raises(arcly.ConfigurationError, match="not running"):
        engine.streams()


async def test_the_failure_of_the_root_is_the_failure_of_the_engine() -> None:
    async with arcly.Engine(LOOPBACK) as engine:
        engine._running.root.tell(Kill())
        with pytest.raises(arcly.ArclyError, match="the engine failed"):
            await asyncio.wait_for(engine.failed(), 10)


async def test_its_end_waits_for_what_actors_leave_behind() -> None:
    done: list[str] = []

    async def close_sockets() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        done.append("closed")

    async with arcly.Engine(LOOPBACK) as engine:
        engine.built.system.outlive(close_sockets())
    assert done == ["closed"]
