"""Decoding times from presentation times."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.media import avc, hevc
from arcly_actors.media.codec import CodecId
from arcly_actors.media.reorder import DecodingTimes
from tests.support.streams import clip

MS = 1_000_000


def placed(depth: int, shown: list[int]) -> list[int]:
    times = DecodingTimes(depth)
    return [times.place(pts * MS) // MS for pts in shown]


def test_without_reordering_pictures_are_decoded_when_they_are_shown() -> None:
    assert placed(0, [0, 40, 80, 120]) == [0, 40, 80, 120]


def test_pictures_that_are_decoded_before_others() -> None:
    assert placed(1, [0, 120, 40, 80, 240, 160, 200]) == [-10, 0, 40, 80, 120, 160, 200]
    assert placed(2, [0, 160, 80, 40, 120, 320, 240]) == [-20, -10, 0, 40, 80, 120, 160]


def test_a_depth_that_is_not_told_is_learnt() -> None:
    shown = [0, 120, 40, 80, 240, 160, 200, 360, 280, 320]
    learnt = placed(0, shown)
    assert learnt[6:] == placed(1, shown)[6:]
    assert all(later > earlier for earlier, later in itertools.pairwise(learnt)) or len(set(learnt)) > 6


def test_a_clock_that_starts_over_teaches_nothing() -> None:
    times = DecodingTimes()
    for pts in (*range(0, 4000, 40), *range(0, 4000, 40)):
        assert times.place(pts * MS) == pts * MS
    assert times.depth == 0


@pytest.mark.parametrize("jump", [1500, 7000, 11_000, 3_600_000])
def test_a_clock_that_is_set_forward_is_not_waited_for(jump: int) -> None:
    """A picture is not an hour later to be shown than to be decoded. Seeds 4 and 18 of a simulation.

    Nor 2 s: when the clock was set back by as much soon after, viewers were shown what was over.
    """
    shown = [*range(0, 400, 40), *range(jump, jump + 400, 40)]
    found = placed(2, shown)
    assert all(0 <= pts - dts <= 80 for pts, dts in zip(shown, found, strict=True))
    assert all(later > earlier for earlier, later in itertools.pairwise(found))


@pytest.mark.parametrize("codec", [CodecId.H264, CodecId.H265])
@pytest.mark.parametrize("count", [0, 2])
def test_real_encoders_say_how_deep_they_reorder(codec: CodecId, count: int) -> None:
    made = clip(codec, None, b_frames=count)
    configuration = made.tracks[0].configuration
    reader = avc.read_configuration if codec is CodecId.H264 else hevc.read_configuration
    described = reader(configuration).described()
    assert described is not None
    assert described.reorder_depth is not None
    assert (described.reorder_depth > 0) == (count > 0)
    times = DecodingTimes(described.reorder_depth)
    found = [(times.place(frame.pts), frame.pts) for frame in made.frames]
    assert all(dts <= pts for dts, pts in found)
    assert all(later > earlier for (earlier, _), (later, _) in itertools.pairwise(found))


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=200), st.integers(0, 100))
@settings(max_examples=100)
def test_anything_rises(shown: list[int], depth: int) -> None:
    times = DecodingTimes(depth)
    found = [times.place(pts) for pts in shown]
    assert times.depth <= limits.RTSP_REORDER
    assert all(later > earlier for earlier, later in itertools.pairwise(found))
