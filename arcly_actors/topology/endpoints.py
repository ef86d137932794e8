"""Endpoints: the addresses that publishers and viewers come to. All listen on this machine only until told otherwise."""

import itertools
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from arcly_actors.topology.section import Section
from arcly_actors.topology.tls import Tls
from arcly_actors.topology.values import Address, Listen, fault

_LOOPBACK = "127.0.0.1"


def _origin(text: str) -> str:
    scheme, separator, authority = text.partition("://")
    if text != "*" and not (
        scheme in {"http", "https"} and separator and authority and not set(authority) & set("/?# \r\n,")
    ):
        raise fault("origin", f"{text[:60]!r} is not an origin", "write '*' or scheme://host[:port] without a path")
    return text


Origin = Annotated[str, AfterValidator(_origin)]
"""A web page's origin (RFC 6454 §6.2), or ``*`` for any."""


class Rtmp(Section):
    """RTMP publish and play."""

    enabled: bool = Field(default=True, description="false: do not listen")
    listen: Listen = Field(
        default=Address(_LOOPBACK, 1935), description="address to bind, host:port; port 0 lets the system choose"
    )


class Rtmps(Section):
    """RTMP over TLS; there is none until it has a certificate."""

    enabled: bool = Field(default=True, description="false: do not listen")
    listen: Listen = Field(
        default=Address(_LOOPBACK, 1936), description="address to bind, host:port; port 0 lets the system choose"
    )
    tls: Tls = Field(description="certificate and key")


class Http(Section):
    """HTTP: HLS, HTTP-FLV, the API and the console, on one port."""

    enabled: bool = Field(default=True, description="false: do not listen")
    listen: Listen = Field(
        default=Address(_LOOPBACK, 8080), description="address to bind, host:port; port 0 lets the system choose"
    )
    tls: Tls | None = Field(default=None, description="certificate and key; with them the port speaks HTTPS only")
    cors: Annotated[tuple[Origin, ...], Field(strict=False)] = Field(
        default=(),
        description="origins whose web pages may play the streams; '*' is any. Empty: only pages served from here",
    )


class Endpoints(Section):
    """Where the engine listens."""

    rtmp: Rtmp = Field(default=Rtmp(), description="RTMP publish and play")
    rtmps: Rtmps | None = Field(default=None, description="RTMP over TLS")
    http: Http = Field(default=Http(), description="HLS, HTTP-FLV, API and console")

    def listeners(self) -> dict[str, Address]:
        """Each enabled endpoint's name and address."""
        every = {"rtmp": self.rtmp, "rtmps": self.rtmps, "http": self.http}
        return {name: endpoint.listen for name, endpoint in every.items() if endpoint is not None and endpoint.enabled}

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        for (name, address), (later, other) in itertools.combinations(self.listeners().items(), 2):
            if address.overlaps(other):
                raise fault(
                    "conflict", f"{other} is taken by {name} ({address})", "give it another port", at=f"{later}.listen"
                )
        return self
