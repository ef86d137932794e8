"""A recorded clip that is published over and over, within the program."""

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import arcly_actors as arcly
from arcly_actors.clock import NS_PER_S
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.script import read_file
from arcly_actors.script.replay import frames_of
from tests.support.virtual import pass_time

RTMP = Path(__file__).parents[2] / "specs" / "scripts" / "ffmpeg-rtmp.jsonl"


@functools.cache
def clip() -> tuple[tuple[Track, ...], list[MediaFrame]]:
    """Three seconds of pictures and sound."""
    ((tracks, frames),) = frames_of(read_file(RTMP)).values()
    first = next(index for index, frame in enumerate(frames) if frame.keyframe and frame.track.kind is arcly.Kind.VIDEO)
    return tracks, frames[first:]


@asynccontextmanager
async def sending(engine: arcly.Engine, key: str) -> AsyncIterator[None]:
    """Publish it at its own pace, for the length of a block. `clip` has been called before."""
    tracks, frames = clip()
    span = frames[-1].dts - frames[0].dts + NS_PER_S // 25
    async with engine.publish(key, tracks) as publisher:

        async def send() -> None:
            shift, before = -frames[0].dts, 0
            while True:
                for frame in frames:
                    moved = replace(frame, pts=frame.pts + shift, dts=frame.dts + shift)
                    await pass_time(max(0, moved.dts - before))
                    before = moved.dts
                    publisher.send(moved)
                shift += span

        task = asyncio.ensure_future(send())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
