"""`WebRtcSession`: the `DtlsSrtpTransport` of one peer behind a `WebRtcPort`.

Its life: open (answered; ICE checks and the DTLS handshake are under way) -> connected -> closed. Media goes to the pair
that the peer selected, until then to the first it validated; it moves when the peer selects another (a phone that
changes networks). What is not done in time ends it: the handshake, ICE checks (consent), an owner that comes back.
"""

from collections.abc import Sequence
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
    IceAgent,
    IceCredentials,
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
from arcly_actors.transport.udp_socket import Datagrams, Path, Source


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


class SessionPort(Protocol):
    """What a session needs of its port."""

    udp: Datagrams
    scratch: Scratch
    crowd: Crowd
    identity: Identity
    candidates: tuple[Address, ...]

    def hold(self, session: "WebRtcSession", source: Source, now: int) -> bool:
        """The peer of this session has shown that it is at `source`; False when that is another session's."""
        ...

    def established(self, session: "WebRtcSession") -> None:
        """It is no longer half open."""
        ...

    def forget(self, session: "WebRtcSession") -> None:
        """It is closed."""
        ...

    def wake_dtls(self, session: "WebRtcSession", delay_ns: int) -> Timer:
        """Call `dtls_due` in `delay_ns`."""
        ...

    def follow(self, session: "WebRtcSession", owner: pykka.ActorRef[Any]) -> None:
        """Call `owner_ended` when this actor ends; it replaces the one before."""
        ...

    def new_agent(self, session: "WebRtcSession", remote: IceCredentials) -> tuple[IceCredentials, IceAgent]:
        """Credentials of ours that name this session, and the agent that knows both sides'."""
        ...

    def drop_agent(self, local: IceCredentials) -> None:
        """Those credentials are no longer valid."""
        ...

    def now(self) -> int:
        """Monotonic ns."""
        ...


class WebRtcSession:
    """See the module. The methods after `close` are for its port."""

    def __init__(self, port: SessionPort, owner: pykka.ActorRef[Any], remote: RemoteParameters) -> None:
        self._port = port
        self._udp = port.udp
        self._scratch = port.scratch
        prints = tuple((one.algorithm, one.value) for one in remote.fingerprints)
        self._dtls: Association = (DtlsClient if remote.active else DtlsServer)(port.identity, prints)
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
        self.local, self._agent = port.new_agent(self, remote.ice)
        self._former: IceCredentials | None = None
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

    def add_candidate(self, candidate: str) -> None:
        """See `DtlsSrtpTransport.add_candidate`."""

    def restart(self, remote: IceCredentials) -> IceCredentials:
        """See `DtlsSrtpTransport.restart`. The former credentials work until the new ones have."""
        if self.state is SessionState.CLOSED:
            return self.local
        if self._former is not None:
            self._port.drop_agent(self._former)
        self._former = self.local
        self.local, self._agent = self._port.new_agent(self, remote)
        return self.local

    def close(self, reason: str) -> None:
        """See `DtlsSrtpTransport.close`."""
        self.end(reason)

    # --- for the port ---

    @property
    def owner(self) -> pykka.ActorRef[Any] | None:
        """Who is told."""
        return self._owner

    def checked(self, datagram: bytes, agent: IceAgent, source: Source, local: bytes) -> bool:
        """A STUN message names this session; whether it was worth an answer."""
        now = self._port.now()
        path = self._udp.path(source, local)
        answer = agent.receive(datagram, (path.address.host, path.address.port), now)
        if answer.validated:
            if not self._port.hold(self, source, now):
                return False
            self._consented_at = self._heard_at = now
            if agent is self._agent and self._former is not None:
                self._port.drop_agent(self._former)
                self._former = None
            if self._path is None or (answer.selected and not self._path.same(path)):
                self._path = path
                self._settle()
        # Errors go to sources that nothing is known of: never more than came from there.
        if answer.reply is not None and (answer.validated or len(answer.reply) <= len(datagram)):
            self._udp.send(answer.reply, path)
        if answer.validated and self.state is SessionState.OPEN:
            self._dtls.start()  # after the reply, without which some peers do not expect it
            self._dtls_went_on()
        return answer.validated or answer.reply is not None

    def checked_again(self, datagram: bytes, source: Source, local: bytes) -> bool:
        """Whether this was the check of the path in use once more, the peer's consent; it is answered then."""
        path = self._path
        if path is None or path.source != source or path.local != local or self.state is not SessionState.CONNECTED:
            return False
        now = self._port.now()
        answer = self._agent.again(datagram, (path.address.host, path.address.port), now)
        if answer is None or answer.reply is None or not self._port.hold(self, source, now):
            return False
        self._consented_at = self._heard_at = now
        self._udp.send(answer.reply, path)
        return True

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
            unreached = "no ICE check came in time: can its peer reach the UDP port?"
            self.end(unreached if self._path is None else "the handshake did not finish in time")
        elif now - self._consented_at >= limits.ICE_CONSENT:
            self.end("the peer is gone")
        elif self.state is SessionState.CONNECTED and now - self._heard_at >= limits.PEER_SILENCE:
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
        self._port.drop_agent(self.local)
        if self._former is not None:
            self._port.drop_agent(self._former)
        self._port.forget(self)
        if owner is not None:
            notify(owner, TransportClosed(reason, error))

    # --- DTLS ---

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
        self._port.established(self)
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
