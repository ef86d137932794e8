"""Endpoints: the addresses that publishers and viewers come to. All listen on this machine only until told otherwise."""

import ipaddress
import itertools
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from arcly_actors import limits
from arcly_actors.bus.key import StreamKey
from arcly_actors.endpoints.mpegts import PROGRAM, TsFeed
from arcly_actors.errors import ConfigurationError, Refused
from arcly_actors.topology.section import Section
from arcly_actors.topology.tls import Tls
from arcly_actors.topology.values import Address, DurationNs, Listen, Within, duration, fault
from arcly_actors.transport.feed_address import FeedAddress

_LOOPBACK = "127.0.0.1"
_OVER_UDP = ("webrtc", "srt", "mpegts")


def _origin(text: str) -> str:
    scheme, separator, authority = text.partition("://")
    if text != "*" and not (
        scheme in {"http", "https"} and separator and authority and not set(authority) & set("/?# \r\n,")
    ):
        raise fault("origin", f"{text[:60]!r} is not an origin", "write '*' or scheme://host[:port] without a path")
    return text


Origin = Annotated[str, AfterValidator(_origin)]
"""A web page's origin (RFC 6454 §6.2), or ``*`` for any."""


Port = Annotated[int, Field(ge=0, le=65535)]
"""A port number."""


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


class UdpPorts(Section):
    """The two UDP ports that all RTSP players and publishers over UDP share; RTCP is the neighbour, as players assume."""

    rtp: Port = Field(default=8000, description="for RTP; an even number, or 0 to let the system choose both")
    rtcp: Port = Field(default=8001, description="for RTCP: the port after that of RTP")

    @model_validator(mode="after")
    def _check_neighbours(self) -> Self:
        if self.rtp % 2:
            raise fault("port", f"{self.rtp} is odd", "RTP has the even port of a pair (RFC 3550 §11)", at="rtp")
        if self.rtcp != (self.rtp + 1 if self.rtp else 0):
            raise fault("port", f"{self.rtcp} is not the port after {self.rtp}", "players assume that it is", at="rtcp")
        return self


