"""What the multiplexer writes: read back by our own reader and by FFmpeg, and seen from outside like a monitor does."""

from dataclasses import replace
from io import BytesIO
from itertools import pairwise

import av
import pytest

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media import aac
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.mpegts.muxer import TsMuxer
from arcly_actors.media.mpegts.splice import splice_time
from tests.support.transport_streams import DATA, media, muxed, packets, pid_of, read, recorded, seen_from_outside

FILES = sorted(path.name for path in DATA.glob("*.ts"))
ASC = aac.write_configuration(48_000, 2)
SOUND = Track(1, CodecId.AAC, ASC, sample_rate=48_000, channels=2)
SPLICE = bytes.fromhex(
    "fc302f000000000000fffff014054800008f7feffe7369c02efe0052ccf500000000000a0008435545490000013562dba30a"
)


def sound(count: int, start: int = 0, *, step: int = 21_333_333, track: Track = SOUND) -> list[MediaFrame]:
    times = [start + number * step for number in range(count)]
    return [MediaFrame(track, at, at, b"%d;" % at, keyframe=True) for at in times]


def pictures(count: int, step_ms: float, start: int = 0) -> tuple[tuple[Track, ...], list[MediaFrame]]:
    tracks, frames = media(read(recorded("h264_aac.ts")))
    video = [frame for frame in frames if frame.track is tracks[0]]
    at = [start + round(number * step_ms * NS_PER_MS) for number in range(count)]
    made = [video[number % len(video)].at(pts=dts + 80 * NS_PER_MS, dts=dts) for number, dts in enumerate(at)]
    return tracks[:1], made


@pytest.mark.parametrize("name", FILES)
def test_what_is_written_is_read_again(name: str) -> None:
    tracks, frames = media(read(recorded(name)))
    again, back = media(read(muxed(tracks, frames)))
    assert [(track.codec, track.configuration, track.language) for track in again] == [
        (track.codec, track.configuration, track.language) for track in tracks
    ]
    lead = 500 * NS_PER_MS
    for track in tracks:
        mine = [frame for frame in back if frame.track.id == track.id]
        given = [frame for frame in frames if frame.track.id == track.id]
        assert [(frame.payload, frame.keyframe) for frame in mine] == [(frame.payload, frame.keyframe) for frame in given]
        assert all(abs(one.dts - lead - two.dts) < 12_000 for one, two in zip(mine, given, strict=True))
        assert all(abs(one.pts - lead - two.pts) < 12_000 for one, two in zip(mine, given, strict=True))


@pytest.mark.parametrize("name", FILES)
def test_ffmpeg_decodes_every_frame(name: str) -> None:
    tracks, frames = media(read(recorded(name)))
    data = muxed(tracks, frames)
    with av.open(BytesIO(data), "r", format="mpegts") as container:
        decoded = dict.fromkeys(range(len(tracks)), 0)
        for packet in container.demux():
            assert not packet.is_corrupt
            decoded[packet.stream_index] += len(packet.decode())
    for index, track in enumerate(tracks):
        given = sum(frame.track.id == track.id for frame in frames)
        assert given - (track.codec is CodecId.MP3) <= decoded[index] <= given


@pytest.mark.parametrize("step_ms", [20, 1000 / 30, 40, 1000 / 24, 1000 / 15, 200, 1000])
def test_clock_and_tables_keep_their_cadence(step_ms: float) -> None:
    seen = seen_from_outside(muxed(*pictures(int(3000 / step_ms), step_ms)))
    assert max(later - earlier for earlier, later in pairwise(seen.pcrs)) <= 40.01
    assert min(later - earlier for earlier, later in pairwise(seen.pcrs)) > 0
    for times in seen.tables.values():
        assert max(later - earlier for earlier, later in pairwise(times)) <= 100.01
    assert seen.miscounted == []
    assert seen.marked == 0


def test_sound_alone_carries_the_clock() -> None:
    seen = seen_from_outside(muxed((SOUND,), sound(100)))
    assert max(later - earlier for earlier, later in pairwise(seen.pcrs)) <= 40.01
    assert len(seen.tables[0]) >= 20


def test_every_keyframe_begins_with_the_tables() -> None:
    muxer = TsMuxer()
    tracks, frames = pictures(20, 40)
    muxer.follow(tracks)
    for frame in frames:
        first = [pid_of(packet) for packet in packets(muxer.frame(frame))]
        if frame.keyframe:
            assert first[:3] == [0, 0x1000, 0x100]


