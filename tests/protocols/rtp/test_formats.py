"""Every payload format: real frames both ways, what FFmpeg sends, loss, and random payloads."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed
from arcly_actors.media import av1, nal
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.av1 import Av1Packetiser
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.payload.h265 import H265Packetiser
from arcly_actors.protocols.rtp.payload.vp8 import Vp8Packetiser
from arcly_actors.protocols.rtp.payload.vp9 import Vp9Packetiser
from tests.protocols.rtp import ffmpeg, scenes

SAMPLES = (
    ("h264_aac.flv", CodecId.H264),
    ("hevc_main10.mp4", CodecId.H265),
    ("hevc_opus.flv", CodecId.H265),
    ("vp8_opus.webm", CodecId.VP8),
    ("vp9_444_flac.mp4", CodecId.VP9),
    ("vp9_ac3.flv", CodecId.VP9),
    ("av1_ac3.mp4", CodecId.AV1),
    ("av1_flac.flv", CodecId.AV1),
    ("h264_aac.flv", CodecId.AAC),
    ("hevc_main10.mp4", CodecId.AAC),
    ("vp8_opus.webm", CodecId.OPUS),
    ("pcm_alaw.flv", CodecId.PCMA),
    ("pcm_mulaw.flv", CodecId.PCMU),
    ("mp3.flv", CodecId.MP3),
    ("mp3_48k_mono.flv", CodecId.MP3),
)
VIDEO = tuple(sample for sample in SAMPLES if sample[1].kind is Kind.VIDEO)
SMALL = (H265Packetiser, Vp8Packetiser, Vp9Packetiser, Av1Packetiser)
_PARAMETERS = {CodecId.H264: (7, 8, 9), CodecId.H265: (32, 33, 34, 35)}


def essence(codec: CodecId, payload: bytes) -> object:
    """What must survive: parameter sets may be added, delimiters and a sequence header left out."""
    if codec is CodecId.H264:
        return [unit for unit in nal.split(payload) if unit[0] & 31 not in _PARAMETERS[codec]]
    if codec is CodecId.H265:
        return [unit for unit in nal.split(payload) if unit[0] >> 1 & 63 not in _PARAMETERS[codec]]
    if codec is CodecId.AV1:
        return [(obu.type, obu.payload) for obu in av1.split(payload) if obu.type != av1.SEQUENCE_HEADER]
    return payload


@pytest.mark.parametrize(("name", "codec"), SAMPLES)
def test_real_frames_come_back(name: str, codec: CodecId) -> None:
    clip, form = scenes.frames(name, codec), FORMATS[codec]
    rate = form.rate or clip[0].track.sample_rate
    target = form.depacketiser()
    units = scenes.received(target, scenes.packets(form.packetiser(), clip, rate))
    if codec in {CodecId.PCMA, CodecId.PCMU}:
        assert b"".join(unit.payload for unit in units) == b"".join(frame.payload for frame in clip)
        return
    assert [essence(codec, unit.payload) for unit in units] == [essence(codec, frame.payload) for frame in clip]
    assert [unit.keyframe for unit in units] == [frame.keyframe or codec.kind is Kind.AUDIO for frame in clip]
    assert target.dropped == {}
    if codec in {CodecId.H265, CodecId.AV1}:
        assert target.configuration[:2] == clip[0].track.configuration[:2]


@pytest.mark.parametrize(("name", "codec"), SAMPLES)
def test_what_ffmpeg_sends_is_read(name: str, codec: CodecId) -> None:
    clip, target = scenes.frames(name, codec), FORMATS[codec].depacketiser()
    units = scenes.received(target, ffmpeg.sent(name, codec))
    if codec in {CodecId.PCMA, CodecId.PCMU}:
        assert b"".join(unit.payload for unit in units) == b"".join(frame.payload for frame in clip)
        return
    if codec in {CodecId.AAC, CodecId.MP3}:  # its muxer never sends what it still gathers at the end
        assert len(clip) - len(units) in {0, 1, 2}
        clip = clip[: len(units)]
    assert [essence(codec, unit.payload) for unit in units] == [essence(codec, frame.payload) for frame in clip]
    assert target.dropped == {}
    times = [unit.timestamp - units[0].timestamp for unit in units]
    rate = FORMATS[codec].rate or clip[0].track.sample_rate
    for ticks, frame in zip(times, clip, strict=True):
        assert abs(ticks * 1000 // rate - (frame.pts - clip[0].pts) // 1_000_000) <= 2


@pytest.mark.parametrize(("name", "codec"), VIDEO)
@pytest.mark.parametrize("most", [60, 61, 128, 200])
def test_small_packets(name: str, codec: CodecId, most: int) -> None:
    made = {CodecId.H265: H265Packetiser, CodecId.VP8: Vp8Packetiser, CodecId.VP9: Vp9Packetiser}
    if codec in made or codec is CodecId.AV1:
        packetiser = made[codec](most) if codec in made else Av1Packetiser(most)
        clip = scenes.frames(name, codec)
        sent = scenes.packets(packetiser, clip)
        units = scenes.received(FORMATS[codec].depacketiser(), sent)
        assert [essence(codec, unit.payload) for unit in units] == [essence(codec, frame.payload) for frame in clip]
        assert max(len(packet.payload) for packet in sent) <= most


@pytest.mark.parametrize(("name", "codec"), VIDEO)
@pytest.mark.parametrize("seed", range(3))
def test_after_a_loss_whole_pictures_from_a_keyframe_on(name: str, codec: CodecId, seed: int) -> None:
    clip = [frame.at(pts=index * 10**8, dts=0) for index, frame in enumerate(scenes.frames(name, codec) * 8)]
    sent = scenes.packets(FORMATS[codec].packetiser(), clip)
    whole = {unit.timestamp: unit.payload for unit in scenes.received(FORMATS[codec].depacketiser(), sent)}
    assert len(whole) == len(clip)
    units = scenes.received(FORMATS[codec].depacketiser(), scenes.lossy(seed, sent, 0.05))
    assert 0 < len(units) < len(clip)
    assert all(whole[unit.timestamp] == unit.payload for unit in units)
    assert all(unit.keyframe for unit in units if unit.after_loss)
    follows = [after.timestamp - before.timestamp == 9000 or after.after_loss for before, after in pairwise(units)]
    assert all(follows)


@pytest.mark.parametrize("codec", FORMATS)
@given(pushed=st.lists(st.tuples(st.binary(max_size=16), st.integers(0, 3), st.booleans()), max_size=24))
@settings(max_examples=80)
def test_random_payloads_never_raise(codec: CodecId, pushed: list[tuple[bytes, int, bool]]) -> None:
    target, sequence = FORMATS[codec].depacketiser(), 0
    for payload, step, marker in pushed:
        sequence += step
        for unit in target.push(RtpPacket(96, sequence, sequence // 3, 1, payload, marker)):
            assert unit.payload


@pytest.mark.parametrize(("name", "codec"), SAMPLES)
@given(draw=st.data())
@settings(max_examples=60)
def test_damaged_payloads_never_raise(name: str, codec: CodecId, draw: st.DataObject) -> None:
    form, clip = FORMATS[codec], scenes.frames(name, codec)[:4]
    target = form.depacketiser()
    for packet in scenes.packets(form.packetiser(), clip, form.rate or 44100):
        payload = bytearray(packet.payload)
        for _ in range(draw.draw(st.integers(0, 2))):
            payload[draw.draw(st.integers(0, min(len(payload) - 1, 30)))] = draw.draw(st.integers(0, 255))
        cut = bytes(payload[: draw.draw(st.integers(max(0, len(payload) - 5), len(payload)))])
        for unit in target.push(packet._replace(payload=cut)):
            assert unit.payload


@pytest.mark.parametrize("codec", [codec for codec in FORMATS if codec not in {CodecId.H264, CodecId.H265, CodecId.AV1}])
def test_an_empty_frame_makes_no_packets(codec: CodecId) -> None:
    packetiser, frame = FORMATS[codec].packetiser(), MediaFrame(Track(1, codec), 0, 0, b"")
    if codec in {CodecId.PCMA, CodecId.PCMU, CodecId.G722}:
        assert packetiser.packetise(frame) == []
        return
    with pytest.raises(Malformed):
        packetiser.packetise(frame)
