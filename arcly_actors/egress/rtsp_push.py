"""Push a stream to an RTSP server: ANNOUNCE and RECORD what a key has, as long as it has it.

For whoever supervises pushes: ``RtspPush.start(system, bus, key, PushTo(RtspUrl.parse(url)))``. The actor waits until the
key is published, and ends in order when the stream does; it fails with an `ArclyError` that says why (not reachable,
refused, closed, too slow). Its supervisor starts it again in either case. A subscriber that crashes is restarted here,
on the live connection. Stopping it is orderly (TEARDOWN).
"""

from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.fanout import Fanout
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.place import Outlet
from arcly_actors.egress.byte_subscriber import Begin, NotSeated, Seated, ViewEnded, Viewing
from arcly_actors.egress.rtsp import Line, RtspEncoder, format_name
from arcly_actors.egress.view import View
from arcly_actors.errors import ArclyError, Refused
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
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.connection import Attach, Command, Connection, ConnectionClosed
from arcly_actors.transport.dial import client_context, dial
from arcly_actors.transport.rtp_ports import Destination, PortPair
from arcly_actors.transport.udp_outlet import UdpOutlet
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class PushTo:
    """Where to push: over UDP when `udp` says so; `verify` checks the certificate of an rtsps server."""

    url: RtspUrl
    udp: bool = False
    verify: bool = True


@dataclass(frozen=True, slots=True)
class _Ready:
    """There is a stream, and a connection to the server."""

    tracks: tuple[Track, ...]
    wire: Wire


class RtspPush(LoopActor):
    """See the module."""

    def __init__(self, system: System, bus: Bus, key: StreamKey, push: PushTo) -> None:
        super().__init__(system)
        self._bus = bus
        self._key = key
        self._push = push
        self._url = push.url
        self._redirects = 0
        self._connection: Ref | None = None
        self._wire: Wire | None = None
        self._description = Description(())
        self._setups: tuple[TrackSetUp, ...] = ()
        self._verdict: ConnectionClosed | None = None
        self._pairs: dict[int, PortPair] = {}
        self._view: View | None = None
        self._outlet: Outlet | None = None
        self._held: Fanout | None = None

    def on_start(self) -> None:
        """Wait for the stream, then dial."""
        self._dial()

    def on_stop(self) -> None:
        """Tell the server."""
        if self._connection is not None:
            notify(self._connection, Command(Stop()))
        self._give_up()

    def on_failure(self, *_: object) -> None:
        """Give everything back."""
        self._give_up()

    def _give_up(self) -> None:
        if self._view is not None:
            self._view.stop()
        held, self._held = self._held, None
        if held is not None:
            held.release()
        connection, self._connection = self._connection, None
        if connection is not None:
            self.unwatch(connection)
            connection.stop(block=False)
        for pair in self._pairs.values():
            pair.close()
        self._pairs = {}

    def _failed(self, reason: str) -> ArclyError:
        return ArclyError(f"the push of {self._key} to {self._url} ended: {reason}")

    # -- connecting ---------------------------------------------------------------------------------------------------

    def _dial(self) -> None:
        self._give_up()
        tls = client_context(verify=self._push.verify) if self._url.secure else None
        address = Address(self._url.host, self._url.port)

        async def connect() -> _Ready:
            while True:
                await self._bus.appears(self._key)
                try:
                    tracks = await self._bus.tracks(self._key)
                except Refused:
                    continue  # it went as we looked
                return _Ready(tracks, await dial(self.system.loop, address, limits.RTSP_ANSWER_TIMEOUT, tls))

        self.spawn(connect(), then=lambda message: message)

    @receives(_Ready)
    def ready(self, ready: _Ready) -> None:
        """Announce what there is."""
        announced = announcement(ready.tracks, ready.wire.peer.host)
        self._description = announced[1]
        if not self._description.media:
            ready.wire.abort()
            raise self._failed("there is nothing in it that RTP can carry")
        engine = RtspClient(self._url, self.system.entropy.random_bytes(16), announce=announced)
        self._connection, self._wire = Connection.start(self.system, ready.wire, engine), ready.wire
        self.watch(self._connection)
        notify(self._connection, Attach(self.actor_ref))

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
        """The connection ended, or the subscriber did."""
        if self._connection is not None and event.urn == self._connection.actor_urn:
            verdict = self._verdict or ConnectionClosed("the connection was lost")
            raise self._failed(verdict.reason) from verdict.error
        if self._view is not None and self._view.is_of(event.ref) and event.error is not None:
            restarted = self._view.restart(event.error)
            if restarted is None:
                raise self._failed("its subscriber failed") from event.error
            self.watch(restarted)

    # -- setting up ---------------------------------------------------------------------------------------------------

    @receives(Described)
    def described(self, _: Described) -> None:
        """The server takes our description."""
        chosen: dict[int, Transport] = {}
        for medium in self._description.media:
            if self._push.udp and self._wire is not None:
                pair = PortPair(self.system.loop, Address(self._wire.local.host, 0), None)
                pair.open()
                self._pairs[medium.index] = pair
                chosen[medium.index] = Transport(Lower.UDP, client_ports=pair.ports)
            else:
                chosen[medium.index] = Transport(Lower.TCP, channels=(2 * medium.index, 2 * medium.index + 1))
        if self._connection is not None:
            notify(self._connection, Command(SetUp(chosen)))

    @receives(TransportRefused)
    def transport_refused(self, event: TransportRefused) -> None:
        """What was asked for is what was configured."""
        raise self._failed(event.detail)

    @receives(SetUpAnswered)
    def set_up_answered(self, event: SetUpAnswered) -> None:
        """Know where the packets go."""
        self._setups = event.setups

    @receives(Started)
    def started(self, _: Started) -> None:
        """Take a seat, and send."""
        lines = [self._line(setup) for setup in self._setups]
        seed, system = system_seed(self.system, self._key), self.system

        def make_encoder() -> RtspEncoder:
            sequence = int.from_bytes(system.entropy.random_bytes(2)) & 0x7FFF
            return RtspEncoder(lines, seed, sequence, system.clock)

        self._outlet = self._make_outlet(lines)
        name = f"{format_name(lines)}/{self.actor_urn}"  # a server sees SSRCs of its own
        self._view = View(
            system, self._bus, self.actor_ref, Viewing(self._key, "rtsp-push", self._url.origin, name, make_encoder)
        )
        self.watch(self._view.start())

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
        """Begin; the format is held, so that a restarted subscriber finds the same packets with their numbers."""
        if self._outlet is not None and self._view is not None:
            viewing = self._view.viewing
            self._held = self._bus.fanout(seated.channel, viewing.format, viewing.make_encoder)
            notify(seated.subscriber, Begin(self._outlet))

    @receives(NotSeated)
    def not_seated(self, answer: NotSeated) -> None:
        """The stream is gone since it was announced."""
        raise self._failed(answer.detail)

    @receives(ViewEnded)
    def view_ended(self, ended: ViewEnded) -> None:
        """The stream is over, or the server was too slow for it."""
        if ended.refusal is not None:
            raise self._failed(ended.detail)
        if self._outlet is not None:
            self._outlet.write(ended.ending)
        self.stop_self(ended.detail)

    @receives(PacketsReceived)
    def reports(self, _: PacketsReceived) -> None:
        """How the server receives us changes nothing."""


def system_seed(system: System, key: StreamKey) -> bytes:
    """What SSRCs and time offsets of one push are made of."""
    return system.entropy.random_bytes(16) + str(key).encode()
