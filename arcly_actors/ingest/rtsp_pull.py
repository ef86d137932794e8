"""RTSP pull: our own client plays what a camera or another server has."""

from collections.abc import Callable
from dataclasses import dataclass, field

from arcly_actors import limits
from arcly_actors.bus.messages import Ref
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import ConfigurationError
from arcly_actors.ingest.flv_tracks import TracksLearnt
from arcly_actors.ingest.publisher import KeyframeNeeded
from arcly_actors.ingest.pull import PullFailed, PullFrames, PullRequest, PullTracks
from arcly_actors.ingest.rtp import ReportDue, RtpReception, SettleDue
from arcly_actors.ingest.rtp_tracks import Learnt
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp import packet, rtcp
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.reporting import ReceiverReport
from arcly_actors.protocols.rtsp.address import RtspUrl
from arcly_actors.protocols.rtsp.client import (
    Described,
    Redirected,
    RtspClient,
    SetUp,
    SetUpAnswered,
    Started,
    Stop,
    TransportRefused,
)
from arcly_actors.protocols.rtsp.description import Description
from arcly_actors.protocols.rtsp.events import Packet, PacketsReceived, SendPackets, TrackSetUp
from arcly_actors.protocols.rtsp.transport import Lower, Transport
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport import dialler
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.connection import Attach, Command, Connection, ConnectionClosed
from arcly_actors.transport.dialler import Dial, DialFailed, dial
from arcly_actors.transport.rtp_ports import Datagram, Destination, PortPair
from arcly_actors.transport.udp_socket import FOR_ONE
from arcly_actors.transport.wire import Wire

_OPENINGS = (packet.build(RtpPacket(0, 0, 0, 0, b"")), rtcp.build(ReceiverReport(0)))
"""Sent to the source's ports first, so that a router before us lets its packets in."""


@dataclass(frozen=True, slots=True)
class _Dialled:
    outcome: Wire | DialFailed
    attempt: int


@dataclass(frozen=True, slots=True)
class _Look:
    """It is time to see whether packets came in this attempt."""

    attempt: int


@dataclass(slots=True)
class _Attempt:
    """One connection: what it was given, and the UDP ports that are open for it."""

    number: int
    connection: Ref | None = None
    wire: Wire | None = None
    setups: tuple[TrackSetUp, ...] = ()
    pairs: dict[int, PortPair] = field(default_factory=dict)
    reports_to: dict[int, Destination] = field(default_factory=dict)


