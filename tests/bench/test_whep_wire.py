"""What the load client writes and reads before the media: keys, reports, offer and answer."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from arcly_actors.protocols.rtp import rtcp
from arcly_actors.protocols.rtp.reporting import ReceiverReport
from arcly_actors.protocols.webrtc.description import read_media, read_peer
from arcly_actors.protocols.webrtc.sdp import parse
from bench.whep.sdp import H264, OPUS, RTX, offer, read_answer
from bench.whep.srtp import CM, GCM, Profile, receiving, sending, session_keys, split_keys
from bench.whep.upkeep import receiver_report

MASTER = bytes(range(100, 128))
HEADER = b"\x80\x68\x12\x34\x00\x00\x00\x01\xca\xfe\xba\xbe"
ANSWER = """v=0\r
a=ice-lite\r
m=audio 9 UDP/TLS/RTP/SAVPF 111\r
a=ice-ufrag:abcd\r
a=ice-pwd:0123456789012345678901\r
a=fingerprint:sha-256 AB:CD\r
a=ssrc:7 cname:x\r
a=candidate:1 1 udp 2130706431 192.0.2.1 8189 typ host\r
a=candidate:2 1 udp 2130706175 127.0.0.1 8190 typ host\r
m=video 9 UDP/TLS/RTP/SAVPF 102\r
a=ssrc:9 cname:x\r
a=ssrc:9 msid:a b\r
"""


def test_session_keys_open_what_libsrtp_sealed() -> None:
    """The nonce of RFC 7714 §8.1 with the keys that are told to the floor."""
    sealed = sending(MASTER).protect(HEADER + b"payload")
    keys = session_keys(MASTER)
    nonce = int.from_bytes(bytes(2) + HEADER[8:12] + bytes(4) + HEADER[2:4]) ^ int.from_bytes(keys[16:])
    assert AESGCM(keys[:16]).decrypt(nonce.to_bytes(12), sealed[12:], HEADER) == b"payload"


@pytest.mark.parametrize("profile", [GCM, CM])
def test_keys_of_both_ends_are_told_apart(profile: Profile) -> None:
    material = bytes(range(profile.exported))
    ours, theirs = split_keys(material, profile)
    assert ours == material[:16] + material[32 : 32 + profile.salt]
    assert theirs == material[16:32] + material[32 + profile.salt :]
    assert receiving(ours, profile).unprotect(sending(ours, profile).protect(HEADER + b"x")) == HEADER + b"x"


def test_a_report_is_read_as_one() -> None:
    (report,) = rtcp.parse(receiver_report({7: 500, 9: 65_535}, [7, 9, 11]))
    assert isinstance(report, ReceiverReport)
    assert [(block.ssrc, block.fraction_lost) for block in report.blocks] == [(7, 0), (9, 0)]
    (nothing,) = rtcp.parse(receiver_report({}, [7]))
    assert isinstance(nothing, ReceiverReport)
    assert not nothing.blocks


def test_the_offer_is_one() -> None:
    read = parse(offer("ufra", "p" * 24, "AB:" * 31 + "CD"))
    audio, video = read_media(read)
    assert read_peer(read).ufrag == "ufra"
    assert [each.payload_type for each in audio.formats] == [OPUS]
    assert [(each.payload_type, each.rtx) for each in video.formats] == list(zip(H264, RTX, strict=True))


def test_the_answer_is_read() -> None:
    answer = read_answer(ANSWER, "127.0.0.1")
    assert (answer.ufrag, answer.pwd, answer.fingerprint) == ("abcd", "0123456789012345678901", "AB:CD")
    assert (answer.address, answer.ssrcs) == (("127.0.0.1", 8190), (7, 9))
    assert read_answer(ANSWER, "198.51.100.1").address == ("192.0.2.1", 8189)


@pytest.mark.parametrize("missing", ["a=candidate", "a=ice-pwd", "a=fingerprint"])
def test_an_answer_without_what_is_needed_is_refused(missing: str) -> None:
    lines = [line for line in ANSWER.splitlines(keepends=True) if not line.startswith(missing)]
    with pytest.raises(ValueError, match="without"):
        read_answer("".join(lines), "127.0.0.1")
