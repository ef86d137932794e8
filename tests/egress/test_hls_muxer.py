"""Muxed segments, read back by FFmpeg."""

import io
import struct
from collections.abc import Iterator
from dataclasses import replace

import av
import pytest

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.egress.hls_muxer import ORIGIN_NS, Grid, SegmentMuxer, continue_counters, divide
from arcly_actors.egress.hls_policy import Container
from arcly_actors.egress.hls_segmenter import Segment, Segmenter, SegmentRule
from arcly_actors.errors import ConfigurationError, Malformed
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from tests.support.streams import clip

H264, H265, AV1, VP9 = CodecId.H264, CodecId.H265, CodecId.AV1, CodecId.VP9
AAC, OPUS, AC3, EAC3, MP3, FLAC = CodecId.AAC, CodecId.OPUS, CodecId.AC3, CodecId.EAC3, CodecId.MP3, CodecId.FLAC
FMP4, MPEGTS = Container.FMP4, Container.MPEGTS

PAIRS = [
    (FMP4, H264, AAC),
    (FMP4, H265, AC3),
    (FMP4, AV1, OPUS),
    (FMP4, VP9, FLAC),
    (FMP4, H264, MP3),
    (FMP4, H264, EAC3),
    (FMP4, None, AAC),
    (FMP4, H264, None),
    (MPEGTS, H264, AAC),
    (MPEGTS, H265, AC3),
    (MPEGTS, H264, MP3),
    (MPEGTS, H264, EAC3),
    (MPEGTS, None, AAC),
]


@pytest.fixture(autouse=True)
def warnings() -> Iterator[list[tuple[int, str, str]]]:
    """What FFmpeg has to say while a test runs; at the end there must be nothing."""
    av.logging.set_level(av.logging.WARNING)
    with av.logging.Capture(local=True) as logged:
        yield logged
    av.logging.set_level(None)


def segments(container: Container, video: CodecId | None, audio: CodecId | None, start: int = 0) -> list[Segment]:
    made = clip(video, audio, b_frames=2 if video in {H264, H265} else 0)
    rule = SegmentRule(2 * NS_PER_S, 30 * NS_PER_S, 1 << 26, container.codecs)
    segmenter = Segmenter(rule)
    cut = [segment for frame in made.play(6.5, start=start) if (segment := segmenter.push(frame, made.tracks))]
    last = segmenter.seam()
    assert last is not None
    return [*cut, last]


@pytest.mark.parametrize(("container", "video", "audio"), PAIRS)
def test_what_was_muxed_comes_back(
    container: Container, video: CodecId | None, audio: CodecId | None, warnings: list[tuple[int, str, str]]
) -> None:
    cut = segments(container, video, audio, start=3600 * NS_PER_S)
    muxer = SegmentMuxer(container, cut[0].tracks)
    parts = [muxer.mux(segment.frames, segment.number) for segment in cut]
    muxer.close()
    warnings.clear()  # describing a track without packets is remarked upon
    assert bool(muxer.init) == (container is FMP4)
    frames = [frame for segment in cut for frame in segment.frames]
    with av.open(io.BytesIO(muxer.init + b"".join(parts)), "r") as source:
        packets = [packet for packet in source.demux() if packet.dts is not None]
        names = {stream.codec_context.name for stream in source.streams}
    assert len(names) == len(cut[0].tracks)
    for index, track in enumerate(cut[0].tracks):
        sent = [frame for frame in frames if frame.track is track]
        got = [packet for packet in packets if packet.stream_index == index]
        assert len(got) == len(sent)
        for frame, packet in zip(sent, got, strict=True):
            assert packet.dts is not None
            assert packet.pts is not None
            assert packet.time_base is not None
            assert abs(int(packet.dts * packet.time_base * NS_PER_S) - ORIGIN_NS - frame.dts) < 2 * NS_PER_MS
            assert abs(int(packet.pts * packet.time_base * NS_PER_S) - ORIGIN_NS - frame.pts) < 2 * NS_PER_MS
    with av.open(io.BytesIO(muxer.init + b"".join(parts)), "r") as source:
        decoded = len(list(source.decode(video=0))) if video else 1
    assert decoded == (len([frame for frame in frames if frame.track.codec is video]) if video else 1)
    assert not [entry for entry in warnings if "describe" not in entry[2]]


