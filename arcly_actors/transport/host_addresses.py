"""Which addresses a socket bound to a wildcard can be reached at."""

import socket
from contextlib import suppress
from typing import Any

_FAR = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses for documentation: asking for a route to them sends nothing."""


def host_addresses(bound: str) -> tuple[str, ...]:
    """The host's own addresses towards the rest of the world, IPv4 first; `bound` itself when it is not a wildcard.

    A host with no way out has its loopback addresses. More than these (NAT, several networks) the operator tells.
    """
    wildcards = {"0.0.0.0": (socket.AF_INET,), "::": (socket.AF_INET, socket.AF_INET6)}  # noqa: S104 - compared with
    families = wildcards.get(bound)
    if families is None:
        return (bound,)
    found: list[str] = []
    for family in families:
        address = address_towards(family, (_FAR[family], 9))
        if address is not None:
            found.append(address)
    loopback = ("127.0.0.1",) if len(families) == 1 else ("127.0.0.1", "::1")
    return tuple(found) or loopback


def address_towards(family: int, where: tuple[Any, ...]) -> str | None:
    """Which of our addresses is used towards a socket address; None where there is no route. Nothing is sent."""
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect(where)
        return str(asking.getsockname()[0])
    return None
