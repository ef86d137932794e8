"""Secrets of what is dialled, kept off a tape: each stands there as so many ``x``.

They have the length that they had, so that a replay, which dials the masked URL, sends what the tape has. Structure
decides where the bytes of one are: a string of AMF0 in RTMP, the URL and the ``Authorization`` in RTSP, the stream id,
four bytes at a time the wrong way round, in SRT. A passphrase of SRT is in none, but what is wrapped with it is wrapped
with its mask there (`script.srt_keys`).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from arcly_actors.errors import ConfigurationError, Refused
from arcly_actors.protocols.rtmp.address import client_address
from arcly_actors.protocols.srt.handshake import encode_text
from arcly_actors.protocols.srt.target import Mode, SrtTarget
from arcly_actors.script.srt_keys import Rewrapping
from arcly_actors.transport.feed_address import reads
from arcly_actors.transport.srt_ciphers import SrtCiphers
from arcly_actors.transport.urls import WHIP, Url

_LEAST: Final = 3
"""Shorter secrets are no more than letters of a text: who has one is not recorded."""

_LONG: Final = 12
"""So long parts of a WHIP address's path are secrets by themselves."""

_AUTHORIZATION: Final = re.compile(rb"(?i)(?<=\r\nAuthorization: )[^\r\n]+")
_SRT_SECRETS: Final = frozenset({"streamid", "passphrase"})
_SAID: Final = frozenset({"rtmp", "rtmps", "rtsp", "rtsps", "srt"}) | WHIP
"""Where secrets are in what is said. Of what FFmpeg reads no byte is recorded."""

_CHUNK: Final = b"[\xc0-\xff]?"
"""Between any two bytes of an RTMP message a chunk may begin, with this as its header."""

Change = Callable[[bytes], bytes]


def _stars(text: str) -> str:
    return "x" * len(text.encode())


