"""RTSP URLs (RFC 2326 §3.2): the stream they name, the track within it, and what a client connects to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from arcly_actors import limits
from arcly_actors.errors import ConfigurationError, Refusal, Refused

_PORTS = {"rtsp": 554, "rtspu": 554, "rtsps": 322}
_TRACK = re.compile(r"[/?&](?:track(?:id)?|stream(?:id)?|video|audio)?[=_-]?(\d{1,4})/*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Location:
    """Where a request URI points within a server: a clean path, the query, and both as they were written (`target`)."""

    path: str
    parameters: Mapping[str, str]
    target: str


def locate(uri: str) -> Location:
    """Read a request URI, absolute or not; ``*`` is the empty path. `Refused` when it cannot be a stream's address."""
    target = uri if uri != "*" else ""
    if "://" in target:
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=limits.MAX_QUERY_FIELDS)
    except ValueError:
        raise Refused(Refusal.BAD_REQUEST, f"more than {limits.MAX_QUERY_FIELDS} parameters in the query") from None
    clean = "/".join(part for part in unquote(path).split("/") if part)
    if len(clean) > limits.MAX_STREAM_PATH or not clean.isprintable():
        raise Refused(Refusal.BAD_REQUEST, "not a path that can be served")
    return Location(clean, dict(pairs), target.rstrip("/"))


def control_within(target: str, stream: str) -> str | None:
    """What a SETUP's target adds to that of its stream (``trackID=1``); None when it is another stream's."""
    if target == stream:
        return ""
    for base in (stream, stream.partition("?")[0]):
        if target.startswith(base + "/"):
            return target[len(base) + 1 :].strip("/")
    return None


def track_number(target: str) -> tuple[str, int] | None:
    """The target of the stream and the track's number, of a target that ends like a track's; None of any other."""
    found = re.search(_TRACK.pattern + "$", target, _TRACK.flags)
    return (target[: found.start()], int(found[1])) if found else None


@dataclass(frozen=True, slots=True)
class RtspUrl:
    """What a client connects to. `user` and `password` are never part of what is sent or shown."""

    scheme: str
    host: str
    port: int
    target: str
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``rtsp://user:password@host:port/path?query``; ConfigurationError says what is wrong with others."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ConfigurationError("not an RTSP URL: its host or port cannot be read") from None
        scheme = parts.scheme.lower()
        if scheme not in _PORTS or not parts.hostname:
            raise ConfigurationError("not an RTSP URL: write rtsp://host[:port]/path, or rtsps:// for TLS")
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(scheme, parts.hostname, port or _PORTS[scheme], target, user, password)

    @property
    def secure(self) -> bool:
        """Whether it is spoken over TLS."""
        return self.scheme == "rtsps"

    def redirected(self, location: str) -> "RtspUrl":
        """The URL that a server sends us on to, with our credentials if it is the same host."""
        new = RtspUrl.parse(location if "://" in location else f"{self.origin}/{location.lstrip('/')}")
        return replace(new, user=self.user, password=self.password) if new.host == self.host and not new.user else new

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def __str__(self) -> str:
        return self.origin + self.target


def resolve(base: str, control: str) -> str:
    """The URL of a control attribute (RFC 2326 §C.1.1): absolute, or a path behind the base, as all clients take it."""
    if "://" in control:
        return control
    if control in {"", "*"}:
        return base
    return base + control if base.endswith("/") or control.startswith("?") else f"{base}/{control.lstrip('/')}"
