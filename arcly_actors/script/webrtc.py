"""WebRTC without a network: the port and the transports of an engine whose peers are a script.

The seam is below everything that decides: a session is connected when the script says so, hears the packets that the
script has, and hands what it sends to whoever listens, all of it decrypted. Who owns it, who may have it and when it is
given up are the real port's and the real session's affair (`transport.webrtc_port`, `transport.webrtc_session`), whose
socket, DTLS and SRTP are left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pykka

from arcly_actors.runtime import SessionNote, System, Tape
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls import DtlsState, Identity
from arcly_actors.transport.dtls_settled import Association
from arcly_actors.transport.dtls_srtp import Fingerprint, Ice, RemoteParameters, RtcpArrived, RtpArrived
from arcly_actors.transport.srtp import PROFILES
from arcly_actors.transport.srtp_batch import SharedPackets
from arcly_actors.transport.srtp_session import SessionState, SrtpSession
from arcly_actors.transport.taped_session import Taped, TapedSession
from arcly_actors.transport.udp_socket import Path
from arcly_actors.transport.webrtc_port import OpenSession, WebRtcPort
from arcly_actors.transport.webrtc_session import SessionPort, WebRtcSession


@dataclass(frozen=True, slots=True)
class Told:
    """What a script says of a session's transport: our certificate's fingerprint, where our peer is told to send."""

    fingerprint: str
    candidates: tuple[Address, ...]


@dataclass(eq=False, slots=True)
class ScriptedPeers:
    """The other ends of an engine's WebRTC sessions.

    `told` has what is known of sessions by their name on the tape before they are opened. `sessions` are those that were
    opened, by that name and by the user name fragment (`ufrag`) in their answer.
    """

    told: Mapping[str, Told] = field(default_factory=dict)
    sessions: "dict[str, Played]" = field(default_factory=dict)

    def opened(self, who: str, session: "ScriptedSession") -> None:
        """One more."""
        self.sessions[session.local.ufrag] = session
        if who:
            self.sessions[who] = session

    def closed(self, session: "Played") -> None:
        """It is over."""
        for name in [name for name, each in self.sessions.items() if each is session]:
            del self.sessions[name]


class ScriptedPort(WebRtcPort):
    """See the module; `peers` are told of each session. Its socket has a place on the network; nothing comes by it."""

    def __init__(self, system: System, listen: Address, ice: Ice, *, peers: ScriptedPeers, **options: Any) -> None:
        hosts = options.pop("advertise", ()) or (listen.host,)  # whatever machine this is
        super().__init__(system, listen, ice, advertise=hosts, **options)
        self._peers = peers

    def make_identity(self) -> Identity:
        """There is no certificate: making one takes entropy of its own."""
        return cast("Identity", NoIdentity())

    def make_session(self, message: OpenSession) -> WebRtcSession:
        """See `WebRtcPort.make_session`."""
        note: SessionNote = message.note or Unheard()
        return ScriptedSession(self, message.owner, message.remote, note, self._peers)


class _NoPackets(SrtpSession):
    """What is below the seam, left out."""

    def __init__(self, port: Any, owner: pykka.ActorRef[Any], remote: RemoteParameters) -> None:
        self.heard: Callable[[bytes], None] = lambda _packet: None
        self.shut: Callable[[str], None] = lambda _reason: None
        self.consents = True
        super().__init__(port, owner, remote)

    def _association(self, remote: RemoteParameters) -> Association:
        del remote
        return cast("Association", _NoDtls())

    def send_shared(self, packets: SharedPackets) -> bool:
        """See `DtlsSrtpTransport.send_shared`."""
        return self._take(packets.packets, self._dtls.profile.tag)

    def send_rtcp(self, data: bytes) -> bool:
        """See `DtlsSrtpTransport.send_rtcp`."""
        return self._take((data,), self._dtls.profile.tag + _RTCP_INDEX)

    def look_after(self, now: int, orphan_timeout: int) -> None:
        """See `SrtpSession.look_after`; a peer that consents is there, though no check of it is ever seen."""
        if self.consents:
            self._consented_at = self._heard_at = now
        super().look_after(now, orphan_timeout)

    def _take(self, packets: Sequence[bytes], grown: int) -> bool:
        """Packets on their way: counted as if they had been protected."""
        if self.state is not SessionState.CONNECTED:
            self._figures.dropped["not-connected"] += len(packets)
            return False
        self.sent(len(packets), sum(map(len, packets)) + grown * len(packets))
        for packet in packets:
            self.heard(packet)
        return True


class Played(Taped, _NoPackets):
    """The engine's end of a session whose other end is a script. `heard` is called with each packet that goes out.

    `shut` is called with the reason when it ends. A peer that no longer `consents` is gone: it ends in its time.
    """

    def connect(self, peer: Address, profile: str = "") -> None:
        """ICE and DTLS are done."""
        if self.state is SessionState.OPEN:
            self._dtls.profile = next((each for each in PROFILES if each.name == profile), PROFILES[0])
            self._path = Path((peer.host, peer.port), b"", segments=False)
            self._move("connected")
            self.was_connected = True
            self._established()
            self._tell_connected()

    def arrive(self, packet: bytes, *, rtcp: bool = False) -> None:
        """A packet of the peer, decrypted."""
        if self.state is not SessionState.CONNECTED:
            self.drop("not-connected")
        elif self.owner is None:
            self.drop("no-owner")
        else:
            self._heard_at = self._port.now()
            self._figures.packets_received += 1
            self._figures.bytes_received += len(packet) + self._dtls.profile.tag + (_RTCP_INDEX if rtcp else 0)
            notify(self.owner, (RtcpArrived if rtcp else RtpArrived)(packet, self._port.now()))

    def end(self, reason: str, error: BaseException | None = None) -> None:
        """See `SrtpSession.end`."""
        stood = self.state is not SessionState.CLOSED
        super().end(reason, error)
        if stood:
            self.shut(reason)


class ScriptedSession(TapedSession, Played):
    """One that was opened at our port."""

    def __init__(
        self,
        port: SessionPort,
        owner: pykka.ActorRef[Any],
        remote: RemoteParameters,
        note: SessionNote,
        peers: ScriptedPeers,
    ) -> None:
        self._peers = peers
        self._told = peers.told.get(note.who)
        super().__init__(port, owner, remote, note)
        peers.opened(note.who, self)

    @property
    def fingerprint(self) -> Fingerprint:
        """See `DtlsSrtpTransport.fingerprint`: the script's, if it has one."""
        return Fingerprint("sha-256", self._told.fingerprint) if self._told is not None else super().fingerprint

    @property
    def candidates(self) -> tuple[Address, ...]:
        """See `DtlsSrtpTransport.candidates`: the script's, if it has some."""
        return self._told.candidates if self._told is not None else super().candidates

    def _ended(self) -> None:
        super()._ended()
        self._peers.closed(self)


_RTCP_INDEX = 4
"""Bytes that SRTCP adds besides its tag (RFC 3711 section 3.4)."""


class NoIdentity:
    """A port that has no certificate tells this of it."""

    fingerprint = ":".join(["00"] * 32)


class _NoDtls:
    """Nobody shakes hands."""

    active = False
    failure = ""
    material = b""
    state = DtlsState.HANDSHAKING

    def __init__(self) -> None:
        self.profile = PROFILES[0]

    def start(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def take(self) -> list[bytes]:
        """Nothing goes on the wire."""
        return []


class Unheard:
    """Implements `SessionNote` where there is no tape."""

    who = ""
    tapes: tuple[Tape, ...] = ()

    def put(self, kind: str, data: bytes | None = None, at: int | None = None, **fields: Any) -> None:
        """Nothing."""
