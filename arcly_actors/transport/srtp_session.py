"""`SrtpSession`: DTLS-SRTP with one peer on the path that ICE finds for it, whatever kind of ICE that is.

Its life: open (ICE checks and the DTLS handshake are under way) -> connected -> closed. What is not done in time ends it:
the handshake, consent, an owner that comes back.
"""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any, Protocol

import pykka

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.runtime import Timer, notify
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.dtls import DtlsServer, DtlsState, Identity
from arcly_actors.transport.dtls_client import DtlsClient
from arcly_actors.transport.dtls_settled import Association, settled
from arcly_actors.transport.dtls_srtp import (
    Fingerprint,
    RemoteParameters,
    RtcpArrived,
    RtpArrived,
    TransportClosed,
    TransportConnected,
    TransportFigures,
)
from arcly_actors.transport.srtp import SrtpReceiver, SrtpSender, session_keys
from arcly_actors.transport.srtp_batch import Scratch, SharedPackets, send_group
from arcly_actors.transport.srtp_crowd import Crowd, Station
from arcly_actors.transport.udp_socket import Datagrams, Path


class SessionState(Enum):
    """See the module."""

    OPEN = auto()
    CONNECTED = auto()
    CLOSED = auto()


_STATES: dict[SessionState, dict[str, SessionState]] = {
    SessionState.OPEN: {"connected": SessionState.CONNECTED, "ended": SessionState.CLOSED},
    SessionState.CONNECTED: {"ended": SessionState.CLOSED},
    SessionState.CLOSED: {},
}


class SrtpPort(Protocol):
    """What a session needs of whoever has its socket."""

    udp: Datagrams
    scratch: Scratch
    crowd: Crowd
    identity: Identity
    candidates: tuple[Address, ...]

    def wake_dtls(self, session: Any, delay_ns: int) -> Timer:
        """Call `dtls_due` of this session in `delay_ns`."""
        ...

    def follow(self, session: Any, owner: pykka.ActorRef[Any]) -> None:
        """Call `owner_ended` of this session when this actor ends; it replaces the one before."""
        ...

    def now(self) -> int:
        """Monotonic ns."""
        ...


