"""Streams in Python code: an engine without endpoints, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from reactivex import operators as ops

from arcly_actors import Engine, MediaFrame, Topology
from arcly_actors.bus.events import ActorRestarted, PublishEnded, PublishStarted, SubscriberLagged
from arcly_actors.bus.policy import Join
from arcly_actors.clock import NS_PER_MS, NS_PER_S, SeededEntropy
from arcly_actors.errors import ConfigurationError, Refusal, Refused
from arcly_actors.ingest.in_process import PublishHandle
from arcly_actors.runtime import System
from arcly_actors.runtime.receiver import Crash
from arcly_actors.stream import Stream
from tests.bus.fan import tokens
from tests.bus.frames import BOTH, STEP_MS, audio, video
from tests.support.virtual import in_virtual_time, pass_time

NO_DOORS: dict[str, Any] = {
    "version": 1,
    "endpoints": {name: {"enabled": False} for name in ("rtmp", "rtsp", "http", "srt")},
}


@asynccontextmanager
async def running(system: System, **application: object) -> AsyncIterator[Engine]:
    topology = Topology.model_validate({**NO_DOORS, "applications": {"live": application}})
    async with Engine(topology, clock=system.clock, entropy=SeededEntropy(1)) as engine:
        yield engine


class Player:
    """Sends pictures through a handle, one each 40 ms."""

    def __init__(self, handle: PublishHandle) -> None:
        self.handle = handle
        self.clock = 0

    async def play(self, count: int, *, gop: int = 5) -> list[str]:
        sent = []
        for _ in range(count):
            frame = video(self.clock * STEP_MS, key=self.clock % gop == 0)
            self.clock += 1
            self.handle.send(frame)
            sent += tokens(frame.payload)
            await pass_time(STEP_MS * NS_PER_MS)
        return sent


def collect(stream: Stream, join: Join | None = None) -> tuple[list[str], "asyncio.Task[None]"]:
    """Iterate over a stream's frames in a task; what came so far, and the task."""
    seen: list[str] = []

    async def read() -> None:
        async for frame in stream.frames(join):
            seen.extend(tokens(frame.payload))

    return seen, asyncio.ensure_future(read())


def actor(engine: Engine, name: str) -> Any:
    return next(ref for ref in engine._running.system.actors() if ref.actor_class.__name__ == name)


def crash(engine: Engine, name: str) -> None:
    actor(engine, name).tell(Crash(ValueError("injected")))


@in_virtual_time
async def test_frames_are_iterated_over_from_the_cached_gop_to_the_end(system: System) -> None:
    async with running(system, hold="1s") as engine:
        async with engine.publish("live/made", BOTH) as handle:
            player, stream = Player(handle), await engine.stream("live/made")
            sent = await player.play(7)
            seen, reading = collect(stream)
            live, reading_live = collect(stream, Join.LIVE)
            sent += await player.play(10)
            assert stream.tracks == BOTH
            assert [report.state for report in engine.streams()] == ["live"]
        await asyncio.wait_for(asyncio.gather(reading, reading_live), 2)
        assert seen == sent[5:]
        assert live == sent[10:]
        assert (stream.report, list(stream.tracks)) == (None, [])


@in_virtual_time
async def test_the_observable_is_the_same(system: System) -> None:
    async with running(system, hold="1s") as engine:
        seen: list[object] = []
        async with engine.publish("live/made", BOTH) as handle:
            player, stream = Player(handle), await engine.stream("live/made")
            sent = await player.play(6)

            def is_key(frame: MediaFrame) -> bool:
                return frame.keyframe

            stream.observable.subscribe(lambda f: seen.extend(tokens(f.payload)), None, lambda: seen.append("done"))
            keys: list[MediaFrame] = []
            stream.observable.pipe(ops.filter(is_key), ops.take(2)).subscribe(keys.append)
            broken: list[Exception] = []

            def fail(_: MediaFrame) -> None:
                raise ValueError("the program's")

            stream.observable.subscribe(fail, broken.append)
            sent += await player.play(10)
            assert len(engine.streams()[0].seats) == 1  # one failed, one has enough
        await pass_time(2 * NS_PER_S)
        assert seen == [*sent[5:], "done"]
        assert [frame.payload for frame in keys] == [b"K200;", b"K400;"]
        assert [str(error) for error in broken] == ["the program's"]


