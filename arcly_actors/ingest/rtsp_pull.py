"""Pull an RTSP source (a camera, another server) and publish what it plays, as long as it does.

For whoever supervises pulls: ``RtspPull.start(system, bus, key, PullFrom(RtspUrl.parse(url)))``. The actor ends only by
failing, with an `ArclyError` that says why: not reachable, refused, ended, stalled, slot lost. Starting it again, after a
while, is its supervisor's business. The slot of the key is claimed when the source has described itself, so while a
source is down its stream is held and then ended as with any publisher. Stopping it is orderly (TEARDOWN). No text that it
gives has a password.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.errors import ArclyError
from arcly_actors.ingest.publisher import KeyframeNeeded, PublishAccepted, Publishing, PublishLost
from arcly_actors.ingest.rtsp import ReportsDue, RtspPublisher
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
from arcly_actors.protocols.rtsp.events import Packet, PacketsReceived, RecordStarted, SendPackets, TrackSetUp
from arcly_actors.protocols.rtsp.transport import Lower, Transport
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.connection import Attach, Command, Connection, ConnectionClosed
from arcly_actors.transport.dial import client_context, dial
from arcly_actors.transport.rtp_ports import Datagram, Destination, PortPair
from arcly_actors.transport.wire import Wire

_OPENINGS = (packet.build(RtpPacket(0, 0, 0, 0, b"")), rtcp.build(ReceiverReport(0)))
"""Sent to the source's ports first, so that a router before us lets its packets in."""


class By(StrEnum):
    """How the packets are to come: `AUTO` is UDP, and within the connection when that does not work."""

    AUTO = "auto"
    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True)
class PullFrom:
    """What to pull: `verify` checks the certificate of an rtsps source; `stall` is ns without a packet that end it."""

    url: RtspUrl
    transport: By = By.AUTO
    verify: bool = True
    stall: int = limits.RTSP_STALL


@dataclass(frozen=True, slots=True)
class _Dialled:
    wire: Wire


@dataclass(frozen=True, slots=True)
class _Look:
    """It is time to see whether packets come; `attempt` is the one that this was asked in."""

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
    heard: int | None = None


