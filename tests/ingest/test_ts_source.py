"""Recorded transport streams to tracks and frames, held against FFmpeg's reading of the same bytes."""

from collections import defaultdict
from pathlib import Path

import av
import pytest

from arcly_actors import limits
from arcly_actors.ingest.track_gathering import TracksGathered
from arcly_actors.ingest.ts_source import TsItem, TsSource
from arcly_actors.media import nal
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.mpegts.events import ProgramChanged
from arcly_actors.media.timebase import to_ns
from tests.support.transport_streams import Studio, recorded

DATA = Path(__file__).parent.parent / "data" / "mpegts"
FILES = sorted(path.name for path in DATA.glob("*.ts"))
_LEFT_OUT = {CodecId.H264: {9, 10, 11, 12}, CodecId.H265: {35, 36, 37, 38}}


def items(data: bytes, cut: int, source: TsSource | None = None) -> list[tuple[int, TsItem]]:
    source = source or TsSource()
    found = [item for at in range(0, len(data), cut) for item in source.receive(data[at : at + cut], 1)]
    return found + source.flush(1)


def frames_of(found: list[tuple[int, TsItem]]) -> dict[int, list[MediaFrame]]:
    frames: dict[int, list[MediaFrame]] = defaultdict(list)
    for _, item in found:
        if isinstance(item, MediaFrame):
            frames[item.track.id].append(item)
    return frames


def tracks_of(found: list[tuple[int, TsItem]]) -> tuple[Track, ...]:
    return [item.tracks for _, item in found if isinstance(item, TracksGathered)][-1]


def bare(codec: CodecId, payload: bytes) -> bytes:
    """FFmpeg's packet as a frame has it."""
    if codec in _LEFT_OUT:
        shift, mask = (0, 0x1F) if codec is CodecId.H264 else (1, 0x3F)
        units = nal.split_annex_b(payload)
        return nal.join(unit for unit in units if unit[0] >> shift & mask not in _LEFT_OUT[codec])
    if payload[:2] in {b"\xff\xf1", b"\xff\xf9"}:
        return payload[7:]
    return payload


@pytest.mark.parametrize("name", [name for name in FILES if name != "two_programs.ts"])
def test_ffmpeg_reads_the_same_frames_at_the_same_times(name: str) -> None:
    frames = frames_of(items((DATA / name).read_bytes(), 1316))
    with av.open(str(DATA / name)) as container:
        expected = defaultdict(list)
        for packet in container.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                expected[packet.stream_index].append(packet)
        assert len(expected) == len(frames)
        for mine, theirs in zip(
            (frames[number] for number in sorted(frames)), (expected[index] for index in sorted(expected)), strict=True
        ):
            codec = mine[0].track.codec
            assert [frame.keyframe for frame in mine] == [packet.is_keyframe for packet in theirs]
            if "latm" not in name or codec is not CodecId.AAC:  # there FFmpeg leaves the unpacking to its decoder
                assert [frame.payload for frame in mine] == [bare(codec, bytes(packet)) for packet in theirs]
            for frame, packet in zip(mine, theirs, strict=True):
                assert packet.pts is not None
                assert packet.dts is not None
                assert abs(frame.pts - to_ns(packet.pts, 90_000)) <= 20_000, packet.pts  # FFmpeg counts in ticks
                assert abs(frame.dts - to_ns(packet.dts, 90_000)) <= 20_000


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("cut", [1, 187, 188, 1000, 1 << 20])
def test_cuts_change_nothing(name: str, cut: int) -> None:
    data = (DATA / name).read_bytes()
    data = data[: 188 * 40] if cut == 1 else data
    assert items(data, cut) == items(data, 1316)


def test_tracks_are_described() -> None:
    video, ac3, eac3, opus = tracks_of(items((DATA / "h264_ac3_eac3_opus.ts").read_bytes(), 1316))
    assert (video.codec, video.width, video.height, video.frame_rate) == (CodecId.H264, 160, 90, 25.0)
    assert video.configuration[:2] == b"\x01\x64"
    assert (ac3.codec, ac3.sample_rate, ac3.channels, ac3.language) == (CodecId.AC3, 48_000, 2, "deu")
    assert (eac3.codec, opus.codec, opus.configuration[:8]) == (CodecId.EAC3, CodecId.OPUS, b"OpusHead")
    assert [track.id for track in (video, ac3, eac3, opus)] == [0, 1, 2, 3]


def test_every_programme_apart() -> None:
    found = items((DATA / "two_programs.ts").read_bytes(), 1316, TsSource(every=True))
    assert {number for number, _ in found} == {1, 2}
    kinds = {
        number: [track.kind for track in tracks_of([(n, item) for n, item in found if n == number])] for number in (1, 2)
    }
    assert kinds == {1: [Kind.VIDEO, Kind.AUDIO], 2: [Kind.VIDEO]}
    assert len(frames_of([(n, item) for n, item in found if n == 2])[0]) == 15


