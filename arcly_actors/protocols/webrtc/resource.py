"""The HTTP rules of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): requests become intents, outcomes become answers.

An endpoint takes the POST that starts a session; a session has a URL of its own for trickle, restart and end. Nothing
here knows a stream: whoever asks resolves it, or claims the publish slot, between `endpoint` and `created`.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import TypeAlias

from arcly_actors.errors import ArclyError, PeerLimit, PeerViolation, Refusal, Refused
from arcly_actors.protocols.webrtc import fragment
from arcly_actors.protocols.webrtc.fragment import IceFragment
from arcly_actors.protocols.webrtc.ice import IceCredentials
from arcly_actors.protocols.webrtc.sdp import nothing

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
RETRY_AFTER_S = 2
"""What `Retry-After` says: a publisher that was cut off is mostly back by then, and so is a place."""

_ENDPOINT_METHODS = "GET, HEAD, OPTIONS, POST"
_SESSION_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH"

Headers: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request; the names of `headers` are in lower case, and repeated fields are joined by commas."""

    method: str
    headers: Mapping[str, str] = field(default_factory=nothing)
    body: bytes = b""

    @property
    def token(self) -> str | None:
        """The bearer token (RFC 6750 §2.1), None without one."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return (token.strip() or None) if scheme.lower() == "bearer" else None

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What goes back."""

    status: int
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Start:
    """A session is wanted: answer this offer, then `created` or `declined`."""

    offer: str
    token: str | None


@dataclass(frozen=True, slots=True)
class Trickle:
    """More candidates of the peer; answer with `TRICKLED`."""

    fragment: IceFragment


@dataclass(frozen=True, slots=True)
class Restart:
    """ICE starts over with these credentials of the peer; answer `restarted` or, the session going on, `declined`."""

    remote: IceCredentials
    fragment: IceFragment


@dataclass(frozen=True, slots=True)
class Delete:
    """The session ends; answer with `DELETED`."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server for the client (RFC 9725 §4.6)."""

    url: str
    username: str = ""
    credential: str = ""

    @property
    def link(self) -> str:
        """The value of its Link field."""
        secret = f'; username="{self.username}"; credential="{self.credential}"' if self.username else ""
        return f'<{self.url}>; rel="ice-server"{secret}'


@dataclass(frozen=True, slots=True)
class OpenSession:
    """What a session's URL has to know: the generation of its ICE (`entity_tag`), the peer's part of it, and the token
    that opened it."""

    etag: str
    remote: IceCredentials
    token: str | None = None


TRICKLED = HttpAnswer(HTTPStatus.NO_CONTENT)
DELETED = HttpAnswer(HTTPStatus.OK)

_REFUSED = {
    Refusal.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Refusal.UNKNOWN_APPLICATION: HTTPStatus.NOT_FOUND,
    Refusal.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Refusal.BUSY: HTTPStatus.CONFLICT,
    Refusal.LIMIT: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.UNSUPPORTED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Refusal.UNAUTHORISED: HTTPStatus.UNAUTHORIZED,
    Refusal.LAGGED: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.ENDED: HTTPStatus.CONFLICT,
    Refusal.SHUTTING_DOWN: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
}
WHIP: Mapping[Refusal, HTTPStatus] = MappingProxyType(_REFUSED)
# WHEP §4.2: a stream that is not live (yet) is a conflict that is worth trying again.
WHEP: Mapping[Refusal, HTTPStatus] = MappingProxyType({**_REFUSED, Refusal.NOT_FOUND: HTTPStatus.CONFLICT})


def endpoint(request: HttpRequest, servers: Sequence[IceServer] = ()) -> Start | HttpAnswer:
    """A request to an endpoint's URL."""
    if request.method == "OPTIONS":
        # RFC 9725 §4.6: credentials may be costly to make, so a browser's preflight does not get them.
        preflight = "access-control-request-method" in request.headers
        return _options(_ENDPOINT_METHODS, (("Accept-Post", SDP), *(() if preflight else _links(servers))))
    if request.method in {"GET", "HEAD"}:
        # No content (RFC 9725 §4.1), and the type by which players know a WHEP endpoint (draft-ietf-wish-whep §4.2).
        return HttpAnswer(HTTPStatus.OK, (("Content-Type", SDP),))
    if (other := _other_method(request, _ENDPOINT_METHODS, "POST")) is not None:
        return other
    if request.media_type != SDP:
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the offer has to be {SDP}", (("Accept-Post", SDP),))
    if not _accepts(request.headers.get("accept", ""), SDP):
        return problem(HTTPStatus.NOT_ACCEPTABLE, f"the answer is {SDP}")
    offer = _text(request.body)
    return offer if isinstance(offer, HttpAnswer) else Start(offer, request.token)


def session(request: HttpRequest, opened: OpenSession | None) -> Trickle | Restart | Delete | HttpAnswer:
    """A request to a session's URL; `opened` is None when there is no such session (any more)."""
    if request.method == "OPTIONS":
        return _options(_SESSION_METHODS, (("Accept-Patch", FRAGMENT),))
    if opened is None:
        return problem(HTTPStatus.NOT_FOUND, "there is no such session")
    if not _is_token(request.token, opened.token):
        return _unauthorised("the session was opened with another token")
    if request.method == "DELETE":
        return Delete()
    if request.method in {"GET", "HEAD"}:
        return HttpAnswer(HTTPStatus.NO_CONTENT)
    if (other := _other_method(request, _SESSION_METHODS, "PATCH")) is not None:
        return other
    return _patch(request, opened)


