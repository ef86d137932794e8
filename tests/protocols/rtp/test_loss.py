"""Reordering, NACK, retransmission: packets over a bad path, in virtual time."""

import pytest
from aiortc.rtp import RtpPacket as OtherPacket
from aiortc.rtp import wrap_rtx
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media.timebase import MILLISECOND, SECOND
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtx
from arcly_actors.protocols.rtp.jitter import JitterBuffer
from arcly_actors.protocols.rtp.nack import NackGenerator
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.resend import ResendGate
from tests.protocols.rtp import scenes

MS = MILLISECOND


def numbered(sequence: int) -> RtpPacket:
    return RtpPacket(96, sequence & 0xFFFF, sequence, 1, sequence.to_bytes(4))


def popped(buffer: JitterBuffer, now: int) -> list[tuple[int, int]]:
    return [(item.packet.timestamp, item.missing) for item in buffer.pop(now)]


def test_packets_in_order_pass_at_once() -> None:
    buffer = JitterBuffer()
    for sequence in range(65530, 65545):
        buffer.push(numbered(sequence), 0)
        assert popped(buffer, 0) == [(sequence, 0)]
    assert buffer.wake_at is None


def test_a_gap_waits_and_is_then_given_up() -> None:
    buffer = JitterBuffer(wait=100 * MS)
    buffer.push(numbered(1), 0)
    assert popped(buffer, 0) == [(1, 0)]
    buffer.push(numbered(4), 10 * MS)
    buffer.push(numbered(5), 60 * MS)
    assert popped(buffer, 109 * MS) == []
    assert buffer.wake_at == 110 * MS
    assert popped(buffer, 110 * MS) == [(4, 2), (5, 0)]
    buffer.push(numbered(3), 111 * MS)
    assert popped(buffer, 999 * MS) == []
    assert buffer.counts == {"missing": 2, "late": 1}


def test_the_second_gap_has_a_wait_of_its_own() -> None:
    buffer = JitterBuffer(wait=100 * MS)
    for sequence, at in ((1, 0), (3, 10 * MS), (5, 80 * MS)):
        buffer.push(numbered(sequence), at)
        buffer.pop(at)
    assert popped(buffer, 110 * MS) == [(3, 1)]
    assert popped(buffer, 180 * MS) == [(5, 1)]


def test_duplicates_are_counted() -> None:
    buffer = JitterBuffer()
    for sequence in (1, 3, 3, 2, 2):
        buffer.push(numbered(sequence), 0)
    assert popped(buffer, 0) == [(1, 0), (2, 0), (3, 0)]
    assert buffer.counts == {"duplicate": 2}


def test_the_buffer_is_bounded() -> None:
    buffer = JitterBuffer(most=10)
    buffer.push(numbered(0), 0)
    buffer.pop(0)
    out = []
    for sequence in range(2, 14):
        buffer.push(numbered(sequence), 0)
        out += popped(buffer, 0)
    assert out[0] == (2, 1)
    assert len(out) == 12


def test_one_stray_packet_changes_nothing_and_two_are_a_restart() -> None:
    buffer = JitterBuffer(wait=100 * MS)
    for sequence in (1, 2, 30000, 3):
        buffer.push(numbered(sequence), 0)
    assert popped(buffer, 0) == [(1, 0), (2, 0), (3, 0)]
    for sequence in (50000, 50001, 50002):
        buffer.push(numbered(sequence), 0)
    assert popped(buffer, 100 * MS) == [(50001, 1), (50002, 0)]
    assert buffer.counts["stray"] == 2


@pytest.mark.parametrize("seed", range(5))
def test_reordering_within_the_bound_is_undone(seed: int) -> None:
    sent = [numbered(sequence) for sequence in range(65000, 66500)]
    buffer = JitterBuffer()
    out = []
    for index, packet in enumerate(scenes.shuffled(seed, sent, 20)):
        buffer.push(packet, index * MS)
        out += popped(buffer, index * MS)
    assert [sequence for sequence, _ in out] == sorted(sequence for sequence, _ in out)
    assert len(out) + buffer.counts["late"] == len(sent)
    assert buffer.counts["late"] <= 20  # only those that the very first packet overtook


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 50)), max_size=60))
@settings(max_examples=120)
def test_any_numbers_come_out_once_and_in_time(arrivals: list[tuple[int, int]]) -> None:
    buffer, now, out = JitterBuffer(wait=100 * MS), 0, 0
    for sequence, pause in arrivals:
        now += pause * MS
        buffer.push(numbered(sequence), now)
        out += len(buffer.pop(now))
    for _ in arrivals:
        out += len(buffer.pop(now := now + 100 * MS))
    assert buffer.wake_at is None
    kept = len(arrivals) - sum(buffer.counts[reason] for reason in ("late", "duplicate", "stray"))
    assert out == kept


def test_a_missing_packet_is_asked_for_once_a_round_trip() -> None:
    nacks = NackGenerator(rtt=50 * MS, tolerance=10 * MS)
    nacks.received(65534, 0)
    nacks.received(1, 0)
    assert nacks.due(9 * MS) == []
    assert nacks.wake_at == 10 * MS
    assert nacks.due(10 * MS) == [65535, 0]
    assert nacks.due(59 * MS) == []
    assert nacks.received(65535, 30 * MS)
    assert nacks.due(60 * MS) == [0]
    assert nacks.received(0, 70 * MS)
    assert nacks.wake_at is None


