"""The timeline: whatever publishers' clocks do, viewers see one clock that goes forward."""

from dataclasses import replace
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from arcly_actors.bus.timeline import SEAM_NS, STEP_NS, Timeline
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.frame import MediaFrame
from tests.bus.frames import audio, video

FRAME_MS = 40


def ms(frame: MediaFrame) -> float:
    return frame.dts / NS_PER_MS


def together(timeline: Timeline, start_ms: float, count: int, *, audio_at: float | None = None) -> list[MediaFrame]:
    """Sound and picture of the same times, interleaved; the sound's clock may have another base."""
    sound = start_ms if audio_at is None else audio_at
    placed: list[MediaFrame] = []
    for number in range(count):
        placed.append(timeline.place(video(start_ms + number * FRAME_MS)))
        placed.append(timeline.place(audio(sound + number * FRAME_MS)))
    return placed


def skew_ms(placed: list[MediaFrame]) -> float:
    """The largest distance of a picture from the sound that was made with it."""
    return max(abs(ms(a) - ms(b)) for a, b in zip(placed[::2], placed[1::2], strict=True))


def check_rising(placed: list[MediaFrame]) -> None:
    """DTS rises in each track, PTS is never before DTS."""
    for track in {frame.track.id for frame in placed}:
        dts = [frame.dts for frame in placed if frame.track.id == track]
        assert all(later >= earlier + STEP_NS for earlier, later in pairwise(dts))
    assert all(frame.pts >= frame.dts >= 0 for frame in placed)


def test_the_first_publisher_starts_at_zero_and_keeps_its_distances() -> None:
    placed = together(Timeline(), 5_000_000, 50)
    assert [ms(frame) for frame in placed[::2]] == [number * FRAME_MS for number in range(50)]
    assert skew_ms(placed) == 0
    assert not any(frame.discontinuity for frame in placed)


def test_the_payload_is_not_copied_and_the_composition_kept() -> None:
    frame = replace(video(100), pts=180 * NS_PER_MS)
    placed = Timeline().place(frame)
    assert placed.payload is frame.payload
    assert placed.pts - placed.dts == 80 * NS_PER_MS


@pytest.mark.parametrize("second", [0, 10**9, 40 * 50])
def test_another_publisher_goes_on_where_the_first_one_left(second: int) -> None:
    timeline = Timeline()
    first = together(timeline, 1000, 50)
    newest = timeline.newest
    timeline.begin()
    after = together(timeline, second, 50)
    check_rising(first + after)
    assert newest is not None
    assert after[0].dts == newest + SEAM_NS
    assert skew_ms(after) == 0
    assert [frame.discontinuity for frame in after] == [True, True] + [False] * 98


@pytest.mark.parametrize("late_ms", [80, 400, 10**7])
def test_another_publisher_is_shown_after_what_the_first_one_had_still_to_be(late_ms: int) -> None:
    """Its pictures are out of order, the new one's are not. Seed 21 of a simulation."""
    timeline = Timeline()
    frames = [video(number * FRAME_MS) for number in range(5)]
    last = [timeline.place(replace(each, pts=each.dts + late_ms * NS_PER_MS)) for each in frames][-1]
    timeline.begin()
    first = timeline.place(video(7_000))
    assert first.discontinuity
    assert first.pts > min(last.pts, last.dts + NS_PER_S), "nobody waits longer than that for what may be nonsense"
    assert first.dts <= last.dts + NS_PER_S + SEAM_NS


def test_a_track_that_only_the_second_publisher_has_is_marked_too() -> None:
    timeline = Timeline()
    timeline.place(video(0))
    timeline.begin()
    assert timeline.place(audio(7)).discontinuity
    assert not timeline.place(audio(50)).discontinuity
    assert timeline.place(video(7)).discontinuity


def test_the_second_publisher_may_begin_with_sound_that_is_ahead() -> None:
    timeline = Timeline()
    first = together(timeline, 0, 50)
    timeline.begin()
    sound = [timeline.place(audio(200 + 20 * number)) for number in range(5)]
    pictures = [timeline.place(video(FRAME_MS * number)) for number in range(10)]
    check_rising(first + sound + pictures)
    assert ms(pictures[-1]) - ms(sound[-1]) == 360 - 280


