"""Endpoints: the addresses that publishers and viewers come to. All listen on this machine only until told otherwise."""

import ipaddress
import itertools
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from arcly_actors import limits
from arcly_actors.topology.section import Section
from arcly_actors.topology.tls import Tls
from arcly_actors.topology.values import Address, DurationNs, Listen, Within, fault

_LOOPBACK = "127.0.0.1"
_OVER_UDP = frozenset({"webrtc", "srt"})


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


def _host(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise fault(
            "host", f"{text[:60]!r} is not an IP address", "write the address that peers reach, as 203.0.113.7"
        ) from None


Host = Annotated[str, AfterValidator(_host)]
"""An IP address without a port."""


def _ice_url(text: str) -> str:
    if not text.startswith(("stun:", "stuns:", "turn:", "turns:")) or any(character in text for character in '<>" \r\n'):
        raise fault("ice", f"{text[:60]!r} is not the address of an ICE server", "write stun:host:port or turn:host:port")
    return text


class IceServer(Section):
    """A STUN or TURN server for clients that need one; the engine itself needs none."""

    url: Annotated[str, AfterValidator(_ice_url)] = Field(description="stun:host:port or turn:host:port")
    username: str = Field(default="", description="for TURN")
    credential: str = Field(default="", description="for TURN")


class WebRtc(Section):
    """WebRTC: WHIP and WHEP on the HTTP port, all media on one UDP port."""

    enabled: bool = Field(default=True, description="false: no WHIP and WHEP")
    listen: Listen = Field(
        default=Address(_LOOPBACK, 8189), description="UDP address to bind, host:port; port 0 lets the system choose"
    )
    advertise: Annotated[tuple[Host, ...], Field(strict=False, max_length=16)] = Field(
        default=(), description="IP addresses told to peers, for a host behind NAT 1:1; empty: the host's own"
    )
    ice_servers: Annotated[tuple[IceServer, ...], Field(strict=False, max_length=16)] = Field(
        default=(), description="STUN and TURN servers told to clients"
    )
    max_sessions: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=10_000, description="WebRTC sessions at once, publishers and viewers"
    )


class Srt(Section):
    """SRT: every caller comes to one UDP port, and its stream id says what it wants."""

    enabled: bool = Field(default=True, description="false: do not listen")
    listen: Listen = Field(
        default=Address(_LOOPBACK, 8890), description="UDP address to bind, host:port; port 0 lets the system choose"
    )
    latency: Annotated[DurationNs, Within("20ms", "8s")] = Field(
        default=limits.SRT_LATENCY,
        description="what publishers' packets wait for lost ones at least; a caller may ask for more",
    )
    max_sessions: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=limits.SRT_SESSIONS, description="SRT connections at once, publishers and viewers"
    )


class Endpoints(Section):
    """Where the engine listens."""

    rtmp: Rtmp = Field(default=Rtmp(), description="RTMP publish and play")
    rtmps: Rtmps | None = Field(default=None, description="RTMP over TLS")
    http: Http = Field(default=Http(), description="HLS, HTTP-FLV, WHIP, WHEP, API and console")
    webrtc: WebRtc = Field(default=WebRtc(), description="media of WHIP and WHEP")
    srt: Srt = Field(default=Srt(), description="SRT publish and play")

    def listeners(self) -> dict[str, Address]:
        """Each enabled endpoint's name and address."""
        webrtc = self.webrtc if self.http.enabled else None  # its sessions are opened over HTTP
        every = {"rtmp": self.rtmp, "rtmps": self.rtmps, "http": self.http, "webrtc": webrtc, "srt": self.srt}
        return {name: endpoint.listen for name, endpoint in every.items() if endpoint is not None and endpoint.enabled}

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        for (name, address), (later, other) in itertools.combinations(self.listeners().items(), 2):
            if (name in _OVER_UDP) == (later in _OVER_UDP) and address.overlaps(other):
                raise fault(
                    "conflict", f"{other} is taken by {name} ({address})", "give it another port", at=f"{later}.listen"
                )
        return self
