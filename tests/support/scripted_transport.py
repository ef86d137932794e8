"""`ScriptedTransport`: a `DtlsSrtpTransport` without a network, for tests of session actors and for replays.

`play` tells the owner what a peer would have sent, at the times it was sent; what the owner sends is recorded in the
plain. It runs on any loop, in virtual time too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pykka

from arcly_actors.runtime import System, notify
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls_srtp import (
    Fingerprint,
    IceCredentials,
    RtcpArrived,
    RtpArrived,
    TransportClosed,
    TransportConnected,
    TransportFigures,
)
from arcly_actors.transport.srtp_batch import SharedPackets

Arrival = RtpArrived | RtcpArrived


@dataclass(frozen=True, slots=True)
class Sent:
    """What the owner sent: the packet and the monotonic ns."""

    data: bytes
    at: int


class OneByOne:
    """A rank, and a crowd of such, that sends to each transport by itself."""

    def __init__(self, members: Sequence[Any] = ()) -> None:
        self._members = tuple(members)

    def rank(self, members: Sequence[Any]) -> "OneByOne":
        return OneByOne(members)

    def send(self, packets: SharedPackets) -> Sequence[Any]:
        return [member for member in self._members if not member.send_shared(packets)]


_CROWD = OneByOne()


class ScriptedTransport:
    """See the module. Like the real one it refuses to send before `connect` and after its end, and forgets what arrives
    while nobody owns it.
    """

    def __init__(self, system: System, owner: pykka.ActorRef[Any] | None = None) -> None:
        self._system = system
        self._owner = owner
        self._restarts = 0
        self.connected = False
        self.closed: TransportClosed | None = None
        self.local = IceCredentials("scripted", "s" * 24)
        self.fingerprint = Fingerprint("sha-256", ":".join(["5C"] * 32))
        self.candidates = (Address("192.0.2.1", 8189),)
        self.rtp: list[Sent] = []
        self.rtcp: list[Sent] = []
        self.remote_candidates: list[str] = []
        self.remote: IceCredentials | None = None
        self.figures = TransportFigures()
        self.crowd = _CROWD
        self.blocked = False
        """As if the send buffer were full."""

    # --- the peer ---

    def connect(self) -> None:
        """The handshake is done."""
        self.connected = True
        self._tell(TransportConnected("SRTP_AEAD_AES_128_GCM", Address("192.0.2.2", 5000)))

    def arrive(self, data: bytes, *, rtcp: bool = False) -> None:
        """One packet from the peer, now."""
        self._tell((RtcpArrived if rtcp else RtpArrived)(data, self._system.clock.monotonic_ns()))

    def play(self, script: Iterable[Arrival]) -> None:
        """Have each packet arrive `at` ns from now."""
        for arrival in script:
            rtcp = isinstance(arrival, RtcpArrived)
            self._system.loop.call_later(arrival.at / 1e9, self._play_one, arrival.data, rtcp)

    def end(self, reason: str, error: BaseException | None = None) -> None:
        """It is over, whoever wanted that."""
        if self.closed is None:
            self.connected = False
            self.closed = TransportClosed(reason, error)
            self._tell(self.closed)
            self._owner = None

    # --- DtlsSrtpTransport ---

    def attach(self, owner: pykka.ActorRef[Any]) -> None:
        self._owner = owner
        if self.closed is not None:
            notify(owner, TransportClosed("it was closed already"))
        elif self.connected:
            self._tell(TransportConnected("SRTP_AEAD_AES_128_GCM", Address("192.0.2.2", 5000)))

    def send_rtp(self, packets: Sequence[bytes]) -> bool:
        return self.send_shared(SharedPackets(packets))

    def send_shared(self, packets: SharedPackets) -> bool:
        if not self._may_send(len(packets.packets)):
            return False
        now = self._system.clock.monotonic_ns()
        self.figures.packets_sent += len(packets.packets)
        self.rtp += [Sent(packet, now) for packet in packets.packets]
        return True

    def send_rtcp(self, data: bytes) -> bool:
        if not self._may_send(1):
            return False
        self.figures.packets_sent += 1
        self.rtcp.append(Sent(data, self._system.clock.monotonic_ns()))
        return True

    def add_candidate(self, candidate: str) -> None:
        self.remote_candidates.append(candidate)

    def restart(self, remote: IceCredentials) -> IceCredentials:
        self._restarts += 1
        self.remote = remote
        self.local = IceCredentials(f"scripted{self._restarts}", "s" * 24)
        return self.local

    def close(self, reason: str) -> None:
        self.end(reason)

    def _may_send(self, count: int) -> bool:
        if self.connected and not self.blocked:
            return True
        self.figures.dropped["unsent" if self.connected else "not-connected"] += count
        return False

    def _play_one(self, data: bytes, rtcp: bool) -> None:
        if self.connected:
            self.arrive(data, rtcp=rtcp)

    def _tell(self, event: object) -> None:
        if self._owner is not None:
            notify(self._owner, event)
