"""URLs that we dial: read once, and shown only with their secrets masked."""

from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import urlsplit

from arcly_actors import limits
from arcly_actors.errors import ConfigurationError

MASK: Final = "***"
WHIP: Final = frozenset({"whip:http", "whip:https"})
"""Schemes of WHIP endpoints, which are web addresses: ``whip:https://…``, or ``whips://…``; ``whip:http://…`` or ``whip://…``."""
_WHIP: Final = {"whip:http": "whip:http", "whip:https": "whip:https", "whip": "whip:http", "whips": "whip:https"}
_LONG_SECRET: Final = 12
_HOSTLESS: Final = frozenset({"srt"})


@dataclass(frozen=True, slots=True)
class Url:
    """`text` is the whole; `str` is what may be shown: without user, password and the values of the query.

    `keyed`: the last part of the path is a secret, too, as in the RTMP addresses that platforms give out; of a WHIP
    address the whole path, for it may be anywhere in it. A text without a scheme is a file. `path` has no leading slash.
    """

    text: str = field(repr=False)
    scheme: str
    host: str = ""
    port: int | None = None
    path: str = field(default="", repr=False)
    query: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    keyed: bool = False

    @classmethod
    def parse(cls, text: str, *, keyed: bool = False) -> Self:
        """Read a URL or a file name; ConfigurationError, which repeats no part of it, when it is none."""
        if not text or len(text) > limits.URL_CHARACTERS or not text.isprintable():
            raise ConfigurationError(f"a URL has from 1 to {limits.URL_CHARACTERS} printable characters")
        scheme, separator, _ = text.partition("://")
        if not separator:
            return cls(text, "file", path=text)
        if scheme.lower() == "file":
            path = urlsplit(text).path
            return cls(path, "file", path=path)
        whip, hostless = _WHIP.get(scheme.lower()), scheme.lower() in _HOSTLESS
        if whip is not None:
            text_to_split = f"{whip[5:]}://{text.partition('://')[2]}"
        else:  # a stream id of SRT may begin with #, which begins no fragment there
            text_to_split = text.replace("#", "%23") if hostless else text
        try:
            parts = urlsplit(text_to_split)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise ConfigurationError("the URL has a host or port that is none") from None
        if not (host or hostless) or any(character.isspace() for character in text):
            raise ConfigurationError("the URL has no host, or blanks in it")
        path = parts.path.removeprefix("/")
        user, password = parts.username or "", parts.password or ""
        return cls(text, whip or parts.scheme.lower(), host, port, path, parts.query, user, password, keyed)

    @property
    def place(self) -> str:
        """``host:port``, or ``host`` when the port goes without saying."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def web(self) -> str:
        """Of a WHIP address: the web address that is asked, without user and password."""
        return f"{self.scheme[5:]}://{self.place}/{self.path}{f'?{self.query}' if self.query else ''}"

    @property
    def _key(self) -> str:
        """What of the path is a secret."""
        if not self.keyed:
            return ""
        return self.path if self.scheme in WHIP else self.path.rpartition("/")[2]

    def __str__(self) -> str:
        if self.scheme == "file":
            return self.path
        path = self.path
        if self.keyed and path:
            path = f"{path.removesuffix(self._key)}{MASK}"
        shown = f"{self.scheme}://{f'{MASK}@' if self.user or self.password else ''}{self.place}"
        return f"{shown}/{path}{f'?{MASK}' if self.query else ''}"

    def hidden_from(self, text: str) -> str:
        """`text`, said by a library or a peer, without this URL's secrets."""
        text = text.replace(self.text, str(self))
        secrets = [self.password, self.query, self._key]
        if self.scheme in WHIP:
            text = text.replace(self.web, str(self))
            secrets += [part for part in self._key.split("/") if len(part) >= _LONG_SECRET]
        for secret in secrets:
            if len(secret) >= 3:
                text = text.replace(secret, MASK)
        return text
