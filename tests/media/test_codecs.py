"""What the codec modules tell beyond the description of a track: records built, headers, durations, damage."""

import contextlib
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit, PeerViolation
from arcly_actors.media import aac, ac3, av1, avc, avc_sps, flac, hevc, hevc_sps, mp3, nal, opus, vp8, vp9
from arcly_actors.media.codec import CodecId
from arcly_actors.media.describe import codec_string, describe
from arcly_actors.media.frame import Track
from arcly_actors.media.timebase import MICROSECOND
from tests.media.samples import CONTAINERS, Reference, references

fuzz = settings(max_examples=120)


def video(name: str) -> Reference:
    return references(name)[0]


def of(codec: CodecId) -> list[Reference]:
    return [reference for name in CONTAINERS for reference in references(name) if reference.codec is codec]


# -- H.264 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", of(CodecId.H264), ids=lambda reference: reference.configuration[1])
def test_an_avcc_rebuilt_from_its_parameter_sets_is_the_same(reference: Reference) -> None:
    read = avc.read_configuration(reference.configuration)
    assert avc.write_configuration(read.sps, read.pps) == reference.configuration
    in_band = nal.join([*read.sps, *read.pps, *nal.split(reference.packets[0].payload)])
    assert avc.configuration_in(in_band) == reference.configuration
    assert avc.configuration_in(nal.join(read.sps)) == b""


def test_an_interlaced_sps_counts_both_fields() -> None:
    sps = avc.read_configuration(video("h264_high422_interlaced.mp4").configuration).described()
    assert sps is not None
    assert (sps.height, sps.chroma_format, sps.bit_depth, sps.frame_rate) == (90, 2, 10, 25.0)


def test_a_truncated_vui_costs_only_the_frame_rate() -> None:
    (sps,) = avc.read_configuration(video("h264_aac.flv").configuration).sps
    whole = avc_sps.read_sps(sps)
    cut = avc_sps.read_sps(sps[:-8])
    assert (cut.width, cut.height) == (whole.width, whole.height) == (318, 178)
    assert (cut.frame_rate, round(whole.frame_rate, 2)) == (0.0, 29.97)


def test_an_open_gop_starts_at_an_exact_recovery_point() -> None:
    recovery, inexact = b"\x06\x06\x01\xc4\x80", b"\x06\x06\x01\x44\x80"  # recovery_frame_cnt 0 and 1
    picture = b"\x41\x9a"
    assert avc.is_keyframe(nal.join([recovery, picture]))
    assert not avc.is_keyframe(nal.join([inexact, picture]))
    assert not avc.is_keyframe(nal.join([picture, recovery]))
    assert avc.is_keyframe(nal.join([b"\x06\x05\x02ab\x06\x01\xc4\x80", picture]))
    assert not avc.is_keyframe(nal.join([b"\x06" + b"\xff" * 300, picture]))


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x00" * 10, b"\x01\x64\x00\x1f\xfe\xe1\x00\x00\x00", b"\x01\x64\x00\x1f\xff\xe1\x00\x09a"]
)
def test_a_broken_avcc_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        avc.read_configuration(data)


@pytest.mark.parametrize(
    ("sps", "pps"), [([], [b"a"]), ([b"\x67"], []), ([b"\x67abc"] * 32, []), ([b"\x67" * 70000], [])]
)
def test_no_avcc_is_built_from_nonsense(sps: list[bytes], pps: list[bytes]) -> None:
    with pytest.raises(Malformed):
        avc.write_configuration(sps, pps)


# -- H.265 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", of(CodecId.H265), ids=lambda reference: reference.configuration[1])
def test_an_hvcc_rebuilt_from_its_parameter_sets_says_the_same(reference: Reference) -> None:
    read = hevc.read_configuration(reference.configuration)
    in_band = nal.join([*read.units, *nal.split(reference.packets[0].payload)])
    again = hevc.read_configuration(hevc.configuration_in(in_band))
    kept = tuple(unit for unit in read.units if hevc.kind(unit) in {hevc.VPS, hevc.SPS, hevc.PPS})
    assert (again.general, again.length_size, again.units) == (read.general, read.length_size, kept)
    # The fixed part up to the arrays, byte for byte as FFmpeg writes it.
    assert hevc.configuration_in(in_band)[:22] == reference.configuration[:22]
    assert hevc.configuration_in(reference.packets[1].payload) == b""


