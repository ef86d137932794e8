"""NAL unit lengths of other than four bytes, which avcC allows and the bus does not carry."""

from arcly_actors.ingest.flv_tracks import FlvTracks, TracksLearnt
from arcly_actors.media import nal
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame

SPS = bytes.fromhex("6742c01eda0280bfe5840000030004000003 00f23c58ba80")
PPS = bytes.fromhex("68ce3c80")


def avcc(length_size: int) -> bytes:
    return bytes((1, *SPS[1:4], 0xFC | length_size - 1, 0xE1)) + nal.join([SPS], 2) + b"\x01" + nal.join([PPS], 2)


def test_short_lengths_become_four_bytes_in_configuration_and_frames() -> None:
    tracks = FlvTracks()
    tracks.hint({"videocodecid": 7.0})
    (learnt,) = tracks.receive(Kind.VIDEO, 0, b"\x17\x00\x00\x00\x00" + avcc(2), 0)
    assert isinstance(learnt, TracksLearnt)
    assert nal.length_size(CodecId.H264, learnt.tracks[0].configuration) == 4
    unit = b"\x65" + bytes(range(200))
    (frame,) = tracks.receive(Kind.VIDEO, 40, b"\x17\x01\x00\x00\x00" + nal.join([unit], 2), 0)
    assert isinstance(frame, MediaFrame)
    assert nal.split(frame.payload) == [unit]


def test_wide_lengths_and_other_codecs_stay_as_they_are() -> None:
    assert nal.length_size(CodecId.H264, avcc(4)) == 4
    assert nal.with_wide_lengths(CodecId.H264, avcc(4)) == avcc(4)
    assert nal.with_wide_lengths(CodecId.AV1, b"\x81\x00\x0c\x00\x00") == b"\x81\x00\x0c\x00\x00"
