"""RTP packets and their header extensions: byte-exact, against a second implementation, and under fuzz."""

import pytest
from aiortc.rtp import RtpPacket as OtherPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit, PeerViolation
from arcly_actors.protocols.rtp import extensions, outgoing
from arcly_actors.protocols.rtp.extensions import ExtensionMap, ExtensionUri
from arcly_actors.protocols.rtp.outgoing import OutgoingStream
from arcly_actors.protocols.rtp.packet import RtpPacket, build, is_rtcp, parse
from arcly_actors.protocols.rtp.payload.unit import RtpChunk

PLAIN = bytes.fromhex("80e0000100000002deadbeef") + b"body"
# RFC 8285 §4.2: one-byte elements with padding between them.
ONE_BYTE = bytes.fromhex("90600001 00000002 deadbeef bede0003 10aa 00 00 21bbcc 00 32ddeeff") + b"body"
# RFC 8285 §4.3: two-byte elements, one of them empty.
TWO_BYTE = bytes.fromhex("90600001 00000002 deadbeef 10000003 0100 0201aa 00 0304bbccddee") + b"body"
MAP = ExtensionMap({ExtensionUri.MID: 1, ExtensionUri.RID: 2, ExtensionUri.TRANSPORT_CC: 3})

elements = st.lists(st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16)), max_size=4)
wide_elements = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=40)), max_size=4)
packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=40),
    marker=st.booleans(),
    extensions=(elements | wide_elements).map(tuple),
    csrcs=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
)


def test_a_plain_packet() -> None:
    packet = RtpPacket(96, 1, 2, 0xDEADBEEF, b"body", marker=True)
    assert parse(PLAIN) == packet
    assert build(packet) == PLAIN


def test_one_byte_extensions() -> None:
    packet = parse(ONE_BYTE)
    assert packet.extensions == ((1, b"\xaa"), (2, b"\xbb\xcc"), (3, b"\xdd\xee\xff"))
    assert packet.payload == b"body"
    assert build(packet)[12:] == bytes.fromhex("bede0003 10aa21bbcc32ddeeff 000000") + b"body"


def test_two_byte_extensions() -> None:
    packet = parse(TWO_BYTE)
    assert packet.extensions == ((1, b""), (2, b"\xaa"), (3, b"\xbb\xcc\xdd\xee"))
    assert parse(build(packet)) == packet


def test_an_id_of_15_ends_the_extension() -> None:
    assert extensions.parse(extensions.ONE_BYTE, bytes.fromhex("10aa f0bb 20cc 00 00")) == ((1, b"\xaa"),)


def test_other_profiles_are_skipped() -> None:
    assert parse(bytes.fromhex("90600001 00000002 deadbeef abcd0001 ffffffff") + b"x") == RtpPacket(
        96, 1, 2, 0xDEADBEEF, b"x"
    )


def test_padding_is_taken_off() -> None:
    assert parse(b"\xa0" + PLAIN[1:] + b"\0\0\x03").payload == b"body"
    assert parse(b"\xa0" + PLAIN[1:12] + b"\0\0\x03").payload == b""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN[:11],
        b"\x40" + PLAIN[1:],
        b"\xa0" + PLAIN[1:] + b"\x00",
        b"\xa0" + PLAIN[1:] + b"\x06",
        b"\x8f" + PLAIN[1:],
        b"\x90" + PLAIN[1:14],
        b"\x90" + PLAIN[1:12] + b"\xbe\xde\x00\x02aaaa",
        b"\x90" + PLAIN[1:12] + b"\xbe\xde\x00\x01\x13aaa",
        b"\x90" + PLAIN[1:12] + b"\x10\x00\x00\x01\x01\x03aa",
        b"\x90" + PLAIN[1:12] + b"\x10\x00\x00\x01\x00\x00\x00\x01",
    ],
)
def test_what_is_cut_or_wrong_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse(data)


def test_extensions_are_bounded() -> None:
    with pytest.raises(PeerLimit):
        extensions.parse(extensions.TWO_BYTE, b"\x01\x00" * (limits.RTP_EXTENSIONS + 1))


