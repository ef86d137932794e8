"""Every rule of an answer: what is refused and how, codec and fmtp matching, extensions, feedback, simulcast."""

from dataclasses import replace

import pytest

from arcly_actors.errors import Malformed, PeerLimit, PeerViolation, Refusal, Refused
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from arcly_actors.protocols.webrtc.agreement import Negotiation, Outgoing, Play, Publish
from arcly_actors.protocols.webrtc.description import Direction
from arcly_actors.protocols.webrtc.extensions import ABS_SEND_TIME, MID, TRANSPORT_CC
from arcly_actors.protocols.webrtc.negotiate import answer
from tests.protocols.webrtc.offers import (
    DIGITS,
    H264_TRACK,
    HEADER,
    LOCAL,
    OPUS_TRACK,
    avc_track,
    h264,
    lines,
    section,
    video,
)

VP8 = ("rtpmap:96 VP8/90000",)
BUNDLED = HEADER + "a=group:BUNDLE 0 1\r\n"
AUDIO = section("audio", "111", "rtpmap:111 opus/48000/2", mid="0")


def publish(text: str, wants: Publish | None = None) -> Negotiation:
    return answer(text, wants or Publish(), LOCAL)


def play(text: str, *tracks: Outgoing) -> Negotiation:
    return answer(text, Play(tracks), LOCAL)


def vp9_track(profile: int) -> Outgoing:
    return Outgoing(Track(0, CodecId.VP9, bytes([profile, 10, 0x82, 1, 1, 1, 0, 0])), 1)


def number(negotiation: Negotiation, index: int = 0) -> int | None:
    chosen = negotiation.media[index].format
    return chosen.payload_type if chosen else None


