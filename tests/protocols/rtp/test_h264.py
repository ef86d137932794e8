"""H.264 over RTP: the RFC's payload structures byte by byte, real pictures both ways, damage and loss."""

import pytest
from aiortc.codecs.h264 import H264Encoder, H264PayloadDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.media import avc, nal
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.h264 import H264Assembly, H264Packetiser
from arcly_actors.protocols.rtp.payload.unit import AccessUnit
from arcly_actors.protocols.rtp.payload.video import VideoDepacketiser
from tests.protocols.rtp import scenes

SPS, PPS = b"\x67\x42\xc0\x1fsps", b"\x68pps"
IDR, SLICE = b"\x65\x88" + b"i" * 20, b"\x41\x9a" + b"p" * 20
CLIP = scenes.frames("h264_aac.flv", CodecId.H264)


def depacketiser() -> VideoDepacketiser:
    return VideoDepacketiser(H264Assembly())


def feed(target: VideoDepacketiser, *payloads: bytes, ticks: int = 0, start: int = 0) -> list[AccessUnit]:
    """One unit, marked at its end."""
    made = [
        RtpPacket(96, start + index, ticks, 1, payload, marker=index == len(payloads) - 1)
        for index, payload in enumerate(payloads)
    ]
    return scenes.received(target, made)


def frame(*units: bytes, keyframe: bool = False, configuration: bytes = b"") -> MediaFrame:
    return MediaFrame(Track(1, CodecId.H264, configuration), 0, 0, nal.join(units), keyframe)


def test_a_single_unit_is_a_payload() -> None:
    (chunk,) = H264Packetiser().packetise(frame(SLICE))
    assert (chunk.payload, chunk.marker) == (SLICE, True)


def test_small_units_go_together() -> None:
    (chunk,) = H264Packetiser().packetise(frame(b"\x06s", b"\x21ab"))
    assert chunk.payload == b"\x38\x00\x02\x06s\x00\x03\x21ab"  # STAP-A with the NRI of the most important one


def test_a_large_unit_goes_in_fragments() -> None:
    unit = b"\x65" + bytes(range(10))
    made = H264Packetiser(most=6).packetise(frame(unit))
    assert [chunk.payload for chunk in made] == [
        b"\x7c\x85" + unit[1:5],
        b"\x7c\x05" + unit[5:9],
        b"\x7c\x45" + unit[9:11],
    ]
    assert [chunk.marker for chunk in made] == [False, False, True]


def test_parameter_sets_go_before_a_keyframe() -> None:
    configuration = CLIP[0].track.configuration
    read = avc.read_configuration(configuration)
    (chunk,) = H264Packetiser().packetise(frame(b"\x09\x10", IDR, keyframe=True, configuration=configuration))
    (unit,) = feed(depacketiser(), chunk.payload)
    assert nal.split(unit.payload) == [*read.sps, *read.pps, IDR]
    own = frame(SPS, PPS, IDR, keyframe=True, configuration=configuration)
    (chunk,) = H264Packetiser().packetise(own)
    assert SPS in chunk.payload
    assert read.sps[0] not in chunk.payload


@pytest.mark.parametrize("most", [100, 1180, 60000])
@pytest.mark.parametrize("name", ["h264_aac.flv", "h264_baseline_mono.mp4", "h264_high422_interlaced.mp4"])
def test_real_pictures_come_back(name: str, most: int) -> None:
    clip = scenes.frames(name, CodecId.H264)
    sent = scenes.packets(H264Packetiser(most), clip)
    assert max(len(packet.payload) for packet in sent) <= most
    target = depacketiser()
    units = scenes.received(target, sent)
    assert [unit.keyframe for unit in units] == [item.keyframe for item in clip]
    assert not any(unit.after_loss for unit in units[1:])
    parameters = {avc.SPS, avc.PPS, avc.DELIMITER, 12}
    for unit, item in zip(units, clip, strict=True):
        assert [part for part in nal.split(unit.payload) if part[0] & 31 not in parameters] == [
            part for part in nal.split(item.payload) if part[0] & 31 not in parameters
        ]
    learned = avc.read_configuration(target.configuration)
    assert (learned.sps, learned.pps) == (
        avc.read_configuration(clip[0].track.configuration).sps,
        avc.read_configuration(clip[0].track.configuration).pps,
    )


def test_another_implementation_reads_ours() -> None:
    target, sequence = depacketiser(), 0
    for index, item in enumerate(CLIP):
        payloads = [chunk.payload for chunk in H264Packetiser().packetise(item)]
        (unit,) = feed(target, *payloads, ticks=index, start=sequence)
        sequence += len(payloads)
        read = b"".join(H264PayloadDescriptor.parse(payload)[1] for payload in payloads)
        assert nal.split_annex_b(read) == nal.split(unit.payload)


def test_we_read_another_implementation() -> None:
    target, sequence = depacketiser(), 0
    for index, item in enumerate(CLIP):
        units = nal.split(item.payload)
        if item.keyframe:
            read = avc.read_configuration(item.track.configuration)
            units = [*read.sps, *read.pps, *units]
        payloads = H264Encoder._packetize(iter(units))
        (unit,) = feed(target, *payloads, ticks=index, start=sequence)
        sequence += len(payloads)
        assert nal.split(unit.payload) == units


def test_a_missing_marker_ends_at_the_next_timestamp() -> None:
    target = depacketiser()
    sent = [RtpPacket(96, index, index, 1, data) for index, data in enumerate((IDR, SLICE, SLICE))]
    assert [unit.timestamp for unit in scenes.received(target, sent)] == [0, 1]


