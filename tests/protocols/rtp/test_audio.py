"""Opus, G.711 and G.722 over RTP."""

import pytest

from arcly_actors.errors import Malformed
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.audio import (
    AudioDepacketiser,
    OpusPacketiser,
    SamplePacketiser,
    read_opus,
    read_samples,
)
from arcly_actors.protocols.rtp.payload.unit import AccessUnit
from tests.protocols.rtp import scenes

OPUS = scenes.frames("vp8_opus.webm", CodecId.OPUS)


def test_opus_comes_back() -> None:
    target = AudioDepacketiser(read_opus)
    units = scenes.received(target, scenes.packets(OpusPacketiser(), OPUS, 48000))
    assert [unit.payload for unit in units] == [frame.payload for frame in OPUS]
    assert {(unit.keyframe, unit.after_loss) for unit in units} == {(True, False)}
    assert not target.needs_keyframe


def test_a_loss_is_marked_and_nothing_else_is_lost() -> None:
    sent = scenes.packets(OpusPacketiser(), OPUS[:10], 48000, sequence=0)
    target = AudioDepacketiser(read_opus)
    units = scenes.received(target, scenes.without(sent, lambda packet: packet.sequence == 4))
    assert [unit.after_loss for unit in units] == [index == 4 for index in range(9)]


def test_time_goes_on_past_thirteen_hours() -> None:
    sent = scenes.packets(OpusPacketiser(), OPUS[:20], 48000, ticks=2**32 - 5000)
    times = [unit.timestamp for unit in scenes.received(AudioDepacketiser(read_opus), sent)]
    assert times == sorted(times)
    assert times[-1] > 2**32


def test_what_is_no_opus_packet_is_counted() -> None:
    target = AudioDepacketiser(read_opus)
    assert target.push(RtpPacket(111, 1, 0, 1, b"\x03")) == []
    assert target.push(RtpPacket(111, 1, 0, 1, b"\x00a")) == []
    assert target.push(RtpPacket(111, 2, 0, 1, b"\x00a")) == [AccessUnit(0, b"\x00a", True, True)]
    assert target.dropped == {"malformed": 1, "late": 1}
    assert target.push(RtpPacket(111, 3, 0, 1, b"")) == []


@pytest.mark.parametrize("payload", [b"", bytes(10_000)])
def test_an_opus_frame_that_cannot_be_sent(payload: bytes) -> None:
    with pytest.raises(Malformed):
        OpusPacketiser().packetise(MediaFrame(Track(1, CodecId.OPUS), 0, 0, payload))


def test_samples_go_in_packets_of_20_ms() -> None:
    sound = bytes(range(250)) * 2
    frame = MediaFrame(Track(1, CodecId.PCMA), 0, 0, sound)
    sent = scenes.packets(SamplePacketiser(), [frame], 8000)
    units = scenes.received(AudioDepacketiser(read_samples), sent)
    assert [unit.timestamp for unit in units] == [0, 160, 320, 480]
    assert b"".join(unit.payload for unit in units) == sound
