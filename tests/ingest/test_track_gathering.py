"""Waiting for a sender's tracks: what comes first is held until the others are known, and not for ever."""

from dataclasses import replace

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS
from arcly_actors.ingest.track_gathering import TrackGathering, TracksGathered
from arcly_actors.media.frame import MediaFrame
from tests.bus.frames import AUDIO, VIDEO, audio, video

WAIT = limits.TRACKS_GATHERING


def test_sound_before_pictures_is_held_and_pictures_are_named_first() -> None:
    gathering = TrackGathering(2)
    assert gathering.add([audio(0), audio(20)], 0) == []
    key = video(30, key=True)
    assert gathering.add([key], 30 * NS_PER_MS) == [TracksGathered((VIDEO, AUDIO)), audio(0), audio(20), key]
    assert gathering.add([audio(40)], 40 * NS_PER_MS) == [audio(40)]


def test_a_single_source_does_not_wait() -> None:
    assert TrackGathering(1).add([video(0, key=True)], 0) == [TracksGathered((VIDEO,)), video(0, key=True)]
    assert TrackGathering(1).add([audio(0)], 0) == [TracksGathered((AUDIO,)), audio(0)]


def test_a_source_that_does_not_come_is_not_waited_for() -> None:
    gathering = TrackGathering(2)
    assert gathering.wake(10 * WAIT) == [], "nothing has come yet"
    assert gathering.add([audio(0)], WAIT) == []
    assert gathering.wake(2 * WAIT - 1) == []
    assert gathering.wake(2 * WAIT) == [TracksGathered((AUDIO,)), audio(0)]


def test_one_that_comes_after_all_is_told() -> None:
    gathering = TrackGathering(2)
    gathering.add([video(0, key=True)], 0)
    gathering.wake(WAIT)
    late = gathering.add([audio(600)], WAIT + 1)
    assert late == [TracksGathered((VIDEO, AUDIO)), audio(600)]
    assert gathering.add([video(640), audio(620)], WAIT + 2) == [video(640), audio(620)]


def test_a_new_configuration_is_told_before_its_frame() -> None:
    gathering = TrackGathering(1)
    gathering.add([video(0, key=True)], 0)
    larger = replace(VIDEO, version=1, width=640)
    frame = video(40, key=True, track=larger)
    assert gathering.add([frame], 1) == [TracksGathered((larger,)), frame]
    equal = video(80, track=replace(larger))
    assert gathering.add([equal], 2) == [equal]


def test_what_is_held_is_bounded() -> None:
    gathering = TrackGathering(2)
    out: list[TracksGathered | MediaFrame] = []
    for index in range(limits.RTP_LANE):
        out += gathering.add([audio(index)], 0)
    assert len(out) == limits.RTP_LANE + 1
