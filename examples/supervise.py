"""Test a failure in virtual time: crash the stream's actor while a viewer watches, and see that it goes on watching.

Run it: ``python examples/supervise.py``. Two seconds of streaming take milliseconds, and go the same way every time.
"""

import asyncio

import pykka

import arcly_actors as arcly
from arcly_actors.bus.stream import StreamActor
from arcly_actors.runtime import System, run_virtual
from arcly_actors.runtime.receiver import Crash

NO_SOCKETS = """
version: 1
endpoints: {rtmp: {enabled: false}, rtsp: {enabled: false}, http: {enabled: false}, srt: {enabled: false}}
"""
SOUND = arcly.Track(0, arcly.CodecId.PCMU, sample_rate=8000, channels=1)
FRAME_NS = 20_000_000


async def talk(publisher: arcly.PublishHandle) -> None:
    """Two seconds of silence; after the first one, the stream's actor crashes."""
    for number in range(100):
        publisher.send(arcly.MediaFrame(SOUND, number * FRAME_NS, number * FRAME_NS, b"\xff" * 160, keyframe=True))
        await asyncio.sleep(FRAME_NS / 1e9)
        if number == 50:
            (actor,) = pykka.ActorRegistry.get_by_class(StreamActor)
            actor.tell(Crash(RuntimeError("injected")))


async def scenario(system: System) -> tuple[list[arcly.MediaFrame], list[object]]:
    """What the viewer saw, and what happened on the engine."""
    events: list[object] = []
    topology = arcly.Topology.parse(NO_SOCKETS)
    async with arcly.Engine(topology, clock=system.clock, entropy=system.entropy) as engine:
        engine.events.observable.subscribe(events.append)
        async with engine.publish("live/talk", (SOUND,)) as publisher:
            talking = asyncio.create_task(talk(publisher))
            stream = await engine.stream("live/talk")
            watching = asyncio.create_task(read(stream))
            await talking
        engine.end_stream("live/talk")
        return await watching, events


async def read(stream: arcly.Stream) -> list[arcly.MediaFrame]:
    """Every frame until the stream ends."""
    return [frame async for frame in stream.frames()]


if __name__ == "__main__":
    seen, happened = run_virtual(scenario, seed=1)
    print(len(seen), "frames, the last at", seen[-1].dts / 1e9, "s")
    print(*happened, sep="\n")
