"""Sound through real decoders and encoders: what a player hears of it, and when."""

from itertools import pairwise

import numpy as np
import pytest

from arcly_actors.clock import NS_PER_MS
from arcly_actors.media import aac, opus
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame
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
