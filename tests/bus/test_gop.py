"""The GOP cache: where a joiner may start."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from arcly_actors.bus.gop import GopCache
from arcly_actors.bus.policy import GopBound
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.frame import MediaFrame
from tests.bus.frames import audio, pictures, video


def fill(cache: GopCache, frames: list[MediaFrame], *, with_video: bool = True) -> list[int | None]:
    """The anchor after each frame."""
    anchors = []
    for position, frame in enumerate(frames):
        cache.add(position, frame, with_video=with_video)
        anchors.append(cache.anchor)
    return anchors


def test_a_joiner_starts_at_the_newest_keyframe() -> None:
    assert fill(GopCache(GopBound()), list(pictures(7, gop=3))) == [0, 0, 0, 3, 3, 3, 6]


def test_nobody_starts_before_the_first_keyframe() -> None:
    frames = [video(0), audio(0), video(40), video(80, key=True), audio(80)]
    assert fill(GopCache(GopBound()), frames) == [None, None, None, 3, 3]


def test_sound_alone_may_be_joined_anywhere() -> None:
    assert fill(GopCache(GopBound()), [audio(0), audio(20), audio(40)], with_video=False) == [0, 1, 2]


@pytest.mark.parametrize("rate", [24_000 / 1001, 24, 25, 30, 60])
def test_the_default_holds_the_gop_of_an_encoder_left_at_its_own(rate: float) -> None:
    """250 pictures, as x264 makes it without a word on keyframes, and 47 frames of sound a second."""
    times = [(int(n * 1000 / rate), True) for n in range(251)] + [
        (n * 1024 // 48, False) for n in range(int(250 / rate * 46.8))
    ]
    frames = [
        video(at, key=at in (0, int(250_000 / rate))) if picture else audio(at)
        for at, picture in sorted(times, key=lambda each: each[0])
    ]
    cache = GopCache(GopBound())
    assert None not in fill(cache, frames)
    assert cache.outgrown == 0


@pytest.mark.parametrize(
    ("bound", "last"),
    [
        (GopBound(frames=5), 4),
        (GopBound(size=5 * len(video(0, size=100).payload) + 15), 4),
        (GopBound(duration_ns=4 * 40 * NS_PER_MS), 4),
        (GopBound(frames=1), 0),
    ],
    ids=["frames", "bytes", "duration", "one"],
)
def test_a_gop_that_outgrows_its_bound_is_dropped_whole(bound: GopBound, last: int) -> None:
    cache = GopCache(bound)
    anchors = fill(cache, list(pictures(14, gop=7, size=100)))
    gop = [0] * (last + 1) + [None] * (6 - last)
    assert anchors == gop + [anchor if anchor is None else 7 for anchor in gop]
    assert cache.outgrown == 2


def test_it_tells_once_that_a_gop_outgrew() -> None:
    cache = GopCache(GopBound(frames=2))
    told = [cache.add(n, frame, with_video=True) for n, frame in enumerate(pictures(6, gop=6))]
    assert told == [False, False, True, False, False, False]


def test_it_counts_sound_too() -> None:
    cache = GopCache(GopBound())
    frames = [video(0, key=True), audio(0), audio(20), video(40)]
    fill(cache, frames)
    assert (cache.frames, cache.size) == (4, sum(len(frame.payload) for frame in frames))


@given(st.lists(st.tuples(st.sampled_from("KPA"), st.integers(0, 400), st.integers(1, 500)), max_size=80))
@settings(max_examples=120)
def test_the_anchored_gop_is_always_whole_and_within_its_bound(script: list[tuple[str, int, int]]) -> None:
    bound = GopBound(frames=20, size=4000, duration_ns=5 * NS_PER_S)
    cache, frames, ms = GopCache(bound), list[MediaFrame](), 0
    for kind, size, step in script:
        ms += step
        frames.append(audio(ms, size=size) if kind == "A" else video(ms, key=kind == "K", size=size))
        cache.add(len(frames) - 1, frames[-1], with_video=True)
        if cache.anchor is None:
            continue
        gop = frames[cache.anchor :]
        assert gop[0].payload.startswith(b"K")
        assert not any(frame.payload.startswith(b"K") for frame in gop[1:])
        assert len(gop) <= bound.frames
        assert sum(len(frame.payload) for frame in gop) <= bound.size
        assert gop[-1].dts - gop[0].dts <= bound.duration_ns
