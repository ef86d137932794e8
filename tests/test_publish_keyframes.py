"""A program that publishes hears when a viewer waits for a keyframe."""

import asyncio

import arcly_actors as arcly
from arcly_actors.runtime import System, run_virtual
from tests.support.virtual import pass_time

ENDPOINTLESS = (
    "version: 1\nendpoints: {rtmp: {enabled: false}, rtsp: {enabled: false}, http: {enabled: false}, "
    "srt: {enabled: false}}\n"
)


def test_a_viewer_without_a_gop_asks_the_program_for_a_keyframe() -> None:
    async def scenario(system: System) -> list[bool]:
        wanted: list[bool] = []
        track = arcly.Track(0, arcly.CodecId.H264, width=16, height=16)
        async with (
            arcly.Engine(arcly.Topology.parse(ENDPOINTLESS), clock=system.clock, entropy=system.entropy) as engine,
            engine.publish("live/made", (track,), keyframe_wanted=wanted.append),
        ):
            stream = await engine.stream("live/made")
            frames = stream.frames()
            reading = asyncio.ensure_future(anext(frames))
            await pass_time(600_000_000)
            reading.cancel()
        return wanted

    wanted = run_virtual(scenario)
    assert wanted[:2] == [False, False]