class Mask:
    """Hides the secrets of one URL, and the `token` beside it; `url` and `token` are these without them.
    ConfigurationError when that cannot be.
    """

    def __init__(self, url: Url, token: str = "") -> None:
        self._exact: dict[str, str] = {}
        self._texts: list[tuple[str, str]] = []
        self.url = self._masked(url)
        self.token = self._hide(token) if token else ""
        self._texts.sort(key=lambda pair: -len(pair[0]))  # a whole query before the values in it
        self._out, self._in = self._changes(url)

    def went(self, data: bytes) -> bytes:
        """What was sent."""
        return self._out(data)

    def came(self, data: bytes) -> bytes:
        """What was received."""
        return self._in(data)

    def text(self, value: str) -> str:
        """A URL that is asked over HTTP, or a field of it."""
        for secret, stars in self._texts:
            value = value.replace(secret, stars)
        return value

    def headers(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Fields of a request or an answer over HTTP."""
        return {
            name: _stars(value) if name.lower() == "authorization" else self.text(value) for name, value in fields.items()
        }

    def message(self, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A message of the connection, ``asked`` of its engine or ``told`` by it."""
        return {name: self._plain(value, within=kind == "told") for name, value in fields.items()}

    def _plain(self, value: Any, *, within: bool) -> Any:
        if isinstance(value, dict):
            return {name: self._plain(each, within=within) for name, each in value.items()}
        if isinstance(value, list):
            return [self._plain(each, within=within) for each in value]
        if not isinstance(value, str):
            return value
        if value in self._exact:
            return self._exact[value]
        return self.text(value) if within else value

    def _hide(self, secret: str, stars: str | None = None) -> str:
        stars = _stars(secret) if stars is None else stars
        if secret != stars:
            if len(secret) < _LEAST:
                raise ConfigurationError("a secret of one or two characters cannot be told from other text")
            self._exact[secret] = stars
            self._texts.append((secret, stars))
        return stars

    def _masked(self, url: Url) -> str:
        if url.scheme == "file" or reads(url.text):
            return url.text  # whose options are no secrets
        text, _, query = url.text.partition("?")
        scheme, _, rest = text.partition("://")
        place, slash, path = rest.partition("/")
        user, at, host = place.rpartition("@")
        if at:
            name, colon, password = user.partition(":")
            hidden = [self._hide(unquote(each)) if each else "" for each in (name, password)]
            user = colon.join(hidden) if colon else hidden[0]
        if url.scheme in WHIP:
            path = self._masked_path(path)
        elif url.keyed and path:
            before, cut, key = path.strip("/").rpartition("/")
            path = f"{before}{cut}{self._hide(key)}"
        if query:
            hidden_query = "&".join(self._option(url, each) for each in query.partition("#")[0].split("&"))
            query = self._hide(query, hidden_query)
        return f"{scheme}://{user}{at}{host}{slash}{path}{f'?{query}' if query else ''}"

    def _masked_path(self, path: str) -> str:
        """A secret may be anywhere in it; a long part of it may come back in another URL."""
        hidden = path if len(path) < _LEAST else self._hide(path, "".join("/" if each == "/" else "x" for each in path))
        for part in path.split("/"):
            if len(part) >= _LONG:
                self._hide(part)
        return hidden

    def _option(self, url: Url, option: str) -> str:
        word, equals, value = option.partition("=")
        if url.scheme == "srt":
            return option if word not in _SRT_SECRETS or not value else f"{word}={self._hide(unquote(value))}"
        if len(value) >= _LEAST:
            self._hide(value)
        return f"{word}={_stars(value)}" if equals else _stars(word)

    def _changes(self, url: Url) -> tuple[Change, Change]:
        if url.scheme not in _SAID or (url.scheme.startswith("rtmp") and url.user):
            return _as_it_is, _as_it_is
        if url.scheme in WHIP:
            return _as_it_is, _replacing([(secret.encode(), stars.encode()) for secret, stars in self._texts])
        within = [(secret.encode(), stars.encode()) for secret, stars in self._texts]
        if url.scheme == "srt":
            return self._changes_of_srt(url)
        if url.scheme.startswith("rtsp"):
            texts = _replacing(within)
            return lambda data: _AUTHORIZATION.sub(_crossed, texts(data)), texts
        try:
            name = client_address(url.path, url.query)[1]
            hidden = client_address(Url.parse(self.url).path, Url.parse(self.url).query)[1]
        except Refused as refused:
            raise ConfigurationError(refused.detail) from None
        if not name and url.query:
            raise ConfigurationError("an RTMP address with a query, but without a stream name, is not recorded")
        self._exact[name] = hidden
        return _replacing([(_amf(name), _amf(hidden))]), _across_chunks(within)

    def _changes_of_srt(self, url: Url) -> tuple[Change, Change]:
        """The stream id is said by who calls; either side may make keys."""
        target = SrtTarget.of(url.host, url.port, url.query)
        hidden = SrtTarget.of(url.host, url.port, Url.parse(self.url).query)
        texts = (
            _replacing([(encode_text(target.stream_id), encode_text(hidden.stream_id))])
            if target.stream_id
            else _as_it_is
        )
        keys = _as_it_is
        if target.terms.passphrase:
            keys = Rewrapping(SrtCiphers(), target.terms.passphrase, hidden.terms.passphrase)
        both = _after(texts, keys)
        return both, keys if target.mode is Mode.CALLER else both


def _as_it_is(data: bytes) -> bytes:
    return data


def _after(first: Change, then: Change) -> Change:
    return lambda data: then(first(data))


def _crossed(found: re.Match[bytes]) -> bytes:
    return b"x" * len(found[0])


def _amf(text: str) -> bytes:
    """A string of AMF0."""
    data = text.encode()
    return b"\x02" + len(data).to_bytes(2) + data


def _replacing(pairs: list[tuple[bytes, bytes]]) -> Change:
    def change(data: bytes) -> bytes:
        for secret, stars in pairs:
            if secret in data:
                data = data.replace(secret, stars)
        return data

    return change


def _across_chunks(pairs: list[tuple[bytes, bytes]]) -> Change:
    """Also where the header of an RTMP chunk stands in the middle."""
    patterns = [
        (secret, re.compile(_CHUNK.join(re.escape(secret[at : at + 1]) for at in range(len(secret)))))
        for secret, _ in pairs
    ]

    def crossed(secret: bytes) -> Callable[[re.Match[bytes]], bytes]:
        def cross(found: re.Match[bytes]) -> bytes:
            left = iter(secret)
            wanted = next(left)
            out = bytearray()
            for byte in found[0]:
                matched = byte == wanted
                out.append(0x78 if matched else byte)
                wanted = next(left, -1) if matched else wanted
            return bytes(out)

        return cross

    def change(data: bytes) -> bytes:
        for secret, pattern in patterns:
            data = pattern.sub(crossed(secret), data)
        return data

    return change
