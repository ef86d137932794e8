"""The offers of real clients: each is answered, as publisher and as player, and the answer reads back."""

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from arcly_actors.media.codec import CodecId
from arcly_actors.protocols.webrtc.agreement import Negotiation, Play, Publish
from arcly_actors.protocols.webrtc.description import Direction
from arcly_actors.protocols.webrtc.extensions import ABS_SEND_TIME, COLOR_SPACE, MID, REPAIRED_RID, RID, TRANSPORT_CC
from arcly_actors.protocols.webrtc.negotiate import answer
from arcly_actors.protocols.webrtc.offer import read_answer
from arcly_actors.protocols.webrtc.sdp import parse
from tests.protocols.webrtc.offers import FIREFOX, H264_TRACK, LOCAL, OBS, OPUS_TRACK, RECORDED, recorded

PLAY = Play((H264_TRACK, OPUS_TRACK))


def answered(name: str, wants: Publish | Play | None = None) -> Negotiation:
    return answer(recorded(name), wants or (PLAY if "whep" in name else Publish()), LOCAL)


def test_there_are_recordings() -> None:
    assert {name.split("-")[0] for name in RECORDED} == {"aiortc", "chromium", "ffmpeg", "gstreamer"}


@pytest.mark.parametrize("name", RECORDED)
def test_the_answer_reads_back(name: str) -> None:
    negotiation = answered(name)
    text = negotiation.answer.text()
    assert parse(text).text() == text
    seen = read_answer(text, parse(recorded(name)))
    opposite = {Direction.SENDONLY: Direction.RECVONLY, Direction.RECVONLY: Direction.SENDONLY}
    for ours, theirs in zip(negotiation.media, seen.media, strict=True):
        assert (theirs.mid, theirs.kind, theirs.format, theirs.rejected) == (
            ours.mid,
            ours.kind,
            ours.format,
            ours.rejected,
        )
        assert theirs.direction is opposite.get(ours.direction, ours.direction)
        assert theirs.extensions == ours.extensions
    assert seen.peer.lite
    assert not seen.peer.trickles
    assert (seen.peer.ufrag, seen.peer.pwd, seen.peer.fingerprints) == (LOCAL.ufrag, LOCAL.pwd, (LOCAL.fingerprint,))
    assert seen.peer.candidates == LOCAL.candidates
    assert seen.active is not negotiation.active


def test_chromium_publishes_its_first_codec_or_ours() -> None:
    (audio, video) = answered("chromium-156-whip").media
    assert (audio.format and audio.format.codec, audio.direction) == (CodecId.OPUS, Direction.RECVONLY)
    assert video.format is not None
    assert (video.format.codec, video.format.payload_type, video.format.rtx) == (CodecId.VP8, 96, 97)
    assert video.format.feedback == ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
    assert video.extensions == {ABS_SEND_TIME: 2, TRANSPORT_CC: 3, MID: 4, COLOR_SPACE: 8, RID: 10, REPAIRED_RID: 11}
    assert len(video.ssrcs) == 2
    assert video.repairs == {video.ssrcs[0]: video.ssrcs[1]}
    ours = answered("chromium-156-whip", Publish((CodecId.H264, CodecId.OPUS, CodecId.VP8), ours_first=True)).media[1]
    assert ours.format is not None
    assert ours.format.parameters["packetization-mode"] == "1"


def test_chromium_simulcast() -> None:
    negotiation = answered("chromium-156-whip-simulcast")
    assert negotiation.media[1].rids == ("q", "h", "f")
    text = negotiation.answer.text()
    assert "a=rid:h recv\r\n" in text
    assert "a=simulcast:recv q;h;f\r\n" in text
    plain = answered("chromium-156-whip-simulcast", Publish(simulcast=False))
    assert plain.media[1].rids == ()
    assert "simulcast" not in plain.answer.text()


def test_chromium_plays() -> None:
    (video, audio) = answered("chromium-156-whep").media
    assert video.format is not None
    assert audio.format is not None
    assert video.format.parameters["profile-level-id"] == "42e01f"
    assert (video.direction, video.promised, video.outgoing) == (Direction.SENDONLY, True, H264_TRACK)
    assert (video.ssrcs, video.repairs) == ((1000, 1001), {1000: 1001})
    assert audio.format.parameters["sprop-stereo"] == "1"
    text = answered("chromium-156-whep").answer.text()
    assert "a=ssrc-group:FID 1000 1001\r\n" in text
    assert "a=msid:arcly video0\r\n" in text
    assert "rtp-stream-id" not in text


def test_a_data_channel_is_rejected_alone() -> None:
    negotiation = answered("chromium-156-whep-data-channel")
    assert [media.rejected for media in negotiation.media] == [False, False, True]
    text = negotiation.answer.text()
    assert "a=group:BUNDLE 0 1\r\n" in text
    assert "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n" in text


def test_ffmpeg_wants_us_to_start_dtls() -> None:
    """Its muxer is the DTLS server by default (``a=setup:passive``)."""
    negotiation = answered("ffmpeg-8-whip")
    assert negotiation.active
    assert "a=setup:active\r\n" in negotiation.answer.text()
    assert negotiation.media[1].repairs == {negotiation.media[1].ssrcs[0]: negotiation.media[1].ssrcs[0] + 1}


def test_obs() -> None:
    negotiation = answer(OBS, Publish(), LOCAL)
    assert [media.format and media.format.codec for media in negotiation.media] == [CodecId.OPUS, CodecId.H264]
    assert negotiation.peer.ufrag == "nxcM"
    assert negotiation.peer.trickles


def test_firefox_plays() -> None:
    negotiation = answer(FIREFOX, PLAY, LOCAL)
    numbers = [media.format and media.format.payload_type for media in negotiation.media]
    assert numbers == [109, 126]
    assert [candidate.protocol for candidate in negotiation.peer.candidates] == ["udp", "tcp"]
    assert negotiation.media[0].extensions == {MID: 3}


@pytest.mark.parametrize("direction", ["sendonly", "recvonly"])
async def test_aiortc_takes_our_answers(direction: str) -> None:
    pc = RTCPeerConnection()
    try:
        audio = pc.addTransceiver("audio", direction=direction)
        video = pc.addTransceiver("video", direction=direction)
        await pc.setLocalDescription(await pc.createOffer())
        negotiation = answer(pc.localDescription.sdp, Publish() if direction == "sendonly" else PLAY, LOCAL)
        await pc.setRemoteDescription(RTCSessionDescription(negotiation.answer.text(), "answer"))
        assert pc.signalingState == "stable"
        assert [audio.currentDirection, video.currentDirection] == [direction, direction]
    finally:
        await pc.close()


def test_gstreamer_plays_h264_of_which_it_says_nothing() -> None:
    (audio, video) = answered("gstreamer-1.22-whep").media
    assert (audio.mid, audio.format and audio.format.payload_type) == ("audio0", 96)
    assert video.format is not None
    assert (video.mid, video.format.payload_type, video.promised) == ("video1", 97, False)
    assert "a=fmtp:97" not in answered("gstreamer-1.22-whep").answer.text()


def test_gstreamer_publishes() -> None:
    negotiation = answered("gstreamer-1.22-whip")
    assert [media.format and media.format.codec for media in negotiation.media] == [CodecId.OPUS, CodecId.VP8]
    text = negotiation.answer.text()
    assert "a=group:BUNDLE audio0 video1\r\n" in text
    assert "m=video 9 " in text
