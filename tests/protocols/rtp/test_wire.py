"""The payload formats but H.264, byte by byte, as their specifications draw them."""

import pytest
from aiortc.codecs.vpx import Vp8Encoder, VpxPayloadDescriptor

from arcly_actors.media import av1, nal
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.aac import AacForm, AacPacketiser
from arcly_actors.protocols.rtp.payload.av1 import Av1Packetiser
from arcly_actors.protocols.rtp.payload.formats import FORMATS, aac_depacketiser
from arcly_actors.protocols.rtp.payload.h265 import H265Packetiser
from arcly_actors.protocols.rtp.payload.mp3 import Mp3Packetiser
from arcly_actors.protocols.rtp.payload.unit import AccessUnit, Depacketiser
from arcly_actors.protocols.rtp.payload.vp8 import Vp8Packetiser
from arcly_actors.protocols.rtp.payload.vp9 import Vp9Packetiser
from tests.protocols.rtp import scenes

VP8_KEY = scenes.frames("vp8_opus.webm", CodecId.VP8)[0].payload
VP9_KEY = scenes.frames("vp9_ac3.flv", CodecId.VP9)[0].payload
VPS, SPS, PPS = b"\x40\x01v", b"\x42\x01s", b"\x44\x01p"
IDR = b"\x26\x01\x80" + b"i" * 9


def frame(codec: CodecId, payload: bytes, *, keyframe: bool = False) -> MediaFrame:
    return MediaFrame(Track(1, codec), 0, 0, payload, keyframe)


def feed(target: Depacketiser, *payloads: bytes, ticks: int = 0, start: int = 0) -> list[AccessUnit]:
    last = len(payloads) - 1
    made = [RtpPacket(96, start + index, ticks, 1, data, index == last) for index, data in enumerate(payloads)]
    return scenes.received(target, made)


def test_h265_aggregation_and_fragments() -> None:
    (chunk,) = H265Packetiser().packetise(frame(CodecId.H265, nal.join((b"\x4e\x01s", b"\x02\x0ax"))))
    assert chunk.payload == b"\x60\x01" + b"\x00\x03\x4e\x01s" + b"\x00\x03\x02\x0ax"
    made = H265Packetiser(most=7).packetise(frame(CodecId.H265, nal.join((IDR,))))
    assert [chunk.payload for chunk in made] == [
        b"\x62\x01\x93" + IDR[2:6],
        b"\x62\x01\x13" + IDR[6:10],
        b"\x62\x01\x53" + IDR[10:],
    ]
    (unit,) = feed(FORMATS[CodecId.H265].depacketiser(), *(chunk.payload for chunk in made))
    assert (unit.keyframe, nal.split(unit.payload)) == (True, [IDR])


@pytest.mark.parametrize("payload", [b"\x62\x01\x05ab", b"\x64\x01ab", b"\x62\x01\xb2a", b"\x26", b"\x60\x01\x00\x09a"])
def test_wrong_h265_is_counted(payload: bytes) -> None:
    target = FORMATS[CodecId.H265].depacketiser()
    assert len(feed(target, IDR)) == 1
    assert feed(target, payload, ticks=1, start=1) == []
    assert target.dropped["malformed"] == 1


def test_vp8_descriptor() -> None:
    made = Vp8Packetiser(most=6, picture=0x7FFF).packetise(frame(CodecId.VP8, b"\x10abc"))
    assert [chunk.payload for chunk in made] == [b"\x90\x80\xff\xff\x10a", b"\x80\x80\xff\xffbc"]
    assert [chunk.marker for chunk in made] == [False, True]


@pytest.mark.parametrize(
    "descriptor",
    [
        b"\x10",
        b"\x90\x00\x00"[:2] + b"",
        b"\x90\x80\x05",
        b"\x90\x80\x81\x05",
        b"\x90\xc0\x05\x01",
        b"\x90\xf0\x81\x05\x01\x20",
    ],
)
def test_every_vp8_descriptor(descriptor: bytes) -> None:
    (unit,) = feed(FORMATS[CodecId.VP8].depacketiser(), descriptor + VP8_KEY)
    assert (unit.payload, unit.keyframe) == (VP8_KEY, True)


