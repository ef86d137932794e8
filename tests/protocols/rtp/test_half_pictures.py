"""Losses around keyframes of many slices, at the very start above all: what comes out is never half a picture."""

from collections.abc import Callable

import pytest

from arcly_actors.media import av1, nal
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.payload.h264 import H264Packetiser
from arcly_actors.protocols.rtp.payload.h265 import H265Packetiser
from arcly_actors.protocols.rtp.payload.unit import Packetiser
from tests.protocols.rtp import scenes

SIZES = (30, 200, 30, 30)


def h264_slice(kind: int, number: int, size: int) -> bytes:
    """A slice whose first_mb_in_slice is 0, or so far down that its Exp-Golomb code begins with zeros."""
    return bytes((kind, 0x88 if not number else 0x40 >> number)) + bytes((number,)) * size


def h265_slice(kind: int, number: int, size: int) -> bytes:
    """A slice segment with first_slice_segment_in_pic_flag set in the first one."""
    return bytes((kind << 1, 1, 0x80 if not number else 0x40)) + bytes((number,)) * size


H264_PREFIXES: dict[str, tuple[bytes, ...]] = {
    "nothing": (),
    "sets": (b"\x67\x42\xc0\x1fs", b"\x68p"),
    "sets and SEI": (b"\x67\x42\xc0\x1fs", b"\x68p", b"\x06\x05m"),
    "SEI": (b"\x06\x05m",),
    "delimiter": (b"\x09\xf0",),
    "delimiter and sets": (b"\x09\xf0", b"\x67\x42\xc0\x1fs", b"\x68p"),
}
H265_PREFIXES: dict[str, tuple[bytes, ...]] = {
    "nothing": (),
    "sets": (b"\x40\x01v", b"\x42\x01s", b"\x44\x01p"),
    "sets and SEI": (b"\x40\x01v", b"\x42\x01s", b"\x44\x01p", b"\x4e\x01m"),
    "SEI": (b"\x4e\x01m",),
    "delimiter": (b"\x46\x01\x50",),
}


def pictures(codec: CodecId, prefix: tuple[bytes, ...]) -> list[MediaFrame]:
    """A keyframe of four slices, two more pictures, and all of that again."""
    cut, key, other = (h264_slice, 0x65, 0x41) if codec is CodecId.H264 else (h265_slice, 19, 1)
    made = []
    for index in range(6):
        keyframe = index % 3 == 0
        units = [cut(key if keyframe else other, number, size + index) for number, size in enumerate(SIZES)]
        payload = nal.join((*prefix, *units) if keyframe else units)
        made.append(MediaFrame(Track(1, codec), index * 10**9, 0, payload, keyframe))
    return made


@pytest.mark.parametrize(
    ("codec", "prefix"),
    [(CodecId.H264, prefix) for prefix in H264_PREFIXES.values()]
    + [(CodecId.H265, prefix) for prefix in H265_PREFIXES.values()],
    ids=str,
)
@pytest.mark.parametrize("most", [50, 100, 1000])
@pytest.mark.parametrize("marked", [True, False])
def test_no_loss_makes_half_a_picture(codec: CodecId, prefix: tuple[bytes, ...], most: int, marked: bool) -> None:
    clip = pictures(codec, prefix)
    make: Callable[[int], Packetiser] = H264Packetiser if codec is CodecId.H264 else H265Packetiser
    sent = [packet._replace(marker=packet.marker and marked) for packet in scenes.packets(make(most), clip)]
    whole = {index * 90000: slices(codec, picture.payload) for index, picture in enumerate(clip)}
    for start in range(len(sent)):
        for end in range(start, len(sent)):
            check(codec, sent[:start] + sent[end:], whole)
            check(codec, sent[start:end], whole)