def test_a_seam_is_marked_once_and_counters_go_on() -> None:
    tracks, frames = pictures(10, 40)
    _, later = pictures(10, 40, start=440 * NS_PER_MS)
    sounds = sound(20, track=replace(SOUND, id=7))
    later[0] = replace(later[0], discontinuity=True)
    sounds[10] = replace(sounds[10], discontinuity=True)
    every = sorted([*frames, *later, *sounds], key=lambda frame: frame.dts)
    seen = seen_from_outside(muxed((*tracks, sounds[0].track), every))
    assert seen.marked == 1
    assert seen.miscounted == []
    assert seen.pcrs == sorted(seen.pcrs)


def test_a_long_silence_is_not_bridged_with_a_flood() -> None:
    data = muxed((SOUND,), [*sound(3), *sound(3, start=3600 * NS_PER_S)])
    assert len(packets(data)) < 30
    tracks, frames = media(read(data))
    assert len(frames) == 6
    assert len(tracks) == 1


def test_other_tracks_are_told_by_a_new_version() -> None:
    muxer = TsMuxer()
    muxer.follow((SOUND,))
    data = b"".join(muxer.frame(frame) for frame in sound(5))
    muxer.follow((SOUND, replace(SOUND, id=2, codec=CodecId.MP3, configuration=b"")))
    more = b"".join(muxer.frame(frame) for frame in sound(5, start=NS_PER_S))
    versions = [packet[10] >> 1 & 31 for packet in packets(data + more) if pid_of(packet) == 0x1000]
    assert versions[0] == 0
    assert versions[-1] == 1
    assert pid_of(packets(more)[0]) in {0, 0x100}
    assert seen_from_outside(data + more).miscounted == []


def test_what_has_no_place_is_left_out() -> None:
    flac = Track(3, CodecId.FLAC, b"fLaC")
    assert muxed((flac,), [MediaFrame(flac, 0, 0, b"x", keyframe=True)]) == b""
    broken = Track(4, CodecId.AAC, b"\xff")
    assert muxed((broken,), [MediaFrame(broken, 0, 0, b"x", keyframe=True)]) == b""
    muxer = TsMuxer()
    muxer.follow((SOUND,))
    assert muxer.frame(MediaFrame(SOUND, 0, 0, bytes(9000), keyframe=True)) == b""
    assert muxer.dropped == 1


def test_metadata_goes_through_with_its_times() -> None:
    klv, id3, splice = Track(2, CodecId.KLV), Track(3, CodecId.TIMED_METADATA), Track(4, CodecId.SCTE35)
    tracks = (SOUND, klv, id3, splice)
    told = [
        MediaFrame(klv, NS_PER_S, NS_PER_S, b"\x06\x0e\x2b\x34klv" * 40, keyframe=True),
        MediaFrame(id3, 2 * NS_PER_S, 2 * NS_PER_S, b"ID3\x04tag", keyframe=True),
        MediaFrame(splice, 9 * NS_PER_S, 3 * NS_PER_S, SPLICE, keyframe=True),
    ]
    every = sorted([*sound(200), *told], key=lambda frame: frame.dts)
    again, frames = media(read(muxed(tracks, every)))
    assert [track.codec for track in again] == [track.codec for track in tracks]
    back = {frame.track.codec: frame for frame in frames}
    lead = 500 * NS_PER_MS
    assert back[CodecId.KLV].payload == told[0].payload
    assert back[CodecId.KLV].dts == told[0].dts + lead
    assert back[CodecId.TIMED_METADATA].payload == told[1].payload
    assert back[CodecId.TIMED_METADATA].dts == told[1].dts + lead
    section = back[CodecId.SCTE35]
    assert splice_time(section.payload) == (9 * 90_000 + 45_000)
    assert section.pts == 9 * NS_PER_S + lead
    assert 3 * NS_PER_S - 41 * NS_PER_MS <= section.dts <= 3 * NS_PER_S  # the PCR at that place


def test_times_wrap_with_the_33_bits() -> None:
    start = (1 << 33) * NS_PER_S // 90_000 - 2 * NS_PER_S
    data = muxed((SOUND,), sound(200, start=start))
    _, frames = media(read(data))
    times = [frame.dts for frame in frames]
    assert len(times) == 200
    assert all(abs(later - earlier - 21_333_333) < 12_000 for earlier, later in pairwise(times))
