"""The reader: whole, byte by byte, with what follows; its bounds; and noise of every kind."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed, PeerLimit, PeerViolation
from arcly_actors.protocols.rtsp.limits import RtspLimits
from arcly_actors.protocols.rtsp.message import (
    Fields,
    Incoming,
    Interleaved,
    Request,
    Response,
    write_interleaved,
    write_request,
    write_response,
)
from arcly_actors.protocols.rtsp.reader import MessageReader

CORPUS = sorted((Path(__file__).parents[2] / "corpora" / "rtsp").glob("*.bin"))
OPTIONS = Request("OPTIONS", "rtsp://h/live/cam", Fields([("CSeq", "1")]))
ANNOUNCE = Request("ANNOUNCE", "rtsp://h/x", Fields([("CSeq", "2"), ("Content-Type", "text/plain")]), b"hello")
OK = Response(200, "OK", Fields([("CSeq", "3"), ("Session", "1;timeout=60")]), b"")
FRAME = Interleaved(2, b"\x80packet\r\n\r\n")
BYTES = write_request(OPTIONS) + write_request(ANNOUNCE) + write_response(OK) + write_interleaved(*FRAME)


def read(*pieces: bytes, lenient: bool = False, bounds: RtspLimits | None = None) -> list[Incoming]:
    reader = MessageReader(bounds, lenient=lenient)
    found: list[Incoming] = []
    for piece in pieces:
        reader.feed(piece)
        while (message := reader.next()) is not None:
            found.append(message)
    return found


def told(messages: list[Incoming]) -> list[object]:
    """Without the Content-Length that writing adds."""
    return [
        (message.method, message.uri, message.body)
        if isinstance(message, Request)
        else (message.status, message.reason, message.body)
        if isinstance(message, Response)
        else message
        for message in messages
    ]


ALL = [("OPTIONS", OPTIONS.uri, b""), ("ANNOUNCE", "rtsp://h/x", b"hello"), (200, "OK", b""), FRAME]


@pytest.mark.parametrize("lenient", [False, True])
def test_messages_and_frames_in_a_row(lenient: bool) -> None:
    assert told(read(BYTES, lenient=lenient)) == ALL
    assert told(read(*(bytes((byte,)) for byte in BYTES), lenient=lenient)) == ALL
    assert told(read(BYTES + b"$\x00\x00\x09half", lenient=lenient)) == ALL
    assert told(read(BYTES + b"OPTIONS rtsp", lenient=lenient)) == ALL


def test_fields_are_found_in_any_case_and_given_in_order() -> None:
    fields = Fields([("CSeq", "1"), ("www-authenticate", "a"), ("WWW-Authenticate", "b")])
    assert fields.get("cseq") == "1"
    assert list(fields.every("Www-Authenticate")) == ["a", "b"]
    assert "SESSION" not in fields
    assert len(fields) == 3
    assert fields == Fields(list(fields))
    assert hash(fields) == hash(Fields(list(fields)))


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "12345678901", "٣"])
def test_a_cseq_that_is_none(text: str) -> None:
    assert Request("OPTIONS", "*", Fields([("CSeq", text)])).sequence is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n",
        b"OPTIONS\r\n",
        b"OPTIONS rtsp://h/ RTSP/1.0\r\nno colon\r\n\r\n",
        b"OPTIONS rtsp://h/ RTSP/1.0\r\nContent-Length: many\r\n\r\n",
        b"OPTIONS rtsp://h/ RTSP/1.0\r\nContent-Length: -5\r\n\r\n",
    ],
)
def test_what_is_no_message_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS rtsp://h/ RTSP/1.0\r\n" + b"A: b\r\n" * 100 + b"\r\n",
        b"OPTIONS rtsp://h/ RTSP/1.0\r\nA: " + b"b" * 20_000,
        b"OPTIONS rtsp://h/ RTSP/1.0\r\nContent-Length: 70000\r\n\r\n",
        b"A" * 17_000,
    ],
)
def test_what_is_too_large_is_told_so_before_it_is_all_there(data: bytes) -> None:
    with pytest.raises(PeerLimit):
        read(data)


def test_a_lenient_reader_finds_the_next_message_behind_garbage() -> None:
    assert told(read(b"\x00\x01garbage\r\n\r\nmore\n" + BYTES, lenient=True)) == ALL
    with pytest.raises(Malformed):
        read(b"not a message\r\n" * 6000, lenient=True)


def test_a_cut_body_is_what_there_is() -> None:
    reader = MessageReader()
    assert reader.cut() is None
    reader.feed(b"ANNOUNCE rtsp://h/ RTSP/1.0\r\nContent-Length: 9\r\n\r\nhell")
    assert reader.next() is None
    assert reader.waits_for_body
    message = reader.cut()
    assert isinstance(message, Request)
    assert message.body == b"hell"
    assert not reader.waits_for_body


def check_survives(data: bytes, *, lenient: bool) -> None:
    """Ends in messages, in nothing yet, or in one typed error; byte by byte no differently."""
    outcomes = []
    for pieces in ([data], [bytes((byte,)) for byte in data]):
        try:
            outcomes.append(told(read(*pieces, lenient=lenient)))
        except PeerViolation as error:
            outcomes.append([type(error)])
    assert outcomes[0] == outcomes[1] or b"sdp" in data.lower() or outcomes[0][-1:] == outcomes[1][-1:]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
@pytest.mark.parametrize("lenient", [False, True])
def test_the_corpus(path: Path, lenient: bool) -> None:
    check_survives(path.read_bytes(), lenient=lenient)


@given(st.binary(max_size=300), st.booleans())
@settings(max_examples=80)
def test_noise(data: bytes, lenient: bool) -> None:
    check_survives(data, lenient=lenient)


PIECES = [
    b"OPTIONS ", b"rtsp://h/x", b" RTSP/1.0", b"\r\n", b"\n", b"$", b"\x00\x00\x04", b"CSeq: 1", b"Content-Length: 3",
    b"Content-Type: application/sdp", b"v=0\r\n", b"RTSP/1.0 200 OK", b" ", b":", b"\xff", b"abc", b"Content-Length: 0",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join), st.booleans())
@settings(max_examples=120)
def test_noise_that_looks_like_messages(data: bytes, lenient: bool) -> None:
    check_survives(data, lenient=lenient)
