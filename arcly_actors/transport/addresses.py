"""Where to listen and who called: host and port, as people write them."""

import socket
from dataclasses import dataclass

from arcly_actors.errors import AddressUnavailable, ConfigurationError

_V4_IN_V6 = "::ffff:"


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IPv4 or IPv6 without brackets) and a port; port 0 lets the system choose."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read ``host:port``, ``[v6]:port``, ``*:port`` or ``:port`` (all interfaces); ConfigurationError otherwise."""
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not colon or (":" in host and not bracketed):
            raise ConfigurationError(f"{text!r} is not an address: write host:port, [ipv6]:port or :port")
        if not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise ConfigurationError(f"{text!r} has no port between 0 and 65535 after its last colon")
        host = host[1:-1] if bracketed else host
        return cls("0.0.0.0" if host in {"", "*"} else host, int(port))  # noqa: S104 - the operator asked for it

    @classmethod
    def of_peer(cls, name: object) -> "Address":
        """From a socket's own tuple; an IPv4 peer of a dual-stack socket is named as IPv4."""
        if not isinstance(name, tuple) or len(name) < 2:
            return cls("?", 0)
        host = str(name[0]).partition("%")[0]
        return cls(host.removeprefix(_V4_IN_V6) if "." in host else host, int(name[1]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen(address: Address, backlog: int) -> list[socket.socket]:
    """Non-blocking listening sockets, one per address that the host name has; all on one port.

    ``[::]`` takes IPv4 as well. AddressUnavailable names the address and what is in the way.
    """
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except OSError as error:
        raise AddressUnavailable(str(address), error.strerror or str(error)) from error
    sockets: list[socket.socket] = []
    port = address.port
    try:
        for family, where in dict.fromkeys((entry[0], entry[4]) for entry in found):
            opened = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(opened)
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(where[0] != "::"))
            opened.bind((where[0], port, *where[2:]))
            port = port or opened.getsockname()[1]
            opened.listen(backlog)
    except OSError as error:
        for opened in sockets:
            opened.close()
        raise AddressUnavailable(str(Address(address.host, port)), error.strerror or str(error)) from error
    return sockets
