"""Where segments begin and end."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.egress.hls_policy import Container
from arcly_actors.egress.hls_segmenter import Segment, Segmenter, SegmentRule
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track

VIDEO = Track(0, CodecId.H264, b"one", width=16, height=16, frame_rate=25.0)
AUDIO = Track(1, CodecId.AAC, b"\x11\x90", sample_rate=48000, channels=2)
TRACKS = (VIDEO, AUDIO)
RULE = SegmentRule(2 * NS_PER_S, 10 * NS_PER_S, 1 << 20, Container.FMP4.codecs)


def picture(ms: int, *, key: bool = False, track: Track = VIDEO, seam: bool = False, size: int = 100) -> MediaFrame:
    ns = ms * NS_PER_MS
    return MediaFrame(track, ns, ns, bytes(size), keyframe=key, discontinuity=seam, arrival=ns)


def sound(ms: int, *, track: Track = AUDIO, seam: bool = False) -> MediaFrame:
    ns = ms * NS_PER_MS
    return MediaFrame(track, ns, ns, b"sound", keyframe=True, discontinuity=seam, arrival=ns)


def pictures(end: int, *, start: int = 0, gop: int = 1000, track: Track = VIDEO) -> list[MediaFrame]:
    return [picture(ms, key=(ms - start) % gop == 0, track=track) for ms in range(start, end, 40)]


def push(segmenter: Segmenter, frames: Iterable[MediaFrame], tracks: Sequence[Track] = TRACKS) -> list[Segment]:
    return [segment for frame in frames if (segment := segmenter.push(frame, tracks)) is not None]


def test_a_segment_ends_at_the_first_keyframe_at_or_after_the_target() -> None:
    segments = push(Segmenter(RULE), pictures(8001, gop=1480))
    assert [segment.duration_ns // NS_PER_MS for segment in segments] == [2960, 2960]
    assert [segment.number for segment in segments] == [0, 1]
    assert all(segment.frames[0].keyframe for segment in segments)
    assert [segment.epoch for segment in segments] == [0, 0]
    assert not any(segment.discontinuity for segment in segments)


def test_a_gop_that_milliseconds_rounded_down_still_fills_the_target() -> None:
    frames = [picture(ms, key=True) for ms in (0, 1999, 3999, 5998)]
    assert [segment.duration_ns // NS_PER_MS for segment in push(Segmenter(RULE), frames)] == [1999, 2000, 1999]


def test_a_gop_longer_than_the_target_is_the_segment() -> None:
    segments = push(Segmenter(RULE), pictures(12_001, gop=6000))
    assert [segment.duration_ns // NS_PER_S for segment in segments] == [6, 6]


def test_a_gop_past_the_bound_is_cut_off_and_the_rest_of_it_is_counted() -> None:
    segmenter = Segmenter(RULE)
    first, second = push(segmenter, pictures(30_000, gop=13_000))
    assert first.duration_ns <= RULE.longest_ns + 40 * NS_PER_MS
    assert segmenter.dropped == {"segment outgrew its bound": 2, "before a keyframe": 146}
    assert second.frames[0].keyframe
    assert (second.epoch, second.discontinuity) == (1, True)


def test_a_segment_too_large_in_bytes_is_cut_off() -> None:
    segmenter = Segmenter(RULE)
    (segment,) = push(segmenter, [picture(ms, key=ms == 0, size=400_000) for ms in range(0, 200, 40)])
    assert len(segment.frames) == 2
    assert segmenter.dropped.total() == 3


def test_nothing_before_the_first_keyframe_is_kept() -> None:
    segmenter = Segmenter(RULE)
    (segment,) = push(segmenter, [sound(0), picture(10), picture(40, key=True), sound(50), picture(2040, key=True)])
    assert [frame.dts // NS_PER_MS for frame in segment.frames] == [40, 50]
    assert segmenter.dropped == {"before a keyframe": 2}


def test_sound_alone_is_cut_by_duration() -> None:
    frames = [sound(ms) for ms in range(0, 6000, 20)]
    segments = push(Segmenter(RULE), frames, (AUDIO,))
    assert {segment.duration_ns // NS_PER_MS for segment in segments} == {1900}


def test_a_resumed_publisher_begins_an_epoch_at_its_first_keyframe() -> None:
    segmenter = Segmenter(RULE)
    assert push(segmenter, pictures(1000)) == []
    (before,) = push(segmenter, [sound(980), sound(1020, seam=True)])
    assert (before.epoch, before.duration_ns) == (0, 1000 * NS_PER_MS)
    (after,) = push(segmenter, [picture(1030, seam=True), *pictures(4000, start=1070)])
    assert (after.number, after.epoch, after.discontinuity) == (1, 1, True)
    assert after.start_ns == 1070 * NS_PER_MS


def test_the_seam_of_a_second_track_does_not_cut_again() -> None:
    segmenter = Segmenter(RULE)
    push(segmenter, [*pictures(1000), sound(1000)])
    closed = push(segmenter, [picture(1100, key=True, seam=True), sound(1110, seam=True), picture(3200, key=True)])
    assert [(segment.epoch, segment.discontinuity) for segment in closed] == [(0, False), (1, True)]
    assert len(closed[1].frames) == 2


def test_a_changed_configuration_begins_an_epoch() -> None:
    changed = replace(VIDEO, configuration=b"two", version=1)
    segmenter = Segmenter(RULE)
    push(segmenter, pictures(400))
    (before,) = push(segmenter, pictures(2361, start=400, track=changed), (changed, AUDIO))
    assert before.tracks == TRACKS
    (after,) = push(segmenter, [picture(2440, key=True, track=changed)], (changed, AUDIO))
    assert (after.tracks, after.epoch, after.discontinuity) == ((changed, AUDIO), 1, True)


def test_sound_that_changes_waits_for_the_next_picture_to_start_from() -> None:
    changed = replace(AUDIO, configuration=b"\x12\x10", sample_rate=44100, version=1)
    segmenter = Segmenter(RULE)
    (before,) = push(segmenter, [*pictures(400), sound(390), sound(410, track=changed)])
    (after,) = push(
        segmenter, [picture(480), picture(1000, key=True), sound(1010, track=changed), picture(3000, key=True)]
    )
    assert before.tracks == TRACKS
    assert after.tracks == (VIDEO, changed)
    assert after.discontinuity


def test_the_same_configuration_in_another_track_object_changes_nothing() -> None:
    again = replace(VIDEO, version=3, metadata={"title": "x"})
    segments = push(Segmenter(RULE), [*pictures(400), *pictures(4001, start=400, gop=1600, track=again)])
    assert [segment.epoch for segment in segments] == [0]


def test_a_track_that_comes_later_begins_an_epoch_at_the_next_keyframe() -> None:
    segmenter = Segmenter(RULE)
    assert push(segmenter, pictures(480), (VIDEO,)) == []
    first, second = push(segmenter, [sound(490), *pictures(3001, start=500)])
    assert (first.tracks, second.tracks) == ((VIDEO,), TRACKS)
    assert second.discontinuity
    assert segmenter.dropped == {"before a keyframe": 1}


def test_a_changed_track_that_was_announced_before_does_not_enter_the_old_epoch() -> None:
    changed = replace(VIDEO, configuration=b"two", version=1)
    segmenter = Segmenter(RULE)
    (before,) = push(segmenter, pictures(400)) or push(segmenter, [picture(400, track=changed)], (changed, AUDIO))
    assert {frame.track for frame in before.frames} == {VIDEO}
    assert segmenter.dropped == {"before a keyframe": 1}


def test_codecs_that_the_container_lacks_are_left_out_and_counted() -> None:
    speech = Track(1, CodecId.PCMA, sample_rate=8000, channels=1)
    segmenter = Segmenter(RULE)
    (segment,) = push(segmenter, [*pictures(2001), sound(10, track=speech)], (VIDEO, speech))
    assert segment.tracks == (VIDEO,)
    assert segmenter.dropped == {"not carried": 1}


def test_renewing_marks_the_open_segment() -> None:
    segmenter = Segmenter(RULE)
    push(segmenter, pictures(2401))
    segmenter.renew()
    (segment,) = push(segmenter, [picture(4000, key=True)])
    assert (segment.epoch, segment.number, segment.discontinuity) == (1, 1, True)


def test_the_wall_clock_follows_the_timeline_not_the_jitter() -> None:
    segmenter = Segmenter(RULE, wall_offset_ns=1000 * NS_PER_S)
    frames = [
        replace(picture(ms, key=True), arrival=(ms + late) * NS_PER_MS)
        for ms, late in ((0, 5), (2000, 300), (4000, 0), (6000, 5000), (8000, 5000))
    ]
    walls = [segment.wall_ns // NS_PER_MS - 1_000_000 for segment in push(segmenter, frames)]
    assert walls == [5, 2005, 4005, 11_000]


def test_capture_time_goes_before_arrival() -> None:
    frames = [replace(picture(ms, key=True), captured=7 * NS_PER_S) for ms in (0, 2000)]
    (segment,) = push(Segmenter(RULE), frames)
    assert segment.wall_ns == 7 * NS_PER_S


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(1, 900), st.booleans(), st.integers(0, 20)), min_size=1, max_size=80
    )
)
@settings(max_examples=80)
def test_every_frame_is_in_one_segment_or_counted(steps: list[tuple[int, int, bool, int]]) -> None:
    segmenter = Segmenter(RULE)
    frames, now = [], 0
    for track, step, key, seam in steps:
        now += step
        frames.append(sound(now, seam=seam == 0) if track else picture(now, key=key, seam=seam == 0))
    segments = push(segmenter, frames)
    if (last := segmenter.seam()) is not None:
        segments.append(last)
    assert sum(len(segment.frames) for segment in segments) + segmenter.dropped.total() == len(frames)
    assert [segment.number for segment in segments] == list(range(len(segments)))
    for segment in segments:
        assert segment.frames[0].keyframe
        assert segment.frames[0].track is VIDEO
        assert segment.duration_ns > 0
        assert segment.discontinuity == (segment.epoch == segment.number != 0)
