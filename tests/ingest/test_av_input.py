"""FFmpeg's demuxers: what comes out of any container is what the bus carries, and can be decoded as it is."""

import io
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import SystemClock
from arcly_actors.ingest.av_input import AvFailed, AvInput
from arcly_actors.ingest.pull import PullRequest
from arcly_actors.media import nal
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.transport.urls import Url
from tests.support.streams import HEIGHT, RATE, WIDTH, encode

SECOND = 1_000_000_000
CONTAINERS = {
    "mp4": [(CodecId.H264, CodecId.AAC), (CodecId.H265, CodecId.AC3), (CodecId.AV1, CodecId.OPUS),
            (CodecId.VP9, CodecId.FLAC)],
    "flv": [(CodecId.H264, CodecId.AAC), (CodecId.H265, CodecId.AAC), (CodecId.H264, CodecId.MP3)],
    "mpegts": [(CodecId.H264, CodecId.AAC), (CodecId.H265, CodecId.AC3), (CodecId.H264, CodecId.MP3),
               (CodecId.H264, CodecId.OPUS)],
    "matroska": [(CodecId.H264, CodecId.AAC), (CodecId.VP9, CodecId.OPUS), (CodecId.AV1, CodecId.FLAC)],
}  # fmt: skip
CASES = [(container, *codecs) for container, pairs in CONTAINERS.items() for codecs in pairs]


