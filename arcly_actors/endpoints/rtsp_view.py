"""What one RTSP peer watches: its subscriber, the way that the packets take, and what it says of them."""

from collections.abc import Callable, Iterable

from arcly_actors.bus.fanout import Fanout
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.place import Outlet
from arcly_actors.egress.byte_subscriber import Begin, Seated, ViewEnded, Viewing
from arcly_actors.egress.rtsp import Line, RtspEncoder, format_name, starts
from arcly_actors.egress.view import View
from arcly_actors.endpoints.rtsp_house import RtspHouse, handed_to, now_and_then
from arcly_actors.errors import PeerViolation
from arcly_actors.protocols.rtp import rtcp
from arcly_actors.protocols.rtp.reporting import ReceiverReport, SenderReport
from arcly_actors.protocols.rtsp.description import Description
from arcly_actors.protocols.rtsp.events import Packet, TrackSetUp, TrackStart
from arcly_actors.protocols.rtsp.transport import Lower
from arcly_actors.runtime import System
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.rtp_ports import Destination
from arcly_actors.transport.udp_outlet import UdpOutlet
from arcly_actors.transport.wire import Wire


class RtspView:
    """For the session actor `owner`; `setups` are those of a PLAY, `description` is what they are about."""

    def __init__(
        self,
        system: System,
        house: RtspHouse,
        owner: Ref,
        wire: Wire,
        key: StreamKey,
        description: Description,
        setups: tuple[TrackSetUp, ...],
    ) -> None:
        self.over_udp = setups[0].transport.lower is Lower.UDP
        self._bus = house.bus
        self._now = system.clock.monotonic_ns
        lines = self._lines = [_line(description, setup, over_udp=self.over_udp) for setup in setups]
        seed = house.seed + str(key).encode()

        def make_encoder() -> RtspEncoder:
            with system.seams.drawing_for(key):
                sequence = int.from_bytes(system.entropy.random_bytes(2)) & 0x7FFF
            return RtspEncoder(lines, seed, sequence, system.clock)

        protocol = "rtsp-udp" if self.over_udp else "rtsp"
        viewing = Viewing(key, protocol, str(wire.peer), format_name(lines), make_encoder)
        self.subscriber = View(system, house.bus, owner, viewing)
        self._held: Fanout | None = None
        self._position: int | None = None
        self._routes: list[Callable[[], None]] = []
        self._outlet: Outlet = wire.outlet
        if self.over_udp and house.ports is not None:
            self._outlet = UdpOutlet(
                house.ports, system, self._set_up(house, owner, wire, zip(setups, lines, strict=True))
            )

    def _set_up(
        self, house: RtspHouse, owner: Ref, wire: Wire, media: Iterable[tuple[TrackSetUp, Line]]
    ) -> dict[int, Destination]:
        """Have the peer's reports come to the owner, and know where each channel goes."""
        destinations: dict[int, Destination] = {}
        for setup, line in media:
            client = setup.transport.client_ports
            if client is None or house.ports is None:
                continue
            for channel, port, is_rtcp in zip(line.channels, client, (False, True), strict=True):
                destination = house.destination(wire, port, rtcp=is_rtcp)
                if destination is not None:
                    destinations[channel] = destination
            take = now_and_then(handed_to(owner), self._now)
            self._routes.append(house.ports.register(wire.peer.host, client, setup.medium, take, owner=wire.peer))
        return destinations

    def prepare(self, seated: Seated) -> tuple[TrackStart, ...]:
        """Find out with which packets it begins. The format is held: what is told of its numbers stays true, and a
        restarted subscriber finds the same packets."""
        viewing = self.subscriber.viewing
        self._held = self._bus.fanout(seated.channel, viewing.format, viewing.make_encoder)
        prospect = self._held.prospect(seated.join)
        if prospect is None:
            return ()
        self._position, entries = prospect
        return starts(self._lines, entries)

    def begin(self, seated: Seated) -> None:
        """Let the packets flow."""
        notify(seated.subscriber, Begin(self._outlet, self._position))

    def hear(self, packets: Iterable[Packet]) -> None:
        """Take the peer's reports: how much of what was sent did not arrive."""
        losses = [loss for packet in packets if packet.rtcp for loss in _losses(packet.data)]
        if losses:
            self.subscriber.report_loss(max(losses))

    def finish(self, ended: ViewEnded) -> None:
        """Send the last word, behind everything else; over UDP it may be sent again."""
        self._outlet.write(ended.ending)

    def stop(self) -> None:
        """Send nothing more."""
        self.subscriber.stop()
        held, self._held = self._held, None
        if held is not None:
            held.release()
        if isinstance(self._outlet, UdpOutlet):
            self._outlet.drop()
        for forget in self._routes:
            forget()


def _line(description: Description, setup: TrackSetUp, *, over_udp: bool) -> Line:
    """The medium and its channels; over UDP the usual ones of a connection, so that one format serves all."""
    medium = description.media[setup.medium]
    channels = setup.transport.channels
    if over_udp or channels is None:
        channels = (2 * medium.index, 2 * medium.index + 1)
    return Line(medium, channels)


def _losses(data: bytes) -> list[float]:
    """The shares of packets lost that a compound reports; none when it cannot be read."""
    try:
        found = rtcp.parse(data)
    except PeerViolation:
        return []
    reports = [one for one in found if isinstance(one, ReceiverReport | SenderReport)]
    return [block.fraction_lost / 256 for report in reports for block in report.blocks]
