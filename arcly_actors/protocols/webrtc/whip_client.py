"""A WHIP session as its client sees it (RFC 9725 §4.2): what to ask, and what the answers mean.

``start`` -> a request; ``heard`` its answer -> another request (a redirect) or `Created`; ``leave`` -> the request that
ends it. Nothing is trickled: the offer has all candidates, so there is no PATCH.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit, Refusal, Refused
from arcly_actors.protocols.webrtc.ice_servers import read_links
from arcly_actors.protocols.webrtc.resource import SDP, Headers, IceServer
from arcly_actors.protocols.webrtc.sdp import nothing

_REDIRECTS = frozenset({HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WORDS = ("detail", "title", "message", "error")


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """What to ask. URL and fields are secrets: whoever has a session's URL can end it."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=nothing, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Created:
    """The server took the offer: its answer, and the ICE servers that it would have us use."""

    answer: str
    servers: tuple[IceServer, ...] = ()


class WhipClient:
    """See the module. `authorisation` is an Authorization field, empty for none: it is for the origin of `url` alone."""

    def __init__(self, url: str, authorisation: str = "") -> None:
        self._url = url
        self._trusted = origin(url)
        self._authorisation = authorisation
        self._redirects = 0
        self._offer = b""
        self._session = ""
        self.etag = ""

    def start(self, offer: str) -> ClientRequest:
        """Offer."""
        self._offer = offer.encode()
        return self._post()

    def heard(self, status: int, headers: Headers, body: bytes) -> ClientRequest | Created:
        """The answer to the latest request of `start` or of this. `Refused`: it is no; `PeerViolation`: it is none."""
        fields = [(name.lower(), value) for name, value in headers]
        location = next((value for name, value in fields if name == "location"), "")
        if status in _REDIRECTS:
            return self._redirected(status, location)
        if not 200 <= status < 300:
            raise Refused(Refusal.FAILED, f"the server answered {said(status, fields, body)}")
        if location:
            self._session = self._resolved(location)
        self.etag = next((value for name, value in fields if name == "etag"), "")
        if status != HTTPStatus.CREATED:
            raise Malformed(f"the server answered {status}; only 201 begins a session")
        if len(body) > limits.SDP_CHARACTERS:
            raise PeerLimit(f"an answer of more than {limits.SDP_CHARACTERS} bytes")
        try:
            answer = body.decode()
        except UnicodeDecodeError:
            raise Malformed("the answer is not UTF-8") from None
        return Created(answer, read_links(value for name, value in fields if name == "link"))

    def leave(self) -> ClientRequest | None:
        """End the session, once; None when there is none, or the server did not say where it is."""
        session, self._session = self._session, ""
        return ClientRequest("DELETE", session, self._fields(session)) if session else None

    def _post(self) -> ClientRequest:
        fields = {"Content-Type": SDP, "Accept": SDP, **self._fields(self._url)}
        return ClientRequest("POST", self._url, fields, self._offer)

    def _fields(self, url: str) -> dict[str, str]:
        return {"Authorization": self._authorisation} if self._authorisation and origin(url) == self._trusted else {}

    def _redirected(self, status: int, location: str) -> ClientRequest:
        self._redirects += 1
        if not location:
            raise Malformed(f"the server answered {status} and does not say where to")
        if self._redirects > limits.WHIP_REDIRECTS:
            raise PeerLimit(f"more than {limits.WHIP_REDIRECTS} redirects")
        self._url = self._resolved(location)
        return self._post()

    def _resolved(self, location: str) -> str:
        """A Location, which may be relative. HTTP only, and no step down from TLS."""
        try:
            url = urljoin(self._url, location)
            scheme, host, secure = urlsplit(url).scheme, urlsplit(url).hostname, urlsplit(self._url).scheme == "https"
            _ = urlsplit(url).port
        except ValueError:
            raise Malformed("the server's Location is no URL") from None
        if not host or not url.isprintable() or " " in url or len(url) > limits.URL_CHARACTERS:
            raise Malformed("the server's Location is no URL")
        if scheme != "https" and (secure or scheme != "http"):
            raise Malformed(
                "the server's Location is not one of HTTPS" if secure else "the server's Location is not one of HTTP"
            )
        return url


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port (RFC 6454 §4)."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)


def said(status: int, fields: Sequence[tuple[str, str]], body: bytes) -> str:
    """A refusal for a person: the status and, if it is text or a problem document (RFC 9457), the server's own words."""
    phrase = next((f" {each.phrase}" for each in HTTPStatus if each == status), "")
    kind = next((value for name, value in fields if name == "content-type"), "").partition(";")[0].strip().lower()
    words = ""
    if kind == "text/plain":
        words = body.decode(errors="replace")
    elif kind == "application/json" or kind.endswith("+json"):
        words = _words(body)
    words = " ".join("".join(each if each.isprintable() else " " for each in words[: 2 * limits.SERVER_WORDS]).split())
    return f"{status}{phrase}{': ' if words else ''}{words[: limits.SERVER_WORDS]}"


def _words(body: bytes) -> str:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    return next((text for name in _WORDS if isinstance(text := document.get(name), str) and text), "")