@pytest.mark.parametrize("codec", [CodecId.H264, CodecId.H265])
@pytest.mark.parametrize("lost", range(2, 5))
def test_units_one_by_one_behind_a_delimiter(codec: CodecId, lost: int) -> None:
    """As hardware encoders send them; the first `lost` packets are missing."""
    prefix = (H264_PREFIXES if codec is CodecId.H264 else H265_PREFIXES)["delimiter"]
    clip = pictures(codec, prefix)
    sent: list[RtpPacket] = []
    for index, picture in enumerate(clip):
        units = nal.split(picture.payload)
        for number, unit in enumerate(units):
            sent.append(RtpPacket(96, len(sent), index * 90000, 1, unit, number == len(units) - 1))
    came = scenes.received(FORMATS[codec].depacketiser(), sent[lost:])
    assert [unit.timestamp for unit in came] == [index * 90000 for index in range(3, 6)]
    check(codec, sent[lost:], {index * 90000: slices(codec, picture.payload) for index, picture in enumerate(clip)})


def spatial(index: int) -> list[bytes]:
    """A VP9 picture of two spatial layers, each in three packets; the first picture is a keyframe."""
    made = []
    for layer in (0, 1):
        for part in range(3):
            flags = 0x20 | (0x08 if part == 0 else 0) | (0x04 if part == 2 else 0) | (0x40 if index % 3 else 0)
            content = (VP9_KEY if not index % 3 and not layer else VP9_OTHER) if not part else b""
            made.append(bytes((flags, layer << 1, 0)) + content + bytes((index, layer, part)))
    return made


VP9_KEY = b"\x82\x49\x83\x42\x00\x00\xf0\x00\xf0"
VP9_OTHER = b"\x86\x00"


def partitions(index: int) -> list[bytes]:
    """A VP8 picture of three partitions, each of which says where it begins, in two packets each."""
    key = bytes((0 if not index % 3 else 1, 0, 0, 0x9D, 0x01, 0x2A, 16, 0, 16, 0))
    made = []
    for number in range(3):
        made.append(bytes((0x10 | number,)) + (key if not number else b"") + bytes((index, number)))
        made.append(bytes((number,)) + bytes((index, number, 9)))
    return made


def tiles(index: int) -> list[bytes]:
    """An AV1 temporal unit: a sequence header and a frame header in one packet, then tile groups."""
    key = not index % 3
    sequence = AV1_SEQUENCE
    head = bytes((0x28 if key else 0x10,)) + ((bytes((len(sequence),)) + sequence) if key else b"")
    return [head + FRAME_HEADER[key], *(bytes((0x10, 4 << 3, index, part)) for part in range(3))]


AV1_SEQUENCE = bytes((1 << 3,)) + next(
    obu.payload for obu in av1.split(scenes.frames("av1_flac.flv", CodecId.AV1)[0].payload) if obu.type == 1
)
FRAME_HEADER = {True: bytes((3 << 3, 0x10, 1)), False: bytes((3 << 3, 0x30, 1))}


@pytest.mark.parametrize(("codec", "picture"), [(CodecId.VP8, partitions), (CodecId.VP9, spatial), (CodecId.AV1, tiles)])
def test_layers_partitions_and_tiles_come_out_together(codec: CodecId, picture: Callable[[int], list[bytes]]) -> None:
    sent: list[RtpPacket] = []
    for index in range(6):
        payloads = picture(index)
        for number, payload in enumerate(payloads):
            marker = number == len(payloads) - 1
            sent.append(RtpPacket(96, len(sent), index * 90000, 1, payload, marker))
    everything = scenes.received(FORMATS[codec].depacketiser(), sent)
    assert [unit.keyframe for unit in everything] == [True, False, False] * 2
    whole = {unit.timestamp: unit.payload for unit in everything}
    for start in range(len(sent)):
        for end in range(start, len(sent)):
            for arriving in (sent[:start] + sent[end:], sent[start:end]):
                for unit in scenes.received(FORMATS[codec].depacketiser(), arriving):
                    assert whole[unit.timestamp] == unit.payload


def check(codec: CodecId, arriving: list[RtpPacket], whole: dict[int, list[bytes]]) -> None:
    """All slices of a picture, or none."""
    for unit in scenes.received(FORMATS[codec].depacketiser(), arriving):
        assert slices(codec, unit.payload) == whole[unit.timestamp]


def slices(codec: CodecId, payload: bytes) -> list[bytes]:
    """Those of an access unit."""
    if codec is CodecId.H264:
        return [unit for unit in nal.split(payload) if unit[0] & 31 in {1, 5}]
    return [unit for unit in nal.split(payload) if unit[0] >> 1 < 32]
