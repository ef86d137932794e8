"""Who wants what: the table, and the plan."""

import pytest

from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import Track
from arcly_actors.renditions import RenditionPolicy, Sound, Wish
from arcly_actors.renditions.wishes import plan

POLICY = RenditionPolicy()
VIDEO = [Track(0, codec) for codec in CodecId if codec.kind is Kind.VIDEO]
MADE = {
    Wish.WEBRTC: dict.fromkeys((CodecId.AAC, CodecId.MP3, CodecId.AC3, CodecId.EAC3, CodecId.FLAC), CodecId.OPUS),
    Wish.FLV: {CodecId.OPUS: CodecId.AAC, CodecId.G722: CodecId.AAC},
    Wish.HLS: dict.fromkeys((CodecId.OPUS, CodecId.PCMA, CodecId.PCMU, CodecId.G722), CodecId.AAC),
    Wish.TS: dict.fromkeys((CodecId.FLAC, CodecId.PCMA, CodecId.PCMU, CodecId.G722), CodecId.AAC),
}


@pytest.mark.parametrize("wish", list(Wish))
@pytest.mark.parametrize("codec", [codec for codec in CodecId if codec.kind is Kind.AUDIO])
def test_what_each_sound_becomes(wish: Wish, codec: CodecId) -> None:
    planned = plan((VIDEO[0], Track(1, codec, channels=2)), wish, POLICY)
    expected = MADE[wish].get(codec)
    assert [track.codec for track in planned.values()] == ([expected] if expected else [])
    assert all((track.id, track.sample_rate, track.channels) == (1, 48_000, 2) for track in planned.values())


@pytest.mark.parametrize("wish", list(Wish))
def test_pictures_and_data_pass(wish: Wish) -> None:
    assert plan((*VIDEO, Track(9, CodecId.KLV)), wish, POLICY) == {}


@pytest.mark.parametrize("wish", list(Wish))
def test_an_application_may_want_no_transcoding(wish: Wish) -> None:
    tracks = (Track(1, CodecId.AAC), Track(2, CodecId.OPUS))
    for track in tracks:
        assert plan((track,), wish, RenditionPolicy(sound=Sound.PASSTHROUGH)) == {}


def test_one_sound_that_passes_is_enough_and_else_the_first_is_made() -> None:
    aac, mp3, opus = Track(1, CodecId.AAC), Track(2, CodecId.MP3), Track(3, CodecId.OPUS)
    assert plan((aac, mp3, opus), Wish.WEBRTC, POLICY) == {}
    assert list(plan((aac, mp3), Wish.WEBRTC, POLICY)) == [1]


@pytest.mark.parametrize(("channels", "made"), [(0, 2), (1, 1), (2, 2), (6, 2)])
def test_channels(channels: int, made: int) -> None:
    (track,) = plan((Track(1, CodecId.AAC, channels=channels),), Wish.WEBRTC, POLICY).values()
    assert track.channels == made


def test_a_source_that_changes_its_details_changes_nothing_in_what_is_made() -> None:
    old, new = Track(1, CodecId.AAC, b"\x11\x90", 0, channels=2), Track(1, CodecId.AAC, b"\x12\x10", 1, channels=2)
    assert plan((old,), Wish.WEBRTC, POLICY) == plan((new,), Wish.WEBRTC, POLICY)
