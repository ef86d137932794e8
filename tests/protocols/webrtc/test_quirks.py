"""What clients are known to send besides the recordings, one quirk at a time; each offer is taken all the same."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from arcly_actors.protocols.webrtc.agreement import Negotiation, Outgoing, Play, Publish
from arcly_actors.protocols.webrtc.description import Direction
from arcly_actors.protocols.webrtc.extensions import MID
from arcly_actors.protocols.webrtc.negotiate import answer
from tests.protocols.webrtc.offers import (
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
RTX = ("rtpmap:97 rtx/90000",)
CANDIDATES = (
    "candidate:1 1 UDP 2122260223 2001:db8::1 50000 typ host",
    "candidate:2 1 udp 2122260223 6c8dfd19-9c2a-4f0e-9d1c-3a5b1f0e2d3c.local 50001 typ host generation 0",
    "candidate:3 1 TCP 1015022335 192.0.2.1 9 typ host tcptype active",
    "candidate:4 2 udp 1686052607 203.0.113.7 50002 typ srflx raddr 192.0.2.1 rport 50002",
    "candidate:5 1 ssltcp 1686052607 203.0.113.7 443 typ relay raddr 0.0.0.0 rport 0",
)

# The quirk -> the offer of one VP8 section (payload type 96) that has it.
TAKEN: Mapping[str, str] = MappingProxyType(
    {
        "rtx without apt": video(*VP8, *RTX, numbers="96 97"),
        "rtx of what is not there": video(*VP8, *RTX, "fmtp:97 apt=120", numbers="96 97"),
        "rtx that the m-line leaves out": video(*VP8, *RTX, "fmtp:97 apt=96"),
        "red and ulpfec": video(
            *VP8, "rtpmap:98 red/90000", "rtpmap:99 ulpfec/90000", "rtpmap:100 flexfec-03/90000", numbers="98 96 99 100"
        ),
        "msid of a stream and a track": video(*VP8, "msid:stream track"),
        "msid of no stream": video(*VP8, "msid:- track"),
        "msid without a track": video(*VP8, "msid:stream"),
        "msid by SSRC only": video(*VP8, "ssrc:7 msid:a b", "ssrc:7 mslabel:a", "ssrc:7 label:b"),
        "SSRC without anything": video(*VP8, "ssrc:7"),
        "candidates of every kind": video(*VP8, *CANDIDATES, "end-of-candidates"),
        "ICE options of the section": video(*VP8, "ice-options:trickle renomination"),
        "mixed extensions in the section": video(*VP8, "extmap-allow-mixed", f"extmap:20 {MID}"),
        "a pending extension id": video(*VP8, "extmap:4096 urn:example"),
        "an extension with attributes": video(*VP8, f"extmap:3 {MID} something"),
        "a bandwidth and a title": video(*VP8).replace("c=IN", "i=title\r\nb=AS:2500\r\nc=IN"),
        "a port range": video(*VP8).replace("video 9 ", "video 9/2 "),
        "a numeric address of its own": video(*VP8).replace("0.0.0.0", "192.0.2.1"),
        "an origin of words": video(*VP8).replace("o=- 1 2", "o=Larix 1 2"),
        "no final line end": video(*VP8).removesuffix("\r\n"),
        "capitals": video("rtpmap:96 vp8/90000").replace("sha-256", "SHA-256"),
        "feedback twice": video(*VP8, "rtcp-fb:96 nack", "rtcp-fb:96 nack", "rtcp-fb:* nack"),
        "nothing said of setup": video(*VP8).replace("a=setup:actpass\r\n", ""),
    }
)  # fmt: skip


def publish(text: str) -> Negotiation:
    return answer(text, Publish(), LOCAL)


@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN)
def test_taken(text: str) -> None:
    (media,) = publish(text).media
    assert media.format is not None
    assert (media.format.codec, media.format.payload_type, media.format.rtx) == (CodecId.VP8, 96, None)


def test_retransmissions_that_are_named_are_taken() -> None:
    (media,) = publish(video(*VP8, *RTX, "fmtp:97 apt=96;rtx-time=3000", numbers="96 97")).media
    assert media.format is not None
    assert media.format.rtx == 97


def test_candidates_are_kept_as_they_are() -> None:
    peer = publish(TAKEN["candidates of every kind"]).peer
    assert [one.protocol for one in peer.candidates] == ["udp", "udp", "tcp", "udp", "ssltcp"]
    assert peer.candidates[0].address == "2001:db8::1"
    assert not peer.trickles


def test_mixed_extensions_are_answered_where_they_were_offered() -> None:
    negotiation = publish(TAKEN["mixed extensions in the section"])
    assert negotiation.media[0].extensions == {MID: 20}
    session, _, rest = negotiation.answer.text().partition("m=video")
    assert "extmap-allow-mixed" not in session
    assert "a=extmap-allow-mixed\r\n" in rest


def test_sendrecv_is_taken_either_way() -> None:
    """What ``addTrack`` makes of a publisher, and some players of themselves."""
    text = video(*h264(96, "42e01f"), direction="sendrecv")
    assert publish(text).media[0].direction is Direction.RECVONLY
    assert answer(text, Play((H264_TRACK,)), LOCAL).media[0].direction is Direction.SENDONLY


def test_opus_without_its_channels() -> None:
    text = HEADER + "a=group:BUNDLE 0\r\n" + section("audio", "96", "rtpmap:96 OPUS/48000")
    assert "a=rtpmap:96 opus/48000/2\r\n" in publish(text).answer.text()


def test_parameter_sets_of_the_offer_are_not_answered() -> None:
    rtpmap, fmtp = h264(96, "42e01f")
    text = publish(video(rtpmap, fmtp + ";sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==")).answer.text()
    assert "profile-level-id=42e01f" in text
    assert "sprop" not in text


# Safari 17: constrained high and constrained baseline; Firefox: baseline, constrained or not; Chromium: all of them.
SAFARI = {96: ("640c1f", "1"), 98: ("42e01f", "1"), 100: ("640c1f", "0"), 102: ("42e01f", "0")}
FIREFOX = {126: ("42e01f", "1"), 97: ("42e01f", "0"), 105: ("42001f", "1"), 103: ("42001f", "0")}
CHROMIUM = {
    103: ("42001f", "1"),
    107: ("42001f", "0"),
    109: ("42e01f", "1"),
    115: ("42e01f", "0"),
    117: ("4d001f", "1"),
    39: ("4d001f", "0"),
    119: ("64001f", "1"),
}
PLAYED = [
    (SAFARI, "42c01f", 98),
    (SAFARI, "640c28", 96),
    (SAFARI, "640028", 96),
    (SAFARI, "4d4028", 96),
    (FIREFOX, "42c01f", 126),
    (FIREFOX, "42001f", 105),
    (FIREFOX, "640028", 105),
    (CHROMIUM, "42c01f", 109),
    (CHROMIUM, "42001f", 103),
    (CHROMIUM, "4d4028", 117),
    (CHROMIUM, "640028", 119),
    (CHROMIUM, "640c28", 119),
]


@pytest.mark.parametrize(("offered", "stream", "chosen"), PLAYED)
def test_h264_of_browsers(offered: dict[int, tuple[str, str]], stream: str, chosen: int) -> None:
    formats = [text for number, (profile, mode) in offered.items() for text in h264(number, profile, mode)]
    text = video(*formats, numbers=" ".join(map(str, offered)), direction="recvonly")
    (media,) = answer(text, Play((Outgoing(avc_track(stream), 1),)), LOCAL).media
    assert media.format is not None
    assert media.format.payload_type == chosen


def test_h264_of_which_nothing_is_said_comes_last() -> None:
    both = video("rtpmap:96 H264/90000", *h264(97, "42e01f"), numbers="96 97", direction="recvonly")
    (media,) = answer(both, Play((H264_TRACK,)), LOCAL).media
    assert (media.format and media.format.payload_type, media.promised) == (97, True)


AV1 = ("rtpmap:45 AV1/90000", "fmtp:45 level-idx=5;profile=0;tier=0", "rtpmap:41 AV1/90000", "fmtp:41 profile=1;tier=0")


def test_av1_level_and_tier_refuse_nothing() -> None:
    text = video(*AV1, numbers="41 45", direction="recvonly")
    (media,) = answer(text, Play((Outgoing(Track(0, CodecId.AV1), 1),)), LOCAL).media
    assert media.format is not None
    assert (media.format.payload_type, media.format.parameters["level-idx"]) == (45, "5")


def test_libdatachannel_has_one_format_each() -> None:
    """As OBS, without any retransmissions and with SSRC lines that only name the sender."""
    text = (
        HEADER
        + lines("a=group:BUNDLE audio video", "a=group:LS audio video", "a=msid-semantic:WMS *")
        + "".join(
            (
                section("audio", "111", "rtpmap:111 opus/48000/2", "ssrc:1 cname:x", mid="audio"),
                section("video", "96", *h264(96, "42e01f"), "ssrc:2 cname:x", mid="video"),
            )
        )
    )
    media = publish(text).media
    assert [(each.mid, each.ssrcs, dict(each.repairs)) for each in media] == [("audio", (1,), {}), ("video", (2,), {})]


def test_pion_receives() -> None:
    """Its session has the fingerprint, every section RTX, and the extensions are few."""
    text = HEADER + lines("a=extmap-allow-mixed", "a=group:BUNDLE 0 1") + "".join(
        (
            section(
                "video", "102 121", *h264(102, "42001f"), "rtpmap:121 rtx/90000", "fmtp:121 apt=102", direction="recvonly"
            ),
            section("audio", "111", "rtpmap:111 opus/48000/2", mid="1", direction="recvonly"),
        )
    )  # fmt: skip
    media = answer(text, Play((H264_TRACK, OPUS_TRACK)), LOCAL).media
    assert [each.format and each.format.payload_type for each in media] == [102, 111]
    assert dict(media[0].repairs) == {1000: 1001}
