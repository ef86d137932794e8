"""RTCP: byte-exact, against a second implementation, and under fuzz."""

from typing import Any

import aiortc.rtp as other
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit, PeerViolation
from arcly_actors.protocols.rtp.feedback import Fir, Nack, Pli, Remb
from arcly_actors.protocols.rtp.reporting import Bye, ReceiverReport, ReportBlock, Sdes, SenderReport
from arcly_actors.protocols.rtp.rtcp import RtcpPacket, Unknown, build, parse
from arcly_actors.protocols.rtp.transport_cc import DELTA, TransportArrivals, TransportFeedback

BLOCK = ReportBlock(0x11, 25, -3, 0x10005, 44, 0x22223333, 65536)
EVERY: tuple[RtcpPacket, ...] = (
    SenderReport(1, 0xE000000080000000, 90000, 10, 2000, (BLOCK,)),
    ReceiverReport(1, (BLOCK, ReportBlock(0x12))),
    Sdes(((1, "cname"), (2, ""))),
    Bye((1, 2), "gone"),
    Bye((3,)),
    Nack(1, 2, (5, 6, 21, 22, 65535)),
    Pli(1, 2),
    Fir(1, ((2, 7), (3, 255))),
    Remb(1, 2_600_000, (2, 3)),
    TransportFeedback(1, 2, 65530, -5, 9, (0, None, 4, 300, -2, None, None, 255, 1)),
    Unknown(204, 3, b"\0\0\0\1NAMEdata"),
)


@pytest.mark.parametrize("packet", EVERY, ids=lambda packet: type(packet).__name__)
def test_what_is_built_is_read(packet: RtcpPacket) -> None:
    assert parse(build(packet)) == (packet,)


def test_a_compound_is_read_in_order() -> None:
    assert parse(build(*EVERY)) == EVERY


@pytest.mark.parametrize(
    ("packet", "wire"),
    [
        (Pli(1, 2), "81ce0002 00000001 00000002"),
        (Fir(1, ((2, 7),)), "84ce0004 00000001 00000000 00000002 07000000"),
        (Nack(1, 2, (5, 6, 21)), "81cd0003 00000001 00000002 00058001"),
        (Remb(1, 0x3FFFF << 2, (2,)), "8fce0005 00000001 00000000 52454d42 010bffff 00000002"),
        (Bye((1,), "ab"), "81cb0002 00000001 02616200"),
        (Sdes(((1, "a"),)), "81ca0002 00000001 01016100"),
        (Sdes(((1, "ab"),)), "81ca0003 00000001 01026162 00000000"),
    ],
)
def test_bytes_are_those_of_the_rfcs(packet: RtcpPacket, wire: str) -> None:
    assert build(packet) == bytes.fromhex(wire)


def test_another_implementation_reads_ours() -> None:
    read: list[Any] = list(other.RtcpPacket.parse(build(*EVERY[:-2])))
    assert (read[0].sender_info.ntp_timestamp, read[0].reports[0].packets_lost) == (0xE000000080000000, -3)
    assert [info.ssrc for info in read[1].reports] == [0x11, 0x12]
    assert read[2].chunks[0].items == [(1, b"cname")]
    assert read[3].sources == [1, 2]
    assert read[5].lost == [5, 6, 21, 22, 65535]
    assert other.unpack_remb_fci(read[8].fci) == (2_600_000, [2, 3])


def test_we_read_another_implementation() -> None:
    data = bytes(other.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=2, lost=[9, 10, 30]))
    data += bytes(other.RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=other.pack_remb_fci(1_000_000, [5])))
    assert parse(data) == (Nack(1, 2, (9, 10, 30)), Remb(1, 999_992 + 8, (5,)))


def test_padding_of_the_last_packet_is_taken_off() -> None:
    assert parse(bytes.fromhex("a1ce0003 00000001 00000002 00000004")) == (Pli(1, 2),)


