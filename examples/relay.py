"""Bring a stream in from elsewhere and send it on: a camera, a file, another server; all under supervision.

Run it: ``python examples/relay.py clip.mp4 rtmp://127.0.0.1/live/copy``; it ends after 50 frames.
"""

import sys

import arcly_actors as arcly
from arcly_actors.loop import run


async def relay(engine: arcly.Engine, source: str, target: str, frames: int) -> int:
    """Pull `source`, push it to `target`; returns when so many frames went by."""
    door = await engine.pull("live/door", source, on_demand=True)  # dialled when somebody watches, and for ever
    copy = await engine.push("live/door", target)  # a failing target touches nobody else
    stream = await engine.stream("live/door")
    seen = 0
    async for _ in stream.frames():
        seen += 1
        if seen == frames:
            break
    await copy.stop()
    await door.stop()
    return seen


async def main(source: str, target: str, topology: arcly.Topology | None = None, frames: int = 50) -> int:
    """Serve while it is relayed."""
    async with arcly.Engine(topology) as engine:
        return await relay(engine, source, target, frames)


if __name__ == "__main__":
    print(run(main(sys.argv[1], sys.argv[2])), "frames")
