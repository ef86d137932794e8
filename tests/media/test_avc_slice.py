"""Slice headers and the reordering that an SPS declares, of real clips and of damaged ones."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed
from arcly_actors.media import avc, nal
from arcly_actors.media.avc_slice import Picture, read_picture
from arcly_actors.media.avc_sps import read_sps
from tests.renditions.clips import BASELINE, NONE, NORMAL, PLAIN, STRICT, Options, pictures

CLIPS = [
    (NONE, 0, {Picture.FORWARD}),
    (BASELINE, 0, {Picture.FORWARD}),
    (PLAIN, 1, {Picture.FORWARD, Picture.B_DISPOSABLE}),
    (NORMAL, 2, set(Picture)),
    (STRICT, 2, set(Picture)),
]


@pytest.mark.parametrize(("options", "depth", "kinds"), CLIPS)
def test_real_clips(options: Options, depth: int, kinds: set[Picture]) -> None:
    clip = pictures(options)
    sps = avc.read_configuration(clip[0].track.configuration).described()
    assert sps is not None
    assert (sps.reorder_depth, sps.frame_rate) == (depth, 25.0)
    found = Counter(read_picture(frame.payload) for frame in clip)
    assert set(found) == kinds
    assert found.total() == 60


def test_a_reference_decoder_in_the_sps_hides_nothing_behind_it() -> None:
    clip = pictures((*PLAIN, ("nal-hrd", "vbr"), ("maxrate", "200k"), ("bufsize", "200k")))
    sps = avc.read_configuration(clip[0].track.configuration).described()
    assert sps is not None
    assert (sps.reorder_depth, sps.frame_rate) == (1, 25.0)


def test_an_sps_that_ends_early_says_nothing_of_reordering() -> None:
    (unit,) = avc.read_configuration(pictures(PLAIN)[0].track.configuration).sps
    assert read_sps(unit).reorder_depth == 1
    assert read_sps(unit[:-3]).reorder_depth is None


def test_kinds() -> None:
    assert read_picture(nal.join([b"\x67", b"\x65\xb8"])) is Picture.FORWARD
    assert read_picture(nal.join([b"\x41\xa8"])) is Picture.B_REFERENCE  # first_mb 0, slice type 1
    assert read_picture(nal.join([b"\x01\xa8"])) is Picture.B_DISPOSABLE
    assert read_picture(nal.join([b"\x01\x9c"])) is Picture.B_DISPOSABLE  # slice type 6
    assert read_picture(nal.join([b"\x06\x05"])) is None
    assert read_picture(b"") is None


@pytest.mark.parametrize("cut", [b"\x00\x00\x00\x09\x41", b"\x00\x00\x00\x02\x41\x00"])
def test_cut_slices(cut: bytes) -> None:
    with pytest.raises(Malformed):
        read_picture(cut)


@settings(max_examples=120)
@given(st.binary(max_size=80))
def test_noise_is_malformed_or_a_picture(noise: bytes) -> None:
    try:
        found = read_picture(noise)
    except Malformed:
        found = None
    assert found is None or found in set(Picture)
