"""FLV read as FFmpeg reads it, written so that FFmpeg reads it, and damaged."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit, PeerViolation, Refused
from arcly_actors.media import flv, flv_audio, flv_video
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.describe import describe, learn
from arcly_actors.media.flv import FlvReader, Tag, TagType
from arcly_actors.media.flv_audio import audio_configuration, audio_end, audio_frame_header, read_audio
from arcly_actors.media.flv_body import (
    CodedFrame,
    Configuration,
    EndOfSequence,
    Ignored,
    Metadata,
    TagBody,
    Unsupported,
)
from arcly_actors.media.flv_video import read_video, video_configuration, video_end, video_frame_header
from arcly_actors.media.frame import Track
from tests.media.samples import CONTAINERS, DATA, FLV, Reference, read, references, tags

ALL = sorted({*CONTAINERS} - {"vp8_opus.webm"})  # FFmpeg does not read VP8 from FLV


def bodies(found: list[Tag]) -> list[tuple[TagType, int, TagBody]]:
    readers = {TagType.VIDEO: read_video, TagType.AUDIO: read_audio}
    return [(tag.type, tag.timestamp_ms, readers[tag.type](tag.body)) for tag in found if tag.type in readers]


@pytest.mark.parametrize("name", FLV)
def test_a_sample_holds_what_ffmpeg_finds_in_it(name: str) -> None:
    read_bodies = bodies(tags(name))
    for reference in references(name):
        ours = [(time, body) for _, time, body in read_bodies if isinstance(body, CodedFrame)]
        ours = [(time, body) for time, body in ours if body.codec is reference.codec]
        assert [body.payload for _, body in ours] == payloads(reference)
        assert [body.keyframe for _, body in ours] == [packet.keyframe for packet in reference.packets]
        assert [time for time, _ in ours] == [packet.dts_ms for packet in reference.packets]
        assert [time + body.composition_ms for time, body in ours] == [packet.pts_ms for packet in reference.packets]
        configurations = [b.configuration for _, _, b in read_bodies if isinstance(b, Configuration)]
        if reference.configuration and reference.codec is not CodecId.VP9:
            assert reference.configuration in configurations


def payloads(reference: Reference) -> list[bytes]:
    """The packets by our convention: FFmpeg leaves the temporal delimiter in AV1's."""
    if reference.codec is CodecId.AV1:
        return [packet.payload.removeprefix(b"\x12\x00") for packet in reference.packets]
    return [packet.payload for packet in reference.packets]


def test_a_vp9_configuration_loses_the_version_of_its_box() -> None:
    (found,) = [b for _, _, b in bodies(tags("vp9_ac3.flv")) if isinstance(b, Configuration)]
    assert found == Configuration(CodecId.VP9, bytes.fromhex("000a820202020000"))


def written(found: list[Reference]) -> bytes:
    """A file of these streams, made with our writers."""
    kinds = {CodecId(reference.codec).kind for reference in found}
    out = [flv.file_header(video=Kind.VIDEO in kinds, audio=Kind.AUDIO in kinds)]
    timed: list[tuple[int, bytes, TagType]] = []
    for reference in found:
        track = learn(describe(Track(1, reference.codec, reference.configuration)), reference.packets[0].payload)
        video = track.kind is Kind.VIDEO
        tag_type = TagType.VIDEO if video else TagType.AUDIO
        first = video_configuration(track) if video else audio_configuration(track)
        if first:
            out += tag(tag_type, first, 0)
        for packet in reference.packets:
            if video:
                composition = packet.pts_ms - packet.dts_ms
                header = video_frame_header(track.codec, keyframe=packet.keyframe, composition_ms=composition)
            else:
                header = audio_frame_header(track)
            timed.append((packet.dts_ms + 100, header + packet.payload, tag_type))
    for time, body, tag_type in sorted(timed, key=lambda item: item[0]):
        out += tag(tag_type, body, time)
    return b"".join(out)


def tag(tag_type: TagType, body: bytes, time: int) -> tuple[bytes, bytes, bytes]:
    return flv.tag_header(tag_type, len(body), time), body, flv.tag_trailer(len(body))


