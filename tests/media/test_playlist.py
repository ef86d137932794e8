"""HLS playlists, line by line and as FFmpeg plays them."""

from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.media.playlist import MasterPlaylist, MediaPlaylist, Segment, Variant, bandwidths, window
from arcly_actors.media.timebase import MILLISECOND, SECOND
from tests.media.samples import DATA


def test_a_live_mpegts_playlist() -> None:
    segments = (
        Segment("7.ts", 2_002_000_000, wall=1_700_000_000_123_456_789),
        Segment("8.ts", 1_968_666_667),
        Segment("9.ts", 2 * SECOND, discontinuity=True, wall=1_700_000_010_000_000_000),
    )
    playlist = MediaPlaylist(2 * SECOND, segments, media_sequence=7, discontinuity_sequence=1)
    assert playlist.text() == (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n"
        "#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z\n#EXTINF:2.002000,\n7.ts\n"
        "#EXTINF:1.968667,\n8.ts\n"
        "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:30.000Z\n#EXTINF:2.000000,\n9.ts\n"
    )


def test_an_ended_fmp4_playlist_whose_configuration_changed() -> None:
    segments = (
        Segment("0.m4s", 2 * SECOND, map_uri="init-0.mp4"),
        Segment("1.m4s", 2 * SECOND, map_uri="init-0.mp4"),
        Segment("2.m4s", SECOND, discontinuity=True, map_uri="init-1.mp4"),
    )
    assert MediaPlaylist(2 * SECOND, segments, ended=True, independent=False).text() == (
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n"
        '#EXT-X-MAP:URI="init-0.mp4"\n#EXTINF:2.000000,\n0.m4s\n#EXTINF:2.000000,\n1.m4s\n'
        '#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="init-1.mp4"\n#EXTINF:1.000000,\n2.m4s\n#EXT-X-ENDLIST\n'
    )


def test_no_segment_is_longer_than_the_target() -> None:
    text = MediaPlaylist(2 * SECOND, (Segment("a.ts", 3_600 * MILLISECOND),)).text()
    assert "#EXT-X-TARGETDURATION:4\n" in text
    assert "#EXT-X-TARGETDURATION:1\n" in MediaPlaylist(100 * MILLISECOND).text()


def test_the_master_tells_what_it_knows() -> None:
    full = Variant("media.m3u8?token=a&b", 2_800_000, 2_600_000, ("avc1.64001f", "mp4a.40.2"), 1280, 720, 30000 / 1001)
    assert MasterPlaylist((full, Variant("low.m3u8", 64_000))).text() == (
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=2800000,AVERAGE-BANDWIDTH=2600000,CODECS="avc1.64001f,mp4a.40.2",'
        "RESOLUTION=1280x720,FRAME-RATE=29.970\nmedia.m3u8?token=a&b\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=64000\nlow.m3u8\n"
    )


def test_a_name_cannot_end_a_line_or_an_attribute() -> None:
    text = MediaPlaylist(SECOND, (Segment('a\n#EXT-X-ENDLIST"', SECOND, map_uri='b"\r c'),)).text()
    assert 'URI="b%22%0D%20c"\n' in text
    assert "a%0A#EXT-X-ENDLIST%22\n" in text


@settings(max_examples=80)
@given(breaks=st.lists(st.booleans(), max_size=40), keep=st.integers(1, 8))
def test_the_window_counts_what_left_it(breaks: list[bool], keep: int) -> None:
    playlist = MediaPlaylist(SECOND)
    for number, broken in enumerate(breaks):
        playlist = window(playlist, Segment(f"{number}.ts", SECOND, discontinuity=broken), keep)
    left = max(0, len(breaks) - keep)
    assert playlist.media_sequence == left
    assert playlist.discontinuity_sequence == sum(breaks[:left])
    assert [segment.uri for segment in playlist.segments] == [f"{n}.ts" for n in range(left, len(breaks))]


def test_bandwidths_are_measured_from_the_segments() -> None:
    assert bandwidths([(250_000, SECOND), (500_000, SECOND)]) == (4_000_000, 3_000_000)
    assert bandwidths([(1, 3 * SECOND)]) == (3, 3)
    assert bandwidths([(10, 0)]) == (0, 0)


def test_ffmpeg_plays_the_playlists(tmp_path: Path) -> None:
    for number in range(2):
        _remux(DATA / "h264_aac.flv", tmp_path / f"{number}.ts")
    segments = (Segment("0.ts", SECOND // 2), Segment("1.ts", SECOND // 2, discontinuity=True))
    (tmp_path / "media.m3u8").write_text(MediaPlaylist(SECOND, segments, ended=True).text())
    variant = Variant("media.m3u8", 200_000, 100_000, ("avc1.64000d", "mp4a.40.2"), 318, 178, 29.97)
    (tmp_path / "index.m3u8").write_text(MasterPlaylist((variant,)).text())
    with av.open(str(tmp_path / "index.m3u8"), "r") as container:
        assert container.duration == 1_000_000
        assert container.streams.video[0].metadata["variant_bitrate"] == "200000"
        pictures = [packet for packet in container.demux(video=0) if packet.size]
    with av.open(str(DATA / "h264_aac.flv"), "r") as container:
        assert len(pictures) == 2 * sum(1 for packet in container.demux(video=0) if packet.size)


def _remux(source: Path, target: Path) -> None:
    with av.open(str(source), "r") as container, av.open(str(target), "w", format="mpegts") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in container.streams}
        for packet in container.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                out.mux(packet)


@pytest.mark.parametrize("wall", [1, SECOND * 253402300799])
def test_any_wall_time_has_a_date(wall: int) -> None:
    assert "T" in MediaPlaylist(SECOND, (Segment("a", SECOND, wall=wall),)).text().splitlines()[5]
