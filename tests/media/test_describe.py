"""Every sample, described by us, is what FFmpeg says it is."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import PeerViolation
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.describe import codec_string, describe, evolve, is_keyframe, learn
from arcly_actors.media.frame import Track
from tests.media.samples import CONTAINERS, Reference, references

STREAMS = [(name, index) for name in CONTAINERS for index in range(len(references(name)))]
_TELLS_NOTHING = {CodecId.PCMA, CodecId.PCMU}


def bare(reference: Reference) -> Track:
    return Track(1, reference.codec, reference.configuration)


@pytest.mark.parametrize(("name", "index"), STREAMS)
def test_configuration_and_first_frame_tell_what_ffmpeg_tells(name: str, index: int) -> None:
    reference = references(name)[index]
    track = learn(describe(bare(reference)), reference.packets[0].payload)
    if reference.codec in _TELLS_NOTHING:
        assert track == bare(reference)
        return
    assert (track.width, track.height) == (reference.width, reference.height)
    assert (track.sample_rate, track.channels) == (reference.sample_rate, reference.channels)
    if track.frame_rate:
        assert track.frame_rate == pytest.approx(reference.frame_rate)


@pytest.mark.parametrize(("name", "index"), STREAMS)
def test_keyframes_are_ffmpegs(name: str, index: int) -> None:
    reference = references(name)[index]
    assert [is_keyframe(reference.codec, packet.payload) for packet in reference.packets] == [
        packet.keyframe for packet in reference.packets
    ]


@pytest.mark.parametrize("name", ["h264_aac.flv", "h264_baseline_mono.mp4", "h264_high422_interlaced.mp4"])
def test_the_h264_samples_tell_their_frame_rate(name: str) -> None:
    reference = references(name)[0]
    assert describe(bare(reference)).frame_rate == pytest.approx(reference.frame_rate)


@pytest.mark.parametrize(
    ("name", "strings"),
    [
        ("h264_aac.flv", ["avc1.64000d", "mp4a.40.2"]),
        ("h264_baseline_mono.mp4", ["avc1.42c00b", "mp4a.40.2"]),
        ("h264_high422_interlaced.mp4", ["avc1.7a0015", "ec-3"]),
        ("hevc_opus.flv", ["hvc1.1.6.L30.90", "opus"]),
        ("hevc_main10.mp4", ["hvc1.2.4.L30.90", "mp4a.40.2"]),
        ("av1_flac.flv", ["av01.0.00M.08", "fLaC"]),
        ("av1_ac3.mp4", ["av01.0.00M.10", "ac-3"]),
        ("vp9_ac3.flv", ["vp09.00.10.08", "ac-3"]),
        ("vp9_444_flac.mp4", ["vp09.01.10.08", "fLaC"]),
        ("vp8_opus.webm", ["vp08.00.10.08", "opus"]),
        ("mp3.flv", ["mp4a.40.34"]),
    ],
)
def test_codec_strings(name: str, strings: list[str]) -> None:
    tracks = [learn(describe(bare(reference)), reference.packets[0].payload) for reference in references(name)]
    assert [codec_string(track) for track in tracks] == strings


def test_a_changed_configuration_is_a_new_version_and_the_same_one_is_not() -> None:
    first = references("h264_aac.flv")[0].configuration
    second = references("h264_baseline_mono.mp4")[0].configuration
    track = evolve(Track(1, CodecId.H264), first)
    assert (track.version, track.width, track.height) == (0, 318, 178)
    assert evolve(track, first) is track
    changed = evolve(track, second)
    assert (changed.version, changed.width, changed.height) == (1, 158, 90)
    assert changed.configuration == second


def test_learning_twice_gives_the_same_object() -> None:
    for name, index in STREAMS:
        reference = references(name)[index]
        track = learn(describe(bare(reference)), reference.packets[0].payload)
        assert learn(track, reference.packets[0].payload) is track


def test_a_codec_without_a_name_has_an_empty_codec_string() -> None:
    assert codec_string(Track(1, CodecId.PCMA)) == ""
    assert codec_string(Track(1, CodecId.KLV)) == ""


@settings(max_examples=120)
@given(codec=st.sampled_from(CodecId), data=st.binary(max_size=200))
def test_random_bytes_end_in_a_value_or_a_violation(codec: CodecId, data: bytes) -> None:
    check_survives(Track(1, codec, data), data)


@settings(max_examples=120)
@given(
    which=st.sampled_from(STREAMS),
    cut=st.integers(0, 400),
    flips=st.lists(st.tuples(st.integers(0, 120), st.integers(1, 255)), max_size=6),
)
def test_damaged_samples_end_in_a_value_or_a_violation(
    which: tuple[str, int], cut: int, flips: list[tuple[int, int]]
) -> None:
    reference = references(which[0])[which[1]]
    track = Track(1, reference.codec, damaged(reference.configuration, cut, flips))
    check_survives(track, damaged(reference.packets[0].payload, cut, flips))


def damaged(data: bytes, cut: int, flips: list[tuple[int, int]]) -> bytes:
    out = bytearray(data[:cut])
    for position, mask in flips:
        if position < len(out):
            out[position] ^= mask
    return bytes(out)


def check_survives(track: Track, payload: bytes) -> None:
    for attempt in (
        lambda: describe(track),
        lambda: learn(track, payload),
        lambda: learn(replace(track, configuration=b""), payload),
        lambda: is_keyframe(track.codec, payload),
        lambda: codec_string(track),
    ):
        try:
            attempt()
        except PeerViolation:
            continue


def test_audio_and_data_frames_are_keyframes_whatever_they_hold() -> None:
    assert all(is_keyframe(codec, b"") for codec in CodecId if codec.kind is not Kind.VIDEO)