@pytest.mark.parametrize("name", ALL)
def test_ffmpeg_reads_what_we_write(name: str) -> None:
    originals = list(references(name))
    again = read(BytesIO(written(originals)))
    assert [reference.codec for reference in again] == [reference.codec for reference in originals]
    for reference, original in zip(again, originals, strict=True):
        assert [p.payload for p in reference.packets] == [p.payload for p in original.packets]
        assert [p.keyframe for p in reference.packets] == [p.keyframe for p in original.packets]
        assert [p.dts_ms - 100 for p in reference.packets] == [p.dts_ms for p in original.packets]
        assert [p.pts_ms - 100 for p in reference.packets] == [p.pts_ms for p in original.packets]
        assert (reference.width, reference.height) == (original.width, original.height)
        assert (reference.sample_rate, reference.channels) == (original.sample_rate, original.channels)


@pytest.mark.parametrize("name", [*ALL, "vp8_opus.webm"])
def test_we_read_what_we_write(name: str) -> None:
    originals = list(references(name))
    found = bodies(FlvReader().feed(written(originals)))
    for original in originals:
        frames = [body for _, _, body in found if isinstance(body, CodedFrame) and body.codec is original.codec]
        assert [frame.payload for frame in frames] == payloads(original)


# -- the reader ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["h264_aac.flv", "pcm_alaw.flv"])
def test_byte_by_byte_gives_the_same_tags(name: str) -> None:
    data, reader = (DATA / name).read_bytes(), FlvReader()
    found = [tag for position in range(len(data)) for tag in reader.feed(data[position : position + 1])]
    assert found == tags(name)
    assert found


@settings(max_examples=100)
@given(cuts=st.lists(st.integers(1, 5000), max_size=12))
def test_random_cuts_give_the_same_tags(cuts: list[int]) -> None:
    data, reader, found = (DATA / "h264_aac.flv").read_bytes(), FlvReader(), []
    for cut in cuts:
        found += reader.feed(data[:cut])
        data = data[cut:]
    assert found + reader.feed(data) == tags("h264_aac.flv")


def test_a_trailing_piece_of_a_tag_waits() -> None:
    data = (DATA / "pcm_alaw.flv").read_bytes()
    reader = FlvReader()
    assert reader.feed(data + data[13:30]) == tags("pcm_alaw.flv")
    assert reader.feed(b"") == []


def test_timestamps_have_32_bits_that_wrap() -> None:
    head = flv.file_header(video=True, audio=True)
    late = b"".join(tag(TagType.AUDIO, b"a", 0xFEDCBA98)) + b"".join(tag(TagType.AUDIO, b"b", (1 << 32) + 5))
    assert [t.timestamp_ms for t in FlvReader().feed(head + late)] == [0xFEDCBA98, 5]


def test_unknown_tags_are_skipped_and_counted() -> None:
    reader = FlvReader()
    strange = b"\x0f" + flv.tag_header(TagType.AUDIO, 1, 0)[1:] + b"x" + flv.tag_trailer(1)
    found = reader.feed(flv.file_header(video=True, audio=True) + strange + b"".join(tag(TagType.AUDIO, b"a", 7)))
    assert found == [Tag(TagType.AUDIO, 7, b"a")]
    assert reader.skipped == 1


@pytest.mark.parametrize(
    "data",
    [
        b"FLX\x01" + bytes(9),
        b"FLV\x02" + bytes(9),
        b"FLV\x01\x05\x00\x00\x00\x01" + bytes(4),
        b"FLV\x01\x05\xff\x00\x00\x09" + bytes(4),
        flv.file_header(video=True, audio=True) + b"\x29" + bytes(10),
    ],
)
def test_what_is_not_flv_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        FlvReader().feed(data)


def test_a_tag_beyond_the_bound_is_refused_before_it_arrives() -> None:
    header = flv.tag_header(TagType.VIDEO, limits.FRAME_BYTES + 1, 0)
    with pytest.raises(PeerLimit):
        FlvReader().feed(flv.file_header(video=True, audio=True) + header)


