"""The chunk stream: every header form, every cut, interleaving, extended timestamps, abort and the bounds."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed, PeerLimit, PeerViolation
from arcly_actors.protocols.rtmp import control
from arcly_actors.protocols.rtmp.chunk import basic_header, encode, encode_message
from arcly_actors.protocols.rtmp.chunk_reader import ChunkReader
from arcly_actors.protocols.rtmp.limits import RtmpLimits
from arcly_actors.protocols.rtmp.message import Message, MessageType, split_aggregate

LIMITS = RtmpLimits()


def reader(chunk_size: int = 128, limits: RtmpLimits = LIMITS) -> ChunkReader:
    made = ChunkReader(limits, limits.max_frame)
    made.chunk_size = chunk_size
    return made


def read(target: ChunkReader, *pieces: bytes) -> list[Message]:
    messages = []
    for piece in pieces:
        target.feed(piece)
        while (message := target.next_message()) is not None:
            messages.append(message)
    return messages


def single(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def header0(csid: int, timestamp: int, length: int, kind: int = 9, stream_id: int = 1) -> bytes:
    fields = timestamp.to_bytes(3) + length.to_bytes(3) + bytes((kind,)) + stream_id.to_bytes(4, "little")
    return basic_header(0, csid) + fields


@pytest.mark.parametrize("chunk_size", [1, 2, 127, 128, 4096, 65536, 0xFFFFFF])
@pytest.mark.parametrize("csid", [2, 3, 63, 64, 319, 320, 65599])
@pytest.mark.parametrize("timestamp", [0, 0xFFFFFE, 0xFFFFFF, 0xFFFFFFFF])
def test_round_trip(chunk_size: int, csid: int, timestamp: int) -> None:
    for body in (b"", b"x", bytes(range(256))):
        data = encode_message(csid, 9, 1, timestamp, (body[:100], body[100:]), chunk_size)
        expected = [Message(9, 1, timestamp, body)] * 2
        assert read(reader(chunk_size), data + data) == expected
        assert read(reader(chunk_size), *single(data + data)) == expected


def test_the_specification_example() -> None:
    """RTMP 1.0, 5.3.2.2: a message of 307 bytes on chunk stream 4 in chunks of 128."""
    data = encode_message(4, 9, 12346, 1000, (bytes(307),), 128)
    assert data[:12] == bytes.fromhex("04" + "0003e8" + "000133" + "09" + "3a300000")
    assert (data[140], data[269]) == (0xC4, 0xC4)
    assert len(data) == 140 + 129 + 52


def test_parts_may_be_views_and_timestamps_wrap() -> None:
    data = encode_message(6, 9, 1, 2**32 + 5, (b"ab", memoryview(b"cd")), 3)
    assert read(reader(3), data) == [Message(9, 1, 5, b"abcd")]


def test_compressed_headers() -> None:
    """RTMP 1.0, 5.3.2.1: types 1, 2 and 3 leave out what stays the same; type 3 repeats the delta."""
    data = header0(5, 1000, 2, 8) + b"aa"
    data += basic_header(1, 5) + (20).to_bytes(3) + (1).to_bytes(3) + b"\x09" + b"b"
    data += basic_header(2, 5) + (30).to_bytes(3) + b"c"
    data += basic_header(3, 5) + b"d"
    expected = [Message(8, 1, 1000, b"aa"), Message(9, 1, 1020, b"b"), Message(9, 1, 1050, b"c")]
    expected.append(Message(9, 1, 1080, b"d"))
    assert read(reader(), data) == expected
    assert read(reader(), *single(data)) == expected


def test_type_3_after_type_0_takes_the_timestamp_as_delta() -> None:
    assert [m.timestamp_ms for m in read(reader(), header0(5, 40, 1) + b"a" + basic_header(3, 5) + b"b")] == [40, 80]


def test_deltas_wrap_at_32_bits() -> None:
    data = encode_message(5, 9, 1, 0xFFFFFFF0, (b"a",)) + basic_header(2, 5) + (32).to_bytes(3) + b"b"
    assert [m.timestamp_ms for m in read(reader(), data)] == [0xFFFFFFF0, 0x10]


def test_interleaved_messages() -> None:
    video = encode_message(6, 9, 1, 7, (bytes(300),), 128)
    audio = encode_message(4, 8, 1, 8, (b"y" * 200,), 128)
    data = video[:140] + audio[:140] + video[140:269] + audio[140:] + video[269:]
    assert read(reader(), data) == [Message(8, 1, 8, b"y" * 200), Message(9, 1, 7, bytes(300))]


@pytest.mark.parametrize("repeated", [True, False])
def test_extended_timestamp_in_continuations(repeated: bool) -> None:
    """5.3.1.3 wants it repeated; encoders exist that do not."""
    body = bytes(range(200)) * 2
    whole = encode_message(6, 9, 1, 0x01020304, (body,), 128)
    if not repeated:
        first, rest = whole[:16], body
        pieces = [first + rest[:128]]
        pieces += [basic_header(3, 6) + rest[start : start + 128] for start in range(128, len(rest), 128)]
        whole = b"".join(pieces)
    expected = [Message(9, 1, 0x01020304, body)]
    assert read(reader(), whole) == expected
    assert read(reader(), *single(whole)) == expected


def test_extended_delta() -> None:
    data = header0(5, 1, 1) + b"a"
    data += basic_header(1, 5) + b"\xff\xff\xff" + (2).to_bytes(3) + b"\x09" + (0x1000000).to_bytes(4) + b"bb"
    data += basic_header(3, 5) + (0x1000000).to_bytes(4) + b"cc"
    assert [m.timestamp_ms for m in read(reader(), data)] == [1, 0x1000001, 0x2000001]


def test_set_chunk_size_applies_at_once() -> None:
    body = bytes(1000)
    data = encode(control.set_chunk_size(4096)) + encode_message(6, 9, 1, 0, (body,), 4096)
    assert read(reader(), data) == [Message(9, 1, 0, body)]
    target = reader()
    read(target, encode(control.set_chunk_size(0x7FFFFFFF)))
    assert target.chunk_size == 0xFFFFFF


def test_abort_forgets_the_unfinished_message() -> None:
    whole = encode_message(6, 9, 1, 0, (bytes(300),), 128)
    again = encode_message(6, 9, 1, 5, (b"new",), 128)
    assert read(reader(), whole[:140] + encode(control.abort(6)) + encode(control.abort(9)) + again) == [
        Message(9, 1, 5, b"new")
    ]


def test_librtmp_opens_its_ping_stream_with_a_type_1_header() -> None:
    data = basic_header(1, 2) + bytes(3) + (6).to_bytes(3) + b"\x04" + bytes(6)
    assert read(reader(), data) == [Message(MessageType.USER_CONTROL, 0, 0, bytes(6))]


@pytest.mark.parametrize(
    "data",
    [
        basic_header(3, 7) + b"x",
        basic_header(2, 7) + bytes(3),
        encode_message(6, 9, 1, 0, (bytes(300),), 128)[:140] + header0(6, 0, 5),
        encode_message(2, 1, 0, 0, (bytes(4),)),
        encode_message(2, 1, 0, 0, (b"\x80\x00\x00\x00",)),
        encode_message(2, 1, 0, 0, (b"\x00",)),
        encode_message(2, 2, 0, 0, (b"\x00",)),
    ],
    ids=["type-3-first", "type-2-first", "header-inside-message", "size-0", "size-2^31", "size-cut", "abort-cut"],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(reader(), data)


def test_bounds() -> None:
    small = RtmpLimits(max_frame=1000, max_command=100, max_chunk_streams=3)
    with pytest.raises(PeerLimit, match="1001 bytes"):
        read(reader(limits=small), header0(6, 0, 1001))
    with pytest.raises(PeerLimit, match="101 bytes"):
        read(reader(limits=small), header0(3, 0, 101, kind=20))
    with pytest.raises(PeerLimit, match="chunk streams"):
        read(reader(limits=small), b"".join(header0(csid, 0, 0) for csid in range(3, 7)))
    unfinished = b"".join(header0(csid, 0, 1000) + bytes(900) for csid in (3, 4, 5))
    with pytest.raises(PeerLimit, match="unfinished"):
        read(reader(900, small), unfinished)


def test_a_bound_that_shrinks_the_unfinished_total_again() -> None:
    small = RtmpLimits(max_frame=1000)
    data = b"".join(encode_message(csid % 4 + 3, 9, 1, 0, (bytes(1000),), 100) for csid in range(20))
    assert len(read(reader(100, small), data)) == 20


def random_stream(dice: random.Random) -> tuple[bytes, list[Message]]:
    messages = [
        Message(dice.choice((8, 9, 18)), 1, dice.choice((0, 5, 2**24, 2**32 - 1)), dice.randbytes(dice.randrange(600)))
        for _ in range(12)
    ]
    return b"".join(encode(message, 128) for message in messages), messages


@settings(max_examples=80)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 6000), max_size=12))
def test_any_cut_gives_the_same_messages(seed: int, places: list[int]) -> None:
    data, messages = random_stream(random.Random(seed))
    places = sorted(min(place, len(data)) for place in places)
    pieces = [data[start:stop] for start, stop in zip([0, *places], [*places, len(data)], strict=True)]
    assert read(reader(), *pieces) == messages


@settings(max_examples=80)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from((0, 0xFFFFFF)))
def test_any_interleaving_gives_the_same_messages(seed: int, chunk_size: int, timestamp: int) -> None:
    dice = random.Random(seed)
    lanes, messages = [], []
    for csid in (4, 6, 70):
        message = Message(9, 1, timestamp, dice.randbytes(dice.randrange(1, 400)))
        data = encode_message(csid, 9, 1, timestamp, (message.body,), chunk_size)
        again = len(basic_header(3, csid)) + (4 if timestamp else 0)
        first = again + 11 + chunk_size
        step = again + chunk_size
        lanes.append([data[:first], *(data[start : start + step] for start in range(first, len(data), step))])
        messages.append(message)
    mixed = []
    while lanes:
        lane = dice.choice(lanes)
        for _ in range(dice.choice((1, 1, 3, 20))):
            mixed += lane[:1]
            del lane[:1]
        lanes = [lane for lane in lanes if lane]
    for pieces in ([b"".join(mixed)], single(b"".join(mixed))):
        assert sorted(read(reader(chunk_size), *pieces)) == sorted(messages)


@settings(max_examples=120)
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_bytes_are_messages_or_one_error(pieces: list[bytes]) -> None:
    target = reader()
    try:
        total = sum(len(message.body) for message in read(target, *pieces))
    except PeerViolation:
        return
    assert total <= sum(map(len, pieces))


def tag(kind: int, timestamp: int, body: bytes) -> bytes:
    time = (timestamp & 0xFFFFFF).to_bytes(3) + (timestamp >> 24).to_bytes(1)
    return bytes((kind,)) + len(body).to_bytes(3) + time + bytes(3) + body + (len(body) + 11).to_bytes(4)


def test_aggregate() -> None:
    """RTMP 1.0, 7.1.6: the sub-messages' clock is moved so that the first one is at the aggregate's time."""
    body = tag(8, 0x01000010, b"a") + tag(9, 0x01000020, b"bb")
    parts = [Message(8, 1, 500, b"a"), Message(9, 1, 516, b"bb")]
    assert split_aggregate(Message(22, 1, 500, body)) == parts
    assert split_aggregate(Message(22, 1, 500, body[:-4])) == parts
    for length in (3, 11, 20, 28):
        with pytest.raises(Malformed):
            split_aggregate(Message(22, 1, 500, body[:length]))
    with pytest.raises(PeerLimit):
        split_aggregate(Message(22, 1, 0, tag(8, 0, b"") * 2000))
