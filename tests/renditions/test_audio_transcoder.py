"""Sound through real decoders and encoders: what a player hears of it, and when."""

from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.errors import ConfigurationError
from arcly_actors.media import aac, opus
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.renditions.audio_transcoder import AudioTranscoder
from arcly_actors.renditions.wishes import made_from
from tests.renditions.clips import heard, offset_ms, pitch, sound

TO_OPUS = [CodecId.AAC, CodecId.MP3, CodecId.AC3, CodecId.EAC3, CodecId.FLAC, CodecId.PCMA, CodecId.G722]
FRAME = 20 * NS_PER_MS


def transcoded(frames: tuple[MediaFrame, ...], codec: CodecId) -> list[MediaFrame]:
    transcoder = AudioTranscoder(frames[0].track, made_from(frames[0].track, codec))
    made = [out for frame in frames for out in transcoder.transcode(frame)] + transcoder.finish()
    assert transcoder.damaged == 0
    return made


def source(codec: CodecId) -> tuple[MediaFrame, ...]:
    if codec in {CodecId.PCMA, CodecId.PCMU}:
        return sound(codec, rate=8_000, layout="mono")
    return (
        sound(codec, rate=16_000, layout="mono")
        if codec is CodecId.G722
        else sound(codec, rate=44_100 if codec is CodecId.AAC else 48_000)
    )


@pytest.mark.parametrize("codec", TO_OPUS)
def test_opus_sounds_like_its_source_and_at_the_same_time(codec: CodecId) -> None:
    frames = source(codec)
    made = transcoded(frames, CodecId.OPUS)
    before, after = heard(frames), heard(made)
    assert abs(offset_ms(before, after)) <= 5
    assert pitch(after) == pytest.approx(440, abs=2)
    assert np.std(after) == pytest.approx(np.std(before), rel=0.1)
    assert {later.pts - earlier.pts for earlier, later in pairwise(made)} <= set(range(FRAME - 300_000, FRAME + 300_000))
    assert all(opus.packet_duration(frame.payload) == FRAME for frame in made)


@pytest.mark.parametrize("codec", [CodecId.OPUS, CodecId.PCMU, CodecId.G722])
def test_aac_sounds_like_its_source_and_at_the_same_time(codec: CodecId) -> None:
    frames = source(codec)
    made = transcoded(frames, CodecId.AAC)
    before, after = heard(frames), heard(made)
    assert abs(offset_ms(before, after)) <= 5
    assert pitch(after) == pytest.approx(440, abs=2)
    assert np.std(after) == pytest.approx(np.std(before), rel=0.1)
    configuration = aac.read_configuration(made[0].track.configuration)
    assert (configuration.object_type, configuration.sample_rate) == (2, 48_000)


def moved(frame: MediaFrame, by: int, *, discontinuity: bool = False) -> MediaFrame:
    return frame.at(pts=frame.pts + by, dts=frame.dts + by, discontinuity=discontinuity)


def test_what_is_made_is_what_was_said_up_front() -> None:
    frames = source(CodecId.AAC)
    target = made_from(frames[0].track, CodecId.OPUS)
    head = opus.read_head(target.configuration)
    assert (head.channels, head.pre_skip, target.sample_rate, target.channels) == (2, 120, 48_000, 2)
    assert {frame.track for frame in transcoded(frames, CodecId.OPUS)} == {target}
    assert all(frame.keyframe for frame in transcoded(frames, CodecId.OPUS))


def test_five_channels_are_mixed_down_and_one_stays_one() -> None:
    surround = transcoded(sound(CodecId.AC3, layout="5.1"), CodecId.OPUS)
    assert surround[0].track.channels == 2
    assert pitch(heard(surround)) == pytest.approx(440, abs=2)
    mono = transcoded(sound(CodecId.AAC, layout="mono"), CodecId.OPUS)
    assert mono[0].track.channels == 1
    assert pitch(heard(mono)) == pytest.approx(440, abs=2)