# -- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"", Ignored("empty body")),
        (b"\x52\x00", Ignored("video command")),
        (b"\x17\x02\x00\x00\x00", EndOfSequence(CodecId.H264)),
        (b"\x17\x00\x00\x00\x00", Ignored("empty configuration")),
        (b"\x27\x01\x00\x00\x00", Ignored("empty frame")),
        (b"\x27\x01\xff\xff\xfex", CodedFrame(CodecId.H264, b"x", keyframe=False, composition_ms=-2)),
        (b"\x1c\x01\x00\x00\x05x", CodedFrame(CodecId.H265, b"x", composition_ms=5)),
        (b"\x12abc", Unsupported("video codec Sorenson H.263")),
        (b"\x90hvc1cfg", Configuration(CodecId.H265, b"cfg")),
        (b"\x91hvc1\x00\x00\x03x", CodedFrame(CodecId.H265, b"x", composition_ms=3)),
        (b"\xa3hvc1x", CodedFrame(CodecId.H265, b"x", keyframe=False)),
        (b"\xb3hvc1x", CodedFrame(CodecId.H265, b"x", keyframe=False)),
        (b"\x91av01x", CodedFrame(CodecId.AV1, b"x")),
        (b"\x91avc1\x00\x00\x03x", CodedFrame(CodecId.H264, b"x", composition_ms=3)),
        (b"\x91vp08x", CodedFrame(CodecId.VP8, b"x")),
        (b"\x92vp09", EndOfSequence(CodecId.VP9)),
        (b"\x94hvc1amf", Metadata(CodecId.H265, b"amf")),
        (b"\xd1\x00", Ignored("video command")),
        (b"\x95av01x", Unsupported("AV1 video descriptor of MPEG-2 TS")),
        (b"\x96\x01hvc1x", Unsupported("multitrack video")),
        (b"\x90vvc1x", Unsupported("codec 'vvc1'")),
        (b"\x90mp4ax", Unsupported("aac as video")),
        (b"\x98hvc1x", Ignored("video packet type 8")),
        (b"\x97\x02\x00\x01\x02\x01av01x", CodedFrame(CodecId.AV1, b"x", nano_offset=258)),
        (b"\x97\x02\xff\xff\xff\x01av01x", CodedFrame(CodecId.AV1, b"x", nano_offset=999_999)),
        (b"\x97\xff\x01\x03" + bytes(260) + b"\x11av01x", CodedFrame(CodecId.AV1, b"x")),
    ],
)
def test_video_bodies(body: bytes, value: TagBody) -> None:
    assert read_video(body) == value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"", Ignored("empty body")),
        (b"\xaf\x00\x12\x10", Configuration(CodecId.AAC, b"\x12\x10")),
        (b"\xaf\x01x", CodedFrame(CodecId.AAC, b"x")),
        (b"\xaf\x01", Ignored("empty frame")),
        (b"\x2fx", CodedFrame(CodecId.MP3, b"x", sample_rate=44100, channels=2)),
        (b"\xe2x", CodedFrame(CodecId.MP3, b"x", sample_rate=8000, channels=1)),
        (b"\x72x", CodedFrame(CodecId.PCMA, b"x", sample_rate=8000, channels=1)),
        (b"\x83x", CodedFrame(CodecId.PCMU, b"x", sample_rate=8000, channels=2)),
        (b"\xb2x", Unsupported("audio codec Speex")),
        (b"\x90Opushead", Configuration(CodecId.OPUS, b"head")),
        (b"\x91ac-3x", CodedFrame(CodecId.AC3, b"x")),
        (b"\x91ec-3x", CodedFrame(CodecId.EAC3, b"x")),
        (b"\x91.mp3x", CodedFrame(CodecId.MP3, b"x")),
        (b"\x90mp4a\x12\x10", Configuration(CodecId.AAC, b"\x12\x10")),
        (b"\x92fLaC", EndOfSequence(CodecId.FLAC)),
        (b"\x94Opus\x01\x02", Ignored("channel map")),
        (b"\x95\x01Opusx", Unsupported("multitrack audio")),
        (b"\x91hvc1x", Unsupported("hevc as audio")),
        (b"\x97\x02\x00\x00\x07\x01Opusx", CodedFrame(CodecId.OPUS, b"x", nano_offset=7)),
    ],
)
def test_audio_bodies(body: bytes, value: TagBody) -> None:
    assert read_audio(body) == value


@pytest.mark.parametrize("body", [b"\x17", b"\x17\x01\x00", b"\x90hv", b"\x97", b"\x97\x05ab", b"\x97\x00a\x07" * 20])
def test_a_cut_video_body_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_video(body)