def test_reordered_packets_are_not_asked_for() -> None:
    nacks = NackGenerator()
    nacks.received(1, 0)
    nacks.received(3, 0)
    assert not nacks.received(2, 5 * MS)
    assert nacks.due(SECOND) == []


def test_asking_ends() -> None:
    nacks = NackGenerator(rtt=20 * MS)
    nacks.received(1, 0)
    nacks.received(3, 0)
    asked = [sequence for now in range(0, 2000, 5) for sequence in nacks.due(now * MS)]
    assert asked == [2] * limits.NACK_TRIES
    assert (nacks.given_up, nacks.wake_at) == (1, None)


def test_too_many_missing_ask_for_a_keyframe_instead() -> None:
    nacks = NackGenerator()
    nacks.received(1, 0)
    nacks.received(limits.NACK_PACKETS + 3, 0)
    assert (nacks.overflows, nacks.due(SECOND)) == (1, [])
    nacks.received(40000, 0)
    nacks.received(40005, 0)
    nacks.forget_before(40003)
    assert nacks.due(SECOND) == [40003, 40004]


def test_a_viewer_is_not_sent_the_same_twice_nor_too_much() -> None:
    gate = ResendGate(share=1000, rtt=100 * MS)
    assert gate.admits(1, 400, 0)
    assert not gate.admits(1, 400, 40 * MS)
    assert gate.admits(1, 400, 60 * MS)
    assert not gate.admits(2, 400, 60 * MS)
    assert gate.admits(2, 400, 260 * MS)
    assert gate.refused == 2
    wide = ResendGate(share=10**9)
    assert all(wide.admits(sequence, 1, 0) for sequence in range(3 * limits.NACK_PACKETS))
    assert len(wide._sent) <= limits.NACK_PACKETS


@pytest.mark.parametrize("elements", [(), ((1, b"0"),)])
def test_a_retransmission_comes_back(elements: tuple[tuple[int, bytes], ...]) -> None:
    packet = RtpPacket(96, 500, 9, 1, b"payload", marker=True, extensions=elements, csrcs=(7,))
    wire = rtx.wrap(rtp.build(packet), 97, 2, 65535)
    read = rtp.parse(wire)
    assert (read.payload_type, read.sequence, read.ssrc, read.payload) == (97, 65535, 2, b"\x01\xf4payload")
    assert rtx.unwrap(read, 96, 1) == packet


def test_another_implementation_wraps_the_same() -> None:
    wire = rtp.build(RtpPacket(96, 500, 9, 1, b"payload", marker=True))
    assert wrap_rtx(OtherPacket.parse(wire), 97, 65535, 2).serialize() == rtx.wrap(wire, 97, 2, 65535)


def test_probes_and_cut_retransmissions() -> None:
    assert rtx.unwrap(RtpPacket(97, 1, 1, 2, b""), 96, 1) is None
    with pytest.raises(Malformed):
        rtx.unwrap(RtpPacket(97, 1, 1, 2, b"x"), 96, 1)


def test_many_gaps_that_are_given_up_together_cost_no_more_than_one_by_one() -> None:
    """Every other packet is lost, and all that waits comes due at once: in order, each behind its own gap."""
    buffer = JitterBuffer(wait=100 * MS, most=5000)
    for sequence in range(0, 6000, 2):
        buffer.push(numbered(sequence), 0)
        if sequence < 2:
            buffer.pop(0)
    out = popped(buffer, 100 * MS)
    assert out == [(sequence, 1) for sequence in range(2, 6000, 2)]
    assert (buffer._waiting, buffer._order) == ({}, [])


def test_what_is_of_no_use_is_forgotten_from_the_front() -> None:
    nacks = NackGenerator(tolerance=10 * MS)
    for sequence in range(0, 900, 2):
        nacks.received(sequence, sequence * MS)
    nacks.forget_before(890)
    assert list(nacks._missing) == [891, 893, 895, 897]
    assert nacks.due(10**12) == [891, 893, 895, 897]
    assert nacks.due(10**12) == []
    nacks.forget_before(898)
    assert nacks.wake_at is None


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 30), st.booleans()), max_size=80))
@settings(max_examples=80)
def test_what_is_due_is_never_overlooked(arrivals: list[tuple[int, int, bool]]) -> None:
    nacks, now = NackGenerator(rtt=40 * MS), 0
    for sequence, pause, forget in arrivals:
        now += pause * MS
        nacks.received(sequence % 700, now)
        if forget:
            nacks.forget_before(sequence % 700)
        due = {number & 0xFFFF for number, (at, _) in nacks._missing.items() if at <= now}
        wake_at = nacks.wake_at
        assert (wake_at is None) == (not nacks._missing)
        assert wake_at is None or wake_at <= min(at for at, _ in nacks._missing.values())
        assert set(nacks.due(now)) <= due
        assert all(at > now for at, _ in nacks._missing.values())
        assert list(nacks._missing) == sorted(nacks._missing)
        assert len(nacks._missing) <= limits.NACK_PACKETS