def test_another_implementation_and_vp8() -> None:
    for index, chunk in enumerate(Vp8Packetiser(most=300, picture=77).packetise(frame(CodecId.VP8, VP8_KEY))):
        descriptor, rest = VpxPayloadDescriptor.parse(chunk.payload)
        assert (descriptor.partition_start, descriptor.partition_id, descriptor.picture_id) == (index == 0, 0, 77)
        assert VP8_KEY.find(rest) >= 0
    (unit,) = feed(FORMATS[CodecId.VP8].depacketiser(), *Vp8Encoder._packetize(VP8_KEY * 3, 5))
    assert unit.payload == VP8_KEY * 3


def test_vp9_descriptor() -> None:
    packetiser = Vp9Packetiser(most=5, picture=1)
    made = packetiser.packetise(frame(CodecId.VP9, b"abcd", keyframe=True))
    assert [chunk.payload for chunk in made] == [b"\x88\x80\x01ab", b"\x84\x80\x01cd"]
    (chunk,) = packetiser.packetise(frame(CodecId.VP9, b"ab"))
    assert chunk.payload == b"\xcc\x80\x02ab"


@pytest.mark.parametrize(
    "descriptor",
    [
        "0c",
        "8c05",
        "8c8105",
        "ac05 00 01",  # layer indices, TL0PICIDX
        "bc05 00",  # the same in flexible mode
        "fc05 00 0302",  # two references
        "8e05 18 0140 00f0 01 04 02",  # a scalability structure: one layer with its size, a group of one picture
    ],
)
def test_every_vp9_descriptor(descriptor: str) -> None:
    target = FORMATS[CodecId.VP9].depacketiser()
    (unit,) = feed(target, bytes.fromhex(descriptor) + VP9_KEY)
    assert unit.payload == VP9_KEY
    assert target.configuration


def test_spatial_layers_become_a_superframe() -> None:
    target = FORMATS[CodecId.VP9].depacketiser()
    (unit,) = feed(target, b"\xac\x05\x00\x01" + VP9_KEY, b"\xec\x05\x03\x01" + b"upper")
    index = b"\xc9" + len(VP9_KEY).to_bytes(2, "little") + b"\x05\x00\xc9"
    assert unit.payload == VP9_KEY + b"upper" + index


def test_av1_aggregation_header() -> None:
    clip = scenes.frames("av1_ac3.mp4", CodecId.AV1)
    (chunk,) = Av1Packetiser().packetise(clip[0])
    obus = av1.split(clip[0].payload)
    assert chunk.payload[0] == len(obus) << 4 | 0x08
    assert chunk.payload[1] == len(obus[0].payload) + 1
    assert chunk.payload[2] == obus[0].raw[0] & ~2
    (chunk,) = Av1Packetiser().packetise(clip[1])
    assert chunk.payload[0] & 0x88 == 0


def test_av1_elements_with_and_without_lengths() -> None:
    delimiter, first, second = b"\x10", b"\x30ab", b"\x30cd"
    sized = b"\x32\x02ab\x32\x02cd"
    for payload in (
        b"\x28\x03" + first + second,
        b"\x08\x03" + first + b"\x03" + second,
        b"\x38\x01" + delimiter + b"\x03" + first + second,
        b"\x28\x04\x32\x02ab" + second,
    ):
        target = FORMATS[CodecId.AV1].depacketiser()
        target.push(RtpPacket(96, 0, 0, 1, payload))
        keyed = feed(target, b"\x10" + delimiter, start=1)
        assert keyed == []  # not a keyframe: there is no sequence header
        assert target.dropped == {"no keyframe": 1}
    assert av1.split(sized)[0].payload == b"ab"


def test_av1_fragments_of_one_obu() -> None:
    clip = scenes.frames("av1_ac3.mp4", CodecId.AV1)
    made = Av1Packetiser(most=40).packetise(clip[0])
    continues = [bool(chunk.payload[0] & 0x80) for chunk in made]
    goes_on = [bool(chunk.payload[0] & 0x40) for chunk in made]
    assert continues[1:] == goes_on[:-1]
    assert any(goes_on)
    (unit,) = feed(FORMATS[CodecId.AV1].depacketiser(), *(chunk.payload for chunk in made))
    assert av1.split(unit.payload) == av1.split(clip[0].payload)


