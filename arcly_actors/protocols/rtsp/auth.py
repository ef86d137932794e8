"""Digest and Basic authentication (RFC 7616, RFC 7617; RFC 2326 §14 has the headers), both sides. Pure.

A server challenges with SHA-256 first and MD5 last: clients that know only MD5 (FFmpeg, live555) take the last. Neither
asks for ``qop``, which old clients do not know; an answer with it is good all the same.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server wants: Digest with an algorithm, or Basic."""

    scheme: str
    realm: str
    nonce: str = ""
    algorithm: str = "MD5"
    opaque: str = ""
    qop: bool = False
    stale: bool = False

    def __str__(self) -> str:
        if self.scheme == "Basic":
            return f'Basic realm="{self.realm}"'
        return f'Digest realm="{self.realm}", nonce="{self.nonce}", algorithm={self.algorithm}'


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password."""

    user: str
    password: str = field(repr=False)


def read_challenges(fields: Iterable[str]) -> list[Challenge]:
    """The challenges of ``WWW-Authenticate`` fields that can be answered, the strongest first."""
    found = [challenge for text in fields if (challenge := _challenge(text)) is not None]
    return sorted(found, key=lambda one: ("Digest SHA-256", "Digest MD5").index(f"{one.scheme} {one.algorithm}")
                  if one.scheme == "Digest" else 2)  # fmt: skip


def answer(challenge: Challenge, who: Credentials, method: str, uri: str, count: int = 1, cnonce: str = "") -> str:
    """The value of an ``Authorization`` field. `cnonce` is from the caller's entropy, for servers that ask for qop."""
    if challenge.scheme == "Basic":
        return "Basic " + base64.b64encode(f"{who.user}:{who.password}".encode()).decode()
    extra = {"qop": "auth", "nc": f"{count:08x}", "cnonce": cnonce} if challenge.qop else {}
    values = {
        "username": who.user,
        "realm": challenge.realm,
        "nonce": challenge.nonce,
        "uri": uri,
        "response": _response(challenge.algorithm, who, challenge.realm, challenge.nonce, method, uri, extra),
    }
    quoted = [f'{name}="{_quote(value)}"' for name, value in values.items()]
    plain = [f"algorithm={challenge.algorithm}"]
    plain += [f'{name}="{value}"' if name == "cnonce" else f"{name}={value}" for name, value in extra.items()]
    if challenge.opaque:
        quoted.append(f'opaque="{_quote(challenge.opaque)}"')
    return "Digest " + ", ".join(quoted + plain)


class Gatekeeper:
    """A server's side for one connection: `passwords` by user; `seed` is entropy for the nonce; `basic` offers Basic."""

    def __init__(self, passwords: Mapping[str, str], seed: bytes, *, realm: str = "arcly", basic: bool = False) -> None:
        self._passwords = passwords
        self._realm = realm
        self._basic = basic
        self._nonce = hashlib.sha256(b"nonce" + seed).hexdigest()[:32]

    def challenges(self) -> list[Challenge]:
        """What to answer 401 with, in this order."""
        digests = [Challenge("Digest", self._realm, self._nonce, algorithm) for algorithm in ("SHA-256", "MD5")]
        return [*digests, Challenge("Basic", self._realm)] if self._basic else digests

    def user(self, authorization: str, method: str) -> str | None:
        """The user whose password an ``Authorization`` field knows, None when it knows none."""
        scheme, _, rest = authorization.strip().partition(" ")
        if scheme.lower() == "basic" and self._basic:
            return self._check_basic(rest.strip())
        return self._check_digest(_parameters(rest), method) if scheme.lower() == "digest" else None

    def _check_basic(self, text: str) -> str | None:
        try:
            user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        return user if self._same(self._passwords.get(user), password) else None

    def _check_digest(self, told: dict[str, str], method: str) -> str | None:
        user, algorithm = told.get("username", ""), told.get("algorithm", "MD5").upper()
        password = self._passwords.get(user)
        if algorithm not in _HASHES or told.get("nonce") != self._nonce or told.get("realm") != self._realm:
            return None
        extra = {name: told.get(name, "") for name in ("qop", "nc", "cnonce")} if "qop" in told else {}
        who = Credentials(user, password or "")
        wanted = _response(algorithm, who, self._realm, self._nonce, method, told.get("uri", ""), extra)
        same = hmac.compare_digest(wanted.encode(), told.get("response", "").lower().encode())
        return user if same and password is not None else None

    @staticmethod
    def _same(wanted: str | None, given: str) -> bool:
        return hmac.compare_digest((wanted or "").encode(), given.encode()) and wanted is not None


def _challenge(text: str) -> Challenge | None:
    scheme, _, rest = text.strip().partition(" ")
    told = _parameters(rest)
    if scheme.lower() == "basic":
        return Challenge("Basic", told.get("realm", ""))
    algorithm = told.get("algorithm", "MD5").upper()
    if scheme.lower() != "digest" or algorithm not in _HASHES or "nonce" not in told:
        return None
    qop = "auth" in [part.strip() for part in told.get("qop", "").split(",")]
    stale = told.get("stale", "").lower() == "true"
    return Challenge("Digest", told.get("realm", ""), told["nonce"], algorithm, told.get("opaque", ""), qop, stale)


def _parameters(text: str) -> dict[str, str]:
    return {name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in _PARAMETER.findall(text)}


def _response(
    algorithm: str, who: Credentials, realm: str, nonce: str, method: str, uri: str, extra: Mapping[str, str]
) -> str:
    """The response of RFC 7616 §3.4.1; without qop that of RFC 2617 §3.2.2.1."""

    def digest(*parts: str) -> str:
        return _HASHES[algorithm](":".join(parts).encode()).hexdigest()

    secret, what = digest(who.user, realm, who.password), digest(method, uri)
    middle = (extra["nc"], extra["cnonce"], extra["qop"]) if extra else ()
    return digest(secret, nonce, *middle, what)


def _quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