REFUSED = {
    "unknown codec": (
        video("rtpmap:96 theora/90000"),
        "the offer's video is theora; H264, H265, AV1, VP8, VP9 would do",
    ),
    "interleaved H.264": (video(*h264(96, "42e01f", mode="2")), "the offer's video is H264; H264, H265"),
    "several H.265 streams": (video("rtpmap:96 H265/90000", "fmtp:96 tx-mode=MRST"), "the offer's video is H265"),
    "only a data channel": (
        HEADER + section("application", "webrtc-datachannel"),
        "the offer has no audio or video",
    ),
    "nothing sent": (video(*VP8, direction="recvonly"), "the offer sends nothing"),
    "no bundle": (HEADER + AUDIO + section("video", "96", *VP8, mid="1"), "does not bundle"),
    "half a bundle": (
        HEADER + "a=group:BUNDLE 0\r\n" + AUDIO + section("video", "96", *VP8, mid="1"),
        "does not bundle",
    ),
    "no mux": (video(*VP8).replace("a=rtcp-mux\r\n", ""), "a=rtcp-mux"),
    "ICE-lite": (video(*VP8).replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"), "both ends are ICE-lite"),
    "one section of two": (
        BUNDLED + AUDIO + section("video", "96", "rtpmap:96 theora/90000", mid="1"),
        "the offer's video is theora",
    ),
    "plain RTP": (video(*VP8).replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "the offer's video is VP8"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refusal:
        publish(text)
    assert refusal.value.refusal is Refusal.UNSUPPORTED


MALFORMED = {
    "empty": "",
    "not SDP": "hello\r\n",
    "no credentials": video(*VP8).replace("a=ice-pwd:" + "x" * 22 + "\r\n", ""),
    "short password": video(*VP8).replace("x" * 22, "x" * 21),
    "ufrag with a colon": video(*VP8).replace("ufrag:abcd", "ufrag:ab:cd"),
    "no fingerprint": video(*VP8).replace(f"a=fingerprint:sha-256 {DIGITS}\r\n", ""),
    "sha-1 only": video(*VP8).replace(f"sha-256 {DIGITS}", "sha-1 " + ":".join(["AB"] * 20)),
    "short fingerprint": video(*VP8).replace(DIGITS, DIGITS[3:]),
    "fingerprint of words": video(*VP8).replace(DIGITS, "hello"),
    "holdconn": video(*VP8).replace("setup:actpass", "setup:holdconn"),
    "payload type 128": video("rtpmap:128 VP8/90000", numbers="128"),
    "empty rtpmap": video("rtpmap:96"),
    "extension id": video(*VP8, "extmap:x " + MID),
    "extension without a name": video(*VP8, "extmap:1"),
    "ssrc": video(*VP8, "ssrc:-1 cname:x"),
    "ssrc group": video(*VP8, "ssrc-group:FID 1 4294967296"),
    "mids twice": BUNDLED + AUDIO + section("video", "96", *VP8, mid="0"),
    "rid undeclared": video(*VP8, "simulcast:send a;b"),
    "rid twice": video(*VP8, "rid:a send", "simulcast:send a;a"),
    "candidate": video(*VP8, "candidate:1 1 udp"),
    "port": video(*VP8).replace("video 9 ", "video 99999 "),
    "m-line": HEADER + "m=video\r\n",
    "bundle twice": video(*VP8).replace("BUNDLE 0", "BUNDLE 0 0"),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        publish(text)


LIMITED = {
    "characters": video(*VP8, "x:" + "y" * 70_000),
    "lines": video(*VP8, *("x" for _ in range(2001))),
    "sections": HEADER + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 33,
    "formats": video(*VP8, numbers=" ".join(str(each) for each in range(200))),
    "rids": video(*VP8, *(f"rid:{each} send" for each in range(9)), "simulcast:send 0;1;2;3;4;5;6;7;8"),
}


@pytest.mark.parametrize("text", LIMITED.values(), ids=LIMITED)
def test_bounds(text: str) -> None:
    with pytest.raises(PeerLimit):
        publish(text)


def test_too_many_tracks() -> None:
    mids = [str(each) for each in range(17)]
    text = (
        HEADER + f"a=group:BUNDLE {' '.join(mids)}\r\n" + "".join(section("video", "96", *VP8, mid=mid) for mid in mids)
    )
    with pytest.raises(Refused, match="17 tracks, 16 is the most"):
        publish(text)


def test_several_sections_of_a_kind() -> None:
    two = section("video", "96", *VP8, "ssrc:1 cname:x", mid="0") + section("video", "97", *h264(97, "42e01f"), mid="1")
    media = publish(BUNDLED + two).media
    assert [(each.mid, each.ssrcs, each.format and each.format.codec) for each in media] == [
        ("0", (1,), CodecId.VP8),
        ("1", (), CodecId.H264),
    ]


def test_the_application_decides_which_codecs() -> None:
    both = video("rtpmap:96 VP8/90000", *h264(97, "42e01f"), numbers="96 97")
    assert number(publish(both)) == 96
    assert number(publish(both, Publish((CodecId.H264, CodecId.VP8)))) == 96
    assert number(publish(both, Publish((CodecId.H264, CodecId.VP8), ours_first=True))) == 97
    assert number(publish(both, Publish((CodecId.H264,)))) == 97
    with pytest.raises(Refused, match="the offer's video is VP8, H264; AV1 would do"):
        publish(both, Publish((CodecId.AV1,)))
    with pytest.raises(Refused, match="no video at all would do"):
        publish(both, Publish((CodecId.OPUS,)))


def test_packetization_mode_1_is_received_first() -> None:
    both = video(*h264(96, "42e01f", mode="0"), *h264(97, "42e01f"), numbers="96 97")
    assert number(publish(both)) == 97
    assert number(publish(video(*h264(96, "42e01f", mode="0")))) == 96


# Profiles: CB 42e01f, B 42001f, M 4d001f, H 64001f, CH 640c1f, H444 f4001f; level 3.1 throughout.
H264_CHOICES = {
    "exact": ("42c01f", {96: "42e01f", 97: "4d001f"}, 96, True),
    "exact, however written": ("42c01f", {96: "4d001f", 97: "4de01f"}, 97, True),
    "exact beside broader": ("4d401f", {96: "f4001f", 97: "4d001f"}, 97, True),
    "smallest superset": ("42c01f", {96: "f4001f", 97: "4d001f"}, 97, True),
    "superset": ("64001f", {96: "42e01f", 97: "f4001f"}, 97, True),
    "high in constrained baseline, hopefully": ("64001f", {96: "42e01f"}, 96, False),
    "high in the broadest, hopefully": ("64001f", {96: "42e01f", 97: "4d001f"}, 97, False),
    "missing profile is baseline": ("42001f", {96: ""}, 96, True),
}


@pytest.mark.parametrize(("stream", "offered", "chosen", "promised"), H264_CHOICES.values(), ids=H264_CHOICES)
def test_h264_profiles(stream: str, offered: dict[int, str], chosen: int, *, promised: bool) -> None:
    formats = [text for key, profile in offered.items() for text in h264(key, profile)]
    text = video(*formats, numbers=" ".join(map(str, offered)), direction="recvonly")
    negotiation = play(text.replace(";profile-level-id=\r", "\r"), Outgoing(avc_track(stream), 1))
    assert (number(negotiation), negotiation.media[0].promised) == (chosen, promised)


@pytest.mark.parametrize(
    ("stream", "asymmetry", "answered"),
    [("42c028", "1", "42e028"), ("42c028", "0", "42e01f"), ("42c00a", "1", "42e00a"), ("42c00a", "0", "42e00a")],
)
def test_h264_levels(stream: str, asymmetry: str, answered: str) -> None:
    text = video(*h264(96, "42e01f", asymmetry=asymmetry), direction="recvonly")
    chosen = play(text, Outgoing(avc_track(stream), 1)).media[0].format
    assert chosen is not None
    assert chosen.parameters["profile-level-id"] == answered


NOT_PLAYED = {
    "H.264 in single NAL units": (h264(96, "42e01f", mode="0"), H264_TRACK),
    "H.264 with a profile of words": (h264(96, "hello"), H264_TRACK),
    "H.264 with an unknown profile": (h264(96, "01001f"), H264_TRACK),
    "VP9 of another profile": (("rtpmap:96 VP9/90000", "fmtp:96 profile-id=2"), vp9_track(0)),
    "VP9 of a wordy profile": (("rtpmap:96 VP9/90000", "fmtp:96 profile-id=x"), vp9_track(0)),
    "another codec": (VP8, H264_TRACK),
    "a clock of its own": (("rtpmap:96 H264/48000",), H264_TRACK),
}


@pytest.mark.parametrize(("attributes", "track"), NOT_PLAYED.values(), ids=NOT_PLAYED)
def test_not_played(attributes: tuple[str, ...], track: Outgoing) -> None:
    with pytest.raises(Refused, match=r"the stream's video is (H264|VP9); the offer takes "):
        play(video(*attributes, direction="recvonly"), track)


def test_vp9_profiles() -> None:
    formats = ("rtpmap:96 VP9/90000", "rtpmap:97 VP9/90000", "fmtp:97 profile-id=2")
    text = video(*formats, numbers="96 97", direction="recvonly")
    assert number(play(text, vp9_track(0))) == 96
    assert number(play(text, vp9_track(2))) == 97


@pytest.mark.parametrize(("codec", "parameter"), [(CodecId.AV1, "profile"), (CodecId.H265, "profile-id")])
def test_nested_profiles(codec: CodecId, parameter: str) -> None:
    name = {CodecId.AV1: "AV1", CodecId.H265: "H265"}[codec]
    track = Outgoing(Track(0, codec), 1)
    text = video(f"rtpmap:96 {name}/90000", f"fmtp:96 {parameter}=2", f"rtpmap:97 {name}/90000", numbers="96 97")
    text = text.replace("sendonly", "recvonly")
    assert number(play(text, track)) == 97
    assert number(play(text.replace("SAVPF 96 97", "SAVPF 96"), track)) == 96
    lower = text.replace("SAVPF 96 97", "SAVPF 96").replace("=2", "=x")
    with pytest.raises(Refused):
        play(lower, track)


def test_opus_says_whether_it_is_stereo() -> None:
    text = HEADER + "a=group:BUNDLE 0\r\n" + AUDIO.replace("sendonly", "recvonly")
    mono = play(text, Outgoing(Track(0, CodecId.OPUS, channels=1), 1)).media[0].format
    stereo = play(text, OPUS_TRACK).media[0].format
    assert mono is not None
    assert stereo is not None
    assert mono.parameters == {"minptime": "10", "useinbandfec": "1"}
    assert stereo.parameters == {"minptime": "10", "useinbandfec": "1", "stereo": "1", "sprop-stereo": "1"}


def test_static_payload_types_need_no_rtpmap() -> None:
    text = HEADER + "a=group:BUNDLE 0\r\n" + section("audio", "0 8")
    assert number(publish(text)) == 0
    assert number(publish(text, Publish((CodecId.PCMA,)))) == 8


def test_what_the_stream_does_not_have_is_inactive() -> None:
    two = BUNDLED + AUDIO + section("video", "96", *h264(96, "42e01f"), mid="1")
    negotiation = play(two.replace("sendonly", "recvonly"), H264_TRACK)
    assert [media.direction for media in negotiation.media] == [Direction.INACTIVE, Direction.SENDONLY]
    text = negotiation.answer.text()
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" in text
    assert text.count("a=candidate:1 ") == 1
    with pytest.raises(Refused, match="receives nothing that the stream has"):
        play(two.replace("sendonly", "recvonly"))


def test_each_track_is_played_once() -> None:
    two = BUNDLED.replace("0 1", "0 1 2") + "".join(
        section("video", "96", *h264(96, "42e01f"), mid=mid, direction="recvonly") for mid in "012"
    )
    second = replace(H264_TRACK, ssrc=5)
    media = play(two, H264_TRACK, second).media
    assert [each.outgoing for each in media] == [H264_TRACK, second, None]
    assert media[2].direction is Direction.INACTIVE


def test_rejected_sections_stay_rejected() -> None:
    rejected = section("audio", "111", "rtpmap:111 opus/48000/2", mid="0").replace("audio 9", "audio 0")
    negotiation = publish(BUNDLED.replace("0 1", "1") + rejected + section("video", "96", *VP8, mid="1"))
    assert [media.rejected for media in negotiation.media] == [True, False]
    assert "a=group:BUNDLE 1\r\n" in negotiation.answer.text()


def test_bundle_only_sections_lean_on_the_tagged_one() -> None:
    """RFC 9143 §7.1.3, as in the example of RFC 9725 §4.2."""
    bare = lines("m=video 0 UDP/TLS/RTP/SAVPF 96", "a=mid:1", "a=bundle-only", "a=sendonly", "a=rtpmap:96 VP8/90000")
    negotiation = publish(BUNDLED + AUDIO + bare)
    assert [media.format is not None for media in negotiation.media] == [True, True]
    assert "m=video 9 " in negotiation.answer.text()


@pytest.mark.parametrize(
    ("offered", "answered", "active"),
    [("actpass", "passive", False), ("active", "passive", False), ("passive", "active", True)],
)
def test_who_starts_dtls(offered: str, answered: str, *, active: bool) -> None:
    negotiation = publish(video(*VP8).replace("setup:actpass", f"setup:{offered}"))
    assert negotiation.active is active
    assert f"a=setup:{answered}\r\n" in negotiation.answer.text()


def test_extensions_and_feedback() -> None:
    attributes = (
        *VP8,
        "rtcp-fb:* nack",
        "rtcp-fb:96 Nack  Pli",
        "rtcp-fb:96 transport-cc",
        "rtcp-fb:96 something new",
        f"extmap:3/sendonly {MID}",
        f"extmap:4/inactive {ABS_SEND_TIME}",
        f"extmap:5 {TRANSPORT_CC}",
        "extmap:6 urn:example",
    )
    media = publish(video(*attributes)).media[0]
    assert media.format is not None
    assert media.format.feedback == ("transport-cc", "nack", "nack pli")
    assert media.extensions == {MID: 3, TRANSPORT_CC: 5}
    assert f"a=extmap:3/recvonly {MID}\r\n" in publish(video(*attributes)).answer.text()
    less = publish(video(*attributes), Publish(feedback=("nack",))).media[0]
    assert less.format is not None
    assert (less.format.feedback, less.extensions) == (("nack",), {MID: 3})


def test_two_byte_ids_only_where_they_are_allowed() -> None:
    text = video(*VP8, f"extmap:20 {MID}")
    assert publish(text).media[0].extensions == {}
    mixed = text.replace("t=0 0\r\n", "t=0 0\r\na=extmap-allow-mixed\r\n")
    assert publish(mixed).media[0].extensions == {MID: 20}
    assert "a=extmap-allow-mixed\r\n" in publish(mixed).answer.text()


def test_simulcast_needs_mid_and_rid() -> None:
    text = video(*VP8, f"extmap:3 {MID}", "rid:a send", "rid:b send", "rid:c send", "simulcast:send ~a,c;b")
    assert publish(text).media[0].rids == ()
    with_rid = text + "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
    assert publish(with_rid).media[0].rids == ("a", "b")


def test_a_single_section_needs_neither_group_nor_mid() -> None:
    text = video(*VP8).replace("a=group:BUNDLE 0\r\n", "").replace("a=mid:0\r\n", "")
    negotiation = publish(text)
    assert number(negotiation) == 96
    assert "a=mid" not in negotiation.answer.text()
    assert "a=group" not in negotiation.answer.text()


def test_line_ends_may_be_bare() -> None:
    assert publish(video(*VP8).replace("\r\n", "\n")).media == publish(video(*VP8)).media


def test_one_error_family() -> None:
    with pytest.raises(PeerViolation):
        publish("v=0\r\no=x\r\n")