@in_virtual_time
async def test_a_disposed_observable_and_a_left_iteration_give_their_seats_back(system: System) -> None:
    async with running(system) as engine, engine.publish("live/made", BOTH) as handle:
        player, stream = Player(handle), await engine.stream("live/made")
        await player.play(1)
        before = len(engine._running.system.actors())
        seat = stream.observable.subscribe(lambda _: None)
        async with aclosing(stream.frames()) as frames:
            assert (await anext(frames)).payload == b"K0;"
            await player.play(1)
            assert len(engine.streams()[0].seats) == 2
        seat.dispose()
        await player.play(1)
        assert engine.streams()[0].seats == ()
        assert len(engine._running.system.actors()) == before


@in_virtual_time
async def test_a_slow_reader_skips_to_a_keyframe_and_slows_nobody(system: System) -> None:
    async with running(system, hold="0s", subscriber={"max_lag": "4s"}) as engine:
        lagged: list[SubscriberLagged] = []
        engine.events.observable.subscribe(lambda e: lagged.append(e) if isinstance(e, SubscriberLagged) else None)
        slow: list[str] = []
        async with engine.publish("live/made", BOTH) as handle:
            player, stream = Player(handle), await engine.stream("live/made")
            sent = await player.play(1)

            async def read_slowly() -> None:
                async for frame in stream.frames():
                    slow.extend(tokens(frame.payload))
                    await pass_time(200 * NS_PER_MS)

            reading = asyncio.ensure_future(read_slowly())
            seen, other = collect(stream)
            sent += await player.play(500)
        await asyncio.gather(reading, other)
        assert seen == sent
        jumps = [at for at, token in enumerate(slow) if at and sent.index(token) - sent.index(slow[at - 1]) > 1]
        assert jumps
        assert all(slow[at].startswith("K") for at in jumps)
        assert len(slow) + sum(event.frames for event in lagged) == len(sent)


@pytest.mark.parametrize("name", ["StreamActor", "FrameSubscriber"])
@in_virtual_time
async def test_what_a_reader_skipped_is_told_when_its_seat_is_there_again(system: System, name: str) -> None:
    async with running(system, hold="0s", subscriber={"max_lag": "4s"}) as engine:
        lagged: list[SubscriberLagged] = []
        engine.events.observable.subscribe(lambda e: lagged.append(e) if isinstance(e, SubscriberLagged) else None)
        async with engine.publish("live/made", BOTH) as handle:
            player, stream = Player(handle), await engine.stream("live/made")
            sent = await player.play(1)
            async with aclosing(stream.frames()) as frames:
                seen = tokens((await anext(frames)).payload)
                sent += await player.play(100)
                crash(engine, name)
                await pass_time(1)
                seen += tokens((await anext(frames)).payload)
                assert lagged == []
                sent += await player.play(20)
                assert sum(event.frames for event in lagged) == sent.index(seen[-1]) - 1 > 50


@in_virtual_time
async def test_a_publishers_clock_that_is_set_forward_skips_nothing(system: System) -> None:
    async with running(system, hold="0s", subscriber={"max_lag": "4s"}) as engine:
        async with engine.publish("live/made", BOTH) as handle:
            player, stream = Player(handle), await engine.stream("live/made")
            sent = await player.play(1)
            async with aclosing(stream.frames()) as frames:
                seen = tokens((await anext(frames)).payload)
                sent += await player.play(20)
                player.clock += 8000 // STEP_MS
                sent += await player.play(20)
                for _ in range(40):
                    seen += tokens((await anext(frames)).payload)
        assert seen == sent


@in_virtual_time
async def test_a_held_stream_goes_on_with_its_next_publisher(system: System) -> None:
    async with running(system) as engine:
        async with engine.publish("live/made", BOTH) as handle:
            stream = await engine.stream("live/made")
            seen, reading = collect(stream)
            sent = await Player(handle).play(6)
        await pass_time(NS_PER_S)
        assert stream.report is not None
        assert stream.report.state == "held"
        async with engine.publish("live/made", BOTH) as handle:
            sent += await Player(handle).play(6)
            assert not reading.done()
            assert seen == sent
            engine.end_stream("live/made")
            await reading
            with pytest.raises(Refused) as refused:
                handle.send(audio(0))
            assert refused.value.refusal is Refusal.ENDED
            assert not handle.alive