@pytest.mark.parametrize(
    "wire",
    [
        "81ce00",
        "81ce0002 00000001",
        "41ce0002 00000001 00000002",
        "81ce0001 00000001",
        "81c80001 00000001",
        "81c90001 00000001",
        "81ca0001 00000001",
        "81ca0002 00000001 01ff6100",
        "82cb0001 00000001",
        "84ce0003 00000001 00000000 00000002",
        "8fce0004 00000001 00000000 52454d42 010bffff",
        "a1ce0002 00000001 00000000",
        "a1ce0002 00000001 00000002 81ce0002 00000001 00000002",
        "8fcd0004 00000001 00000002 00000001 00000000",
        "8fcd0005 00000001 00000002 00000001 00000000 00000000",
        "8fcd0005 00000001 00000002 00000001 00000000 60010000",
    ],
)
def test_what_is_cut_or_wrong_is_malformed(wire: str) -> None:
    with pytest.raises(Malformed):
        parse(bytes.fromhex(wire))


def test_work_is_bounded() -> None:
    with pytest.raises(PeerLimit):
        parse(build(Pli(1, 2)) * (limits.RTCP_PACKETS + 1))
    with pytest.raises(PeerLimit):
        parse(build(Nack(1, 2, tuple(range(0, 17 * (limits.NACK_ENTRIES + 1), 17)))))
    with pytest.raises(PeerLimit):
        parse(build(TransportFeedback(1, 2, 0, 0, 0, (None,) * (limits.TRANSPORT_STATUSES + 1))))


deltas = st.lists(st.none() | st.integers(0, 255) | st.integers(-0x8000, 0x7FFF), min_size=1, max_size=60)


@given(deltas, st.integers(0, 0xFFFF), st.integers(-0x800000, 0x7FFFFF))
@settings(max_examples=120)
def test_any_transport_feedback_round_trips(arrived: list[int | None], first: int, reference: int) -> None:
    packet = TransportFeedback(1, 2, first, reference, 0, tuple(arrived))
    assert parse(build(packet)) == (packet,)


@given(st.lists(st.integers(0, 0xFFFF), max_size=60, unique=True))
@settings(max_examples=80)
def test_any_nack_asks_for_the_same_packets(sequences: list[int]) -> None:
    (read,) = parse(build(Nack(1, 2, tuple(sequences))))
    assert isinstance(read, Nack)
    assert set(read.sequences) == set(sequences)


@given(st.sampled_from([build(packet) for packet in EVERY]), st.data())
@settings(max_examples=120)
def test_damage_ends_in_packets_or_a_violation(data: bytes, draw: st.DataObject) -> None:
    wire = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        wire[draw.draw(st.integers(0, len(wire) - 1))] = draw.draw(st.integers(0, 255))
    cut = bytes(wire[: draw.draw(st.integers(0, len(wire)))])
    try:
        found = parse(cut)
    except PeerViolation:
        return
    assert len(found) <= len(cut) // 4


def test_arrivals_are_told_once_in_order() -> None:
    arrivals = TransportArrivals()
    for sequence, at in ((65534, 10), (65535, 11), (1, 14), (0, 15), (4, 20)):
        arrivals.received(sequence, at * DELTA)
    told = arrivals.feedback(1, 2)
    assert told == TransportFeedback(1, 2, 65534, 0, 0, (10, 1, 4, -1, None, None, 6))
    assert told.lost == 2
    assert arrivals.feedback(1, 2) is None
    arrivals.received(3, 30 * DELTA)  # too late, it was told as lost
    arrivals.received(6, 31 * DELTA)
    again = arrivals.feedback(1, 2)
    assert again is not None
    assert (again.first, again.number, again.deltas) == (5, 1, (None, 31))


def test_a_long_pause_starts_another_feedback() -> None:
    arrivals = TransportArrivals()
    arrivals.received(1, 0)
    arrivals.received(2, 20_000_000_000)
    first, second = arrivals.feedback(1, 2), arrivals.feedback(1, 2)
    assert first is not None
    assert second is not None
    assert (first.deltas, second.first, second.reference) == ((0,), 2, 312)


def test_arrivals_are_bounded() -> None:
    arrivals = TransportArrivals()
    for sequence in range(0, 40000, 7):
        arrivals.received(sequence & 0xFFFF, sequence)
    told = arrivals.feedback(1, 2)
    assert told is not None
    assert len(told.deltas) <= limits.TRANSPORT_STATUSES