class RtspUser(Section):
    """Who may use RTSP, and for what."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r'^[^:"\\\x00-\x1f]+$')] = Field(
        description="as in rtsp://NAME:PASSWORD@host/"
    )
    password: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        description="in clear, for Digest needs it so; keep the file private", repr=False
    )
    may: Annotated[tuple[Literal["publish", "play"], ...], Field(strict=False, min_length=1)] = Field(
        default=("publish", "play"), description="what for"
    )
    applications: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(), description="in which applications; empty: all of them"
    )


class _Rtsp(Section):
    enabled: bool = Field(default=True, description="false: do not listen")
    users: Annotated[tuple[RtspUser, ...], Field(strict=False, max_length=1000)] = Field(
        default=(), description="who may publish or play; empty: everyone"
    )
    anyone: Annotated[tuple[Literal["publish", "play"], ...], Field(strict=False)] = Field(
        default=(), description="what needs no user although there are users"
    )
    session_timeout: Annotated[DurationNs, Within("5s", "1h")] = Field(
        default=duration("60s"), description="a UDP player that is not heard for this long is gone"
    )


class Rtsp(_Rtsp):
    """RTSP publish and play."""

    listen: Listen = Field(
        default=Address(_LOOPBACK, 8554), description="address to bind, host:port; port 0 lets the system choose"
    )
    udp_ports: UdpPorts | None = Field(
        default=UdpPorts(), description="ports for RTP over UDP, on the same host; null: within the connection only"
    )


class Rtsps(_Rtsp):
    """RTSP over TLS, with RTP within the connection; there is none until it has a certificate."""

    listen: Listen = Field(
        default=Address(_LOOPBACK, 8322), description="address to bind, host:port; port 0 lets the system choose"
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


def _feed_key(text: str) -> str:
    try:
        StreamKey.parse(text.replace(PROGRAM, "1"))
    except Refused as refused:
        raise fault("key", refused.detail) from None
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


def _feed_address(text: str) -> str:
    try:
        FeedAddress.parse(text)
    except ConfigurationError as error:
        problem, _, hint = str(error).partition("; ")
        raise fault("address", problem, hint) from None
    return text


class MpegTs(Section):
    """A transport stream that is sent to this machine over UDP, bare or in RTP (which is recognised), unasked.

    Many are sent by multicast: the group is joined on `interface`, source-specifically when `sources` are named.
    """

    enabled: bool = Field(default=True, description="false: do not listen")
    listen: Annotated[str, AfterValidator(_feed_address)] = Field(
        description="udp://group:port or udp://address:port; FFmpeg's localaddr and sources may follow as a query"
    )
    key: Annotated[str, AfterValidator(_feed_key)] = Field(
        description="where it is published: application/name; with {program} in it every programme, by its number"
    )
    program: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        default=None, description="the only programme to take; else the first with pictures or sound"
    )
    interface: str = Field(
        default="", max_length=64, description="on which a group is joined: eth0, or for IPv4 an address of it"
    )
    sources: Annotated[tuple[Host, ...], Field(strict=False, max_length=16)] = Field(
        default=(), description="the only hosts to take datagrams from; empty: the first that sends"
    )
    silence: Annotated[DurationNs, Within("100ms", "1h")] = Field(
        default=limits.TS_SILENCE, description="without a datagram for this long the publisher counts as gone"
    )

    @property
    def address(self) -> FeedAddress:
        """The same, as a socket takes it."""
        return FeedAddress.parse(self.listen).with_join(self.interface, self.sources)

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            _ = self.address
        except ConfigurationError as error:
            raise fault("address", str(error), at="listen") from None
        if self.program is not None and PROGRAM in self.key:
            raise fault("program", f"{PROGRAM} in the key takes every programme", "leave one of them out", at="program")
        return self


class Endpoints(Section):
    """Where the engine listens."""

    rtmp: Rtmp = Field(default=Rtmp(), description="RTMP publish and play")
    rtmps: Rtmps | None = Field(default=None, description="RTMP over TLS")
    rtsp: Rtsp = Field(default=Rtsp(), description="RTSP publish and play")
    rtsps: Rtsps | None = Field(default=None, description="RTSP over TLS")
    http: Http = Field(default=Http(), description="HLS, HTTP-FLV, WHIP, WHEP, API and console")
    webrtc: WebRtc = Field(default=WebRtc(), description="media of WHIP and WHEP")
    srt: Srt = Field(default=Srt(), description="SRT publish and play")
    mpegts: Annotated[tuple[MpegTs, ...], Field(strict=False, max_length=1000)] = Field(
        default=(), description="MPEG-TS over UDP and RTP, one entry for each feed"
    )

    def feeds(self) -> tuple[TsFeed, ...]:
        """The transport streams that are enabled, as the endpoint takes them."""
        enabled = [feed for feed in self.mpegts if feed.enabled]
        return tuple(
            TsFeed(f"mpegts-{number}" if number > 1 else "mpegts", each.address, each.key, each.program, each.silence)
            for number, each in enumerate(enabled, 1)
        )

    def listeners(self) -> dict[str, Address]:
        """Each enabled endpoint's name and address."""
        webrtc = self.webrtc if self.http.enabled else None  # its sessions are opened over HTTP
        every = {
            "rtmp": self.rtmp,
            "rtmps": self.rtmps,
            "rtsp": self.rtsp,
            "rtsps": self.rtsps,
            "http": self.http,
            "webrtc": webrtc,
            "srt": self.srt,
        }
        found = {name: endpoint.listen for name, endpoint in every.items() if endpoint is not None and endpoint.enabled}
        return found | {feed.name: Address(feed.address.host, feed.address.port) for feed in self.feeds()}

    @model_validator(mode="after")
    def _check_feeds(self) -> Self:
        taken = {address: name for name, address in self.listeners().items() if name in {"webrtc", "srt"}}
        for at, feed in enumerate(self.mpegts):
            address = Address(feed.address.host, feed.address.port)
            for other, name in taken.items():
                if feed.enabled and feed.address.group is None and address.overlaps(other):
                    raise fault(
                        "conflict", f"{address} is taken by {name}", "give it another port", at=f"mpegts.{at}.listen"
                    )
            if feed.enabled and feed.address.group is None:
                taken[address] = f"mpegts[{at}]"
        return self

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        fixed = {name: address for name, address in self.listeners().items() if not name.startswith("mpegts")}
        for (name, address), (later, other) in itertools.combinations(fixed.items(), 2):
            if (name in _OVER_UDP) == (later in _OVER_UDP) and address.overlaps(other):
                raise fault(
                    "conflict", f"{other} is taken by {name} ({address})", "give it another port", at=f"{later}.listen"
                )
        return self