@pytest.mark.parametrize(("video", "audio"), [(H264, AAC), (H265, AC3), (VP9, FLAC)])
def test_a_segment_needs_only_its_init(video: CodecId, audio: CodecId) -> None:
    cut = segments(FMP4, video, audio)
    muxer = SegmentMuxer(FMP4, cut[0].tracks)
    parts = [muxer.mux(segment.frames, segment.number) for segment in cut]
    with av.open(io.BytesIO(muxer.init + parts[2]), "r") as source:
        first = next(source.decode(video=0))
        assert first.key_frame
        assert first.time == pytest.approx((cut[2].start_ns + ORIGIN_NS) / NS_PER_S, abs=0.001)


def test_fragments_begin_where_the_ones_before_ended() -> None:
    cut = segments(FMP4, H264, AAC)
    muxer = SegmentMuxer(FMP4, cut[0].tracks)
    ends: dict[int, int] = {}
    for segment in cut:
        for track, (start, end) in fragments(muxer.mux(segment.frames, segment.number)).items():
            assert start == ends.get(track, start)
            ends[track] = end
    assert set(ends) == {1, 2}


def fragments(data: bytes) -> dict[int, tuple[int, int]]:
    """Track → (tfdt, tfdt + all sample durations) of a segment's only moof; ISO/IEC 14496-12 §8.8."""
    found: dict[int, tuple[int, int]] = {}
    moof = dict(boxes(data))["moof"]
    for kind, traf in boxes(moof):
        if kind != "traf":
            continue
        parts = dict(boxes(traf))
        flags, track = int.from_bytes(parts["tfhd"][1:4], "big"), int.from_bytes(parts["tfhd"][4:8], "big")
        assert not flags & 0x000001, "base-data-offset: not CMAF"
        position = 8 + (4 if flags & 0x2 else 0)
        default = int.from_bytes(parts["tfhd"][position : position + 4], "big") if flags & 0x8 else 0
        start = int.from_bytes(parts["tfdt"][4:], "big")
        found[track] = (start, start + trun_duration(parts["trun"], default))
    return found


def trun_duration(trun: bytes, default: int) -> int:
    flags, count = int.from_bytes(trun[1:4], "big"), int.from_bytes(trun[4:8], "big")
    if not flags & 0x100:
        return count * default
    width = 4 * sum(bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800))
    position = 8 + 4 * bool(flags & 1) + 4 * bool(flags & 4)
    return sum(struct.unpack_from(">I", trun, position + index * width)[0] for index in range(count))


def boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    position = 0
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        yield data[position + 4 : position + 8].decode(), data[position + 8 : position + size]
        position += size


@pytest.mark.parametrize("number", [0x7FFF_FFFE, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 40])
def test_segment_numbers_have_no_end(number: int) -> None:
    """They count from the wall clock, so that short segments are past 31 bits today."""
    cut = segments(FMP4, H264, AAC)
    muxer = SegmentMuxer(FMP4, cut[0].tracks)
    assert muxer.mux(cut[0].frames, number)[:8].endswith(b"moof")
    muxer.close()


def test_every_segment_of_an_epoch_would_have_the_same_init() -> None:
    cut = segments(FMP4, H264, AAC)
    inits = set()
    for segment in cut:
        muxer = SegmentMuxer(FMP4, segment.tracks)
        muxer.mux(segment.frames, segment.number)
        inits.add(muxer.init)
    assert len(inits) == 1


def test_hevc_keeps_its_parameter_sets_in_the_header() -> None:
    cut = segments(FMP4, H265, None)
    muxer = SegmentMuxer(FMP4, cut[0].tracks)
    muxer.mux(cut[0].frames, 0)
    assert b"hvc1" in muxer.init
    assert b"hev1" not in muxer.init


def test_transport_stream_segments_begin_with_their_tables_and_count_on() -> None:
    cut = segments(MPEGTS, H264, AAC)
    muxer = SegmentMuxer(MPEGTS, cut[0].tracks)
    counters: dict[int, int] = {}
    for segment in cut:
        data = muxer.mux(segment.frames, segment.number)
        packets = [data[at : at + 188] for at in range(0, len(data), 188)]
        pids = [int.from_bytes(packet[1:3], "big") & 0x1FFF for packet in packets]
        assert pids.index(0) < pids.index(256)
        assert pids.index(4096) < pids.index(256)
        for pid, packet in zip(pids, packets, strict=True):
            assert packet[0] == 0x47
            if packet[3] & 0x10:
                assert packet[3] & 15 == (counters.get(pid, 15) + 1) % 16
                counters[pid] = packet[3] & 15
    assert len(counters) == 5


