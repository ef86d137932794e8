"""The HTTP rules of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): each method on each resource, conditions, errors."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.errors import Malformed, PeerLimit, Refusal, Refused
from arcly_actors.protocols.webrtc import fragment, resource
from arcly_actors.protocols.webrtc.agreement import Publish
from arcly_actors.protocols.webrtc.ice import IceCredentials
from arcly_actors.protocols.webrtc.negotiate import answer
from arcly_actors.protocols.webrtc.resource import (
    FRAGMENT,
    SDP,
    WHEP,
    WHIP,
    Delete,
    HttpAnswer,
    HttpRequest,
    IceServer,
    OpenSession,
    Restart,
    Start,
    Trickle,
)
from tests.protocols.webrtc.offers import LOCAL, lines, recorded

REMOTE = IceCredentials("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")
OPENED = OpenSession('"xyzzy"', REMOTE)
STUN = IceServer("stun:stun.example.net")
TURN = IceServer("turn:turn.example.net?transport=udp", "user", "secret")

# The example of RFC 9725 §4.3.2.
TRICKLE = lines(
    "a=group:BUNDLE 0 1",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "a=mid:0",
    "a=ice-ufrag:EsAw",
    "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1",
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1",
    "a=candidate:3471623853 1 udp 2122194687 2001:db8::2 61765 typ host generation 0 ufrag EsAw network-id 2",
    "a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0 ufrag EsAw network-id 1",
    "a=candidate:1 1 udp 2122260223 6c8dfd19-9c2a-4f0e-9d1c-3a5b1f0e2d3c.local 61766 typ host",
    "a=end-of-candidates",
)
RESTART = TRICKLE.replace("a=ice-ufrag:EsAw", "a=ice-ufrag:ysXw").replace(":P2uY", ":vw5L")


def headers(found: HttpAnswer) -> dict[str, str]:
    return dict(found.headers)


def refused(found: object) -> HttpAnswer:
    """It is an answer with a problem document, whose status is its own."""
    assert isinstance(found, HttpAnswer)
    assert headers(found)["Content-Type"] == "application/problem+json"
    assert json.loads(found.body)["status"] == found.status
    return found


def patch(text: str | bytes, condition: str | None = '"xyzzy"', media_type: str = FRAGMENT) -> object:
    body = text if isinstance(text, bytes) else text.encode()
    sent = {"content-type": media_type} | ({} if condition is None else {"if-match": condition})
    return resource.session(HttpRequest("PATCH", sent, body), OPENED)


def test_a_post_starts_a_session() -> None:
    request = HttpRequest("POST", {"content-type": "Application/SDP; charset=utf-8", "authorization": "bearer t"}, b"v=0")
    assert resource.endpoint(request) == Start("v=0", "t")


@pytest.mark.parametrize("accept", ["", "*/*", "application/*", "text/html, application/sdp;q=0.1"])
def test_a_post_that_takes_a_description(accept: str) -> None:
    assert isinstance(resource.endpoint(HttpRequest("POST", {"content-type": SDP, "accept": accept}, b"v=0")), Start)


@pytest.mark.parametrize("accept", ["application/json", "text/html;q=0.9, application/sdp;q=0"])
def test_a_post_that_takes_none(accept: str) -> None:
    request = HttpRequest("POST", {"content-type": SDP, "accept": accept}, b"v=0")
    assert refused(resource.endpoint(request)).status == 406


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/sdpx", FRAGMENT])
def test_another_type_of_offer(media_type: str) -> None:
    found = refused(resource.endpoint(HttpRequest("POST", {"content-type": media_type}, b"v=0")))
    assert (found.status, headers(found)["Accept-Post"]) == (415, SDP)


def test_an_offer_that_is_no_text() -> None:
    assert refused(resource.endpoint(HttpRequest("POST", {"content-type": SDP}, b"\xff"))).status == 400


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_endpoint_can_be_told_by_its_type(method: str) -> None:
    found = resource.endpoint(HttpRequest(method))
    assert isinstance(found, HttpAnswer)
    assert (found.status, found.body, headers(found)["Content-Type"]) == (200, b"", SDP)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "post"])
def test_what_an_endpoint_does_not_do(method: str) -> None:
    found = refused(resource.endpoint(HttpRequest(method)))
    assert (found.status, headers(found)["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")


def test_options_say_what_an_endpoint_takes_and_its_servers() -> None:
    found = resource.endpoint(HttpRequest("OPTIONS"), (STUN, TURN))
    assert isinstance(found, HttpAnswer)
    assert (found.status, found.body) == (200, b"")
    assert headers(found)["Accept-Post"] == SDP
    assert headers(found)["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert [value for name, value in found.headers if name == "Link"] == [
        '<stun:stun.example.net>; rel="ice-server"',
        '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="secret"',
    ]


def test_a_preflight_makes_no_credentials() -> None:
    found = resource.endpoint(HttpRequest("OPTIONS", {"access-control-request-method": "POST"}), (STUN,))
    assert isinstance(found, HttpAnswer)
    assert found.status == 200
    assert "Link" not in headers(found)


def test_created() -> None:
    found = resource.created("v=0", "/live/cam/whip/1", resource.entity_tag(REMOTE), (STUN,))
    assert (found.status, found.body) == (201, b"v=0")
    have = headers(found)
    assert (have["Content-Type"], have["Location"], have["ETag"]) == (SDP, "/live/cam/whip/1", '"EsAw"')


@pytest.mark.parametrize("condition", ['"xyzzy"', "*", '"*"', '"other", "xyzzy"', ' "xyzzy" '])
def test_candidates_are_taken(condition: str) -> None:
    found = patch(TRICKLE, condition)
    assert isinstance(found, Trickle)
    assert [one.address for one in found.fragment.candidates][:2] == ["192.0.2.1", "2001:db8::2"]
    assert (len(found.fragment.candidates), found.fragment.complete) == (4, True)
    assert (resource.TRICKLED.status, resource.TRICKLED.body) == (204, b"")
    assert "ETag" not in headers(resource.TRICKLED)


def test_candidates_without_credentials_or_sections_are_taken() -> None:
    assert isinstance(patch("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\n"), Trickle)
    assert isinstance(patch("a=end-of-candidates\r\n"), Trickle)


@pytest.mark.parametrize("condition", ["*", '"*"', '"xyzzy"'])
def test_new_credentials_restart_ice(condition: str) -> None:
    found = patch(RESTART, condition)
    assert isinstance(found, Restart)
    assert (found.remote.ufrag, found.remote.pwd) == ("ysXw", "vw5Lro0UCOQ4zxjKXaWCBui1")
    assert len(found.fragment.candidates) == 4


def test_a_restart_is_answered_with_a_fragment_and_the_new_tag() -> None:
    agreed = answer(recorded("chromium-156-whip"), Publish(), LOCAL)
    text = fragment.write(agreed.answer, IceCredentials("new1", "q" * 24), LOCAL.candidates)
    found = resource.restarted(text, '"new1"')
    assert (found.status, headers(found)["Content-Type"], headers(found)["ETag"]) == (200, FRAGMENT, '"new1"')
    read = fragment.parse(found.body.decode())
    assert read.remote == IceCredentials("new1", "q" * 24)
    assert (read.candidates, read.complete) == (LOCAL.candidates, True)
    assert text.startswith("a=ice-lite\r\n")
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:new1\r\n" in text


@pytest.mark.parametrize("text", [TRICKLE, RESTART])
@pytest.mark.parametrize(
    ("condition", "status"), [(None, 428), ('"old"', 412), ("xyzzy", 412), ('W/"xyzzy"', 412), ("", 412)]
)
def test_conditions(text: str, condition: str | None, status: int) -> None:
    assert refused(patch(text, condition)).status == status


@pytest.mark.parametrize("media_type", ["", SDP, "application/json"])
def test_another_type_of_patch(media_type: str) -> None:
    found = refused(patch(TRICKLE, media_type=media_type))
    assert (found.status, headers(found)["Accept-Patch"]) == (415, FRAGMENT)


MALFORMED = {
    "empty": "",
    "words": "hello",
    "sections only": "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
    "half of the credentials": "a=ice-ufrag:ysXw\r\n",
    "short password": "a=ice-ufrag:ysXw\r\na=ice-pwd:x\r\n",
    "no candidate": "a=candidate:1\r\n",
    "same ufrag": TRICKLE.replace(":P2uY", ":vw5L"),
    "same password": TRICKLE.replace("a=ice-ufrag:EsAw", "a=ice-ufrag:ysXw"),
    "an offer": recorded("chromium-156-whip"),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_fragment(text: str) -> None:
    assert refused(patch(text, "*")).status == 400


def test_a_patch_that_is_no_text_or_too_long() -> None:
    assert refused(patch(b"a=\xff\r\n")).status == 400
    assert refused(patch("a=x:" + "y" * 70_000)).status == 413


@pytest.mark.parametrize("condition", [None, '"old"', "*"])
def test_a_delete_heeds_no_condition(condition: str | None) -> None:
    sent = {} if condition is None else {"if-match": condition}
    assert resource.session(HttpRequest("DELETE", sent), OPENED) == Delete()
    assert resource.DELETED.status == 200


@pytest.mark.parametrize("method", ["PUT", "POST", "TRACE"])
def test_what_a_session_does_not_do(method: str) -> None:
    found = refused(resource.session(HttpRequest(method), OPENED))
    assert (found.status, headers(found)["Allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, PATCH")


def test_a_session_shows_nothing() -> None:
    for method in ("GET", "HEAD"):
        found = resource.session(HttpRequest(method), OPENED)
        assert isinstance(found, HttpAnswer)
        assert (found.status, found.body) == (204, b"")
    found = resource.session(HttpRequest("OPTIONS"), OPENED)
    assert isinstance(found, HttpAnswer)
    assert (found.status, headers(found)["Accept-Patch"]) == (200, FRAGMENT)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "DELETE", "PUT"])
def test_no_such_session(method: str) -> None:
    assert refused(resource.session(HttpRequest(method), None)).status == 404


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "GET"])
@pytest.mark.parametrize("given", ["", "Bearer other", "Basic secret", "Bearer", "secret"])
def test_a_session_is_for_whoever_opened_it(method: str, given: str) -> None:
    opened = OpenSession('"xyzzy"', REMOTE, "secret")
    found = refused(resource.session(HttpRequest(method, {"authorization": given}), opened))
    assert (found.status, headers(found)["WWW-Authenticate"]) == (401, "Bearer")
    right = {"authorization": "Bearer secret", "content-type": FRAGMENT, "if-match": "*"}
    assert isinstance(resource.session(HttpRequest("DELETE", right), opened), Delete)


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_has_a_status(refusal: Refusal) -> None:
    for statuses in (WHIP, WHEP):
        found = refused(resource.declined(Refused(refusal, "why"), statuses))
        assert 400 <= found.status < 600
        assert json.loads(found.body)["detail"] == "why"


def test_what_is_worth_trying_again() -> None:
    def tried(refusal: Refusal) -> tuple[int, str | None]:
        found = resource.declined(Refused(refusal, ""), WHEP)
        return found.status, headers(found).get("Retry-After")

    assert tried(Refusal.NOT_FOUND) == (409, "2")
    assert tried(Refusal.LIMIT) == (503, "2")
    assert tried(Refusal.UNSUPPORTED) == (422, None)
    assert resource.declined(Refused(Refusal.NOT_FOUND, ""), WHIP).status == 404
    assert resource.declined(Malformed("x"), WHIP).status == 400
    assert resource.declined(PeerLimit("x"), WHIP).status == 413


@settings(max_examples=120)
@given(
    st.sampled_from(["POST", "PATCH", "DELETE", "GET", "OPTIONS", "X"]),
    st.dictionaries(st.sampled_from(["content-type", "if-match", "authorization", "accept"]), st.text(max_size=20)),
    st.one_of(st.binary(max_size=60), st.text(alphabet="am=:\r\n id", max_size=60).map(str.encode)),
)
def test_any_request_has_an_answer(method: str, sent: dict[str, str], body: bytes) -> None:
    for media_type in (SDP, FRAGMENT):
        request = HttpRequest(method, {"content-type": media_type, "if-match": "*", **sent}, body)
        assert resource.endpoint(request) is not None
        assert resource.session(request, OPENED) is not None
        assert resource.session(request, OpenSession('"x"', REMOTE, "secret")) is not None
