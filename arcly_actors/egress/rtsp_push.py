"""RTSP push: our own client ANNOUNCEs a stream at another server and RECORDs it there."""

from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.place import Outlet
from arcly_actors.egress.byte_subscriber import Seated, ViewEnded, Viewing
from arcly_actors.egress.push import PushRequest
from arcly_actors.egress.rtsp import Line, RtspEncoder, format_name
from arcly_actors.egress.seated_push import SeatedPush
from arcly_actors.errors import ConfigurationError, Refused
from arcly_actors.media.frame import Track
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
from arcly_actors.protocols.rtsp.description import Description, announcement
from arcly_actors.protocols.rtsp.events import PacketsReceived, TrackSetUp
from arcly_actors.protocols.rtsp.transport import Lower, Transport
from arcly_actors.runtime import Exited, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport import dialler
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.connection import Attach, Command, Connection, ConnectionClosed
from arcly_actors.transport.dialler import Dial, DialFailed, dial
from arcly_actors.transport.rtp_ports import Destination, PortPair
from arcly_actors.transport.udp_outlet import UdpOutlet
from arcly_actors.transport.udp_socket import FOR_ONE
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class _Ready:
    """What there is to announce, or why there is nothing, and the connection to the server, if there is one."""

    tracks: tuple[Track, ...] | Refused
    outcome: Wire | DialFailed


class RtspPush(SeatedPush):
    """A push (see `egress.push`) over RTSP or RTSPS; packets go within the connection unless ``udp`` is asked for."""

    def __init__(self, system: System, bus: Bus, request: PushRequest, owner: Ref, dialler: Dial = dial) -> None:
        super().__init__(system, bus, request, owner)
        self._dial_out = dialler
        self._redirects = 0
        self._connection: Ref | None = None
        self._wire: Wire | None = None
        self._description = Description(())
        self._setups: tuple[TrackSetUp, ...] = ()
        self._verdict: ConnectionClosed | None = None
        self._pairs: dict[int, PortPair] = {}
        self._outlet: Outlet | None = None
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
        """Tell the server."""
        if self._connection is not None:
            notify(self._connection, Command(Stop()))
        self._leave()

    def on_failure(self, *_: object) -> None:
        """Give everything back."""
        self._leave()

    def _leave(self) -> None:
        for actor in (self._subscriber, self._connection):
            if actor is not None:
                self.unwatch(actor)
                actor.stop(block=False)
        self._subscriber = self._connection = None
        for pair in self._pairs.values():
            pair.close()
        self._pairs = {}

    # -- connecting ---------------------------------------------------------------------------------------------------

    def _dial(self) -> None:
        self._leave()
        self._verdict = None
        tls = dialler.client_context(verify=self._request.verify) if self._url.secure else None
        destination = dialler.Destination(self._url.host, self._url.port, tls, self._request.remote)

        async def connect() -> _Ready:
            outcome = await self._dial_out(self.system, destination)
            try:
                return _Ready(await self._bus.tracks(self._request.key, wanted=False), outcome)
            except Refused as refused:
                return _Ready(refused, outcome)

        self.spawn(connect(), then=lambda message: message)

    @receives(_Ready)
    def ready(self, ready: _Ready) -> None:
        """Announce what there is."""
        wire, tracks = ready.outcome, ready.tracks
        if isinstance(wire, DialFailed):
            self._fail(wire.detail)
            return
        if isinstance(tracks, Refused):
            wire.abort()
            self._part(tracks.detail)
            return
        announced = announcement(tracks, wire.peer.host)
        self._description = announced[1]
        if not self._description.media:
            wire.abort()
            self._fail_to_carry("RTP", tracks)
            return
        with self.system.seams.drawing_by(self._request.remote):
            engine = RtspClient(self._url, self.system.entropy.random_bytes(16), announce=announced)
        self._connection, self._wire = Connection.start(self.system, wire, engine), wire
        self.watch(self._connection)
        notify(self._connection, Attach(self.actor_ref))

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
        """The connection ended, or the subscriber crashed."""
        if self._connection is not None and event.urn == self._connection.actor_urn:
            self._fail(self._verdict.detail if self._verdict is not None else "the connection was lost")
        elif self._subscriber is not None and event.urn == self._subscriber.actor_urn:
            self.subscriber_gone(event)

    # -- setting up ---------------------------------------------------------------------------------------------------

    @receives(Described)
    def described(self, _: Described) -> None:
        """The server takes our description."""
        chosen = {medium.index: self._transport(medium.index) for medium in self._description.media}
        if self._connection is not None:
            notify(self._connection, Command(SetUp(chosen)))

    def _transport(self, index: int) -> Transport:
        if self._request.transport != "udp" or self._wire is None:
            return Transport(Lower.TCP, channels=(2 * index, 2 * index + 1))
        pair = self._pairs[index] = PortPair(
            self.system, Address(self._wire.local.host, 0), None, FOR_ONE, str(index), self._request.remote
        )
        pair.open()
        return Transport(Lower.UDP, client_ports=pair.ports)

    @receives(TransportRefused)
    def transport_refused(self, event: TransportRefused) -> None:
        """What was asked for is what was configured."""
        self._fail(event.detail)

    @receives(SetUpAnswered)
    def set_up_answered(self, event: SetUpAnswered) -> None:
        """Know where the packets go."""
        self._setups = event.setups

    @receives(Started)
    def started(self, _: Started) -> None:
        """Take a seat."""
        lines = [self._line(setup) for setup in self._setups]
        with self.system.seams.drawing_by(self._request.remote):
            seed = self.system.entropy.random_bytes(16) + str(self._request.key).encode()
            sequence = int.from_bytes(self.system.entropy.random_bytes(2)) & 0x7FFF
        clock = self.system.clock
        self._outlet = self._make_outlet(lines)
        viewing = Viewing(
            self._request.key,
            f"push-{self._url.scheme}",
            str(self._request.url),
            f"{format_name(lines)}/{self.actor_urn}",  # a server sees SSRCs of its own
            lambda: RtspEncoder(lines, seed, sequence, clock),
            follows=True,
        )
        self._take_seat(viewing)

    def _line(self, setup: TrackSetUp) -> Line:
        medium = self._description.media[setup.medium]
        return Line(medium, setup.transport.channels or (2 * medium.index, 2 * medium.index + 1))

    def _make_outlet(self, lines: list[Line]) -> Outlet | None:
        if not self._pairs or self._wire is None:
            return self._wire.outlet if self._wire is not None else None
        destinations: dict[int, Destination] = {}
        first = next(iter(self._pairs.values()))
        for setup, line in zip(self._setups, lines, strict=True):
            for channel, port, is_rtcp in zip(
                line.channels, setup.transport.server_ports or (0, 0), (False, True), strict=True
            ):
                path = first.path(self._wire.peer.host, port, self._wire.local.host)
                if path is not None and port:
                    destinations[channel] = Destination(path, is_rtcp, self._pairs[setup.medium])
        return UdpOutlet(first, self.system, destinations)

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        """Send."""
        if self._outlet is not None:
            self._send_by(seated, self._outlet)

    def _finish(self, ended: ViewEnded) -> None:
        """Say BYE."""
        if self._outlet is not None:
            self._outlet.write(ended.ending)
        super()._finish(ended)

    @receives(PacketsReceived)
    def reports(self, _: PacketsReceived) -> None:
        """How the server receives us changes nothing."""
