"""What a push offers of each codec, and what of an answer counts: ours, other servers', and any that is none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed, PeerViolation, Refused
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from arcly_actors.protocols.webrtc import extensions
from arcly_actors.protocols.webrtc.agreement import Outgoing, Play, Publish
from arcly_actors.protocols.webrtc.description import read_media
from arcly_actors.protocols.webrtc.negotiate import answer
from arcly_actors.protocols.webrtc.pushing import Taken, push_answer, push_offer
from arcly_actors.protocols.webrtc.sdp import SessionDescription, parse
from tests.protocols.webrtc.offers import H264_TRACK, LOCAL, OPUS_TRACK, avc_track

BOTH = Play((H264_TRACK, OPUS_TRACK), "cam", ("goog-remb", "ccm fir", "nack", "nack pli"))
OFFER = push_offer(BOTH, LOCAL)
ANSWER = answer(OFFER.text(), Publish(), LOCAL).answer.text()

H264 = {"level-asymmetry-allowed": "1", "packetization-mode": "1"}
TEXT = st.binary(max_size=12).map(lambda raw: raw.decode("latin-1"))
CHANGES = st.sampled_from(["drop", "twice", "swap", "digits", "text"])


def taken(text: str, offer: SessionDescription = OFFER, wants: Play = BOTH) -> Taken:
    return push_answer(text, offer, wants)


def offered(track: Track) -> list[dict[str, str]]:
    """The fmtp of each payload type that a track is offered with."""
    offer = parse(push_offer(Play((Outgoing(track, 7, 8),)), LOCAL).text())
    (media,) = read_media(offer)
    return [dict(each.parameters) for each in media.formats]


def test_our_own_server_takes_it_all() -> None:
    both = taken(ANSWER)
    assert both.refused == ()
    assert both.note == ""
    video, audio = both.negotiation.media
    assert video.format is not None
    assert (video.format.codec, video.format.payload_type, video.format.rtx) == (CodecId.H264, 96, 97)
    assert video.format.feedback == BOTH.feedback
    assert (video.outgoing, audio.outgoing) == (H264_TRACK, OPUS_TRACK)
    assert dict(video.repairs) == {1000: 1001}
    assert dict(video.extensions) == {extensions.MID: 1, extensions.ABS_SEND_TIME: 2, extensions.COLOR_SPACE: 3}
    assert audio.format is not None
    assert (audio.format.rtx, dict(audio.repairs)) == (None, {})
    assert both.negotiation.active  # the server waits for us


@pytest.mark.parametrize(
    ("profile", "ids"),
    [("42c01f", ["42c01f"]), ("42e00a", ["42e00a"]), ("4d401e", ["4d401e", "42e01f"]), ("640028", ["640028", "42e01f"])],
)
def test_the_own_profile_of_h264_and_the_one_that_everybody_names(profile: str, ids: list[str]) -> None:
    assert offered(avc_track(profile)) == [{**H264, "profile-level-id": each} for each in ids]


@pytest.mark.parametrize(
    ("track", "parameters"),
    [
        (
            Track(0, CodecId.H264),
            {"level-asymmetry-allowed": "1", "packetization-mode": "1", "profile-level-id": "42e01f"},
        ),
        (Track(0, CodecId.H265), {"tx-mode": "SRST"}),
        (Track(0, CodecId.VP8), {}),
        (Track(0, CodecId.VP9), {"profile-id": "0"}),
        (Track(0, CodecId.AV1), {}),
        (Track(1, CodecId.OPUS, channels=1), {"minptime": "10", "useinbandfec": "1"}),
        (Track(1, CodecId.OPUS, channels=2), {"minptime": "10", "useinbandfec": "1", "stereo": "1", "sprop-stereo": "1"}),
        (Track(1, CodecId.PCMA), {}),
        (Track(1, CodecId.G722), {}),
    ],
    ids=lambda value: value.codec if isinstance(value, Track) else "",
)
def test_each_codec_is_offered_and_taken_by_our_own_server(track: Track, parameters: dict[str, str]) -> None:
    assert offered(track) == [parameters]
    wants = Play((Outgoing(track, 7, 8),))
    offer = push_offer(wants, LOCAL)
    (media,) = taken(answer(offer.text(), Publish(), LOCAL).answer.text(), offer, wants).negotiation.media
    assert media.format is not None
    assert media.format.codec is track.codec


def test_what_is_in_a_configuration_is_told() -> None:
    hevc = bytes.fromhex("0121600000000300000300000300")[:13].ljust(23, b"\0")
    hevc = hevc[:12] + b"\x7b" + hevc[13:21] + b"\x03" + hevc[22:]
    assert offered(Track(0, CodecId.H265, hevc)) == [
        {"profile-id": "1", "tier-flag": "1", "level-id": "123", "tx-mode": "SRST"}
    ]
    assert offered(Track(0, CodecId.VP9, bytes.fromhex("020a8200000000" + "00"))) == [{"profile-id": "2"}]


def test_nothing_to_offer() -> None:
    with pytest.raises(Refused, match="nothing that WebRTC carries"):
        push_offer(Play((Outgoing(Track(0, CodecId.FLAC), 1),)), LOCAL)


def test_what_was_not_offered_does_not_count() -> None:
    text = ANSWER.replace("a=rtpmap:97 rtx/90000", "a=rtpmap:99 rtx/90000").replace(
        "a=fmtp:97 apt=96", "a=fmtp:99 apt=96"
    )
    text = text.replace("UDP/TLS/RTP/SAVPF 96 97", "UDP/TLS/RTP/SAVPF 96 99").replace("a=extmap:2 ", "a=extmap:5 ")
    video, audio = taken(text).negotiation.media
    assert video.format is not None
    assert (video.format.rtx, dict(video.repairs)) == (None, {})
    assert extensions.ABS_SEND_TIME not in video.extensions
    assert extensions.ABS_SEND_TIME not in audio.extensions
    assert extensions.MID in video.extensions


@pytest.mark.parametrize(
    "change",
    [
        ("m=video 9", "m=video 0"),
        ("a=rtpmap:96 H264", "a=rtpmap:96 VP8"),
        ("UDP/TLS/RTP/SAVPF 96 97", "UDP/TLS/RTP/SAVPF 98"),
    ],
    ids=["rejected", "another codec", "another number"],
)
def test_a_track_that_is_not_taken_is_left_out(change: tuple[str, str]) -> None:
    assert change[0] in ANSWER
    part = taken(ANSWER.replace(*change))
    assert part.note == "without H264, which the target does not take"
    video, audio = part.negotiation.media
    assert (video.outgoing, audio.outgoing) == (None, OPUS_TRACK)


@pytest.mark.parametrize("direction", ["inactive", "sendonly"])
def test_who_would_not_receive_takes_nothing(direction: str) -> None:
    with pytest.raises(Refused, match=r"none of the stream's tracks \(H264, opus\)"):
        taken(ANSWER.replace("a=recvonly", f"a={direction}"))


def test_who_would_send_as_well_receives() -> None:
    assert taken(ANSWER.replace("a=recvonly", "a=sendrecv")).refused == ()


def test_media_must_be_on_one_transport() -> None:
    with pytest.raises(Refused, match="does not bundle"):
        taken(ANSWER.replace("a=group:BUNDLE 0 1\r\n", ""))
    alone = Play((OPUS_TRACK,))
    offer = push_offer(alone, LOCAL)
    single = answer(offer.text(), Publish(), LOCAL).answer.text().replace("a=group:BUNDLE 0\r\n", "")
    assert taken(single, offer, alone).refused == ()


@pytest.mark.parametrize(
    "change",
    [("a=mid:0", "a=mid:9"), ("a=setup:passive", "a=setup:actpass"), ("a=ice-pwd", "a=no-pwd"), ("m=audio", "m=video")],
)
def test_what_is_no_answer_to_it_is_malformed(change: tuple[str, str]) -> None:
    assert change[0] in ANSWER
    with pytest.raises(Malformed):
        taken(ANSWER.replace(*change))


@settings(max_examples=120)
@given(st.data())
def test_any_answer_ends_in_an_agreement_or_an_error(data: st.DataObject) -> None:
    """Lines of a good one dropped, doubled, moved, or changed."""
    found = ANSWER.split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at, change = (
            data.draw(st.integers(0, len(found) - 1)),
            data.draw(st.sampled_from(["drop", "twice", "swap", "digits", "text"])),
        )
        line = found[at]
        if change == "drop":
            del found[at]
        elif change == "twice":
            found.insert(at, line)
        elif change == "swap":
            other = data.draw(st.integers(0, len(found) - 1))
            found[at], found[other] = found[other], found[at]
        elif change == "digits":
            found[at] = line.translate({ord("9"): str(data.draw(st.integers(0, 99999))), ord("0"): "7"})
        else:
            found[at] = line[: data.draw(st.integers(0, 12))] + data.draw(TEXT)
    try:
        part = taken("\r\n".join(found))
    except (PeerViolation, Refused):
        return
    flowing = [each for each in part.negotiation.media if each.outgoing is not None]
    assert flowing
    for each in flowing:
        assert each.format is not None
        assert each.outgoing is not None
        assert each.format.codec is each.outgoing.track.codec
        assert each.format.payload_type in {96, 98, 100}


@settings(max_examples=80)
@given(st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
def test_noise_is_no_answer(text: str) -> None:
    with pytest.raises((PeerViolation, Refused)):
        taken(text)