def test_counters_of_packets_without_payload_stand_still() -> None:
    packet = bytes((0x47, 1, 0, 0x10)) + bytes(184)
    bare = bytes((0x47, 1, 0, 0x20)) + bytes(184)
    counters = {256: 4}
    counted = continue_counters(packet + bare + packet, counters)
    assert [counted[at + 3] & 15 for at in (0, 188, 376)] == [5, 5, 6]
    assert counters == {256: 6}


def test_sound_of_a_millisecond_clock_is_laid_on_its_samples() -> None:
    track = Track(1, AAC, b"\x12\x10", sample_rate=44100, channels=2)
    grid, end = Grid(track), None
    for index in range(500):
        ns = round(index * 1024 / 44.1) * NS_PER_MS
        dts, pts, duration = grid.place(MediaFrame(track, ns, ns, b"x", keyframe=True))
        assert (dts, pts) == (end if end is not None else dts, dts)
        assert abs(dts / 44100 - (ns + ORIGIN_NS) / NS_PER_S) < 0.001
        end = dts + duration


def test_sound_that_pauses_leaves_the_grid() -> None:
    track = Track(1, AAC, b"\x11\x90", sample_rate=48000, channels=2)
    grid = Grid(track)
    places = [grid.place(MediaFrame(track, ns, ns, b"x"))[0] - 48000 for ns in (0, NS_PER_S, NS_PER_S + 20 * NS_PER_MS)]
    assert places == [0, 48000, 49024]


def test_high_efficiency_aac_has_two_output_samples_for_one() -> None:
    track = Track(1, AAC, bytes.fromhex("2b8a0800"), sample_rate=44100, channels=2)  # SBR over a core of 22.05 kHz
    assert Grid(track).place(MediaFrame(track, 0, 0, b"x"))[2] == 2048


def test_a_broken_sound_packet_has_no_length_but_a_place() -> None:
    track = Track(1, OPUS, sample_rate=48000, channels=2)
    grid = Grid(track)
    assert [grid.place(MediaFrame(track, 0, 0, b""))[0] for _ in range(3)] == [48000, 48001, 48002]


def test_picture_times_rise_even_when_the_clock_is_finer_than_ticks() -> None:
    track = Track(0, H264, frame_rate=25.0)
    grid = Grid(track)
    places = [grid.place(MediaFrame(track, ns, ns, b"x")) for ns in (0, 100, 200, 40_000_000)]
    assert [dts - 90000 for dts, _, _ in places] == [0, 1, 2, 3600]
    assert places[-1][2] == 3598


def test_a_codec_that_cannot_be_described_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError):
        SegmentMuxer(FMP4, [Track(0, CodecId.PCMA, sample_rate=8000, channels=1)])


@pytest.mark.parametrize("data", [b"\0\0\0\x08mdat", b"\0\0\0\0moov\0\0\0\x08mvhd", b"\0\0\0\x09moov"])
def test_a_file_without_a_whole_header_is_not_divided(data: bytes) -> None:
    with pytest.raises(Malformed):
        divide(data)


@pytest.mark.parametrize("channels", [0, 1, 2])
def test_opus_that_came_without_its_head_is_described(channels: int) -> None:
    """Found by simulation: sound that came over WebRTC has none, and FFmpeg left the whole header empty."""
    made = clip(H264, OPUS)
    (video, sound) = made.tracks
    bare = replace(sound, configuration=b"", channels=channels)
    muxer = SegmentMuxer(FMP4, [video, bare])
    media = muxer.mux(made.frames[:30], 0)
    with av.open(io.BytesIO(muxer.init + media), "r") as source:
        stream = source.streams.audio[0]
        assert stream.codec_context.channels == (channels or 2)
        assert sum(1 for packet in source.demux(stream) if packet.size) > 5


def test_the_header_only_says_what_the_track_says() -> None:
    (video,) = clip(H264, None).tracks
    muxer = SegmentMuxer(FMP4, [replace(video, width=1280, height=720)])
    muxer.mux(clip(H264, None).frames[:30], 0)
    with av.open(io.BytesIO(muxer.init), "r") as source:
        assert source.streams.video[0].codec_context.extradata == video.configuration
    assert struct.pack(">HH", 1280, 720) in muxer.init
