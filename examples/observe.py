"""Observe a stream and the engine with reactivex operators.

Run it: ``python examples/observe.py``.
"""

import asyncio

from reactivex import operators as ops

import arcly_actors as arcly
from arcly_actors.loop import run


def opens_gop(frame: arcly.MediaFrame) -> bool:
    """Whether a picture can be decoded by itself."""
    return frame.track.kind is arcly.Kind.VIDEO and frame.keyframe


def seconds(frame: arcly.MediaFrame) -> float:
    """When, on the stream's timeline."""
    return frame.dts / 1e9


async def keyframe_times(stream: arcly.Stream, count: int) -> list[float]:
    """The times of the next `count` keyframes, in seconds on the stream's timeline."""
    times: list[float] = []
    over = asyncio.Event()
    keyframes = stream.observable.pipe(ops.filter(opens_gop), ops.map(seconds), ops.take(count))
    keyframes.subscribe(times.append, on_completed=over.set)
    await over.wait()
    return times


async def main(topology: arcly.Topology | None = None) -> tuple[list[float], list[object]]:
    """Watch the test pattern's keyframes, and what happens on the engine meanwhile."""
    happened: list[object] = []
    async with arcly.Engine(topology) as engine:
        engine.events.observable.subscribe(happened.append)
        await engine.start_pattern("live/demo")
        times = await keyframe_times(await engine.stream("live/demo"), count=2)
    return times, happened


if __name__ == "__main__":
    found, events = run(main())
    print("keyframes at", *(f"{time:.3f} s" for time in found))
    print(*events, sep="\n")