@pytest.mark.parametrize("body", [b"\xaf", b"\x90", b"\x91Opu", b"\x97\xff"])
def test_a_cut_audio_body_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_audio(body)


def test_a_configuration_beyond_the_bound_is_refused() -> None:
    with pytest.raises(PeerLimit):
        read_video(b"\x17\x00\x00\x00\x00" + bytes(limits.CONFIGURATION_BYTES + 1))


def test_an_end_reads_back_as_an_end() -> None:
    for codec in flv_video.CARRIED:
        assert read_video(video_end(codec)) == EndOfSequence(codec)
    for codec in flv_audio.CARRIED - flv_audio.LEGACY.keys():
        assert read_audio(audio_end(codec)) == EndOfSequence(codec)
    assert audio_end(CodecId.AAC) == b""


@pytest.mark.parametrize("codec", [CodecId.G722, CodecId.KLV, CodecId.AAC])
def test_what_flv_cannot_carry_is_refused(codec: CodecId) -> None:
    with pytest.raises(Refused):
        video_frame_header(codec, keyframe=True)
    if codec not in flv_audio.CARRIED:
        with pytest.raises(Refused):
            audio_frame_header(Track(1, codec))


def test_a_composition_time_is_clipped_to_its_bits() -> None:
    body = video_frame_header(CodecId.H264, keyframe=True, composition_ms=1 << 30) + b"x"
    assert read_video(body) == CodedFrame(CodecId.H264, b"x", composition_ms=0x7FFFFF)


def test_the_frame_without_a_composition_time_takes_the_short_form() -> None:
    assert video_frame_header(CodecId.H265, keyframe=True) == b"\x93hvc1"
    assert video_frame_header(CodecId.H265, keyframe=False, composition_ms=40) == b"\xa1hvc1\x00\x00\x28"
    assert video_frame_header(CodecId.AV1, keyframe=True, composition_ms=40) == b"\x91av01"


@settings(max_examples=120)
@given(data=st.binary(max_size=64), first=st.sampled_from([0x17, 0x90, 0x91, 0x97, 0xA3, 0xAF, 0x2F]))
def test_random_bodies_end_in_a_value_or_a_violation(data: bytes, first: int) -> None:
    for reader in (read_video, read_audio):
        for body in (data, bytes((first,)) + data):
            try:
                assert isinstance(reader(body), TagBody)
            except PeerViolation:
                continue


@settings(max_examples=120)
@given(
    flips=st.lists(st.tuples(st.integers(0, 12586), st.integers(1, 255)), max_size=10),
    cuts=st.lists(st.integers(1, 4000), max_size=4),
)
def test_a_damaged_file_ends_in_tags_or_a_violation(flips: list[tuple[int, int]], cuts: list[int]) -> None:
    data = bytearray((DATA / "h264_aac.flv").read_bytes())
    for position, mask in flips:
        data[position] ^= mask
    reader, whole = FlvReader(), bytes(data)
    try:
        for cut in cuts:
            reader.feed(whole[:cut])
            whole = whole[cut:]
        reader.feed(whole)
    except PeerViolation:
        return
    assert reader.skipped >= 0


# -- metadata --------------------------------------------------------------------------------------------------------


def test_metadata_of_the_usual_pair() -> None:
    tracks = [describe(Track(i, r.codec, r.configuration)) for i, r in enumerate(references("h264_aac.flv"))]
    assert flv.metadata(tracks) == {
        "hasVideo": True,
        "videocodecid": 7.0,
        "width": 318.0,
        "height": 178.0,
        "framerate": pytest.approx(29.97, abs=0.001),
        "hasAudio": True,
        "audiocodecid": 10.0,
        "audiosamplerate": 44100.0,
        "audiochannels": 2.0,
        "stereo": True,
    }


def test_metadata_of_enhanced_codecs_is_their_fourcc() -> None:
    fields = flv.metadata([Track(1, CodecId.H265), Track(2, CodecId.OPUS), Track(3, CodecId.H264), Track(4, CodecId.KLV)])
    assert fields == {
        "hasVideo": True,
        "videocodecid": float(0x68766331),
        "hasAudio": True,
        "audiocodecid": float(0x4F707573),
    }
