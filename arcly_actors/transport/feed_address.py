"""Addresses of one-way datagram feeds: ``udp://239.1.1.1:1234?interface=eth0&sources=10.0.0.5``, as FFmpeg writes them.

FFmpeg's names: ``localaddr``, ``sources``, ``ttl``, ``pkt_size``; ``interface`` is ours. An ``@`` before the host, which
VLC's users write, means nothing.
"""

import ipaddress
from dataclasses import dataclass, replace
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from arcly_actors import limits
from arcly_actors.errors import ConfigurationError

SCHEMES: Final = frozenset({"udp", "rtp"})
_OPTIONS: Final = frozenset({"interface", "localaddr", "sources", "source", "ttl", "pkt_size"})
_EVERY: Final = "0.0.0.0"  # noqa: S104 - what the operator means by an empty host


@dataclass(frozen=True, slots=True)
class FeedAddress:
    """Where a feed comes from or goes to. `host` is an IP address or, for one that is sent to, a name.

    `interface`: a name (``eth0``) or, for IPv4, one of its addresses; empty lets the system choose. `sources`: the only
    addresses to take datagrams from, joined source-specifically (RFC 4607) where `host` is a group. `ttl`: hops of
    multicast that is sent. `pkt_size`: the most bytes in a datagram.
    """

    scheme: str
    host: str
    port: int
    interface: str = ""
    sources: tuple[str, ...] = ()
    ttl: int = 1
    pkt_size: int = 1316

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL; ConfigurationError says what is wrong with it."""
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in SCHEMES or len(text) > limits.URL_CHARACTERS:
            raise ConfigurationError("not a datagram address; write udp://host:port or rtp://host:port")
        try:
            parts = urlsplit(f"//{rest.replace('@', '', 1)}")
            host, port = parts.hostname or "", parts.port
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        except ValueError:
            raise ConfigurationError("the address has a host, port or query that is none") from None
        if port is None:
            raise ConfigurationError("the address has no port; write udp://host:port")
        unknown = options.keys() - _OPTIONS
        if unknown:
            raise ConfigurationError(f"unknown option {min(unknown)[:40]!r}; there are {', '.join(sorted(_OPTIONS))}")
        if parts.path.strip("/"):
            raise ConfigurationError("the address has a path, which a datagram address has not")
        named = options.get("sources") or options.get("source", "")
        address = cls(
            scheme,
            host or _EVERY,
            port,
            options.get("interface") or options.get("localaddr", ""),
            tuple(_ip(each) for each in named.split(",") if each),
            _number(options, "ttl", 1, 255),
            _number(options, "pkt_size", 1316, 65_000, least=188),
        )
        return address.checked()

    def with_join(self, interface: str, sources: tuple[str, ...]) -> Self:
        """The same with what a topology says beside the URL."""
        made = replace(self, interface=interface or self.interface, sources=tuple(map(_ip, sources)) or self.sources)
        return made.checked()

    def checked(self) -> Self:
        """Itself; ConfigurationError when its parts do not go together."""
        group = self.group
        for source in map(ipaddress.ip_address, self.sources):
            if source.is_multicast or (group is not None and source.version != group.version):
                raise ConfigurationError(f"{source} cannot be the source of {self.host}")
        if group is not None and group.version == 6 and ":" in self.interface:
            raise ConfigurationError("an IPv6 group is joined on an interface that is named, as eth0")
        return self

    @property
    def group(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The multicast group; None for an address of one host."""
        try:
            address = ipaddress.ip_address(self.host.partition("%")[0])
        except ValueError:
            return None
        return address if address.is_multicast else None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def reads(text: str) -> bool:
    """Whether `FeedAddress` can read it."""
    try:
        FeedAddress.parse(text)
    except ConfigurationError:
        return False
    return True


def is_feed(text: str) -> bool:
    """The same, and its host is an address, as what is received at has to be."""
    try:
        ipaddress.ip_address(FeedAddress.parse(text).host.partition("%")[0])
    except (ConfigurationError, ValueError):
        return False
    return True


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise ConfigurationError(f"{text[:40]!r} is not an IP address") from None


def _number(options: dict[str, str], name: str, default: int, most: int, *, least: int = 0) -> int:
    text = options.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 7 and least <= int(text) <= most):
        raise ConfigurationError(f"{name} is a number from {least} to {most}")
    return int(text)