def _patch(request: HttpRequest, opened: OpenSession) -> Trickle | Restart | HttpAnswer:
    """RFC 9725 §4.3: credentials that are new restart ICE, everything else adds candidates."""
    if request.media_type != FRAGMENT:
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"a patch has to be {FRAGMENT}", (("Accept-Patch", FRAGMENT),))
    if (condition := request.headers.get("if-match")) is None:
        return problem(HTTPStatus.PRECONDITION_REQUIRED, "If-Match is missing: the session's ETag, or * to restart ICE")
    text = _text(request.body)
    if isinstance(text, HttpAnswer):
        return text
    try:
        found = fragment.parse(text)
    except PeerViolation as violation:
        return declined(violation, WHIP)
    tags = [tag.strip() for tag in condition.split(",")]
    if opened.etag not in tags and "*" not in tags and '"*"' not in tags:  # RFC 9725 writes "*" in its example
        return problem(HTTPStatus.PRECONDITION_FAILED, "the ETag is of an earlier ICE session")
    if found.remote is None or found.remote == opened.remote:
        return Trickle(found)
    if found.remote.ufrag == opened.remote.ufrag or found.remote.pwd == opened.remote.pwd:
        return problem(HTTPStatus.BAD_REQUEST, "a restart needs a new ice-ufrag and a new ice-pwd")
    return Restart(found.remote, found)


def entity_tag(local: IceCredentials) -> str:
    """The strong entity tag of one generation of ICE: our user name fragment is unique to it."""
    return f'"{local.ufrag}"'


def created(answer: str, location: str, etag: str, servers: Sequence[IceServer] = ()) -> HttpAnswer:
    """201: the session is there and can be used."""
    headers = (("Content-Type", SDP), ("Location", location), ("ETag", etag), *_links(servers))
    return HttpAnswer(HTTPStatus.CREATED, headers, answer.encode())


def restarted(text: str, etag: str) -> HttpAnswer:
    """200: ICE starts over; `text` is a fragment with our new credentials."""
    return HttpAnswer(HTTPStatus.OK, (("Content-Type", FRAGMENT), ("ETag", etag)), text.encode())


def declined(error: ArclyError, statuses: Mapping[Refusal, HTTPStatus]) -> HttpAnswer:
    """The answer to an offer that is none (`PeerViolation`) or that cannot be had (`Refused`)."""
    if isinstance(error, PeerLimit):
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
    if isinstance(error, PeerViolation):
        return problem(HTTPStatus.BAD_REQUEST, str(error))
    if not isinstance(error, Refused):
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the session could not be opened")
    status = statuses[error.refusal]
    if status is HTTPStatus.UNAUTHORIZED:
        return _unauthorised(error.detail)
    later = status is HTTPStatus.SERVICE_UNAVAILABLE or error.refusal is Refusal.NOT_FOUND
    again = status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.CONFLICT} and later
    return problem(status, error.detail, (("Retry-After", str(RETRY_AFTER_S)),) if again else ())


def problem(status: HTTPStatus, detail: str, headers: Headers = ()) -> HttpAnswer:
    """An error with its reason as a problem document (RFC 9457)."""
    body = json.dumps({"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail})
    return HttpAnswer(status, (("Content-Type", "application/problem+json"), *headers), body.encode())


def _unauthorised(detail: str) -> HttpAnswer:
    return problem(HTTPStatus.UNAUTHORIZED, detail, (("WWW-Authenticate", "Bearer"),))


def _other_method(request: HttpRequest, methods: str, own: str) -> HttpAnswer | None:
    """The refusal of a method that is none of the resource's; None for its own."""
    if request.method != own:
        return problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{methods} are understood here", (("Allow", methods),))
    return None


def _options(methods: str, more: Headers) -> HttpAnswer:
    """What can be done here. Which web pages may do it (CORS) the site says, as for everything else it serves."""
    return HttpAnswer(HTTPStatus.OK, (("Allow", methods), *more))


def _links(servers: Sequence[IceServer]) -> Headers:
    return tuple(("Link", server.link) for server in servers)


def _text(body: bytes) -> str | HttpAnswer:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return problem(HTTPStatus.BAD_REQUEST, "the body is not UTF-8")


def _accepts(accept: str, media_type: str) -> bool:
    """Whether an Accept field (RFC 9110 §12.5.1) allows a type; without one everything is."""
    wanted = {media_type, media_type.partition("/")[0] + "/*", "*/*", "*"}
    ranges = [part.lower().replace(" ", "").split(";") for part in accept.split(",") if part.strip()]
    return not ranges or any(
        names[0] in wanted and not any(text in {"q=0", "q=0.0", "q=0.00", "q=0.000"} for text in names[1:])
        for names in ranges
    )


def _is_token(given: str | None, wanted: str | None) -> bool:
    return wanted is None or hmac.compare_digest((given or "").encode(), wanted.encode())