class SrtpSession:
    """See the module. What of ICE it takes is in the classes made of it: they call `_consented`,
    `_go_by` and `_shake_hands`, and are told by `_established` and `_ended`. The methods after `close` are for its port.
    """

    silence = limits.PEER_SILENCE
    """Without an authentic datagram for this long (ns) a connected peer is gone."""
    _around: tuple[Callable[[pykka.ActorRef[Any]], pykka.ActorRef[Any]], ...] = ()
    unreached = "no ICE check came in time: can its peer reach the UDP port?"
    """What is said when ICE finds no path."""

    def __init__(self, port: SrtpPort, owner: pykka.ActorRef[Any], remote: RemoteParameters) -> None:
        self._port = port
        self._udp = port.udp
        self._scratch = port.scratch
        self._dtls = self._association(remote)
        self._settled = False
        self._dtls_timer: Timer | None = None
        self._path: Path | None = None
        self.station: Station | None = None  # see `srtp_crowd.Member`
        self._out: SrtpSender | None = None
        self._in: SrtpReceiver | None = None
        self._opened_at = self._consented_at = self._heard_at = port.now()
        self._orphaned_at: int | None = None
        self.was_connected = False
        self.state = SessionState.OPEN
        self._figures = TransportFigures()
        self._owner: pykka.ActorRef[Any] | None = owner
        port.follow(self, owner)

    # --- DtlsSrtpTransport ---

    @property
    def figures(self) -> TransportFigures:
        """See `DtlsSrtpTransport.figures`."""
        self._port.crowd.count()
        return self._figures

    @property
    def fingerprint(self) -> Fingerprint:
        """See `DtlsSrtpTransport.fingerprint`."""
        return Fingerprint("sha-256", self._port.identity.fingerprint)

    @property
    def candidates(self) -> tuple[Address, ...]:
        """See `DtlsSrtpTransport.candidates`."""
        return self._port.candidates

    def attach(self, owner: pykka.ActorRef[Any]) -> None:
        """See `DtlsSrtpTransport.attach`; an owner that is too late hears `TransportClosed`."""
        if self.state is SessionState.CLOSED:
            notify(owner, TransportClosed("it was closed already"))
            return
        self._owner, self._orphaned_at = owner, None
        self._port.follow(self, owner)
        if self.state is SessionState.CONNECTED:
            self._tell_connected()
        if self._owner is owner:
            for by in self._around:
                self._owner = by(self._owner)

    def overhear(self, by: Callable[[pykka.ActorRef[Any]], pykka.ActorRef[Any]]) -> None:
        """Have `by(owner)` be told in place of the owner, whoever that is."""
        self._around = (*self._around, by)
        if self._owner is not None:
            self._owner = by(self._owner)

    def send_rtp(self, packets: Sequence[bytes]) -> bool:
        """See `DtlsSrtpTransport.send_rtp`."""
        return self.send_shared(SharedPackets(packets))

    def send_shared(self, packets: SharedPackets) -> bool:
        """See `DtlsSrtpTransport.send_shared`."""
        srtp, path, figures = self._out, self._path, self._figures
        if srtp is None or path is None:
            figures.dropped["not-connected"] += len(packets.packets)
            return False
        whole = True
        for group in packets.groups(srtp.tag):
            if send_group(group, srtp, self._scratch, self._udp, path):
                figures.packets_sent += group.count
                figures.bytes_sent += group.size
            else:
                figures.dropped["unsent"] += group.count
                whole = False
        return whole

    @property
    def crowd(self) -> Crowd:
        """See `DtlsSrtpTransport.crowd`."""
        return self._port.crowd

    def sent(self, count: int, size: int) -> None:
        """See `srtp_crowd.Member`."""
        self._figures.packets_sent += count
        self._figures.bytes_sent += size

    def unsent(self, count: int) -> None:
        """See `srtp_crowd.Member`."""
        self._figures.dropped["unsent"] += count

    def send_rtcp(self, data: bytes) -> bool:
        """See `DtlsSrtpTransport.send_rtcp`."""
        srtp, path = self._out, self._path
        if srtp is None or path is None:
            self._figures.dropped["not-connected"] += 1
            return False
        packet = srtp.protect_rtcp(data)
        if packet is None or not self._udp.send(packet, path):
            self._figures.dropped["unsent"] += 1
            return False
        self._figures.packets_sent += 1
        self._figures.bytes_sent += len(packet)
        return True

    def close(self, reason: str) -> None:
        """See `DtlsSrtpTransport.close`."""
        self.end(reason)

    # --- for the port ---

    @property
    def owner(self) -> pykka.ActorRef[Any] | None:
        """Who is told."""
        return self._owner

    def dtls_arrived(self, datagram: bytes) -> None:
        """A DTLS record from one of the peer's addresses."""
        self._dtls.receive(datagram)
        self._dtls_went_on()

    def dtls_due(self) -> None:
        """The time asked for by `wake_dtls` has come."""
        self._dtls_timer = None
        self._dtls.wake()
        self._dtls_went_on()

    def media_arrived(self, packet: memoryview, rtcp: bool) -> None:
        """An SRTP or SRTCP packet from one of the peer's addresses; it is overwritten."""
        figures = self._figures
        if self._in is None:
            figures.dropped["not-connected"] += 1
            return
        figures.packets_received += 1
        figures.bytes_received += len(packet)
        plain = self._in.unprotect(packet, rtcp=rtcp)
        if plain is None:
            return
        if not self._settled:
            self._settled = True
            self._dtls = settled(self._dtls)
        now = self._heard_at = self._port.now()
        if self._owner is None:
            figures.dropped["no-owner"] += 1
            return
        notify(self._owner, (RtcpArrived if rtcp else RtpArrived)(plain, now))

    def drop(self, reason: str) -> None:
        """A datagram from one of the peer's addresses that is nothing known."""
        self._figures.dropped[reason] += 1

    def owner_ended(self, error: BaseException | None, reason: str) -> None:
        """The owner is gone: crashed (another one may come) or done."""
        self._owner = None
        if error is None:
            self.end(reason or "its session ended")
        else:
            self._orphaned_at = self._port.now()

    def look_after(self, now: int, orphan_timeout: int) -> None:
        """End it when something did not happen in time."""
        if self.state is SessionState.OPEN and now - self._opened_at >= limits.DTLS_TIMEOUT:
            self.end(self.unreached if self._path is None else "the handshake did not finish in time")
        elif now - self._consented_at >= limits.ICE_CONSENT:
            self.end("the peer is gone")
        elif self.state is SessionState.CONNECTED and now - self._heard_at >= self.silence:
            self.end("the peer is silent")
        elif self._orphaned_at is not None and now - self._orphaned_at >= orphan_timeout:
            self.end("its session did not come back")

    def heard_within(self, now: int, ns: int) -> bool:
        """Whether the peer has shown in this time that it is there."""
        return now - self._consented_at < ns

    def end(self, reason: str, error: BaseException | None = None) -> None:
        """Close, tell the peer and the owner; the first reason stands."""
        if not self._move("ended"):
            return
        self._dtls.close()
        self._transmit()
        if self._dtls_timer is not None:
            self._dtls_timer.cancel()
        self._out = self._in = self._path = self.station = None
        self._port.crowd.changed()
        owner, self._owner = self._owner, None
        self._ended()
        if owner is not None:
            notify(owner, TransportClosed(reason, error))

    # --- ICE ---

    def _consented(self) -> None:
        """The peer has shown that it wants what is sent."""
        self._consented_at = self._heard_at = self._port.now()

    def _go_by(self, path: Path) -> None:
        """What is sent goes this way from now on."""
        self._path = path
        self._settle()

    def _shake_hands(self) -> None:
        """The peer can be reached: begin, if that is our part."""
        if self.state is SessionState.OPEN:
            self._dtls.start()
            self._dtls_went_on()

    def _established(self) -> None:
        """The handshake is done."""

    def _ended(self) -> None:
        """It is closed."""

    # --- DTLS ---

    def _association(self, remote: RemoteParameters) -> Association:
        prints = tuple((one.algorithm, one.value) for one in remote.fingerprints)
        return (DtlsClient if remote.active else DtlsServer)(self._port.identity, prints)

    def _dtls_went_on(self) -> None:
        self._transmit()
        state = self._dtls.state
        if state is DtlsState.CONNECTED:
            if self.state is SessionState.OPEN:
                self._connect()
        elif state is DtlsState.CLOSED:
            self.end("the peer closed")
        elif state is DtlsState.FAILED:
            self.end("DTLS failed", Malformed(self._dtls.failure))
        elif self._dtls_timer is None and self.state is SessionState.OPEN:
            delay = self._dtls.wake_in()
            if delay is not None:
                self._dtls_timer = self._port.wake_dtls(self, delay)

    def _settle(self) -> None:
        if self._out is not None and self._path is not None:
            self.station = (self._out.context, self._out.tag, self._path)
            self._port.crowd.changed()

    def _transmit(self) -> None:
        for datagram in self._dtls.take():
            if self._path is not None:
                self._udp.send(datagram, self._path)

    def _connect(self) -> None:
        receiving, sending = session_keys(self._dtls.profile, self._dtls.material, active=self._dtls.active)
        self._dtls.material = b""
        self._in = SrtpReceiver(self._dtls.profile, receiving, self._figures.dropped)
        self._out = SrtpSender(self._dtls.profile, sending)
        if self._dtls_timer is not None:
            self._dtls_timer.cancel()
            self._dtls_timer = None
        self._settle()
        self._move("connected")
        self.was_connected = True
        self._established()
        self._tell_connected()

    def _tell_connected(self) -> None:
        if self._owner is not None and self._path is not None:
            notify(self._owner, TransportConnected(self._dtls.profile.name, self._path.address))

    def _move(self, event: str) -> bool:
        following = _STATES[self.state].get(event)
        if following is None:
            return False
        self.state = following
        return True