def test_marked_parameter_sets_wait_for_their_picture() -> None:
    target = depacketiser()
    assert feed(target, SPS, ticks=1) == []
    assert feed(target, PPS, ticks=1, start=1) == []
    (unit,) = feed(target, IDR, ticks=2, start=2)
    assert (unit.timestamp, nal.split(unit.payload)) == (2, [SPS, PPS, IDR])


def test_nothing_comes_before_a_keyframe() -> None:
    target = depacketiser()
    assert feed(target, SLICE) == []
    before = target.needs_keyframe
    (unit,) = feed(target, IDR, start=1, ticks=1)
    assert unit.keyframe
    assert (before, target.needs_keyframe) == (True, False)
    assert target.dropped["no keyframe"] == 1


@pytest.mark.parametrize("lost", range(1, 6))
def test_a_loss_holds_the_output_to_the_next_keyframe(lost: int) -> None:
    big = b"\x41\x9a" + bytes(3000)
    pictures = [frame(IDR, keyframe=True), frame(big), frame(SLICE), frame(IDR, keyframe=True), frame(SLICE)]
    timed = [item.at(pts=index * 10**9, dts=0) for index, item in enumerate(pictures)]
    sent = scenes.packets(H264Packetiser(), timed, sequence=0)
    target = depacketiser()
    units = scenes.received(target, scenes.without(sent, lambda packet: packet.sequence == lost))
    kept = [unit.timestamp // 90000 for unit in units]
    assert kept == {1: [0, 3, 4], 2: [0, 3, 4], 3: [0, 3, 4], 4: [0, 1, 3, 4], 5: [0, 1, 2]}[lost]
    assert [unit.after_loss for unit in units].count(True) == (lost < 5)
    assert target.needs_keyframe == (lost == 5)


@pytest.mark.parametrize("seed", range(5))
def test_what_survives_loss_is_whole(seed: int) -> None:
    clip = [item.at(pts=index * 10**8, dts=0) for index, item in enumerate(CLIP * 8)]
    sent = scenes.packets(H264Packetiser(300), clip)
    whole = {unit.timestamp: unit.payload for unit in scenes.received(depacketiser(), sent)}
    target = depacketiser()
    units = scenes.received(target, scenes.lossy(seed, sent, 0.03))
    assert 0 < len(units) < len(clip)
    assert all(whole[unit.timestamp] == unit.payload for unit in units)
    assert target.dropped["damaged"] > 0


def test_a_late_packet_changes_nothing() -> None:
    target = depacketiser()
    feed(target, IDR, start=10)
    assert scenes.received(target, [RtpPacket(96, 9, 0, 1, SLICE, marker=True)]) == []
    assert len(feed(target, SLICE, start=11, ticks=1)) == 1
    assert target.dropped["late"] == 1


def test_a_sender_that_starts_over_is_followed() -> None:
    target = depacketiser()
    feed(target, IDR, start=40000)
    (unit,) = feed(target, IDR, start=5, ticks=9)
    assert unit.after_loss


def test_padding_keeps_the_sequence() -> None:
    target = depacketiser()
    feed(target, IDR)
    assert target.push(RtpPacket(96, 1, 0, 1, b"")) == []
    assert len(feed(target, SLICE, start=2, ticks=1)) == 1


@pytest.mark.parametrize(
    "payloads",
    [
        (b"\x79aaa",),
        (b"\x60",),
        (b"\x7c\x85",),
        (b"\x7c\x05abc",),
        (b"\x7c\x85abc", b"\x7c\x85abc"),
        (b"\x7c\x85abc", IDR),
        (b"\x7c\x85abc",),
        (b"\x7c\x98abc",),
        (b"\x78\x00",),
        (b"\x78\x00\x05ab",),
    ],
)
def test_a_wrong_payload_is_counted_and_the_next_keyframe_comes(payloads: tuple[bytes, ...]) -> None:
    target = depacketiser()
    feed(target, IDR)
    assert feed(target, *payloads, start=1, ticks=1) == []
    assert target.dropped["malformed"] == 1
    assert target.needs_keyframe
    (unit,) = feed(target, IDR, start=1 + len(payloads), ticks=2)
    assert unit.after_loss


def test_a_fragment_that_is_all_of_its_unit_is_read() -> None:
    (unit,) = feed(depacketiser(), b"\x7c\xc5\x88abc")
    assert nal.split(unit.payload) == [b"\x65\x88abc"]


def test_memory_is_bounded() -> None:
    target = depacketiser()
    feed(target, IDR)
    target.push(RtpPacket(96, 1, 1, 1, b"\x7c\x85a"))
    for sequence in range(2, limits.FRAME_BYTES // 10_000 + 2):
        target.push(RtpPacket(96, sequence & 0xFFFF, 1, 1, b"\x7c\x05" + bytes(10_000)))
    assert target.dropped["malformed"] == 1
    many = b"\x78" + b"\x00\x01\x06" * (limits.NAL_UNITS + 1)
    feed(target, many, IDR, start=limits.FRAME_BYTES // 10_000 + 2, ticks=2)
    assert target.dropped["malformed"] == 2


@given(st.lists(st.tuples(st.binary(max_size=12), st.integers(0, 3), st.booleans()), max_size=30))
@settings(max_examples=120)
def test_random_payloads_never_raise(pushed: list[tuple[bytes, int, bool]]) -> None:
    target, sequence = depacketiser(), 0
    for payload, step, marker in pushed:
        sequence += step
        for unit in target.push(RtpPacket(96, sequence, sequence // 3, 1, payload, marker)):
            assert nal.split(unit.payload)