def test_one_programme_of_several() -> None:
    data = (DATA / "two_programs.ts").read_bytes()
    assert {number for number, _ in items(data, 1316, TsSource(program=2))} == {2}
    assert {number for number, _ in items(data, 1316)} == {1}


def test_nothing_is_probed_a_picture_comes_with_the_next_ones_first_packet() -> None:
    """The first picture is out when the second one begins, sound with the last byte of its PES packet."""
    data = (DATA / "h264_aac.ts").read_bytes()
    source = TsSource()
    starts = [at for at in range(0, len(data), 188) if data[at + 1] & 0x5F == 0x41 and not data[at + 2]]
    for at in range(0, len(data), 188):
        made = [item for _, item in source.receive(data[at : at + 188], 1)]
        if at == 0:
            assert made == []
        if any(isinstance(item, ProgramChanged) for item in made):
            assert at == 2 * 188  # SDT, PAT, PMT
    pictures = 0
    source = TsSource()
    sound_known = data.index(b"\xff\xf1") // 188 * 188
    for at in range(0, len(data), 188):
        for _, item in source.receive(data[at : at + 188], 1):
            if isinstance(item, MediaFrame) and item.track.kind is Kind.VIDEO:
                pictures += 1
                assert at in starts or at >= sound_known
        begun = sum(1 for start in starts if start <= at)
        assert pictures <= begun - 1 if begun else pictures == 0
        if at > sound_known + 20 * 188 and at in starts:
            assert pictures == begun - 1
    assert pictures == len(starts) - 1


def test_sound_alone_is_told_at_once() -> None:
    data = (DATA / "aac.ts").read_bytes()
    source = TsSource()
    first = next(
        at
        for at in range(0, len(data), 188)
        if any(isinstance(item, MediaFrame) for _, item in source.receive(data[at : at + 188], 1))
    )
    assert first // 188 <= 20  # one PES packet of a few frames


def test_a_track_that_never_comes_is_not_waited_for_any_longer_than_the_bound() -> None:
    data = (DATA / "h264_aac.ts").read_bytes()
    audio = 0x101
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    pictures = [packet for packet in packets if (packet[1] & 0x1F) << 8 | packet[2] != audio]
    source = TsSource()
    made = [item for packet in pictures for item in source.receive(packet, 5)]
    assert not any(isinstance(item, MediaFrame | TracksGathered) for _, item in made)
    assert source.wake_at == 5 + limits.TS_GATHERING
    made = source.wake(5 + limits.TS_GATHERING)
    assert isinstance(made[0][1], TracksGathered)
    assert [track.kind for track in made[0][1].tracks] == [Kind.VIDEO]
    assert sum(isinstance(item, MediaFrame) for _, item in made) == 14
    assert source.wake_at is None


def studio_picture(studio: Studio, number: int, pid: int) -> bytes:
    """A whole keyframe of the recorded stream, as one of another's."""
    frame = next(item for _, item in items(recorded("h264_aac.ts"), 1316) if isinstance(item, MediaFrame))
    return studio.pes(nal.to_annex_b(frame.payload), number * 3600, pid=pid)


def test_a_stream_that_takes_another_ones_place_takes_its_track() -> None:
    studio, source = Studio(), TsSource()
    data = studio.tables() + studio_picture(studio, 0, 0x100)
    (_, (_, first), (_, frame)) = source.receive(data, 1)
    assert isinstance(first, TracksGathered)
    assert isinstance(frame, MediaFrame)
    studio.version, studio.rows = 1, [(0x1B, 0x200, b""), (0x06, 0x201, b"\x05\x04KLVA")]
    made = [item for _, item in source.receive(studio.program_map() + studio_picture(studio, 1, 0x200), 2)]
    told = [item for item in made if isinstance(item, TracksGathered)][-1]
    assert [(track.id, track.codec) for track in told.tracks] == [(0, CodecId.H264), (1, CodecId.KLV)]
    assert isinstance(made[-1], MediaFrame)
    assert (made[-1].track.id, made[-1].payload) == (0, frame.payload)


def test_what_still_waited_comes_out_before_the_change() -> None:
    studio, source = Studio(), TsSource()
    big = nal.to_annex_b(nal.join([b"\x41" + b"\x55" * 70_000]))
    source.receive(studio.tables() + studio_picture(studio, 0, 0x100) + studio.pes(big, 3600), 1)
    studio.version, studio.rows = 1, [(0x0F, 0x101, b"")]
    made = [item for _, item in source.receive(studio.program_map(pcr_pid=0x101), 2)]
    assert [type(item).__name__ for item in made[:2]] == ["MediaFrame", "ProgramChanged"]
