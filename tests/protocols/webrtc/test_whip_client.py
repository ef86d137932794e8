"""A WHIP session as its client sees it: every answer that a server may give ends in a request, a session or an error."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit, PeerViolation, Refused
from arcly_actors.protocols.webrtc.ice_servers import TurnServer, read_links, turn_servers
from arcly_actors.protocols.webrtc.resource import IceServer
from arcly_actors.protocols.webrtc.whip_client import ClientRequest, Created, WhipClient

URL = "https://whip.example/live/one?key=sesame"
TEXT = st.binary(max_size=60).map(lambda raw: raw.decode("latin-1"))
PLACES = ("/s/1", "../s", "//h/x", "https://h:8443/x", "http://h", "https://h:99999", "https://[::1/")
FIELD = st.one_of(TEXT, st.sampled_from((*PLACES, "application/json", "text/plain")))
LINKISH = st.lists(st.sampled_from('<>",;\\= relics-vturn:?[]1'), max_size=80).map("".join)
NAMES = st.sampled_from(["Location", "Link", "ETag", "Content-Type", "X"])

QUOTED = (
    '<turn:t.example?transport=udp>; rel="ice-server"; username="a, \\"b\\"; c"; credential="d"; '
    'credential-type="password", <stun:s>; rel="next ice-server"'
)


def begun(url: str = URL, token: str = "Bearer sesame") -> WhipClient:
    client = WhipClient(url, token)
    client.start("v=0")
    return client


def check_words(said: str) -> None:
    """Short, fit for a line of a log, and without a secret."""
    assert len(said) < 2 * limits.SERVER_WORDS
    assert said.isprintable()
    assert "sesame" not in said


def created(location: str, url: str = URL) -> WhipClient:
    client = begun(url)
    client.heard(201, (("Location", location),), b"v=0")
    return client


@pytest.mark.parametrize(
    ("location", "session"),
    [
        ("/s/1", "https://whip.example/s/1"),
        ("s/1", "https://whip.example/live/s/1"),
        ("?s=1", "https://whip.example/live/one?s=1"),
        ("//media.example/s", "https://media.example/s"),
        ("https://media.example:8443/s", "https://media.example:8443/s"),
        ("https://whip.example:443/s", "https://whip.example:443/s"),
    ],
)
def test_a_location_may_be_relative(location: str, session: str) -> None:
    request = created(location).leave()
    assert request is not None
    assert (request.method, request.url) == ("DELETE", session)
    assert ("Authorization" in request.headers) == ("whip.example" in session)


def test_it_is_relative_to_where_the_redirects_led() -> None:
    client = begun("http://whip.example/a/b")
    again = client.heard(307, (("location", "https://media.example/c/d"),), b"")
    assert isinstance(again, ClientRequest)
    assert (again.method, again.url, again.body) == ("POST", "https://media.example/c/d", b"v=0")
    client.heard(201, (("LOCATION", "e"), ("ETag", '"1"')), b"v=0")
    request = client.leave()
    assert request is not None
    assert (request.url, client.etag) == ("https://media.example/c/e", '"1"')


def test_a_session_is_left_once_and_only_where_it_is_known() -> None:
    client = created("/s")
    assert client.leave() is not None
    assert client.leave() is None
    nowhere = begun()
    assert isinstance(nowhere.heard(201, (), b"v=0"), Created)
    assert nowhere.leave() is None


@pytest.mark.parametrize(
    "location",
    ["http://whip.example/s", "ftp://h/s", "https://h:port/", "https://[", "https://h/a b", "https://h/\x00"],
)
def test_a_location_that_leads_nowhere_safe_is_refused(location: str) -> None:
    with pytest.raises(Malformed, match="Location"):
        created(location)


def test_a_session_of_plain_http_may_be_one_of_https() -> None:
    request = created("https://whip.example/s", "http://whip.example/").leave()
    assert request is not None
    assert "Authorization" not in request.headers  # another origin


@settings(max_examples=120)
@given(st.integers(0, 999), st.lists(st.tuples(NAMES, FIELD), max_size=5), st.binary(max_size=80))
@example(400, [("Content-Type", "application/json")], b"[" * 20_000)
@example(400, [("Content-Type", "application/json")], b'{"detail": {"x": 1}, "title": "no"}')
@example(400, [("Content-Type", "application/problem+json")], b"\xff")
def test_every_answer_ends_in_a_value_or_an_error(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    client = begun()
    try:
        outcome = client.heard(status, tuple(headers), body)
    except (PeerViolation, Refused) as error:
        check_words(str(error))
    else:
        assert isinstance(outcome, ClientRequest) == (status in {307, 308})
        assert isinstance(outcome, Created) == (status == 201)
    request = client.leave()
    assert request is None or request.url.startswith("https://")


def test_what_is_too_much_is_refused() -> None:
    with pytest.raises(PeerLimit):
        begun().heard(201, (), b"v" * (limits.SDP_CHARACTERS + 1))
    with pytest.raises(Malformed):
        created("/" + "x" * limits.URL_CHARACTERS)


@pytest.mark.parametrize(
    ("link", "servers"),
    [
        ('<stun:s.example>; rel="ice-server"', [IceServer("stun:s.example")]),
        ("<stun:s.example>;REL=ice-server", [IceServer("stun:s.example")]),
        (
            QUOTED,
            [IceServer("turn:t.example?transport=udp", 'a, "b"; c', "d"), IceServer("stun:s")],
        ),
        ('<https://h/>; rel="next"', []),
        ('<turn:t>; rel="ice-server"; credential-type="oauth"', []),
        ("stun:s; rel=ice-server", []),
        ('<stun:s>; rel="ice-server', []),
        ("", []),
    ],
)
def test_ice_servers_in_links(link: str, servers: list[IceServer]) -> None:
    assert list(read_links([link])) == servers


def test_what_our_own_server_tells_is_read() -> None:
    told = IceServer("turn:t.example:3478", "user", "secret")
    assert read_links([told.link]) == (told,)


@settings(max_examples=120)
@given(st.lists(st.one_of(TEXT, LINKISH), max_size=20))
@example(['<turn:t>; rel="ice-server"; username="u"'] * 20)
def test_any_link_ends_in_servers(values: list[str]) -> None:
    found = read_links(values)
    assert len(found) <= limits.ICE_SERVERS
    assert all(0 < each.port < 65536 and each.host for each in turn_servers(found))


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("turn:t.example", TurnServer("t.example", 3478, "u", "c")),
        ("TURN:t.example:99?transport=TCP", TurnServer("t.example", 99, "u", "c", "tcp")),
        ("turns:t.example", TurnServer("t.example", 5349, "u", "c", "tcp", secure=True)),
        ("turn:[2001:db8::1]:80", TurnServer("2001:db8::1", 80, "u", "c")),
        ("turns:t.example?transport=udp", None),
        ("turn:t.example?transport=sctp", None),
        ("turn:t.example:0", None),
        ("turn:t.example:99999", None),
        ("turn:", None),
        ("stun:s.example", None),
    ],
)
def test_turn_servers(url: str, server: TurnServer | None) -> None:
    assert turn_servers([IceServer(url, "u", "c")]) == ((server,) if server else ())
    assert turn_servers([IceServer(url)]) == ()
