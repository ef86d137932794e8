"""`DtlsSrtpTransport`: one WebRTC peer as its session actor sees it, whatever carries the packets.

ICE lies above (``protocols.webrtc``) and is given to a port as an `Ice`. What arrives is told to the owner: first
`TransportConnected`, then `RtpArrived` and `RtcpArrived`, last `TransportClosed`. A transport outlives its owner: when
that crashes, another one attaches to it in time, or it closes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pykka

from arcly_actors.transport.addresses import Address
from arcly_actors.transport.srtp_batch import SharedPackets


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The hash of a certificate (RFC 8122): `algorithm` as in ``sha-256``, `value` as upper-case ``AB:CD:…``."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """User name fragment and password of one side (RFC 8839 section 5.4)."""

    ufrag: str
    pwd: str


@dataclass(frozen=True, slots=True)
class RemoteParameters:
    """What the offer says about the peer's end. `active`: it is the DTLS server, so we start (``a=setup:passive``)."""

    ice: IceCredentials
    fingerprints: tuple[Fingerprint, ...]
    active: bool = False


class IceAnswer(Protocol):
    """What an agent makes of a STUN message."""

    @property
    def reply(self) -> bytes | None:
        """What goes back to where the message came from, if anything."""
        ...

    @property
    def validated(self) -> bool:
        """It was a request with the right credentials: its source is the peer's."""
        ...

    @property
    def selected(self) -> bool:
        """The peer nominated this pair."""
        ...


class IceAgent(Protocol):
    """The lite side of one ICE session (RFC 8445); a restart makes another one."""

    def receive(self, datagram: bytes, source: tuple[str, int], now: int) -> IceAnswer:
        """Take a STUN message that names this session, from a host and port. Never raises on what a peer sends."""
        ...

    def again(self, datagram: bytes, source: tuple[str, int], now: int) -> bytes | None:
        """The reply to one that is this source's last one again, but for its transaction; None for any other."""
        ...


class Ice(Protocol):
    """What a port needs of ICE, so that no transport depends on a protocol."""

    def agent(self, local: IceCredentials, remote: IceCredentials, now: int) -> IceAgent:
        """The agent of a new session."""
        ...

    def ufrag(self, datagram: bytes) -> str | None:
        """Whose session a STUN request is for: the part of USERNAME before the colon; None if it has none."""
        ...


@dataclass(frozen=True, slots=True)
class TransportConnected:
    """DTLS is done and the fingerprint is the peer's; also told to an owner that attaches later."""

    profile: str
    peer: Address


@dataclass(frozen=True, slots=True)
class RtpArrived:
    """A decrypted RTP packet; `at` is monotonic ns. An owner that lists it in `media_types` has a bounded inbox."""

    data: bytes
    at: int


@dataclass(frozen=True, slots=True)
class RtcpArrived:
    """A decrypted compound RTCP packet; `at` is monotonic ns."""

    data: bytes
    at: int


@dataclass(frozen=True, slots=True)
class TransportClosed:
    """The last event. `error` is set for a failure: the peer's, or a defect of ours."""

    reason: str
    error: BaseException | None = None

    @property
    def detail(self) -> str:
        """The reason, and what is known of it."""
        return f"{self.reason}: {self.error}" if self.error is not None else self.reason


@dataclass(slots=True)
class TransportFigures:
    """Counted since the transport was opened; `dropped` by reason. Bytes are those of RTP and RTCP on the wire."""

    packets_received: int = 0
    bytes_received: int = 0
    packets_sent: int = 0
    bytes_sent: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


class TransportRank(Protocol):
    """Sends to certain transports what they all get."""

    def send(self, packets: SharedPackets) -> Sequence[Any]:
        """Send to all; the transports that did not get all of it are returned."""
        ...


class TransportCrowd(Protocol):
    """Transports that can be sent to at once."""

    def rank(self, members: Any) -> TransportRank:
        """Arrange these transports, which have this crowd, to send to them again and again."""
        ...


class DtlsSrtpTransport(Protocol):
    """See the module. Everything is called on the loop; nothing blocks or waits."""

    @property
    def local(self) -> IceCredentials:
        """Our credentials for the answer."""
        ...

    @property
    def fingerprint(self) -> Fingerprint:
        """Of our certificate."""
        ...

    @property
    def candidates(self) -> tuple[Address, ...]:
        """Where the peer can reach us, best first."""
        ...

    @property
    def figures(self) -> TransportFigures:
        """What went through, to be read only."""
        ...

    def attach(self, owner: pykka.ActorRef[Any]) -> None:
        """Tell this actor from now on."""
        ...

    def send_rtp(self, packets: Sequence[bytes]) -> bool:
        """Protect and send plain packets; False when not all of them left (counted, never an error).

        A sequence number may be sent again only with the very same bytes: AES-GCM must not see two under one nonce.
        """
        ...

    def send_shared(self, packets: SharedPackets) -> bool:
        """As `send_rtp`, for packets that many viewers get."""
        ...

    @property
    def crowd(self) -> TransportCrowd:
        """What this transport and its like are sent to by at once."""
        ...

    def send_rtcp(self, data: bytes) -> bool:
        """Protect and send one compound packet."""
        ...

    def add_candidate(self, candidate: str) -> None:
        """The peer may be there. A lite agent learns addresses from the checks it is sent and needs none of them."""
        ...

    def restart(self, remote: IceCredentials) -> IceCredentials:
        """ICE restart: our new credentials. Media stays on the old path until the peer checks with the new ones."""
        ...

    def close(self, reason: str) -> None:
        """Say goodbye (close_notify) and end."""
        ...
