"""The bounds of `limits` that no other test of RTP meets: just within them, and one beyond."""

import pytest

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp.jitter import JitterBuffer
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.payload.unit import AccessUnit, Depacketiser
from arcly_actors.protocols.rtp.resend import ResendGate
from arcly_actors.protocols.rtp.sequence import LATE, Continuity
from arcly_actors.protocols.rtp.transport_cc import TransportArrivals


def numbered(sequence: int, payload: bytes = b"x") -> RtpPacket:
    return RtpPacket(96, sequence & 0xFFFF, 0, 1, payload)


def only(target: Depacketiser, payload: bytes) -> list[AccessUnit]:
    """One packet that is a unit."""
    return target.push(RtpPacket(96, 0, 0, 1, payload, marker=True))


def test_aac_units() -> None:
    def packet(count: int) -> bytes:
        return (16 * count).to_bytes(2) + (1 << 3).to_bytes(2) * count + b"a" * count

    fine, beyond = FORMATS[CodecId.AAC].depacketiser(), FORMATS[CodecId.AAC].depacketiser()
    assert len(only(fine, packet(limits.AAC_UNITS))) == limits.AAC_UNITS
    assert only(beyond, packet(limits.AAC_UNITS + 1)) == []
    assert beyond.dropped == {"malformed": 1}


def test_obus() -> None:
    def packet(count: int) -> bytes:
        return b"\x08" + b"\x02\x30\x00" * count  # N, and metadata OBUs

    fine, beyond = FORMATS[CodecId.AV1].depacketiser(), FORMATS[CodecId.AV1].depacketiser()
    only(fine, packet(limits.OBUS))
    only(beyond, packet(limits.OBUS + 1))
    assert (fine.dropped, beyond.dropped) == ({"no keyframe": 1}, {"malformed": 1})


def test_opus_packets() -> None:
    packetiser = FORMATS[CodecId.OPUS].packetiser()
    track = Track(1, CodecId.OPUS)
    assert packetiser.packetise(MediaFrame(track, 0, 0, bytes(limits.OPUS_PACKET)))
    with pytest.raises(Malformed):
        packetiser.packetise(MediaFrame(track, 0, 0, bytes(limits.OPUS_PACKET + 1)))


# A payload that begins a unit, and one that goes on with it.
ENDLESS = {
    CodecId.H264: (b"\x7c\x85\x88", b"\x7c\x05"),
    CodecId.H265: (b"\x62\x01\x93\x80", b"\x62\x01\x13"),
    CodecId.VP8: (b"\x10\x00", b"\x00\x00"),
    CodecId.VP9: (b"\x08\x00", b"\x00\x00"),
    CodecId.AV1: (b"\x58\x30", b"\xd0\x00"),
}


@pytest.mark.parametrize("codec", ENDLESS)
@pytest.mark.parametrize("size", [1, 60_000])
def test_a_unit_that_never_ends(codec: CodecId, size: int) -> None:
    """Given up at `FRAME_BYTES`, also when it comes byte by byte; what follows of it costs nothing."""
    target = FORMATS[codec].depacketiser()
    begin, more = ENDLESS[codec]
    target.push(numbered(0, begin))
    held = 0
    for sequence in range(1, limits.FRAME_BYTES // (size + 60) + 100):
        target.push(numbered(sequence, more + bytes(size)))
        held = max(held, getattr(target, "_bytes", 0))
    assert limits.FRAME_BYTES - 2 * (size + 80) <= held <= limits.FRAME_BYTES
    assert getattr(target, "_bytes", None) == 0
    assert target.dropped == {"malformed": 1}


def test_reordering_is_bounded_in_packets() -> None:
    buffer = JitterBuffer()
    buffer.push(numbered(0), 0)
    buffer.pop(0)
    for sequence in range(2, limits.REORDER_PACKETS + 2):
        buffer.push(numbered(sequence), 0)
        assert buffer.pop(0) == []
    buffer.push(numbered(limits.REORDER_PACKETS + 2), 0)
    assert len(buffer.pop(0)) == limits.REORDER_PACKETS + 1


def test_reordering_is_bounded_in_time() -> None:
    buffer = JitterBuffer()
    for sequence in (0, 2):
        buffer.push(numbered(sequence), 0)
    assert len(buffer.pop(limits.REORDER_TIME - 1)) == 1
    assert len(buffer.pop(limits.REORDER_TIME)) == 1


@pytest.mark.parametrize(("step", "strays"), [(limits.RTP_DROPOUT, 0), (limits.RTP_DROPOUT + 1, 1)])
def test_a_jump_is_believed_up_to_the_dropout(step: int, strays: int) -> None:
    buffer = JitterBuffer()
    buffer.push(numbered(0), 0)
    buffer.pop(0)
    buffer.push(numbered(step), 0)
    assert buffer.counts["stray"] == strays


@pytest.mark.parametrize(("behind", "missing"), [(limits.RTP_MISORDER, LATE), (limits.RTP_MISORDER + 1, 1)])
def test_a_number_behind_is_late_or_of_a_new_sender(behind: int, missing: int) -> None:
    continuity = Continuity()
    continuity.missing(999)
    assert continuity.missing(1000 - behind) == missing


def test_retransmissions_are_remembered_for_a_bounded_number_of_packets() -> None:
    gate = ResendGate(share=10**9)
    for sequence in range(5 * limits.NACK_PACKETS):
        gate.admits(sequence, 1, sequence)
        assert len(gate._sent) <= limits.NACK_PACKETS


def test_arrivals_are_bounded_without_anybody_who_is_told() -> None:
    arrivals = TransportArrivals()
    for number in range(3 * limits.TRANSPORT_STATUSES):
        arrivals.received(number & 0xFFFF, number)
        assert len(arrivals._arrivals) <= limits.TRANSPORT_STATUSES
    told = arrivals.feedback(1, 1)
    assert told is not None
    assert len(told.deltas) <= limits.TRANSPORT_STATUSES
