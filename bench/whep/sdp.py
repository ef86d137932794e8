"""A viewer's offer, and what its benchmark needs of the answer (RFC 9429, RFC 8839): text in, values out.

The offer is what a browser's comes to for these codecs: H.264 in packetization-mode 1 with RTX, NACK, PLI and REMB,
Opus, mid and send time. transport-cc is left out, as this client sends no such feedback.
"""

import re
from dataclasses import dataclass

OPUS, H264, RTX = 111, (102, 103, 104), (112, 113, 114)
_PROFILES = ("42e01f", "4d001f", "64001f")
_SESSION = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
"""
_TRANSPORT = """c=IN IP4 0.0.0.0
a=ice-ufrag:{ufrag}
a=ice-pwd:{pwd}
a=fingerprint:sha-256 {fingerprint}
a=setup:active
a=rtcp-mux
a=rtcp-rsize
a=recvonly
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
"""
_AUDIO = f"a=rtpmap:{OPUS} opus/48000/2\na=fmtp:{OPUS} minptime=10;useinbandfec=1\n"
_FORMAT = """a=rtpmap:{number} H264/90000
a=rtcp-fb:{number} goog-remb
a=rtcp-fb:{number} nack
a=rtcp-fb:{number} nack pli
a=fmtp:{number} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}
a=rtpmap:{rtx} rtx/90000
a=fmtp:{rtx} apt={number}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's end: credentials, certificate, where it is, and the SSRCs it said it would send."""

    ufrag: str
    pwd: str
    fingerprint: str
    address: tuple[str, int]
    ssrcs: tuple[int, ...]


def offer(ufrag: str, pwd: str, fingerprint: str) -> str:
    """Receive one audio and one video, on one transport."""
    transport = _TRANSPORT.format(ufrag=ufrag, pwd=pwd, fingerprint=fingerprint)
    formats = zip(H264, RTX, _PROFILES, strict=True)
    video = "".join(_FORMAT.format(number=number, rtx=rtx, profile=profile) for number, rtx, profile in formats)
    numbers = " ".join(str(number) for pair in zip(H264, RTX, strict=True) for number in pair)
    text = (
        f"{_SESSION}m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}\na=mid:0\n{transport}{_AUDIO}"
        f"m=video 9 UDP/TLS/RTP/SAVPF {numbers}\na=mid:1\n{transport}{video}"
    )
    return text.replace("\n", "\r\n")


def read_answer(text: str, host: str) -> Answer:
    """What the answer says; its candidate on `host` is taken, or its first one. ValueError when something is missing."""
    candidates = re.findall(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", text, re.MULTILINE | re.IGNORECASE)
    if not candidates:
        raise ValueError(f"an answer without a candidate: {text!r}")
    ports = {address: int(port) for address, port in candidates}
    address = host if host in ports else candidates[0][0]
    ssrcs = dict.fromkeys(int(number) for number in re.findall(r"^a=ssrc:(\d+) ", text, re.MULTILINE))
    return Answer(
        _value(text, "ice-ufrag"),
        _value(text, "ice-pwd"),
        _value(text, "fingerprint:sha-256", " "),
        (address, ports[address]),
        tuple(ssrcs),
    )


def _value(text: str, name: str, mark: str = ":") -> str:
    found = re.search(rf"^a={name}{mark}(\S+)", text, re.MULTILINE | re.IGNORECASE)
    if found is None:
        raise ValueError(f"an answer without a={name}")
    return found[1]
