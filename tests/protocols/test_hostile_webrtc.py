"""Every reader of WebRTC and RTP on hostile input: a value or a `PeerViolation`, and state within its bounds."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.errors import PeerViolation, Refused
from arcly_actors.media.codec import CodecId
from arcly_actors.media.timebase import MILLISECOND
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp, rtx
from arcly_actors.protocols.rtp.demux import Demux, MediaLine
from arcly_actors.protocols.rtp.extensions import ExtensionMap, ExtensionUri
from arcly_actors.protocols.rtp.jitter import JitterBuffer
from arcly_actors.protocols.rtp.nack import NackGenerator
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.reports import ReceptionStatistics
from arcly_actors.protocols.rtp.transport_cc import TransportArrivals
from arcly_actors.protocols.webrtc import fragment, ice, stun
from arcly_actors.protocols.webrtc.agreement import Play, Publish
from arcly_actors.protocols.webrtc.negotiate import answer
from tests.protocols.rtp import scenes
from tests.protocols.webrtc.offers import H264_TRACK, LOCAL, OPUS_TRACK, RECORDED, recorded

CORPUS = Path(__file__).parents[1] / "corpora" / "webrtc"
FUZZ = settings(max_examples=80)
LINES = [MediaLine("0", frozenset({111})), MediaLine("1", frozenset({96}), {97: 96})]
NAMES = ExtensionMap({ExtensionUri.MID: 1, ExtensionUri.RID: 2, ExtensionUri.REPAIRED_RID: 3})
MS = MILLISECOND


def read_offer(data: bytes) -> None:
    for wants in (Publish(), Play((H264_TRACK, OPUS_TRACK))):
        try:
            answer(data.decode("utf-8", "replace"), wants, LOCAL)
        except (PeerViolation, Refused):
            continue


def read_fragment(data: bytes) -> None:
    try:
        assert len(fragment.parse(data.decode("utf-8", "replace")).candidates) <= limits.ICE_CANDIDATES
    except PeerViolation:
        return


def read_stun(data: bytes) -> None:
    session = ice.IceLite(ice.IceCredentials("ours", "p" * 22), ice.IceCredentials("peer", "q" * 22), 0)
    assert session.receive(data, ("192.0.2.1", 1), 1).reply is None
    ice.ufrag_of(data)
    try:
        message = stun.parse(data)
    except PeerViolation:
        return
    assert len(message.attributes) <= limits.STUN_ATTRIBUTES


def read_rtp(data: bytes) -> None:
    try:
        packet = rtp.parse(data)
        rtx.unwrap(packet, 96, 1)
    except PeerViolation:
        return
    assert len(packet.extensions) <= limits.RTP_EXTENSIONS


def read_rtcp(data: bytes) -> None:
    try:
        found = rtcp.parse(data)
    except PeerViolation:
        return
    assert len(found) <= limits.RTCP_PACKETS


def read_payload(data: bytes) -> None:
    """As the only packet, and amid a picture that has begun."""
    for codec, form in FORMATS.items():
        target, begin = form.depacketiser(), BEGINNINGS.get(codec, b"")
        for number, payload in enumerate((begin, data, data, begin)):
            target.push(RtpPacket(96, number, 0, 1, payload, marker=number == 3))


BEGINNINGS = {
    CodecId.H264: b"\x7c\x85\x88a",
    CodecId.H265: b"\x62\x01\x93\x80a",
    CodecId.VP8: b"\x10\x00\x00\x00",
    CodecId.VP9: b"\x08\x82",
    CodecId.AV1: b"\x58\x0a",
    CodecId.AAC: b"\x00\x10\xff\xf8a",
    CodecId.MP3: b"\0\0\0\0\xff\xfb\x90\x00",
}
READERS: dict[str, Callable[[bytes], None]] = {
    "sdp": read_offer,
    "fragment": read_fragment,
    "stun": read_stun,
    "rtp": read_rtp,
    "rtcp": read_rtcp,
    "payload": read_payload,
}


def check_reader(kind: str, data: bytes) -> None:
    """The reader of a folder ends in a value or its error, within its bounds."""
    READERS[kind](data)


FILES = [path for kind in READERS for path in sorted((CORPUS / kind).iterdir())]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_the_corpus(path: Path) -> None:
    kind, data = path.parent.name, path.read_bytes()
    check_reader(kind, data)
    check_reader(kind, data * 2)
    for end in range(min(len(data), 80)):
        check_reader(kind, data[:end])


@pytest.mark.parametrize("kind", READERS)
@given(draw=st.data())
@FUZZ
def test_the_corpus_damaged(kind: str, draw: st.DataObject) -> None:
    seeds = [path for path in FILES if path.parent.name == kind]
    data = bytearray(draw.draw(st.sampled_from(seeds)).read_bytes()[:4000])
    for _ in range(draw.draw(st.integers(0, 4))):
        at = draw.draw(st.integers(0, max(0, len(data) - 1)))
        data[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=4))
    check_reader(kind, bytes(data))


@pytest.mark.parametrize("kind", READERS)
@given(data=st.binary(max_size=300))
@FUZZ
def test_anything(kind: str, data: bytes) -> None:
    check_reader(kind, data)


@given(draw=st.data())
@FUZZ
def test_recorded_offers_as_fragments(draw: st.DataObject) -> None:
    lines = recorded(draw.draw(st.sampled_from(RECORDED))).split("\r\n")
    kept = draw.draw(st.lists(st.sampled_from([line for line in lines if line[:1] in "am"]), max_size=12))
    check_reader("fragment", "\r\n".join(kept).encode())


class Chain:
    """What a receiver does with the packets of one transport, for all codecs at once."""

    def __init__(self) -> None:
        self.demux = Demux(LINES, NAMES)
        self.buffer, self.nacks = JitterBuffer(), NackGenerator()
        self.arrivals = TransportArrivals()
        self.statistics = ReceptionStatistics(1, 90000)
        self.targets = {codec: form.depacketiser() for codec, form in FORMATS.items()}

    def push(self, packet: RtpPacket, now: int) -> None:
        self.demux.route(packet)
        self.nacks.received(packet.sequence, now)
        self.arrivals.received(packet.sequence, now)
        self.statistics.received(packet.sequence, packet.timestamp, now)
        self.buffer.push(packet, now)
        for ordered in self.buffer.pop(now):
            for target in self.targets.values():
                target.push(ordered.packet)
            self.nacks.forget_before(ordered.packet.sequence)
        self.nacks.due(now)

    def check_bounds(self) -> None:
        """Nothing has grown beyond its bound."""
        assert len(self.demux._bound) <= limits.RTP_SOURCES
        assert len(self.buffer._waiting) == len(self.buffer._order) <= limits.REORDER_PACKETS + 1
        assert len(self.nacks._missing) <= limits.NACK_PACKETS
        assert len(self.arrivals._arrivals) <= limits.TRANSPORT_STATUSES
        assert self.statistics.block(0).lost >= -0x800000
        for target in self.targets.values():
            assert getattr(target, "_bytes", 0) <= limits.FRAME_BYTES
            assert set(target.dropped) <= {"damaged", "malformed", "no keyframe", "late"}


ARRIVALS = st.tuples(
    st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, 200), st.binary(max_size=12), st.booleans()
)


@given(st.lists(ARRIVALS, max_size=60))
@FUZZ
def test_any_packets_through_the_whole_chain(arriving: list[tuple[int, int, int, bytes, bool]]) -> None:
    chain, now = Chain(), 0
    for sequence, ticks, pause, payload, marker in arriving:
        now += pause * MS
        elements = ((payload[0] % 4, payload[1:]),) if payload else ()
        chain.push(RtpPacket(96 + len(payload) % 3, sequence, ticks, ticks % 200, payload, marker, elements), now)
        chain.check_bounds()


@pytest.mark.parametrize("seed", range(3))
def test_a_long_run_of_lost_doubled_damaged_and_foreign_packets(seed: int) -> None:
    dice, chain = random.Random(seed), Chain()
    clips = [scenes.frames("h264_aac.flv", CodecId.H264), scenes.frames("vp8_opus.webm", CodecId.VP8)]
    sent = [packet for clip in clips for packet in scenes.packets(FORMATS[clip[0].track.codec].packetiser(), clip)]
    sequence = now = 0
    for index in range(12_000):
        fate, packet = dice.random(), sent[index % len(sent)]
        now += dice.randrange(2) * MS
        sequence += 1 if fate > 0.02 else dice.choice([0, -3, 2, 400, 5000, 30_000])
        payload = packet.payload if fate < 0.9 else dice.randbytes(dice.randrange(40))
        ssrc = packet.ssrc if fate > 0.05 else dice.getrandbits(32)
        chain.push(packet._replace(sequence=sequence & 0xFFFF, payload=payload, ssrc=ssrc), now)
        if index % 500 == 0:
            chain.check_bounds()
            chain.arrivals.feedback(1, 1)
    chain.check_bounds()
