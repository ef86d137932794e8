"""The client engine: against our own server engine without a network, and against scripted servers."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import PeerLimit, PeerViolation, Refusal, Refused
from arcly_actors.protocols.outputs import Emit, Hangup, Transmit, WakeAt
from arcly_actors.protocols.rtsp.access import Access, Account
from arcly_actors.protocols.rtsp.address import RtspUrl
from arcly_actors.protocols.rtsp.client import (
    ClientCommand,
    Described,
    Redirected,
    RtspClient,
    SetUp,
    SetUpAnswered,
    Started,
    Stop,
    TransportRefused,
)
from arcly_actors.protocols.rtsp.description import announcement, write
from arcly_actors.protocols.rtsp.events import AnnounceRequested, Packet, PacketsReceived, RecordStarted, SendPackets
from arcly_actors.protocols.rtsp.message import Request, write_interleaved
from arcly_actors.protocols.rtsp.server import ServerRules
from arcly_actors.protocols.rtsp.states import State
from arcly_actors.protocols.rtsp.transport import Lower, Transport
from tests.support.rtsp import TRACKS, Served, read_all

URL = RtspUrl.parse("rtsp://eye:gl4ss@server.example/live/cam")
SDP = write(TRACKS, "x")[0].decode()
TCP = {index: Transport(Lower.TCP, channels=(2 * index, 2 * index + 1)) for index in range(2)}
UDP = {index: Transport(Lower.UDP, client_ports=(5000 + 2 * index, 5001 + 2 * index)) for index in range(2)}


class Owner:
    """A client engine: what it said, told and wants; `choose` answers descriptions."""

    def __init__(self, client: RtspClient, choose: Callable[[object], ClientCommand | None] | None = None) -> None:
        self.client = client
        self.choose = choose or (lambda event: SetUp(TCP) if isinstance(event, Described) else None)
        self.events: list[object] = []
        self.sent = bytearray()
        self.wake_at: int | None = None
        self.hangup: Hangup | None = None
        self.now = NS_PER_S
        self.settle()
        self.client.wake(self.now)
        self.settle()

    def receive(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.client.receive(piece, self.now)
            self.settle()

    def command(self, command: ClientCommand) -> None:
        self.client.command(command, self.now)
        self.settle()

    def wait_until(self, now: int) -> None:
        while self.wake_at is not None and self.wake_at <= now:
            self.now, self.wake_at = self.wake_at, None
            self.client.wake(self.now)
            self.settle()
        self.now = now

    def settle(self) -> None:
        while (output := self.client.poll()) is not None:
            match output:
                case Transmit():
                    self.sent += output.data
                case WakeAt():
                    self.wake_at = output.at
                case Hangup():
                    self.hangup = output
                case Emit():
                    self.events.append(output.event)
                    answer = self.choose(output.event)
                    if answer is not None:
                        self.client.command(answer, self.now)

    def asked(self) -> list[Request]:
        return [message for message in read_all(bytes(self.sent)) if isinstance(message, Request)]

    def last(self) -> Request:
        return self.asked()[-1]

    def answer(self, status: str = "200 OK", body: str = "", **fields: str) -> None:
        """Answer the last request."""
        lines = [f"RTSP/1.0 {status}", f"CSeq: {self.last().sequence}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        self.receive("\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode())

    def error(self) -> BaseException | None:
        assert self.hangup is not None
        return self.hangup.error


def joined(owner: Owner, served: Served, cut: Callable[[bytes], Iterable[bytes]] = lambda data: (data,)) -> None:
    """Carry bytes to and fro until neither says more."""
    while owner.sent or served.sent:
        upstream, owner.sent = bytes(owner.sent), bytearray()
        served.receive(*cut(upstream))
        downstream, served.sent = bytes(served.sent), bytearray()
        owner.receive(*cut(downstream))


def single(data: bytes) -> list[bytes]:
    return [bytes((byte,)) for byte in data]


@pytest.mark.parametrize("cut", [lambda data: (data,), single], ids=["whole", "byte by byte"])
def test_playing_from_our_own_server(cut: Callable[[bytes], Iterable[bytes]]) -> None:
    served = Served(ServerRules(access=Access((Account("eye", "gl4ss"),))))
    owner = Owner(RtspClient(URL, b"seed"))
    joined(owner, served, cut)
    assert [type(event) for event in owner.events] == [Described, SetUpAnswered, Started]
    assert served.told() == ["DescribeRequested", "PlayRequested"]
    served.command(SendPackets((Packet(0, False, b"picture"), Packet(1, True, b"report"))))
    joined(owner, served, cut)
    packets = [packet for event in owner.events if isinstance(event, PacketsReceived) for packet in event.packets]
    assert packets == [Packet(0, False, b"picture"), Packet(1, True, b"report")]
    owner.command(Stop())
    joined(owner, served, cut)
    assert served.told()[-1] == "Stopped"


@pytest.mark.parametrize("transports", [TCP, UDP], ids=["tcp", "udp"])
def test_recording_to_our_own_server(transports: dict[int, Transport]) -> None:
    announced = announcement(TRACKS, "192.0.2.1")
    served = Served()
    owner = Owner(
        RtspClient(URL, b"seed", announce=announced),
        lambda event: SetUp(transports) if isinstance(event, Described) else None,
    )
    joined(owner, served)
    asked, started = served.events
    assert isinstance(asked, AnnounceRequested)
    assert [track.codec for track in asked.description.tracks] == [track.codec for track in TRACKS]
    assert isinstance(started, RecordStarted)
    assert [setup.transport.lower for setup in started.setups] == [one.lower for one in transports.values()]
    assert owner.client.state is State.RECORDING
    if transports is TCP:
        owner.command(SendPackets((Packet(1, False, b"sound"),)))
        joined(owner, served)
        assert served.events[-1] == PacketsReceived((Packet(1, False, b"sound"),))


def started(**options: object) -> Owner:
    """A client that plays from a scripted server."""
    del options
    owner = Owner(RtspClient(URL, b"seed"))
    owner.answer(Public="OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER")
    owner.answer(body=SDP, Content_Type="application/sdp")
    owner.answer(Session="7;timeout=30", Transport="RTP/AVP/TCP;unicast;interleaved=0-1")
    owner.answer(Transport="RTP/AVP/TCP;unicast;interleaved=2-3")
    owner.answer()
    assert [type(event) for event in owner.events] == [Described, SetUpAnswered, Started]
    return owner


def test_what_is_asked_and_that_no_password_is_in_it() -> None:
    owner = started()
    base = "rtsp://server.example/live/cam"
    assert [(one.method, one.uri) for one in owner.asked()] == [
        ("OPTIONS", base),
        ("DESCRIBE", base),
        ("SETUP", f"{base}/trackID=0"),
        ("SETUP", f"{base}/trackID=1"),
        ("PLAY", base),
    ]
    assert b"gl4ss" not in owner.sent
    assert [one.sequence for one in owner.asked()] == [1, 2, 3, 4, 5]


def test_a_session_is_kept_alive() -> None:
    owner = started()
    owner.wait_until(owner.now + 15 * NS_PER_S)
    assert owner.last().method == "GET_PARAMETER"
    assert owner.last().fields.get("Session") == "7"
    owner.answer("501 Not Implemented")
    owner.wait_until(owner.now + 15 * NS_PER_S)
    assert owner.last().method == "OPTIONS"
    owner.wait_until(owner.now + 40 * NS_PER_S)  # never answered: that is the media's business
    assert owner.hangup is None
    owner.answer("454 Session Not Found")
    assert isinstance(owner.error(), Refused)


def test_media_that_come_before_the_answer_to_play_are_taken() -> None:
    owner = Owner(RtspClient(URL, b"seed"))
    owner.answer()
    owner.answer(body=SDP, Content_Type="application/sdp")
    owner.answer(Session="7")
    owner.answer()
    owner.receive(write_interleaved(0, b"early"))
    assert owner.events[-1] == PacketsReceived((Packet(0, False, b"early"),))


def test_a_server_that_does_not_answer_is_given_up() -> None:
    owner = Owner(RtspClient(URL, b"seed"))
    owner.wait_until(owner.now + 9 * NS_PER_S)
    assert owner.hangup is None
    owner.wait_until(owner.now + 2 * NS_PER_S)
    assert isinstance(owner.error(), PeerLimit)


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        ("404 Not Found", Refusal.NOT_FOUND),
        ("403 No", Refusal.UNAUTHORISED),
        ("500 Oops", Refusal.FAILED),
        ("503", Refusal.LIMIT),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(status: str, refusal: Refusal) -> None:
    owner = Owner(RtspClient(URL, b"seed"))
    owner.answer("404 Not Found")  # of OPTIONS that is no matter
    owner.answer(status)
    error = owner.error()
    assert isinstance(error, Refused)
    assert error.refusal is refusal
    assert status in error.detail


def test_wrong_credentials_are_tried_once() -> None:
    owner = Owner(RtspClient(URL, b"seed"))
    owner.answer()
    challenge = {"WWW_Authenticate": 'Digest realm="x", nonce="1", qop="auth", opaque="o"'}
    owner.answer("401 Unauthorized", **challenge)
    first = owner.last().fields.get("Authorization")
    assert 'username="eye"' in first
    assert "nc=00000001" in first
    assert 'opaque="o"' in first
    stale = {"WWW_Authenticate": 'Digest realm="x", nonce="2", stale=true'}
    owner.answer("401 Unauthorized", **stale)
    assert 'nonce="2"' in owner.last().fields.get("Authorization")
    owner.answer("401 Unauthorized", **challenge)
    error = owner.error()
    assert isinstance(error, Refused)
    assert error.refusal is Refusal.UNAUTHORISED


def test_without_a_user_a_challenge_is_a_refusal() -> None:
    owner = Owner(RtspClient(RtspUrl.parse("rtsp://h/x"), b"seed"))
    owner.answer()
    owner.answer("401 Unauthorized", WWW_Authenticate='Basic realm="x"')
    assert isinstance(owner.error(), Refused)


@pytest.mark.parametrize("location", ["rtsp://other.example/live/cam", "/other"])
def test_redirections_are_told(location: str) -> None:
    owner = Owner(RtspClient(URL, b"seed"))
    owner.answer()
    owner.answer("302 Moved", Location=location)
    (event,) = owner.events
    assert isinstance(event, Redirected)
    assert event.url.password == ("gl4ss" if location == "/other" else "")
    assert owner.error() is None
    other = started()
    other.receive(b"REDIRECT * RTSP/1.0\r\nCSeq: 1\r\nLocation: rtsp://new.example/x\r\n\r\n")
    assert isinstance(other.events[-1], Redirected)
    owner = Owner(RtspClient(URL, b"seed"))
    owner.answer()
    owner.answer("302 Moved", Location="gopher://x")
    assert isinstance(owner.error(), PeerViolation)


def test_requests_of_the_server_are_answered() -> None:
    owner = started()
    owner.sent.clear()
    owner.receive(b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 9\r\n\r\nNONSENSE * RTSP/1.0\r\nCSeq: 10\r\n\r\n")
    assert owner.sent.split(b"\r\n")[0] == b"RTSP/1.0 200 OK"
    assert b"RTSP/1.0 501 Not Implemented\r\nCSeq: 10" in owner.sent
    owner.receive(b"TEARDOWN * RTSP/1.0\r\nCSeq: 11\r\n\r\n")
    assert owner.error() is None


@pytest.mark.parametrize("status", ["461 Unsupported Transport", "400 Bad Request", "500 Internal"])
def test_a_transport_that_is_refused_can_be_exchanged(status: str) -> None:
    def choose(event: object) -> ClientCommand | None:
        return SetUp(UDP) if isinstance(event, Described) else SetUp(TCP) if isinstance(event, TransportRefused) else None

    owner = Owner(RtspClient(URL, b"seed"), choose)
    owner.answer()
    owner.answer(body=SDP, Content_Type="application/sdp")
    assert "client_port=5000-5001" in owner.last().fields.get("Transport")
    owner.answer(status)
    assert "interleaved=0-1" in owner.last().fields.get("Transport")
    owner.answer(Session="8")
    assert owner.hangup is None


def test_a_server_that_chooses_another_transport_is_told_of() -> None:
    owner = Owner(RtspClient(URL, b"seed"), lambda event: SetUp(UDP) if isinstance(event, Described) else None)
    owner.answer()
    owner.answer(body=SDP, Content_Type="application/sdp")
    owner.answer(Session="8", Transport="RTP/AVP/TCP;unicast;interleaved=0-1")
    assert isinstance(owner.events[-1], TransportRefused)
    owner.command(Stop())
    assert owner.hangup is not None


def test_commands_out_of_season_are_defects() -> None:
    owner = Owner(RtspClient(URL, b"seed"))
    with pytest.raises(ValueError, match="after Described"):
        owner.command(SetUp(TCP))
    owner.command(Stop())
    owner.command(SetUp(TCP))
    assert owner.hangup is not None


@given(
    st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", SDP.encode()])),
        max_size=8,
    )
)
@settings(max_examples=80)
def test_noise(pieces: list[bytes]) -> None:
    owner = Owner(RtspClient(URL, b"seed"))
    owner.receive(*pieces)
    assert owner.hangup is None or isinstance(owner.hangup.error, PeerViolation | Refused)