def remuxed(data: bytes, container: str, to: Path) -> Path:
    """The MP4 file `data` in another container."""
    with av.open(io.BytesIO(data), "r") as source, av.open(str(to), "w", format=container) as target:
        streams = {stream.index: target.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    return to


def opened(path: Path, *, loop: bool = False) -> AvInput:
    return AvInput(PullRequest(StreamKey("live", "cam"), Url.parse(str(path)), loop=loop), SystemClock())


def read(path: Path) -> tuple[tuple[Track, ...], list[MediaFrame]]:
    taken = opened(path)
    try:
        frames = [frame for frame in taken.frames() if frame is not None]
        return taken.tracks, frames
    finally:
        taken.close()


_DECODERS = {CodecId.AV1: "libdav1d"}


def decoded(track: Track, frames: list[MediaFrame]) -> int:
    """How many pictures or sound frames come out of a decoder that is given the track's configuration, and no more."""
    decoder: Any = av.CodecContext.create(_DECODERS.get(track.codec, str(track.codec)), "r")
    if track.codec is not CodecId.VP9:
        decoder.extradata = track.configuration or None
    decoder.thread_count = 1
    decoder.open()
    count = 0
    for frame in frames:
        packet = av.Packet(frame.payload)
        packet.time_base, packet.pts, packet.dts = Fraction(1, SECOND), frame.pts, frame.dts
        count += len(decoder.decode(packet))
    return count + len(decoder.decode(None))


@pytest.mark.parametrize(("container", "video", "audio"), CASES)
def test_every_container_gives_what_the_bus_carries(
    tmp_path: Path, container: str, video: CodecId, audio: CodecId
) -> None:
    path = remuxed(encode(video, audio, gop=10), container, tmp_path / "clip")
    tracks, frames = read(path)
    assert [(track.id, track.codec) for track in tracks] == [(0, video), (1, audio)]
    assert (tracks[0].width, tracks[0].height) == (WIDTH, HEIGHT)
    assert (tracks[1].sample_rate, tracks[1].channels) == (RATE, 2)
    pictures = [frame for frame in frames if frame.track.id == 0]
    sound = [frame for frame in frames if frame.track.id == 1]
    assert decoded(tracks[0], pictures) == len(pictures) >= 59
    assert decoded(tracks[1], sound) == len(sound) > 20
    assert pictures[0].keyframe
    assert sum(frame.keyframe for frame in pictures) in {2, 6}  # the AV1 encoder has its own mind
    for each in (pictures, sound):
        assert all(later.dts > earlier.dts for earlier, later in itertools.pairwise(each))
        assert all(frame.pts >= frame.dts for frame in each)
    if video is CodecId.H264:
        assert all(nal.split(frame.payload) for frame in pictures)


@pytest.mark.parametrize("container", ["mp4", "flv", "mpegts", "matroska"])
def test_pictures_that_are_shown_in_another_order(tmp_path: Path, container: str) -> None:
    path = remuxed(encode(b_frames=2, gop=30), container, tmp_path / "clip")
    tracks, frames = read(path)
    pictures = [frame for frame in frames if frame.track.id == 0]
    assert decoded(tracks[0], pictures) == len(pictures)
    assert len({frame.pts - frame.dts for frame in pictures}) > 1
    shown = sorted(frame.pts for frame in pictures)
    steps = {round((later - earlier) / 1e6) for earlier, later in itertools.pairwise(shown)}
    assert steps <= {33, 34}


@pytest.mark.parametrize("container", ["mp4", "mpegts"])
def test_a_file_that_is_looped_has_times_that_go_on(tmp_path: Path, container: str) -> None:
    path = remuxed(encode(gop=10, b_frames=2), container, tmp_path / "clip")
    taken = opened(path, loop=True)
    assert taken.paced
    frames = [frame for frame in itertools.islice(taken.frames(), 700) if frame is not None]
    taken.close()
    for number in (0, 1):
        dts = [frame.dts for frame in frames if frame.track.id == number]
        gaps = [later - earlier for earlier, later in itertools.pairwise(dts)]
        assert min(gaps) > 0
        assert max(gaps) < 200_000_000  # the tracks of this file are not of the same length
    assert frames[-1].dts - frames[0].dts > 6 * SECOND  # three rounds
    newest: dict[int, int] = {}
    for frame in frames:
        newest[frame.track.id] = frame.dts
        assert abs(newest.get(0, frame.dts) - newest.get(1, frame.dts)) < SECOND  # and stay together


def test_a_file_that_is_not_looped_ends(tmp_path: Path) -> None:
    path = remuxed(encode(), "mp4", tmp_path / "clip")
    taken = opened(path)
    assert len([frame for frame in taken.frames() if frame is not None]) > 100
    taken.close()


def test_a_change_of_the_picture_within_a_stream_is_a_new_version_of_its_track(tmp_path: Path) -> None:
    small = remuxed(encode(audio=None, gop=10), "mpegts", tmp_path / "small")
    large = remuxed(encode(audio=None, gop=10, width=320), "mpegts", tmp_path / "large")
    both = tmp_path / "both"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    taken = opened(both)
    versions: dict[int, int] = {}
    for frame in taken.frames():
        if frame is not None:
            if frame.track.version not in versions:
                assert frame.keyframe
            versions[frame.track.version] = frame.track.width
    assert versions == {0: WIDTH, 1: 320}
    assert taken.tracks[0].version == 1
    taken.close()


def test_what_cannot_be_carried_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(3):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        target.mux(stream.encode(None))
    with pytest.raises(AvFailed, match=r"nothing in it can be carried: mpeg4"):
        opened(path)


@pytest.mark.parametrize("size", [0, 1, 100, 4000])
def test_a_file_that_is_none_or_cut_fails_with_a_reason(tmp_path: Path, size: int) -> None:
    path = tmp_path / "clip"
    path.write_bytes(encode()[:size])
    with pytest.raises(AvFailed) as caught:
        read(path)
    assert str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("name", ["concat:a|b", "pipe:0", "subfile,,start,0,end,9,,:x", "lavfi:testsrc"])
def test_a_file_name_is_no_protocol_of_ffmpegs(name: str) -> None:
    with pytest.raises(AvFailed, match="No such file"):
        opened(Path(name))


def damaged(data: bytes) -> Iterator[bytes]:
    """The data with a hole in one place after another."""
    for at in range(10, 100, 10):
        where = len(data) * at // 100
        yield data[:where] + b"\xff" * 200 + data[where + 200 :]


def test_a_damaged_stream_gives_frames_or_one_error(tmp_path: Path) -> None:
    whole = remuxed(encode(gop=10), "mpegts", tmp_path / "clip").read_bytes()
    path = tmp_path / "damaged"
    for data in damaged(whole):
        path.write_bytes(data)
        _, frames = read(path)
        assert len(frames) > 100
        for frame in frames:
            if frame.track.kind is Kind.VIDEO:
                nal.split(frame.payload)
