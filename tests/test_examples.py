"""The examples do what they say they do."""

import asyncio
from pathlib import Path

from arcly_actors import Engine, Topology
from arcly_actors.bus.events import ActorRestarted, PublishStarted, SubscriberJoined
from arcly_actors.runtime import run_virtual
from examples import embed_frames, observe, publish, relay, supervise, threaded

CLIP = Path(__file__).parent / "data/media/h264_baseline_mono.mp4"
ANY_PORT = Topology.parse(
    'version: 1\nendpoints: {rtmp: {listen: "127.0.0.1:0"}, http: {listen: "127.0.0.1:0"}, '
    "webrtc: {enabled: false}, srt: {enabled: false}}\n"
)


async def test_frames_come_from_a_keyframe_on() -> None:
    frames = await embed_frames.main(ANY_PORT)
    assert len(frames) == 30
    assert frames[0].keyframe
    times = [frame.dts for frame in frames]
    assert times == sorted(set(times))


async def test_keyframes_are_observed() -> None:
    times, happened = await observe.main(ANY_PORT)
    assert len(times) == 2
    assert times[0] < times[1]
    assert {PublishStarted, SubscriberJoined} <= {type(event) for event in happened}


async def test_a_file_is_published_whole() -> None:
    tracks, frames = publish.read(CLIP)
    assert [(track.width, track.sample_rate) for track in tracks] == [(158, 0), (0, 22050)]
    assert await publish.main(CLIP, ANY_PORT) == len(frames) > 10


async def test_a_file_is_relayed_to_another_server() -> None:
    async with Engine(ANY_PORT) as target:
        port = target.addresses["rtmp"][0].port
        relayed = asyncio.create_task(relay.main(str(CLIP), f"rtmp://127.0.0.1:{port}/live/copy", ANY_PORT, frames=10))
        stream = await target.stream("live/copy")
        assert (await anext(stream.frames())).keyframe
        assert await relayed == 10


def test_a_program_without_a_loop_reads_frames() -> None:
    assert threaded.main(ANY_PORT) > 1000


def test_a_viewer_outlives_the_streams_actor() -> None:
    seen, happened = run_virtual(supervise.scenario, seed=1)
    times = [frame.dts for frame in seen]
    assert times == sorted(set(times))
    assert len(seen) > 80
    assert [frame.discontinuity for frame in seen].count(True) == 1
    assert [event.restarts for event in happened if isinstance(event, ActorRestarted)] == [1]
    again, _ = run_virtual(supervise.scenario, seed=1)
    assert [frame.dts for frame in again] == times