def test_a_clock_of_milliseconds_makes_no_gaps() -> None:
    frames = [frame.at(pts=(at := frame.pts // NS_PER_MS * NS_PER_MS), dts=at) for frame in source(CodecId.AAC)]
    made = transcoded(tuple(frames), CodecId.OPUS)
    steps = [later.pts - earlier.pts for earlier, later in pairwise(made)]
    assert max(abs(step - FRAME) for step in steps) <= 100_000
    assert abs(offset_ms(heard(source(CodecId.AAC)), heard(made))) <= 5


def test_a_clock_that_drifts_is_followed() -> None:
    frames = [frame.at(pts=frame.pts * 1001 // 1000, dts=frame.pts * 1001 // 1000) for frame in sound(CodecId.AAC, 20.0)]
    made = transcoded(tuple(frames), CodecId.OPUS)
    assert frames[-1].pts - made[-1].pts <= 45 * NS_PER_MS
    steps = [later.pts - earlier.pts for earlier, later in pairwise(made)]
    assert FRAME - NS_PER_MS < min(steps) <= max(steps) < FRAME + NS_PER_MS


def test_a_gap_in_the_source_is_a_gap_of_that_length() -> None:
    frames = source(CodecId.AAC)
    with_gap = (*frames[:50], *(moved(frame, NS_PER_S) for frame in frames[50:]))
    made = transcoded(with_gap, CodecId.OPUS)
    steps = [later.pts - earlier.pts for earlier, later in pairwise(made)]
    assert sum(step > 500 * NS_PER_MS for step in steps) == 1
    assert abs(offset_ms(heard(with_gap), heard(made))) <= 5
    assert min(steps) > 0


def test_a_discontinuity_is_passed_on_once() -> None:
    frames = source(CodecId.AAC)
    seam = (*frames[:50], *(moved(f, NS_PER_S, discontinuity=n == 0) for n, f in enumerate(frames[50:])))
    made = transcoded(seam, CodecId.OPUS)
    (at,) = (number for number, frame in enumerate(made) if frame.discontinuity)
    assert made[at].pts - made[at - 1].pts > 500 * NS_PER_MS
    assert abs(made[at].pts - seam[50].pts) <= 25 * NS_PER_MS


def test_packets_that_do_not_decode_are_counted_and_passed_over() -> None:
    frames = source(CodecId.AAC)
    broken = [
        replace(frame, payload=b"\xff" * 40) if number in {30, 31} else frame for number, frame in enumerate(frames)
    ]
    transcoder = AudioTranscoder(frames[0].track, made_from(frames[0].track, CodecId.OPUS))
    made = [out for frame in broken for out in transcoder.transcode(frame)]
    assert transcoder.damaged == 2
    assert len(made) >= len(transcoded(frames, CodecId.OPUS)) - 6
    assert all(later.pts > earlier.pts for earlier, later in pairwise(made))


def test_rubbish_without_end_is_an_error() -> None:
    frame = replace(source(CodecId.AAC)[0], payload=b"\xff" * 40)
    transcoder = AudioTranscoder(frame.track, made_from(frame.track, CodecId.OPUS))
    made = [transcoder.transcode(moved(frame, number * FRAME)) for number in range(limits.TRANSCODE_DAMAGED - 1)]
    assert made == [[]] * (limits.TRANSCODE_DAMAGED - 1)
    with pytest.raises(av.FFmpegError):
        transcoder.transcode(frame)


def test_what_cannot_be_decoded_here_is_said() -> None:
    with pytest.raises(ConfigurationError, match="klv"):
        AudioTranscoder(Track(1, CodecId.KLV), made_from(Track(1, CodecId.AAC), CodecId.OPUS))


def test_sound_whose_shape_changes_goes_on() -> None:
    low, high = sound(CodecId.MP3, rate=32_000), sound(CodecId.MP3, rate=48_000)
    later = [replace(moved(frame, 3 * NS_PER_S), track=low[0].track) for frame in high]
    made = transcoded((*low, *later), CodecId.OPUS)
    assert len(made) > 280
    assert pitch(heard(made)) == pytest.approx(440, abs=2)


def test_times_of_capture_and_arrival_are_kept() -> None:
    frames = [replace(f, captured=10**18 + f.pts, arrival=7 + f.pts) for f in source(CodecId.AAC)]
    made = transcoded(tuple(frames), CodecId.OPUS)
    assert all(frame.captured == 10**18 + frame.pts for frame in made)
    assert all(-25 * NS_PER_MS <= frame.arrival - frame.pts <= 60 * NS_PER_MS for frame in made)


def test_opus_and_g711_need_no_configuration() -> None:
    opus_frames = [replace(f, track=Track(1, CodecId.OPUS)) for f in sound(CodecId.OPUS)]
    made = transcoded(tuple(opus_frames), CodecId.AAC)
    assert made[0].track.channels == 2
    assert pitch(heard(made)) == pytest.approx(440, abs=2)
    plain = [replace(f, track=Track(1, CodecId.PCMA)) for f in sound(CodecId.PCMA, rate=8_000, layout="mono")]
    assert pitch(heard(transcoded(tuple(plain), CodecId.AAC))) == pytest.approx(440, abs=2)