def test_the_names_of_h265_profiles() -> None:
    assert hevc.codec_string(bytes.fromhex("01600000009000000000005d")) == "hvc1.1.6.L93.90"
    assert hevc.codec_string(bytes.fromhex("2220000000b000000000 0099")) == "hvc1.2.4.H153.B0"
    assert hevc.codec_string(bytes.fromhex("41600000000000000000005d")) == "hvc1.A1.6.L93"


# -- AV1, VP8, VP9 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", of(CodecId.AV1), ids=lambda reference: reference.configuration[2])
def test_an_av1c_built_from_a_keyframe_says_what_ffmpegs_says(reference: Reference) -> None:
    # The sequence header itself differs: SVT-AV1 puts another choice of coding tools into its global header.
    built = av1.configuration_in(reference.packets[0].payload)
    assert built[:4] == reference.configuration[:4]
    assert built[4:] in reference.packets[0].payload
    assert av1.read_configuration(built) == av1.read_configuration(reference.configuration)
    assert av1.write_configuration(reference.configuration[4:]) == reference.configuration
    assert av1.configuration_in(reference.packets[1].payload) == b""


def test_temporal_delimiters_are_taken_out() -> None:
    delimited = video("av1_flac.flv").packets[0].payload  # FFmpeg leaves the delimiter in its FLV
    payload = av1.without_delimiters(delimited)
    assert delimited == b"\x12\x00" + payload
    assert av1.without_delimiters(payload) is payload
    assert av1.without_delimiters(b"\x16\x08\x00" + payload) == payload
    assert av1.without_delimiters(b"") == b""


def test_obus_with_extension_and_without_size() -> None:
    found = av1.split(b"\x36\x08\x02ab" + b"\x30rest")
    assert [(obu.type, obu.payload) for obu in found] == [(6, b"ab"), (6, b"rest")]


@pytest.mark.parametrize("data", [b"\x80", b"\x0a", b"\x0a\x05abc", b"\x0a" + b"\xff" * 9, b"\x0e"])
def test_broken_obus_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        av1.split(data)


def test_more_obus_than_the_bound_are_refused() -> None:
    with pytest.raises(PeerLimit):
        av1.split(b"\x2a\x00" * (limits.OBUS + 1))


def test_a_vp9_record_from_a_keyframe() -> None:
    reference = video("vp9_444_flac.mp4")
    record = vp9.configuration_in(reference.packets[0].payload)
    assert codec_string(Track(1, CodecId.VP9, record)) == "vp09.01.10.08"
    assert record[2] == 0x86  # 8 bit, 4:4:4
    assert vp9.configuration_in(reference.packets[1].payload) == b""
    assert vp9.bare_configuration(vp9.boxed_configuration(record)) == record


def test_a_vp9_frame_that_shows_an_existing_one_is_no_keyframe() -> None:
    assert not vp9.is_keyframe(b"\x88")


def test_a_vp8_keyframe_without_start_code_is_malformed() -> None:
    payload = video("vp8_opus.webm").packets[0].payload
    assert vp8.size(payload) == (158, 90)
    with pytest.raises(Malformed):
        vp8.size(payload[:3] + b"abc" + payload[6:])
    with pytest.raises(Malformed):
        vp8.is_keyframe(b"")


