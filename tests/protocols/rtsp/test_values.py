"""Transport headers, URLs and authentication."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import ConfigurationError, Malformed, PeerViolation, Refused
from arcly_actors.protocols.rtsp import transport
from arcly_actors.protocols.rtsp.access import Access, Account, Action
from arcly_actors.protocols.rtsp.address import RtspUrl, control_within, locate, resolve, track_number
from arcly_actors.protocols.rtsp.auth import Challenge, Credentials, Gatekeeper, answer, read_challenges
from arcly_actors.protocols.rtsp.states import SESSION, Move, State, moved
from arcly_actors.protocols.rtsp.transport import Lower, Transport


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("RTP/AVP;unicast;client_port=5000-5001", Transport(Lower.UDP, client_ports=(5000, 5001))),
        ("RTP/AVP/UDP;unicast;client_port=5000", Transport(Lower.UDP, client_ports=(5000, 5001))),
        ("RTP/AVP/TCP;interleaved=4-5;mode=record", Transport(Lower.TCP, channels=(4, 5), record=True)),
        ('rtp/avp/tcp; unicast ;;Interleaved = 2 ; mode="RECEIVE";', Transport(Lower.TCP, channels=(2, 3), record=True)),
        ("RTP/AVP;multicast;ttl=1", Transport(Lower.UDP, usable=False)),
        ("RTP/SAVP;unicast;client_port=1-2", Transport(Lower.UDP, usable=False, client_ports=(1, 2))),
        ("RAW/RAW/UDP", Transport(Lower.UDP, usable=False)),
        (
            "RTP/AVP;unicast;client_port=1-2;server_port=3-4;ssrc=0xABC;source=192.0.2.1",
            Transport(Lower.UDP, client_ports=(1, 2), server_ports=(3, 4), ssrc=0xABC, source="192.0.2.1"),
        ),
        ("RTP/AVP;ssrc=nonsense", Transport(Lower.UDP)),
    ],
)
def test_transports(text: str, found: Transport) -> None:
    assert transport.parse(text) == (found,)
    assert transport.parse(f"{text},RTP/AVP/TCP")[1].lower is Lower.TCP
    if found.usable:
        assert transport.parse(str(found)) == (replace(found, source=""),)


@pytest.mark.parametrize(
    "text", ["", " , ,", "RTP/AVP;client_port=x", "RTP/AVP;client_port=70000", "RTP/AVP/TCP;interleaved=255"]
)
def test_transports_that_are_none(text: str) -> None:
    with pytest.raises(Malformed):
        transport.parse(text)


@given(st.text(max_size=80))
@settings(max_examples=80)
def test_any_transport_ends_in_a_value_or_one_error(text: str) -> None:
    try:
        assert transport.parse(text)
    except PeerViolation:
        assert True


@pytest.mark.parametrize(
    ("uri", "path", "parameters"),
    [
        ("rtsp://h:8554/live/cam", "live/cam", {}),
        ("rtsp://h/live//cam/?a=1&b=", "live/cam", {"a": "1", "b": ""}),
        ("rtsp://user:pw@h/live/cam%20x", "live/cam x", {}),
        ("/live/cam", "live/cam", {}),
        ("*", "", {}),
        ("rtsp://h", "", {}),
    ],
)
def test_locations(uri: str, path: str, parameters: dict[str, str]) -> None:
    found = locate(uri)
    assert (found.path, found.parameters) == (path, parameters)


@pytest.mark.parametrize("uri", ["rtsp://h/" + "x" * 600, "rtsp://h/?" + "a=1&" * 40, "rtsp://h/%00"])
def test_locations_that_are_refused(uri: str) -> None:
    with pytest.raises(Refused):
        locate(uri)


def test_tracks_within_a_stream() -> None:
    assert control_within("/live/cam/trackID=1", "/live/cam") == "trackID=1"
    assert control_within("/live/cam?t=1/streamid=0", "/live/cam?t=1") == "streamid=0"
    assert control_within("/live/cam/trackID=1", "/live/cam?t=1") == "trackID=1"
    assert control_within("/live/cam", "/live/cam") == ""
    assert control_within("/live/camera/trackID=1", "/live/cam") is None
    assert track_number("/live/cam/trackID=12") == ("/live/cam", 12)
    assert track_number("/live/cam/track1/") == ("/live/cam", 1)
    assert track_number("/live/cam") is None
    assert resolve("rtsp://h/a", "b=1") == "rtsp://h/a/b=1"
    assert resolve("rtsp://h/a/", "b=1") == "rtsp://h/a/b=1"
    assert resolve("rtsp://h/a", "rtsp://i/b") == "rtsp://i/b"
    assert resolve("rtsp://h/a", "*") == "rtsp://h/a"


def test_urls_show_no_password() -> None:
    url = RtspUrl.parse("rtsp://bob:s%40cret@camera.example/stream?x=1")
    assert (url.user, url.password, url.host, url.port) == ("bob", "s@cret", "camera.example", 554)
    assert str(url) == "rtsp://camera.example/stream?x=1"
    assert "s@cret" not in repr(url) + str(url)
    assert RtspUrl.parse("rtsps://[::1]/x").port == 322
    assert str(RtspUrl.parse("rtsp://[::1]:8554/x")) == "rtsp://[::1]:8554/x"
    assert url.redirected("rtsp://camera.example:8554/new").password == "s@cret"
    assert url.redirected("rtsp://evil.example/new").password == ""
    assert str(url.redirected("/other")) == "rtsp://camera.example/other"


@pytest.mark.parametrize("text", ["", "http://h/x", "rtsp://", "rtsp://h:port/x", "camera"])
def test_urls_that_are_none(text: str) -> None:
    with pytest.raises(ConfigurationError):
        RtspUrl.parse(text)


BOB = Credentials("bob", "s3cret")


@pytest.mark.parametrize("basic", [False, True])
def test_every_challenge_can_be_answered(basic: bool) -> None:
    gate = Gatekeeper({"bob": "s3cret"}, b"seed", basic=basic)
    challenges = gate.challenges()
    assert len(challenges) == 2 + basic
    for challenge in read_challenges(map(str, challenges)):
        assert gate.user(answer(challenge, BOB, "PLAY", "rtsp://h/x"), "PLAY") == "bob"
        assert gate.user(answer(challenge, Credentials("bob", "wrong"), "PLAY", "rtsp://h/x"), "PLAY") is None
        assert gate.user(answer(challenge, Credentials("eve", ""), "PLAY", "rtsp://h/x"), "PLAY") is None
        if challenge.scheme == "Digest":
            assert gate.user(answer(challenge, BOB, "PLAY", "rtsp://h/x"), "RECORD") is None


def test_the_strongest_challenge_is_first_and_md5_is_said_last() -> None:
    shown = [str(challenge) for challenge in Gatekeeper({}, b"").challenges()]
    assert "SHA-256" in shown[0]
    assert "MD5" in shown[1]
    chosen = read_challenges(['Basic realm="x"', *reversed(shown), "Negotiate", 'Digest realm="x", algorithm=MD5-sess'])
    assert [(one.scheme, one.algorithm) for one in chosen] == [("Digest", "SHA-256"), ("Digest", "MD5"), ("Basic", "MD5")]


def test_the_examples_of_the_specifications() -> None:
    rfc2617 = Challenge("Digest", "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", qop=True)
    said = answer(rfc2617, Credentials("Mufasa", "Circle Of Life"), "GET", "/dir/index.html", 1, "0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in said
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    rfc7616 = Challenge("Digest", "http-auth@example.org", nonce, "SHA-256", qop=True)
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    said = answer(rfc7616, Credentials("Mufasa", "Circle of Life"), "GET", "/dir/index.html", 1, cnonce)
    assert 'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"' in said


@given(st.text(max_size=120))
@settings(max_examples=80)
def test_no_noise_is_let_in(text: str) -> None:
    gate = Gatekeeper({"bob": "s3cret"}, b"seed", basic=True)
    assert gate.user(text, "PLAY") is None
    assert gate.user(f"Basic {text}", "PLAY") is None
    assert gate.user(f"Digest {text}", "PLAY") is None


def test_access() -> None:
    account = Account("cam", "x", frozenset({Action.PUBLISH}), frozenset({"live"}))
    access = Access((account,), frozenset({Action.PLAY}))
    assert access.is_open(Action.PLAY)
    assert not access.is_open(Action.PUBLISH)
    assert access.allows("cam", Action.PUBLISH, "live/a")
    assert not access.allows("cam", Action.PUBLISH, "other/a")
    assert not access.allows("cam", Action.PLAY, "live/a")
    assert Access().is_open(Action.PUBLISH)
    assert "x" not in repr(Account("cam", "xyz", frozenset()))[20:30]


def test_states_move_by_the_table_alone() -> None:
    assert moved(State.READY, Move.PLAY) is State.PLAYING
    with pytest.raises(ValueError, match="PLAY is not possible while INIT"):
        moved(State.INIT, Move.PLAY)
    assert all(SESSION[state].get(Move.CLOSE) is State.CLOSED for state in SESSION if state is not State.CLOSED)