def test_a_sequence_header_comes_from_the_track() -> None:
    clip = scenes.frames("av1_ac3.mp4", CodecId.AV1)
    obus = av1.split(clip[0].payload)
    bare = MediaFrame(clip[0].track, 0, 0, b"".join(obu.raw for obu in obus if obu.type != 1), keyframe=True)
    (chunk,) = Av1Packetiser().packetise(bare)
    (unit,) = feed(FORMATS[CodecId.AV1].depacketiser(), chunk.payload)
    assert av1.split(unit.payload)[0].type == av1.SEQUENCE_HEADER


def test_aac_headers() -> None:
    (chunk,) = AacPacketiser().packetise(frame(CodecId.AAC, b"abc"))
    assert chunk.payload == b"\x00\x10\x00\x18abc"
    made = AacPacketiser(most=6).packetise(frame(CodecId.AAC, b"abc"))
    assert [(chunk.payload, chunk.marker) for chunk in made] == [
        (b"\x00\x10\x00\x18ab", False),
        (b"\x00\x10\x00\x18c", True),
    ]
    (unit,) = feed(aac_depacketiser(), *(chunk.payload for chunk in made))
    assert unit.payload == b"abc"


def test_several_aac_units_in_a_packet() -> None:
    units = feed(aac_depacketiser(), b"\x00\x20\x00\x10\x00\x18" + b"ab" + b"cde")
    assert units == [AccessUnit(0, b"ab"), AccessUnit(1024, b"cde")]
    low = aac_depacketiser(AacForm(6, 2, 2, 960))
    assert feed(low, b"\x00\x10\x08\x0c" + b"ab" + b"cde") == [AccessUnit(0, b"ab"), AccessUnit(960, b"cde")]


@pytest.mark.parametrize(
    "payload",
    [
        b"\x00",
        b"\x00\x20\x00\x10",
        b"\x00\x00a",
        b"\x00\x10\x00\x11ab",
        b"\x00\x20\x00\x10\x00\x18abcd",
        b"\x00\x0f\x00\x10ab",
    ],
)
def test_wrong_aac_is_counted(payload: bytes) -> None:
    target = aac_depacketiser()
    assert feed(target, payload) == []
    assert target.dropped == {"malformed": 1}
    (unit,) = feed(target, b"\x00\x10\x00\x10ab", start=1)
    assert unit.after_loss


def test_lost_fragments_of_aac_leave_nothing_behind() -> None:
    target = aac_depacketiser()
    target.push(RtpPacket(96, 0, 0, 1, b"\x00\x10\x00\x18a"))
    (unit,) = feed(target, b"\x00\x10\x00\x10xy", start=3, ticks=2048)
    assert (unit.payload, unit.after_loss) == (b"xy", True)


def test_mp3_fragments() -> None:
    clip = scenes.frames("mp3.flv", CodecId.MP3)
    made = Mp3Packetiser(most=100).packetise(clip[0])
    assert [chunk.payload[:4] for chunk in made][:2] == [bytes(4), len(made[0].payload[4:]).to_bytes(4)]
    (unit,) = feed(FORMATS[CodecId.MP3].depacketiser(), *(chunk.payload for chunk in made))
    assert unit.payload == clip[0].payload


def test_several_mp3_frames_in_a_packet() -> None:
    clip = scenes.frames("mp3.flv", CodecId.MP3)
    units = feed(FORMATS[CodecId.MP3].depacketiser(), bytes(4) + clip[0].payload + clip[1].payload)
    assert [unit.timestamp for unit in units] == [0, 1152 * 90000 // 44100]
    assert [unit.payload for unit in units] == [clip[0].payload, clip[1].payload]


@pytest.mark.parametrize("payload", [b"\0\0\0\0", b"\0\0\0\x05abc", b"\0\0\0\0abcdef"])
def test_wrong_mp3_is_counted(payload: bytes) -> None:
    target = FORMATS[CodecId.MP3].depacketiser()
    assert feed(target, payload) == []
    assert target.dropped == {"malformed": 1}
