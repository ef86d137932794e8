"""Read a stream in Python: the server runs inside this program, and frames come by ``async for``.

Run it: ``python examples/embed_frames.py``. The built-in test pattern stands in for an encoder.
"""

import arcly_actors as arcly
from arcly_actors.loop import run


async def watch(engine: arcly.Engine, key: str, pictures: int) -> list[arcly.MediaFrame]:
    """The first `pictures` coded pictures that a viewer of `key` gets."""
    seen: list[arcly.MediaFrame] = []
    stream = await engine.stream(key)  # waits until somebody publishes it
    async for frame in stream.frames():  # begins at the cached keyframe, then goes on live
        if frame.track.kind is arcly.Kind.VIDEO:
            seen.append(frame)
            if len(seen) == pictures:
                break
    return seen


async def main(topology: arcly.Topology | None = None) -> list[arcly.MediaFrame]:
    """Serve, publish the test pattern, and watch a second of it."""
    async with arcly.Engine(topology) as engine:
        await engine.start_pattern("live/demo")
        return await watch(engine, "live/demo", pictures=30)


if __name__ == "__main__":
    for frame in run(main()):
        print(f"{frame.dts / 1e9:8.3f} s  {len(frame.payload):6} bytes  {'keyframe' if frame.keyframe else ''}")
