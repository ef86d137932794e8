"""Laying packets out for segmented sends, and what protecting and sending them costs."""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.clock import SystemClock
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.srtp import PROFILES, Profile, SrtpReceiver, SrtpSender, session_keys
from arcly_actors.transport.srtp_batch import Scratch, SharedPackets, grouped, send_group
from arcly_actors.transport.udp_socket import UdpSocket
from tests.support.memory_udp import MemoryUdp


def packet(sequence: int, size: int) -> bytes:
    """A plain RTP packet."""
    return b"\x80\x60" + sequence.to_bytes(2, "big") + bytes(4) + b"ssrc" + bytes(size - 12)


@settings(max_examples=120)
@given(st.lists(st.sampled_from([12, 13, 100, 1199, 1200, 1456]), max_size=200), st.sampled_from([10, 16]))
def test_groups_are_what_the_kernel_can_cut(sizes: list[int], tag: int) -> None:
    packets = [packet(sequence, size) for sequence, size in enumerate(sizes)]
    groups = grouped(packets, tag)
    assert [one for group in groups for one in group] == packets
    for group in groups:
        full = len(group[0])
        assert len(group) <= limits.GSO_SEGMENTS
        assert sum(len(one) + tag for one in group) <= limits.GSO_BYTES
        assert all(len(one) == full for one in group[:-1])
        assert len(group[-1]) <= full
    for group, following in pairwise(groups):
        full_up = len(group) == limits.GSO_SEGMENTS or sum(len(one) + tag for one in group) > limits.GSO_BYTES - 1500
        assert full_up or len(group[-1]) < len(group[0]) or len(following[0]) > len(group[0])


@pytest.mark.parametrize("size", [0, 11, limits.RTP_BYTES + 1])
def test_what_is_no_rtp_packet_or_too_long_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"not {size}"):
        SharedPackets([bytes(size)])


def test_the_keys_of_both_directions_are_cut_as_the_rfc_says() -> None:
    profile = PROFILES[0]
    material = b"C" * 16 + b"S" * 16 + b"c" * 12 + b"s" * 12
    client, server = b"C" * 16 + b"c" * 12, b"S" * 16 + b"s" * 12
    assert session_keys(profile, material, active=False) == (client, server)
    assert session_keys(profile, material, active=True) == (server, client)


@pytest.fixture
def sink() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        yield made


@pytest.mark.speed
async def test_a_viewer_frame_costs_microseconds(sink: socket.socket) -> None:
    """A frame of 2.6 Mb/s at 30 fps for 100 viewers, with the kernel's delivery: 11 µs measured, 100 allowed."""
    udp = UdpSocket(asyncio.get_running_loop(), Address("127.0.0.1", 0))
    scratch, clock = Scratch(), SystemClock()
    viewers = [SrtpSender(PROFILES[0], bytes([index]) * 28) for index in range(100)]
    path = udp.path(sink.getsockname(), b"")
    try:
        best = 1 << 60
        for repeat in range(5):
            frame = SharedPackets([packet(repeat * 9 + index, 1200) for index in range(9)])
            before = clock.monotonic_ns()
            for viewer in viewers:
                for group in frame.groups(viewer.tag):
                    assert send_group(group, viewer, scratch, udp, path)
            best = min(best, clock.monotonic_ns() - before)
        assert best / len(viewers) < 100_000
    finally:
        udp.close()


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_report_is_accepted_once(profile: Profile) -> None:
    key = bytes(range(profile.key + profile.salt))
    dropped: Counter[str] = Counter()
    sender, receiver = SrtpSender(profile, key), SrtpReceiver(profile, key, dropped)
    report = b"\x80\xc9\x00\x01ssrc"
    protected = sender.protect_rtcp(report)
    assert protected is not None
    assert receiver.unprotect(memoryview(bytearray(protected)), rtcp=True) == report
    assert receiver.unprotect(memoryview(bytearray(protected)), rtcp=True) is None
    assert receiver.unprotect(memoryview(bytearray(b"\x80\xc9" + bytes(40))), rtcp=True) is None
    assert dropped["srtp-replay"] == 1
    assert sum(dropped.values()) == 2


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_packets_may_be_sent_again_within_the_window_and_past_a_wrap(profile: Profile) -> None:
    key = bytes(range(profile.key + profile.salt))
    dropped: Counter[str] = Counter()
    sender, receiver = SrtpSender(profile, key), SrtpReceiver(profile, key, dropped)
    udp, scratch = MemoryUdp(), Scratch()
    path = udp.path(("192.0.2.1", 1), b"")

    def send(sequence: int) -> bytes:
        (group,) = SharedPackets([packet(sequence & 0xFFFF, 20)]).groups(sender.tag)
        assert send_group(group, sender, scratch, udp, path)
        return udp.sent.pop()[0]

    first = 65_536 - limits.SRTP_SEND_WINDOW // 2
    late = first + limits.SRTP_SEND_WINDOW - 10
    originals = {sequence: send(sequence) for sequence in range(first, late)}
    for sequence in (first + 20, 65_535, 65_536, late - 1):
        assert send(sequence) == originals[sequence]
    for sequence, protected in originals.items():
        assert receiver.unprotect(memoryview(bytearray(protected)), rtcp=False) == packet(sequence & 0xFFFF, 20)
    assert receiver.unprotect(memoryview(bytearray(originals[late - 1])), rtcp=False) is None
    assert dropped == {"srtp-replay": 1}
