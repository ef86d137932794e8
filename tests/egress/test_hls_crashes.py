"""The packager of HLS and what it needs crash, in virtual time."""

import asyncio

import pytest

from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.hls_muxer import SegmentMuxer
from arcly_actors.egress.hls_policy import HlsPolicy
from arcly_actors.errors import Refusal
from arcly_actors.media.frame import MediaFrame
from arcly_actors.runtime.receiver import Crash
from tests.egress.hls_scene import KEY, Scene, act, refusal_of, seconds
from tests.support.streams import clip


def test_the_stream_actor_crashes_and_nobody_sees_it() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        await scene.play(clip(), 4.5)
        before = await scene.media()
        assert scene.lease is not None
        scene.lease.stream.tell(Crash(RuntimeError("injected")))
        await scene.wait(1)
        await scene.publish(clip().tracks)
        await scene.play(clip(), 4.5)
        after = await scene.media()
        assert after.segments[: len(before.segments)] == before.segments
        assert len(after.segments) > len(before.segments)
        assert after.discontinuities == 1

    act(script)


def test_a_packager_that_crashes_is_replaced_at_the_next_request() -> None:
    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        asked = asyncio.ensure_future(scene.get("media.m3u8"))
        await scene.wait(0.5)
        scene.origin._streams[KEY].tell(Crash(RuntimeError("injected")))
        assert await refusal_of(asked) is Refusal.FAILED
        await scene.play(clip(), 5)
        assert len((await scene.media()).segments) == 2

    act(script)


@pytest.mark.parametrize("played", [4.5, 9.0, 12.5])
def test_a_packager_that_is_replaced_gives_each_segment_the_name_that_it_had(played: float) -> None:
    """Found by simulation: a name stood for two segments, and a player was shown again what it had seen."""

    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        playing = asyncio.ensure_future(scene.play(clip(), played + 6))
        await scene.wait(2.5)
        await scene.media()
        await scene.wait(played - 2.5)
        first = await scene.media()
        had = {name: await scene.get(name) for name in first.segments}
        scene.origin._streams[KEY].tell(Crash(RuntimeError("injected")))
        await scene.wait(0.1)
        assert scene.origin.packaged == ()
        again = await scene.media()
        shared = [name for name in again.segments if name in had]
        assert len(shared) >= len(had) - 2  # the oldest may be too old by now
        assert again.segments[: len(shared)] == shared
        assert [len(await scene.get(name)) for name in shared] == [len(had[name]) for name in shared]
        await playing
        last = await scene.media()
        assert last.sequence > again.sequence
        assert last.discontinuities == 0

    act(script, HlsPolicy(segment_ns=NS_PER_S, window=6))


def test_a_stream_that_was_started_anew_is_not_mixed_with_the_one_before() -> None:
    """Found by simulation: a packager whose stream went with its supervisor took up the next one in the same playlist."""

    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        await scene.play(clip(), 6)
        before = await scene.media()
        supervisor = scene.bus._entries[KEY].supervisor
        assert supervisor is not None
        supervisor.tell(Crash(RuntimeError("injected")))
        await scene.wait(0.02)
        await scene.publish(clip().tracks)
        await scene.play(clip(), 6)
        after = await scene.media()
        assert not set(before.segments) & set(after.segments)
        assert [int(name[8:-4]) for name in after.segments] == [after.sequence + at for at in range(len(after.segments))]

    act(script)


def test_a_crashed_muxer_is_started_anew_with_a_discontinuity(monkeypatch: pytest.MonkeyPatch) -> None:
    mux = SegmentMuxer.mux
    calls = 0

    def failing(self: SegmentMuxer, frames: tuple[MediaFrame, ...], sequence: int) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("injected")
        return mux(self, frames, sequence)

    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        playing = asyncio.ensure_future(scene.play(clip(), 11))
        await scene.media()
        await scene.wait(8.5)
        listing = await scene.media()
        assert listing.discontinuities == 1
        assert len(listing.segments) == 4  # of 5, at 10.0 s
        assert len(listing.inits) == 2
        for name in [*listing.inits, *listing.segments]:
            assert await scene.get(name)
        await playing

    monkeypatch.setattr(SegmentMuxer, "mux", failing)
    act(script)


def test_a_muxer_that_fails_every_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> bytes:
        raise RuntimeError("injected")

    async def script(scene: Scene) -> None:
        await scene.publish(clip().tracks)
        playing = asyncio.ensure_future(scene.play(clip(), 9))
        await scene.wait(1)
        assert await refusal_of(scene.get("media.m3u8")) is Refusal.FAILED
        assert seconds(scene) < 8
        await playing

    monkeypatch.setattr(SegmentMuxer, "mux", failing)
    act(script)