class RtspPull(LoopActor):
    """See the module."""

    def __init__(self, system: System, bus: Bus, key: StreamKey, pull: PullFrom) -> None:
        super().__init__(system)
        self._bus = bus
        self._key = key
        self._pull = pull
        self._url = pull.url
        self._lower = Lower.TCP if pull.transport is By.TCP or pull.url.secure else Lower.UDP
        self._redirects = 0
        self._verdict: ConnectionClosed | None = None
        self._attempt = _Attempt(0)
        self._description = Description(())
        self._publisher: Ref | None = None

    def on_start(self) -> None:
        """Dial."""
        self._dial()

    def on_stop(self) -> None:
        """Tell the source, and stop the publisher."""
        if self._attempt.connection is not None:
            notify(self._attempt.connection, Command(Stop()))
        self._give_up()

    def on_failure(self, *_: object) -> None:
        """Give everything back."""
        self._give_up()

    def _give_up(self) -> None:
        self._hang_up()
        if self._publisher is not None:
            self._publisher.stop(block=False)

    def _hang_up(self) -> None:
        """Leave the present connection."""
        attempt, self._attempt = self._attempt, _Attempt(self._attempt.number + 1)
        if attempt.connection is not None:
            self.unwatch(attempt.connection)
            attempt.connection.stop(block=False)
        for pair in attempt.pairs.values():
            pair.close()

    def _failed(self, reason: str) -> ArclyError:
        return ArclyError(f"the pull of {self._key} from {self._url} ended: {reason}")

    def _command(self, command: SetUp | SendPackets) -> None:
        if self._attempt.connection is not None:
            notify(self._attempt.connection, Command(command))

    # -- connecting ---------------------------------------------------------------------------------------------------

    def _dial(self) -> None:
        self._hang_up()
        tls = client_context(verify=self._pull.verify) if self._url.secure else None
        address = Address(self._url.host, self._url.port)

        async def connect() -> _Dialled:
            return _Dialled(await dial(self.system.loop, address, limits.RTSP_ANSWER_TIMEOUT, tls))

        self.spawn(connect(), then=lambda message: message)

    @receives(_Dialled)
    def dialled(self, dialled: _Dialled) -> None:
        """Speak RTSP."""
        engine = RtspClient(self._url, self.system.entropy.random_bytes(16))
        connection = Connection.start(self.system, dialled.wire, engine)
        self._attempt.connection, self._attempt.wire = connection, dialled.wire
        self.watch(connection)
        notify(connection, Attach(self.actor_ref))

    @receives(Redirected)
    def redirected(self, event: Redirected) -> None:
        """Go there."""
        self._redirects += 1
        if self._redirects > limits.RTSP_REDIRECTS:
            raise self._failed(f"redirected more than {limits.RTSP_REDIRECTS} times")
        self._url = event.url
        self._dial()

    @receives(ConnectionClosed)
    def closed(self, event: ConnectionClosed) -> None:
        """Why a connection ended: this one, as `exited` will tell, or one that was left."""
        self._verdict = event

    @receives(Exited)
    def exited(self, event: Exited) -> None:
        """The connection ended; or the publisher, which does not before this actor unless it failed."""
        connection = self._attempt.connection
        if connection is not None and event.urn == connection.actor_urn:
            verdict = self._verdict or ConnectionClosed("the connection was lost")
            raise self._failed(verdict.reason) from verdict.error
        if self._publisher is not None and event.urn == self._publisher.actor_urn:
            raise self._failed("its publisher ended") from event.error

    # -- setting up ---------------------------------------------------------------------------------------------------

    @receives(Described)
    def described(self, event: Described) -> None:
        """Claim the slot for what there is."""
        if not event.description.tracks:
            names = ", ".join(medium.name or medium.kind for medium in event.description.media)
            raise self._failed(f"it has {names}, of which nothing can be carried")
        self._description = event.description
        if self._publisher is None:
            publishing = Publishing(self._key, "rtsp-pull", self._url.origin)
            self._publisher = RtspPublisher.start(self.system, self._bus, publishing, self.actor_ref, event.description)
            self.watch(self._publisher)
        else:
            self._set_up()

    @receives(PublishAccepted)
    def accepted(self, _: PublishAccepted) -> None:
        """The slot is ours."""
        self._set_up()

    @receives(PublishLost)
    def lost(self, lost: PublishLost) -> None:
        """The slot is not, or no longer, ours."""
        raise self._failed(lost.detail)

    def _set_up(self) -> None:
        wire = self._attempt.wire
        media = [medium.index for medium in self._description.media if medium.track is not None]
        chosen: dict[int, Transport] = {}
        for number, index in enumerate(media):
            if self._lower is Lower.UDP and wire is not None:
                pair = PortPair(self.system.loop, Address(wire.local.host, 0), None)
                pair.open()
                self._attempt.pairs[index] = pair
                chosen[index] = Transport(Lower.UDP, client_ports=pair.ports)
            else:
                chosen[index] = Transport(Lower.TCP, channels=(2 * number, 2 * number + 1))
        self._command(SetUp(chosen))

    @receives(TransportRefused)
    def transport_refused(self, event: TransportRefused) -> None:
        """Try within the connection."""
        if self._lower is Lower.TCP or self._pull.transport is By.UDP:
            raise self._failed(event.detail)
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
                self._pass_on(PacketsReceived(tuple(Packet(*datagram) for datagram in datagrams)))

        return take

    @receives(Started)
    def started(self, _: Started) -> None:
        """See to it that packets come."""
        patience = limits.RTSP_UDP_PATIENCE if self._falls_back() else self._pull.stall
        self.after(patience, _Look(self._attempt.number))

    def _falls_back(self) -> bool:
        return self._lower is Lower.UDP and self._pull.transport is By.AUTO

    @receives(_Look)
    def look(self, look: _Look) -> None:
        """Fall back to TCP when UDP brings nothing at all; give a source up that has stopped sending."""
        attempt, now = self._attempt, self.system.clock.monotonic_ns()
        if look.attempt != attempt.number:
            return
        if attempt.heard is None and self._falls_back():
            self._lower = Lower.TCP
            self._dial()
        elif attempt.heard is None or now - attempt.heard >= self._pull.stall:
            raise self._failed(f"no packet for {self._pull.stall / 1e9:g} s")
        else:
            self.after(attempt.heard + self._pull.stall - now, look)

    # -- packets ------------------------------------------------------------------------------------------------------

    @receives(PacketsReceived)
    def packets_received(self, received: PacketsReceived) -> None:
        """Within the connection."""
        self._pass_on(received)

    def _pass_on(self, received: PacketsReceived) -> None:
        if self._publisher is None:
            return
        if self._attempt.heard is None:
            notify(self._publisher, RecordStarted(self._attempt.setups))
        self._attempt.heard = self.system.clock.monotonic_ns()
        notify(self._publisher, received)

    @receives(ReportsDue)
    def reports_due(self, due: ReportsDue) -> None:
        """Tell the source how it is received."""
        if not self._attempt.reports_to:
            self._command(SendPackets(due.packets))
        for report in due.packets:
            destination = self._attempt.reports_to.get(report.medium)
            if destination is not None:
                self._attempt.pairs[report.medium].send(report.data, destination)

    @receives(KeyframeNeeded)
    def noted(self, _: KeyframeNeeded) -> None:
        """RTSP has no way to ask a source for a keyframe."""
