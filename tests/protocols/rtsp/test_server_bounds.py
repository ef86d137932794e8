"""The server engine under strain: deadlines, bounds, and noise of every kind."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Malformed, PeerLimit, PeerViolation
from arcly_actors.protocols.rtsp.events import SignOfLife
from arcly_actors.protocols.rtsp.message import write_interleaved
from tests.protocols.rtsp.test_server import SDP, TCP, UDP, playing, recording
from tests.support.rtsp import RECORDINGS, URI, Served, request

CORPUS = sorted((Path(__file__).parents[2] / "corpora" / "rtsp").glob("*.bin"))


def test_a_connection_that_never_says_anything_is_closed() -> None:
    served = Served()
    served.wait_until(4 * NS_PER_S)
    assert not served.over()
    served.wait_until(6 * NS_PER_S)
    assert served.hangup is not None
    assert isinstance(served.hangup.error, PeerLimit)


def test_one_that_asks_and_does_nothing_is_closed_later() -> None:
    served = Served()
    served.ask("OPTIONS")
    served.wait_until(59 * NS_PER_S)
    assert not served.over()
    served.wait_until(61 * NS_PER_S)
    assert served.over()


def test_one_that_sends_a_request_byte_by_byte_is_closed_in_time() -> None:
    served = Served()
    for second, byte in enumerate(request("OPTIONS")):
        served.wait_until(second * NS_PER_S)
        if served.hangup is not None:
            break
        served.receive(bytes((byte,)))
    assert served.over()
    assert served.now <= 6 * NS_PER_S


def test_a_player_within_the_connection_need_say_nothing() -> None:
    for served in (playing(), recording()):
        served.wait_until(3600 * NS_PER_S)
        assert not served.over()


def test_a_udp_player_has_to_be_heard() -> None:
    served = playing((UDP, UDP.replace("5", "6")))
    for minute in range(1, 5):
        served.wait_until(minute * 60 * NS_PER_S)
        assert not served.over()
        served.command(SignOfLife())
    served.ask("GET_PARAMETER")
    served.wait_until(served.now + 71 * NS_PER_S)
    assert not served.over()
    served.wait_until(served.now + 2 * NS_PER_S)
    assert served.over()
    assert served.told()[-1] == "Stopped"


def test_what_is_sent_before_an_answer_is_bounded() -> None:
    served = Served(session=lambda _: None)
    served.receive(request("DESCRIBE"))
    served.receive(*[write_interleaved(0, bytes(60_000))] * 17)
    assert not served.over()
    served.receive(bytes(60_000))
    assert served.hangup is not None
    assert isinstance(served.hangup.error, PeerLimit)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\n" + b"A: b\r\n" * 100, 400),
        (b"OPTIONS * RTSP/1.0\r\nA: " + b"b" * 17_000, 400),
        (b"ANNOUNCE * RTSP/1.0\r\nContent-Length: 100000\r\n\r\n", 413),
    ],
)
def test_what_is_not_to_be_read_on_is_told_so_and_cut_off(data: bytes, code: int) -> None:
    served = Served()
    served.receive(data + b"\r\n\r\n")
    assert served.hangup is not None
    assert isinstance(served.hangup.error, PeerViolation)
    assert [answer.status for answer in served.answers()] == [code]


def test_an_announcement_that_stays_short_is_taken_after_a_while() -> None:
    served = Served()
    served.receive(request("ANNOUNCE", URI, 1, SDP)[:-1])
    assert served.told() == []
    served.wait_until(3 * NS_PER_S)
    assert served.told() == ["AnnounceRequested"]


def test_as_many_tracks_as_are_carried_and_no_more() -> None:
    served = Served()
    assert served.ask("ANNOUNCE", body="v=0\r\n" + "m=audio 0 RTP/AVP 0\r\n" * 16).status == 200
    for index in range(16):
        assert served.ask("SETUP", f"{URI}/trackID={index}", Transport="RTP/AVP/TCP;unicast").status == 200
    assert served.ask("SETUP", f"{URI}/trackID=16", Transport="RTP/AVP/TCP;unicast").status == 404
    assert Served().ask("ANNOUNCE", body="v=0\r\n" + "m=audio 0 RTP/AVP 0\r\n" * 17).status == 400


def check_ends_well(served: Served) -> None:
    """Whatever came, the peer is either still welcome or was hung up with one typed error."""
    assert served.hangup is None or isinstance(served.hangup.error, PeerViolation | type(None))
    assert len(served.events) < 1000


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_corpus(path: Path) -> None:
    for served in (Served(), playing(), recording()):
        served.receive(path.read_bytes())
        check_ends_well(served)
        served.wait_until(served.now + 10 * NS_PER_S)
        check_ends_well(served)


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_noise(data: bytes) -> None:
    for served in (Served(), recording()):
        served.receive(data)
        check_ends_well(served)


RECORDED = (RECORDINGS / "ffmpeg-5.1-publish.bin").read_bytes()[:4000]


@given(st.lists(st.tuples(st.integers(0, len(RECORDED) - 1), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=80)
def test_a_recording_with_damaged_bytes(damage: list[tuple[int, int]]) -> None:
    data = bytearray(RECORDED)
    for at, value in damage:
        data[at] = value
    served = Served()
    served.receive(bytes(data))
    check_ends_well(served)


METHODS = st.sampled_from(
    ["OPTIONS", "DESCRIBE", "ANNOUNCE", "SETUP", "PLAY", "RECORD", "PAUSE", "TEARDOWN", "GET_PARAMETER", "NONSENSE"]
)
URIS = st.sampled_from([URI, f"{URI}/trackID=0", f"{URI}/trackID=1", "*", "rtsp://h/other", ""])
TRANSPORTS = st.sampled_from([TCP.format(0, 1), TCP.format(2, 3), UDP, "RTP/AVP;multicast", "x", ""])


@given(st.lists(st.tuples(METHODS, URIS, TRANSPORTS, st.sampled_from(["", SDP, "x"])), max_size=12))
@settings(max_examples=80)
def test_any_requests_in_any_order_are_each_answered(steps: list[tuple[str, str, str, str]]) -> None:
    served = Served()
    for method, uri, transport, body in steps:
        answer = served.ask(method, uri or "/", body, Transport=transport)
        assert answer.status in range(200, 600)
        served.receive(write_interleaved(0, b"x"))
    assert not served.over()
    started = served.told().count("PlayRequested")
    assert served.told().count("Stopped") <= started + served.told().count("AnnounceRequested") + len(steps)


def test_malformed_is_what_the_log_says() -> None:
    served = Served()
    served.receive(b"hello\r\n\r\n")
    assert served.hangup is not None
    assert isinstance(served.hangup.error, Malformed)