@pytest.mark.parametrize("name", ["StreamActor", "GopCacheActor", "Directory", "FrameSubscriber"])
@in_virtual_time
async def test_a_crash_beneath_a_reader_is_not_its_end(system: System, name: str) -> None:
    async with running(system) as engine, engine.publish("live/made", BOTH) as handle:
        player, stream = Player(handle), await engine.stream("live/made")
        seen, reading = collect(stream)
        sent = await player.play(7)
        crash(engine, name)
        sent += await player.play(20)
        after = await player.play(10)
        assert seen[-10:] == after
        if name != "StreamActor":
            assert seen == sent + after
        assert len(engine.streams()[0].seats) == 1
        assert not reading.done()
        reading.cancel()


@in_virtual_time
async def test_a_reader_whose_subscriber_fails_for_ever_ends(system: System) -> None:
    async with running(system) as engine, engine.publish("live/made", BOTH) as handle:
        player, stream = Player(handle), await engine.stream("live/made")
        seen, reading = collect(stream)
        sent = await player.play(2)
        for _ in range(6):
            crash(engine, "FrameSubscriber")
            sent += await player.play(1)
        await reading
        assert seen == sent[: len(seen)]
        assert len(seen) >= 7


@in_virtual_time
async def test_a_publisher_that_crashes_tells_its_program(system: System) -> None:
    async with running(system) as engine:
        async with engine.publish("live/made", BOTH) as handle:
            crash(engine, "InProcessPublisher")
            await pass_time(1)
            assert not handle.alive
            with pytest.raises(Refused):
                handle.send(audio(0))
        assert engine.streams()[0].state == "held"


@in_virtual_time
async def test_a_publisher_that_crashes_before_it_has_the_slot_refuses_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(system) as engine:
        monkeypatch.setattr("arcly_actors.ingest.publisher.Publisher._claim", lambda _: 1 // 0)
        with pytest.raises(Refused) as refused:
            await engine.publish("live/made", BOTH).__aenter__()
        assert refused.value.refusal is Refusal.FAILED


@in_virtual_time
async def test_what_cannot_be_is_refused(system: System) -> None:
    async with running(system) as engine:
        asks: list[tuple[Callable[[], Awaitable[object]], Refusal]] = [
            (lambda: engine.stream("vod/x"), Refusal.UNKNOWN_APPLICATION),
            (lambda: engine.stream("no key"), Refusal.BAD_REQUEST),
            (lambda: engine.publish("vod/x", BOTH).__aenter__(), Refusal.UNKNOWN_APPLICATION),
        ]
        for ask, refusal in asks:
            with pytest.raises(Refused) as refused:
                await ask()
            assert refused.value.refusal is refusal
        async with engine.publish("live/made", BOTH) as handle:
            stream = await engine.stream("live/made")
            with pytest.raises(Refused) as refused:
                await engine.publish("live/made", BOTH).__aenter__()
            assert refused.value.refusal is Refusal.BUSY
            assert handle.alive
        engine.end_stream("live/made")
        await pass_time(1)
        with pytest.raises(Refused) as refused:
            await anext(stream.frames())
        assert refused.value.refusal is Refusal.NOT_FOUND
    with pytest.raises(ConfigurationError):
        engine.streams()


@in_virtual_time
async def test_a_reader_waits_for_its_stream(system: System) -> None:
    async with running(system) as engine:
        waiting = asyncio.ensure_future(engine.stream("live/made"))
        await pass_time(NS_PER_S)
        assert not waiting.done()
        async with engine.publish("live/made", BOTH):
            assert str((await waiting).key) == "live/made"


@in_virtual_time
async def test_events_are_iterated_over(system: System) -> None:
    names: list[str] = []
    async with running(system, hold="0s") as engine:

        async def listen() -> None:
            names.extend([type(event).__name__ async for event in engine.events])

        listening = asyncio.ensure_future(listen())
        await pass_time(1)
        async with engine.publish("live/made", BOTH) as handle:
            await Player(handle).play(2)
            crash(engine, "GopCacheActor")
            await pass_time(NS_PER_S)
        await pass_time(1)
    await listening
    kinds = (PublishStarted, ActorRestarted, PublishEnded)
    assert [name for name in names if name in {kind.__name__ for kind in kinds}] == [kind.__name__ for kind in kinds]


@in_virtual_time
async def test_an_engine_that_stops_ends_its_readers_and_leaves_no_actor(system: System) -> None:
    async with running(system) as engine:
        own = engine._running.system
        async with engine.publish("live/made", BOTH) as handle:
            seen, reading = collect(await engine.stream("live/made"))
            sent = await Player(handle).play(3)
            await engine.__aexit__(None, None, None)
            await reading
            assert seen == sent
    assert own.actors() == []