class RtspPull(LoopActor):
    """A pull (see `ingest.pull`) over RTSP or RTSPS.

    With the transport ``auto`` packets are asked for over UDP, and within the connection when the server does not want to
    or nothing gets through. Whether something comes after the first packet is for the source's watchdog to see.
    """

    def __init__(self, system: System, request: PullRequest, owner: Ref, dialler: Dial = dial) -> None:
        super().__init__(system)
        self._request = request
        self._owner = owner
        self._dial_out = dialler
        self._lower = Lower.TCP if request.transport == "tcp" or request.url.scheme == "rtsps" else Lower.UDP
        self._redirects = 0
        self._attempt = _Attempt(0)
        self._description = Description(())
        self._reception: RtpReception | None = None
        self._verdict: ConnectionClosed | None = None
        self._url: RtspUrl

    def on_start(self) -> None:
        """Dial."""
        try:
            self._url = RtspUrl.parse(self._request.url.text)
        except ConfigurationError as error:
            self._fail(str(error))
            return
        self._dial()

    def on_stop(self) -> None:
        """Tell the source."""
        self._command(Stop())
        self._hang_up()

    def on_failure(self, *_: object) -> None:
        """Give everything back."""
        self._hang_up()

    def _hang_up(self) -> None:
        """Leave the present connection."""
        attempt, self._attempt = self._attempt, _Attempt(self._attempt.number + 1)
        if attempt.connection is not None:
            self.unwatch(attempt.connection)
            attempt.connection.stop(block=False)
        for pair in attempt.pairs.values():
            pair.close()

    def _fail(self, detail: str, *, stalled: bool = False) -> None:
        notify(self._owner, PullFailed(self._request.url.hidden_from(detail), stalled))
        self.stop_self(detail)

    def _command(self, command: SetUp | SendPackets | Stop) -> None:
        if self._attempt.connection is not None:
            notify(self._attempt.connection, Command(command))

    # -- connecting ---------------------------------------------------------------------------------------------------

    def _dial(self) -> None:
        self._hang_up()
        self._verdict = None
        number, url = self._attempt.number, self._url
        tls = dialler.client_context(verify=self._request.verify) if url.secure else None
        destination = dialler.Destination(url.host, url.port, tls, self._request.remote)
        self.spawn(self._dial_out(self.system, destination), then=lambda outcome: _Dialled(outcome, number))

    @receives(_Dialled)
    def dialled(self, dialled: _Dialled) -> None:
        """Speak RTSP."""
        wire = dialled.outcome
        if isinstance(wire, DialFailed):
            self._fail(wire.detail)
            return
        if dialled.attempt != self._attempt.number:
            wire.abort()
            return
        with self.system.seams.drawing_by(self._request.remote):
            engine = RtspClient(self._url, self.system.entropy.random_bytes(16))
        connection = Connection.start(self.system, wire, engine)
        self._attempt.connection, self._attempt.wire = connection, wire
        self.watch(connection)
        notify(connection, Attach(self.actor_ref))

    @receives(Redirected)
    def redirected(self, event: Redirected) -> None:
        """Go there."""
        self._redirects += 1
        if self._redirects > limits.RTSP_REDIRECTS:
            self._fail(f"redirected more than {limits.RTSP_REDIRECTS} times")
            return
        self._url = event.url
        self._dial()

    @receives(ConnectionClosed)
    def closed(self, event: ConnectionClosed) -> None:
        """Why a connection ended: this one, as `exited` will tell, or one that was left."""
        self._verdict = event

    @receives(Exited)
    def exited(self, event: Exited) -> None:
        """The connection ended."""
        present = self._attempt.connection
        if present is not None and event.urn == present.actor_urn:
            self._fail(self._verdict.detail if self._verdict is not None else "the connection was lost")

    # -- setting up ---------------------------------------------------------------------------------------------------

    @receives(Described)
    def described(self, event: Described) -> None:
        """Ask for all that can be carried."""
        self._description = event.description
        media = [medium.index for medium in event.description.media if medium.track is not None]
        if not media:
            names = ", ".join(medium.name or medium.kind for medium in event.description.media) or "no media"
            self._fail(f"it has {names}, of which nothing can be carried")
            return
        self._command(SetUp({index: self._transport(index, number) for number, index in enumerate(media)}))

    def _transport(self, index: int, number: int) -> Transport:
        wire = self._attempt.wire
        if self._lower is Lower.TCP or wire is None:
            return Transport(Lower.TCP, channels=(2 * number, 2 * number + 1))
        pair = self._attempt.pairs[index] = PortPair(
            self.system, Address(wire.local.host, 0), None, FOR_ONE, str(index), self._request.remote
        )
        pair.open()
        return Transport(Lower.UDP, client_ports=pair.ports)

    @receives(TransportRefused)
    def transport_refused(self, event: TransportRefused) -> None:
        """Try within the connection."""
        if self._lower is Lower.TCP or self._request.transport == "udp":
            self._fail(event.detail)
            return
        self._lower = Lower.TCP
        self._dial()

    @receives(SetUpAnswered)
    def set_up_answered(self, event: SetUpAnswered) -> None:
        """Take packets from where the source sends them."""
        attempt = self._attempt
        attempt.setups = event.setups
        for setup in event.setups:
            pair = attempt.pairs.get(setup.medium)
            if pair is None or attempt.wire is None:
                continue
            ports = setup.transport.server_ports or (0, 0)
            host = attempt.wire.peer.host
            pair.register(setup.transport.source or host, ports, setup.medium, self._take(attempt.number))
            for port, opening, is_rtcp in zip(ports, _OPENINGS, (False, True), strict=True):
                path = pair.path(host, port, attempt.wire.local.host) if port else None
                if path is not None:
                    pair.send(opening, Destination(path, is_rtcp))
                    if is_rtcp:
                        attempt.reports_to[setup.medium] = Destination(path, is_rtcp)

    def _take(self, number: int) -> Callable[[list[Datagram]], None]:
        def take(datagrams: list[Datagram]) -> None:
            if self._attempt.number == number:
                self._receive(tuple(Packet(*datagram) for datagram in datagrams))

        return take

    @receives(Started)
    def started(self, _: Started) -> None:
        """See to it that packets come."""
        patience = limits.RTSP_UDP_PATIENCE if self._falls_back() else self._request.stall_ns
        self.after(patience, _Look(self._attempt.number))

    def _falls_back(self) -> bool:
        return self._lower is Lower.UDP and self._request.transport == "auto"

    @receives(_Look)
    def look(self, look: _Look) -> None:
        """Fall back to TCP when UDP brings nothing at all."""
        if look.attempt != self._attempt.number or self._reception is not None:
            return
        if self._falls_back():
            self._lower = Lower.TCP
            self._dial()
        else:
            self._fail(f"no packet for {self._request.stall_ns / NS_PER_S:g} s", stalled=True)

    # -- packets ------------------------------------------------------------------------------------------------------

    @receives(PacketsReceived)
    def packets_received(self, received: PacketsReceived) -> None:
        """Within the connection."""
        self._receive(received.packets)

    def _receive(self, packets: tuple[Packet, ...]) -> None:
        if self._reception is None:
            chosen = {setup.medium for setup in self._attempt.setups}
            with self.system.seams.drawing_by(self._request.remote):
                ssrc = int.from_bytes(self.system.entropy.random_bytes(4))
            self._reception = RtpReception(
                self,
                (medium for medium in self._description.media if medium.index in chosen),
                ssrc=ssrc,
                reorder=self._lower is Lower.UDP,
                learnt=self._pass_on,
                report=self._send_reports,
            )
        self._reception.receive(packets)

    @receives(SettleDue, ReportDue)
    def due(self, due: SettleDue | ReportDue) -> None:
        """Time has passed."""
        if self._reception is not None:
            self._reception.settle() if isinstance(due, SettleDue) else self._reception.report()

    def _pass_on(self, items: Learnt) -> None:
        frames: list[MediaFrame] = []
        for item in items:
            if isinstance(item, TracksLearnt):
                self._give(frames)
                frames = []
                notify(self._owner, PullTracks(item.tracks))
            else:
                frames.append(item)
        self._give(frames)

    def _give(self, frames: list[MediaFrame]) -> None:
        if frames:
            notify(self._owner, PullFrames(tuple(frames)))

    def _send_reports(self, packets: tuple[Packet, ...]) -> None:
        attempt = self._attempt
        if not attempt.pairs:
            self._command(SendPackets(packets))
            return
        for report in packets:
            destination = attempt.reports_to.get(report.medium)
            if destination is not None:
                attempt.pairs[report.medium].send(report.data, destination)

    @receives(KeyframeNeeded)
    def noted(self, _: KeyframeNeeded) -> None:
        """RTSP has no way to ask a source for a keyframe."""
