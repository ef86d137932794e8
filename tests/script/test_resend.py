"""A recording played against a live server: what its publisher sent comes in there as frames."""

import asyncio
from pathlib import Path

import pytest

import arcly_actors as arcly
from arcly_actors.script import read_file
from arcly_actors.script.edit import cut
from arcly_actors.script.resend import resend
from tests.support.loopback import LOOPBACK
from tests.support.waiting import until

SCRIPT = Path(__file__).parents[2] / "specs" / "scripts" / "ffmpeg-rtmp.jsonl"


@pytest.mark.parametrize("scheme", ["srt", "rtmp"])
async def test_all_of_a_recording_arrives_at_a_live_server(scheme: str) -> None:
    script = cut(read_file(SCRIPT), 0, 1_500_000_000)
    seen: list[arcly.MediaFrame] = []
    async with arcly.Engine(LOOPBACK) as engine:
        port = engine.addresses[scheme][0].port
        path = "?streamid=publish:live/again&latency=400" if scheme == "srt" else "/live/again"

        async def watch() -> None:
            stream = await engine.stream("live/again")
            async for frame in stream.frames():
                seen[len(seen) :] = [frame]

        watching = asyncio.ensure_future(watch())
        count = await resend(script, f"{scheme}://127.0.0.1:{port}{path}")
        await until(lambda: len(seen) >= count - 3)  # a sound before the first keyframe is nobody's
        watching.cancel()
    assert count > 60


async def test_a_server_that_does_not_take_it_is_told() -> None:
    async with arcly.Engine(LOOPBACK) as engine:
        port = engine.addresses["srt"][0].port
        with pytest.raises(arcly.ArclyError, match="1404"):
            await resend(read_file(SCRIPT), f"srt://127.0.0.1:{port}?streamid=publish:nope/again")


async def test_a_stream_that_the_script_does_not_have() -> None:
    with pytest.raises(arcly.ArclyError, match="no such stream in the script; there is live/cam"):
        await resend(read_file(SCRIPT), "srt://127.0.0.1:9", "live/other")
