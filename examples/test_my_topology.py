"""How to test a topology of one's own, in virtual time and without sockets. Run it: ``pytest examples``.

The fixtures come with arcly_actors: pytest finds them by itself where it is installed.
"""

import asyncio
from typing import Any

import reactivex
from reactivex import operators as ops

import arcly_actors as arcly
from arcly_actors.bus.events import PublishEnded, PublishHeld
from arcly_actors.script import faults
from arcly_actors.script.marbles import MarbleTest
from arcly_actors.transport.addresses import Address

MINE = arcly.Topology.parse("""
version: 1
applications:
  live: {hold: 5s, on_conflict: takeover, subscriber: {join: instant}}
""")
VIDEO = arcly.Track(0, arcly.CodecId.VP8)
FRAME_NS = 40_000_000


async def film(publisher: arcly.PublishHandle, seconds: int) -> None:
    """So many seconds of pictures, a keyframe each second, in (virtual) real time."""
    for number in range(25 * seconds):
        time = number * FRAME_NS
        if publisher.alive:
            publisher.send(arcly.MediaFrame(VIDEO, time, time, b"picture", keyframe=number % 25 == 0))
        await asyncio.sleep(FRAME_NS / 1e9)


def test_viewers_wait_five_seconds_for_a_publisher(arcly_engine: Any) -> None:
    async def scenario(engine: arcly.Engine) -> list[object]:
        happened: list[object] = []
        engine.events.observable.subscribe(happened.append)
        async with engine.publish("live/cam", (VIDEO,)) as publisher:
            await film(publisher, seconds=2)
        await asyncio.sleep(3600)  # costs nothing
        return happened

    events = arcly_engine(scenario, MINE)
    assert [event.hold_ns for event in events if isinstance(event, PublishHeld)] == [5_000_000_000]
    assert isinstance(events[-1], PublishEnded)


def test_a_viewer_outlives_a_lossy_night(arcly_engine: Any) -> None:
    async def scenario(engine: arcly.Engine) -> list[int]:
        engine.inject(faults.loss("10%", on="live/cam", seed=7), faults.crash("stream", at="3s"))
        async with engine.publish("live/cam", (VIDEO,)) as publisher:
            stream = await engine.stream("live/cam")
            seen: list[int] = []
            stream.observable.subscribe(lambda frame: seen.append(frame.dts))
            await film(publisher, seconds=10)
        return seen

    seen = arcly_engine(scenario, MINE)
    assert 200 < len(seen) < 250
    assert seen == sorted(set(seen))
    assert seen == arcly_engine(scenario, MINE)  # the same seed, the same night


def test_what_an_rtmp_client_is_answered(arcly_engine: Any, scripted_transport: Any) -> None:
    heard = bytearray()

    async def scenario(engine: arcly.Engine) -> None:
        (door,) = engine.addresses["rtmp"]
        client = scripted_transport.connect((door.host, door.port), Address("192.0.2.1", 50000))
        client.heard = heard.extend
        client.feed(bytes([3]) + bytes(1536))  # C0 and C1 of the handshake
        await asyncio.sleep(1)

    arcly_engine(scenario, MINE)
    assert len(heard) == 1 + 2 * 1536  # S0, S1 and S2
    assert heard[0] == 3


def opens_gop(frame: arcly.MediaFrame) -> bool:
    """Whether a player can begin with it."""
    return frame.keyframe


def only_keyframes(frames: reactivex.Observable[arcly.MediaFrame]) -> reactivex.Observable[arcly.MediaFrame]:
    """An operator of our own."""
    return frames.pipe(ops.filter(opens_gop))


def test_my_operator(marbles: MarbleTest) -> None:
    assert marbles.of(only_keyframes(marbles("k--d--d--k-d|"))) == "k--------k--|"


def test_who_joins_late_has_the_gop_at_once(marbles: MarbleTest) -> None:
    stream = "k-----d-----d-----k-----d|"
    late = "-------^"
    assert marbles.watched(stream, late, topology=MINE) == ["-------(kd)-d-----k-----d|"]
    assert marbles.watched(stream, late, join="live") == ["------------------k-----d|"]
