"""Offers for tests: the recorded ones, one to cut to measure, and what other clients are known to send."""

from pathlib import Path

from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from arcly_actors.protocols.webrtc.agreement import LocalParameters, Outgoing
from arcly_actors.protocols.webrtc.candidate import host_candidates
from arcly_actors.protocols.webrtc.description import Fingerprint

RECORDINGS = Path(__file__).parents[2] / "data" / "webrtc"
RECORDED = sorted(path.stem for path in RECORDINGS.glob("*.sdp"))

DIGITS = ":".join(["AB"] * 32)
LOCAL = LocalParameters(
    Fingerprint("sha-256", DIGITS),
    "uuuu",
    "p" * 22,
    host_candidates([("192.0.2.7", 8189), ("2001:db8::7", 8189)]),
    77,
)
HEADER = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
TRANSPORT = (
    "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:" + "x" * 22 + f"\r\na=fingerprint:sha-256 {DIGITS}\r\n"
    "a=setup:actpass\r\na=rtcp-mux\r\n"
)


def recorded(name: str) -> str:
    """A recorded offer's text."""
    return (RECORDINGS / f"{name}.sdp").read_bytes().decode()


def lines(*texts: str) -> str:
    """The texts as lines with CRLF."""
    return "".join(f"{text}\r\n" for text in texts)


def section(kind: str, numbers: str, *attributes: str, mid: str = "0", direction: str = "sendonly") -> str:
    """One section with all that the transport needs."""
    head = lines(f"m={kind} 9 UDP/TLS/RTP/SAVPF {numbers}") + TRANSPORT
    return head + lines(f"a=mid:{mid}", f"a={direction}", *(f"a={text}" for text in attributes))


def video(*attributes: str, numbers: str = "96", mid: str = "0", direction: str = "sendonly") -> str:
    """An offer of one video section."""
    return HEADER + f"a=group:BUNDLE {mid}\r\n" + section("video", numbers, *attributes, mid=mid, direction=direction)


def h264(number: int, profile: str, mode: str = "1", asymmetry: str = "1") -> tuple[str, str]:
    """The lines of an H.264 payload type."""
    fmtp = f"level-asymmetry-allowed={asymmetry};packetization-mode={mode};profile-level-id={profile}"
    return f"rtpmap:{number} H264/90000", f"fmtp:{number} {fmtp}"


def avc_track(profile: str) -> Track:
    """An H.264 track whose avcC begins with this profile, constraints and level."""
    return Track(0, CodecId.H264, bytes([1]) + bytes.fromhex(profile) + bytes([0xFF, 0xE0, 0]))


H264_TRACK = Outgoing(avc_track("42c01f"), 1000, 1001)
OPUS_TRACK = Outgoing(Track(1, CodecId.OPUS, channels=2), 2000)

# What OBS Studio 30 posts (libdatachannel): session-level transport attributes, a second kind of group, no mid order to
# rely on. Retyped from public reports.
OBS = HEADER + lines(
    "a=group:BUNDLE 0 1",
    "a=group:LS 0 1",
    "a=msid-semantic:WMS *",
    "a=setup:actpass",
    "a=ice-ufrag:nxcM",
    "a=ice-pwd:" + "o" * 22,
    "a=ice-options:ice2,trickle",
    f"a=fingerprint:sha-256 {DIGITS}",
    "m=audio 57249 UDP/TLS/RTP/SAVPF 111",
    "c=IN IP4 192.0.2.1",
    "a=mid:0",
    "a=sendonly",
    "a=ssrc:3388068600 cname:Yuu1",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1",
    "m=video 57249 UDP/TLS/RTP/SAVPF 96",
    "c=IN IP4 192.0.2.1",
    "a=mid:1",
    "a=sendonly",
    "a=ssrc:3388068601 cname:Yuu1",
    "a=rtcp-mux",
    "a=rtpmap:96 H264/90000",
    "a=rtcp-fb:96 nack",
    "a=rtcp-fb:96 nack pli",
    "a=rtcp-fb:96 goog-remb",
    "a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1",
)

# Firefox: the fingerprint, the direction and trickle at the session, a one-way extension, G722 with its channels, H.264
# in both packetization modes. Retyped from public reports.
FIREFOX = lines(
    "v=0",
    "o=mozilla...THIS_IS_SDPARTA-99.0 4991156590662245017 1 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    "a=sendrecv",
    f"a=fingerprint:sha-256 {DIGITS}",
    "a=group:BUNDLE 0 1",
    "a=ice-options:trickle",
    "a=msid-semantic:WMS *",
    "m=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101",
    "c=IN IP4 0.0.0.0",
    "a=candidate:0 1 UDP 2122252543 192.0.2.1 50181 typ host",
    "a=candidate:4 1 TCP 2105524479 192.0.2.1 9 typ host tcptype active",
    "a=recvonly",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level",
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1",
    "a=fmtp:101 0-15",
    "a=ice-pwd:" + "f" * 32,
    "a=ice-ufrag:bebbd69c",
    "a=mid:0",
    "a=rtcp-mux",
    "a=rtpmap:109 opus/48000/2",
    "a=rtpmap:9 G722/8000/1",
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:8 PCMA/8000",
    "a=rtpmap:101 telephone-event/8000/1",
    "a=setup:actpass",
    "m=video 9 UDP/TLS/RTP/SAVPF 120 126 97",
    "c=IN IP4 0.0.0.0",
    "a=recvonly",
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1",
    "a=fmtp:97 profile-level-id=42e01f;level-asymmetry-allowed=1",
    "a=fmtp:120 max-fs=12288;max-fr=60",
    "a=ice-pwd:" + "f" * 32,
    "a=ice-ufrag:bebbd69c",
    "a=mid:1",
    "a=rtcp-fb:126 nack",
    "a=rtcp-fb:126 nack pli",
    "a=rtcp-fb:126 ccm fir",
    "a=rtcp-mux",
    "a=rtpmap:120 VP8/90000",
    "a=rtpmap:126 H264/90000",
    "a=rtpmap:97 H264/90000",
    "a=setup:actpass",
)