# -- AAC ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "core", "out", "channels", "name"),
    [
        ("1210", 44100, 44100, 2, "mp4a.40.2"),
        ("1190", 48000, 48000, 2, "mp4a.40.2"),
        ("11b0", 48000, 48000, 6, "mp4a.40.2"),
        ("121056e500", 44100, 44100, 2, "mp4a.40.2"),  # SBR said to be absent
        ("139056e5a0", 22050, 44100, 2, "mp4a.40.5"),  # SBR in the tail
        ("2b920800", 22050, 44100, 2, "mp4a.40.5"),  # SBR first
        ("eb8a0800", 22050, 44100, 2, "mp4a.40.29"),  # PS first, mono core
        ("138856e5a54880", 22050, 44100, 2, "mp4a.40.29"),  # SBR and PS in the tail, mono core
    ],
)
def test_audio_specific_configs(data: str, core: int, out: int, channels: int, name: str) -> None:
    read = aac.read_configuration(bytes.fromhex(data))
    assert (read.core_rate, read.sample_rate, read.channels, read.codec) == (core, out, channels, name)
    track = describe(Track(1, CodecId.AAC, bytes.fromhex(data)))
    assert (track.sample_rate, track.channels, codec_string(track)) == (out, channels, name)


def test_a_layout_in_line_is_counted() -> None:
    # LC, 48 kHz, layout 0; one front pair, one front single, one back pair, one LFE: 5.1; no comment.
    bits = "0001000110000000" + "0000010011001000000001010000000000"
    bits += "0000010000100010000"
    bits += "0" * (-len(bits) % 8) + "00000000"
    data = int(bits, 2).to_bytes(len(bits) // 8)
    assert aac.read_configuration(data).channels == 6


@pytest.mark.parametrize("data", ["", "12", "1300ff", "17ff", "1250ff", "16f8"])
def test_broken_audio_specific_configs_are_malformed(data: str) -> None:
    with pytest.raises(Malformed):
        aac.read_configuration(bytes.fromhex(data))


@fuzz
@given(
    rate=st.sampled_from(aac.RATES) | st.integers(1, (1 << 24) - 1),
    channels=st.sampled_from([1, 2, 3, 4, 5, 6, 8]),
    kind=st.sampled_from([1, 2, 4]),
)
def test_audio_specific_configs_read_back(rate: int, channels: int, kind: int) -> None:
    read = aac.read_configuration(aac.write_configuration(rate, channels, kind))
    assert (read.core_rate, read.channels, read.object_type) == (rate, channels, kind)


@pytest.mark.parametrize("reference", of(CodecId.AAC), ids=lambda reference: f"{reference.sample_rate}")
def test_adts_headers_carry_size_and_configuration(reference: Reference) -> None:
    read = aac.read_configuration(reference.configuration)
    for packet in reference.packets:
        header = aac.read_adts(aac.write_adts(read, len(packet.payload)) + packet.payload)
        assert (header.frame_length, header.header_length) == (len(packet.payload) + 7, 7)
        assert (header.sample_rate, header.channels) == (reference.sample_rate, reference.channels)
        assert header.configuration == reference.configuration[:2]


@pytest.mark.parametrize("data", ["", "fff1", "00f15080043ffc", "fff35080043ffc", "fff17c80043ffc", "fff15080000000"])
def test_what_is_not_adts_is_malformed(data: str) -> None:
    with pytest.raises(Malformed):
        aac.read_adts(bytes.fromhex(data))


def test_no_adts_header_for_what_does_not_fit() -> None:
    plain = aac.read_configuration(bytes.fromhex("1210"))
    with pytest.raises(Malformed):
        aac.write_adts(plain, 8192)
    with pytest.raises(Malformed):
        aac.write_configuration(48000, 9)


# -- Opus, AC-3, MP3, FLAC ---------------------------------------------------------------------------------------------


def test_an_opus_head_reads_back() -> None:
    for head in (
        opus.OpusHead(2),
        opus.OpusHead(1, 3840, 44100, -256),
        opus.OpusHead(6, family=1, mapping=bytes((4, 2, 0, 4, 1, 2, 3, 5))),
    ):
        assert opus.read_head(opus.write_head(head)) == head
    original = references("hevc_opus.flv")[1].configuration
    assert opus.write_head(opus.read_head(original)) == original


@pytest.mark.parametrize(
    "data",
    [b"", b"OpusTags" + bytes(11), b"OpusHead\x10" + bytes(10), b"OpusHead\x01\x03" + bytes(9), b"OpusHead\x01\x02\x00"],
)
def test_a_broken_opus_head_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        opus.read_head(data)


@pytest.mark.parametrize(
    ("packet", "microseconds"),
    [
        (b"\x00", 10_000),
        (b"\x18", 60_000),
        (b"\x68", 20_000),
        (b"\x80", 2_500),
        (b"\xfc", 20_000),
        (b"\xfd", 40_000),
        (b"\xff\x06", 120_000),
    ],
)
def test_opus_durations(packet: bytes, microseconds: int) -> None:
    assert opus.packet_duration(packet) == microseconds * MICROSECOND


@pytest.mark.parametrize("packet", [b"", b"\xff", b"\xff\x07", b"\xff\x00"])
def test_broken_opus_packets_are_malformed(packet: bytes) -> None:
    with pytest.raises(Malformed):
        opus.packet_duration(packet)


def test_recorded_opus_packets_are_as_long_as_their_spacing() -> None:
    reference = references("hevc_opus.flv")[1]
    assert {opus.packet_duration(packet.payload) for packet in reference.packets} == {20_000 * MICROSECOND}


@pytest.mark.parametrize("codec", [CodecId.AC3, CodecId.EAC3])
def test_a_dolby_frame_is_as_long_as_its_packet(codec: CodecId) -> None:
    for reference in of(codec):
        for packet in reference.packets:
            frame = ac3.read_frame(packet.payload)
            assert (frame.size, frame.samples, frame.enhanced) == (len(packet.payload), 1536, codec is CodecId.EAC3)


def test_an_mp3_frame_is_as_long_as_its_packet() -> None:
    for reference in of(CodecId.MP3):
        for packet in reference.packets:
            frame = mp3.read_frame(packet.payload)
            assert (frame.size, frame.samples, frame.layer) == (len(packet.payload), 1152, 3)


@pytest.mark.parametrize(
    ("header", "layer", "rate", "size", "samples"),
    [(0xFFFB9064, 3, 44100, 417, 1152), (0xFFF3E064, 3, 22050, 522, 576), (0xFFE38864, 3, 8000, 576, 576),
     (0xFFFD8004, 2, 44100, 417, 1152), (0xFFFF9404, 1, 48000, 288, 384)],
)  # fmt: skip
def test_mpeg_audio_headers(header: int, layer: int, rate: int, size: int, samples: int) -> None:
    frame = mp3.read_frame(struct.pack(">I", header))
    assert (frame.layer, frame.sample_rate, frame.size, frame.samples) == (layer, rate, size, samples)


def test_flac_configurations_come_in_three_wrappings() -> None:
    info = references("vp9_444_flac.mp4")[1].configuration
    block = flac.native_header(info)[4:]
    assert flac.bare_configuration(info) == info
    assert flac.bare_configuration(block) == info
    assert flac.bare_configuration(flac.native_header(info)) == info
    assert flac.read_stream_info(info).bits_per_sample == 16


READERS: tuple[Callable[[bytes], object], ...] = (
    avc.read_configuration,
    avc.is_keyframe,
    avc.configuration_in,
    avc_sps.read_sps,
    hevc.read_configuration,
    hevc.is_keyframe,
    hevc.configuration_in,
    hevc_sps.read_sps,
    av1.split,
    av1.read_configuration,
    av1.write_configuration,
    av1.is_keyframe,
    av1.configuration_in,
    av1.without_delimiters,
    vp8.size,
    vp9.read_frame,
    vp9.read_configuration,
    aac.read_configuration,
    aac.read_adts,
    opus.read_head,
    opus.packet_duration,
    ac3.read_frame,
    mp3.read_frame,
    flac.read_stream_info,
)


def check_reads(reader: Callable[[bytes], object], data: bytes) -> None:
    """Any value will do; any other exception than a violation is the failure."""
    reader(data)


@fuzz
@given(data=st.binary(max_size=80))
def test_every_reader_ends_in_a_value_or_a_violation(data: bytes) -> None:
    for reader in READERS:
        for candidate in (
            data,
            b"\x67\x64" + data,
            b"\x42\x01" + data,
            b"\x81" + data,
            b"\x0b\x77" + data,
            b"\x01" + data,
        ):
            with contextlib.suppress(PeerViolation):
                check_reads(reader, candidate)