@given(packets)
@settings(max_examples=120)
def test_what_is_built_is_read(packet: RtpPacket) -> None:
    data = build(packet)
    assert parse(data) == packet
    other = OtherPacket.parse(data)
    assert (other.sequence_number, other.timestamp, other.ssrc) == (packet.sequence, packet.timestamp, packet.ssrc)
    assert (other.payload, other.marker, tuple(other.csrc)) == (packet.payload, packet.marker, packet.csrcs)


@given(st.binary(max_size=80).flatmap(lambda tail: st.sampled_from([tail, b"\x90" + tail, ONE_BYTE[:16] + tail])))
@settings(max_examples=120)
def test_random_bytes_end_in_a_packet_or_a_violation(data: bytes) -> None:
    try:
        packet = parse(data)
    except PeerViolation:
        return
    assert len(packet.payload) <= len(data)


def test_extension_values() -> None:
    found = ((1, b"0"), (2, b"h\xff"), (3, b"\x01\x02"))
    assert MAP.text(found, ExtensionUri.MID) == "0"
    assert MAP.text(found, ExtensionUri.RID) is None
    assert MAP.unsigned(found, ExtensionUri.TRANSPORT_CC) == 0x102
    assert MAP.find(found, ExtensionUri.ABS_SEND_TIME) is None
    assert MAP.element(ExtensionUri.MID, b"0") == ((1, b"0"),)
    assert MAP.element(ExtensionUri.ABS_SEND_TIME, b"000") == ()


@pytest.mark.parametrize(("wall", "value"), [(0, 0), (1_000_000_000, 1 << 18), (65_500_000_000, 3 << 17)])
def test_send_time_is_6_18_fixed_point(wall: int, value: int) -> None:
    assert int.from_bytes(extensions.abs_send_time(wall)) == value


def test_rtcp_is_told_from_rtp() -> None:
    assert [is_rtcp(bytes((0x80, second))) for second in (191, 192, 200, 223, 224, 96)] == [
        False, True, True, True, False, False,
    ]  # fmt: skip
    assert not is_rtcp(b"\x80")


def test_a_stream_numbers_its_packets() -> None:
    stream = OutgoingStream(7, 96, 0xFFFF, [(1, b"0")])
    made = [parse(data) for data in stream.build([RtpChunk(b"a"), RtpChunk(b"bc", marker=True, offset=160)], 2**32 - 100)]
    assert made == [
        RtpPacket(96, 0xFFFF, 2**32 - 100, 7, b"a", extensions=((1, b"0"),)),
        RtpPacket(96, 0, 60, 7, b"bc", marker=True, extensions=((1, b"0"),)),
    ]
    assert (stream.packets, stream.octets, stream.sequence) == (2, 3, 1)
    (data,) = stream.build([RtpChunk(b"d")], 0, [(2, b"now")])
    assert parse(data).extensions == ((1, b"0"), (2, b"now"))
    assert OutgoingStream(7, 96, 0).build([RtpChunk(b"d")], 0) == [bytes.fromhex("80600000 00000000 00000007") + b"d"]


@pytest.mark.parametrize(
    ("sizes", "padded"),
    [((100, 100, 93), 7), ((100, 100), 0), ((100, 36), 64), ((100, 35), 0), ((50,), 0), ((50, 60), 0)],
)
def test_a_last_packet_that_is_a_little_shorter_is_padded(sizes: tuple[int, ...], padded: int) -> None:
    chunks = [RtpChunk(bytes([index + 1]) * size) for index, size in enumerate(sizes)]
    plain = outgoing.packets(1, 96, 10, 0, chunks)
    made = outgoing.packets(1, 96, 10, 0, chunks, even=True)
    assert [parse(each) for each in made] == [parse(each) for each in plain]
    assert [len(each) for each in made[:-1]] == [len(each) for each in plain[:-1]]
    assert len(made[-1]) == len(plain[-1]) + padded