@pytest.mark.parametrize("jump_ms", [60_000, 3_600_000, -5_000, -(2**31)])
def test_a_clock_that_is_set_is_followed_by_both_tracks(jump_ms: int) -> None:
    timeline = Timeline()
    before = together(timeline, 0, 250)
    after = together(timeline, 10_000 + jump_ms, 250)
    check_rising(before + after)
    assert skew_ms(after) <= FRAME_MS
    assert ms(after[0]) - ms(before[-1]) <= FRAME_MS
    assert [frame.discontinuity for frame in after] == [True, True] + [False] * 498
    assert timeline.jumps == 2


@pytest.mark.parametrize("jump_ms", [60_000, -5_000])
def test_a_clock_that_is_set_on_one_track_moves_that_track_only(jump_ms: int) -> None:
    timeline = Timeline()
    before = together(timeline, 0, 250)
    after = together(timeline, 10_000 + jump_ms, 100, audio_at=10_000)
    check_rising(before + after)
    assert skew_ms(after) <= 2 * FRAME_MS
    assert [frame.discontinuity for frame in after[1::2]] == [False] * 100


def test_the_other_track_may_follow_a_jump_later() -> None:
    timeline = Timeline()
    before = together(timeline, 0, 250)
    pictures = [timeline.place(video(60_000 + FRAME_MS * number)) for number in range(20)]
    sound = [timeline.place(audio(60_000 + FRAME_MS * number)) for number in range(20)]
    check_rising(before + pictures + sound)
    assert [ms(frame) for frame in sound] == [ms(frame) for frame in pictures]


@pytest.mark.parametrize("base_ms", [3_600_000, -3_600_000, 2**32])
@pytest.mark.parametrize("publisher", [1, 2])
def test_tracks_whose_clocks_have_nothing_in_common_are_put_side_by_side(base_ms: int, publisher: int) -> None:
    timeline = Timeline()
    before = together(timeline, 0, 100) if publisher == 2 else []
    timeline.begin()
    after = together(timeline, 10_000_000, 100, audio_at=10_000_000 + base_ms)
    check_rising(before + after)
    assert skew_ms(after) <= 2 * FRAME_MS
    assert ms(after[-1]) - ms(after[0]) <= 102 * FRAME_MS


def test_silence_of_one_track_is_no_jump() -> None:
    timeline = Timeline()
    timeline.place(audio(0))
    for number in range(1000):
        timeline.place(video(number * FRAME_MS))
    back = timeline.place(audio(40_000))
    assert ms(back) == 40_000
    assert not back.discontinuity


def test_a_track_that_comes_late_has_the_clock_of_the_others() -> None:
    timeline = Timeline()
    for number in range(1000):
        timeline.place(video(500 + number * FRAME_MS))
    assert ms(timeline.place(audio(500 + 40_000))) == 40_000


def test_reordered_dts_is_repaired_and_counted() -> None:
    timeline = Timeline()
    placed = [timeline.place(video(at)) for at in (0, 40, 120, 80, 160, 160, 200)]
    check_rising(placed)
    assert [ms(frame) for frame in placed] == [0, 40, 120, 121, 160, 161, 200]
    assert timeline.repaired == 2
    assert timeline.jumps == 0


STAMPS = st.one_of(st.integers(0, 5000), st.integers(-(2**33), 2**33))
STEPS = st.lists(st.tuples(st.sampled_from(("video", "audio", "begin")), STAMPS), max_size=60)


@given(STEPS)
@settings(max_examples=120)
def test_dts_always_rises_in_every_track(steps: list[tuple[str, int]]) -> None:
    timeline = Timeline()
    placed: list[MediaFrame] = []
    for step, stamp in steps:
        if step == "begin":
            timeline.begin()
        else:
            placed.append(timeline.place(video(stamp) if step == "video" else audio(stamp)))
    check_rising(placed)
    span = max((frame.dts for frame in placed), default=0)
    assert span <= len(placed) * (10 * NS_PER_S + SEAM_NS)  # no clock of a publisher's throws the stream far ahead
