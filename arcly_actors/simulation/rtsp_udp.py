"""RTSP peers whose packets go over UDP: the connection is a stream, media and RTCP are datagrams, each medium's to ports
of its own."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

from arcly_actors import limits
from arcly_actors.protocols.rtsp.client import SetUp, SetUpAnswered
from arcly_actors.protocols.rtsp.events import Packet, PacketsReceived, TrackSetUp
from arcly_actors.protocols.rtsp.transport import Lower, Transport
from arcly_actors.runtime.seams import Place
from arcly_actors.script.network import ScriptedTransport
from arcly_actors.simulation.datagram_path import DatagramPath
from arcly_actors.simulation.engine_peer import STREAM_FAULTS, Linked
from arcly_actors.simulation.peer import PublishingPeer
from arcly_actors.simulation.rtsp import RtspPublisher, RtspViewer
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.rtp_trains import cut

if TYPE_CHECKING:
    from arcly_actors.simulation.world import World

_FIRST_PORT = 5000
_SHARE = 8
"""Of what a fault says, datagrams are so much less late: what comes within `limits.REORDER_TIME` is put in order."""


class PortPath(DatagramPath):
    """Its other end is a port that the engine has named."""

    port: int | None = None

    def to(self) -> Place | None:
        """See `DatagramPath`."""
        at = self._world.address(self._door)
        return (at.host, self.port) if at is not None and self.port is not None else None

    def begin(self) -> bool:
        """See `DatagramPath`: what comes is heard before it is known where from."""
        self.open = True
        self._world.hear(self._address, self._come)
        return True


class RtpWays:
    """The ways of one peer's packets: a pair of ports for each of its media. What comes is given to `taken`."""

    def __init__(self, world: "World", host: str, taken: Callable[[Packet], None]) -> None:
        self._world = world
        self._host = host
        self._taken = taken
        self._paths: dict[tuple[int, bool], PortPath] = {}
        self.latency: int | None = None
        self.jitter = 0
        self.loss = self.doubled = 0.0

    def open(self, media: Iterable[int]) -> SetUp:
        """Take a pair for each of these media; what the engine is asked for."""
        chosen: dict[int, Transport] = {}
        for index in media:
            ports = (_FIRST_PORT + 2 * index, _FIRST_PORT + 2 * index + 1)
            chosen[index] = Transport(Lower.UDP, client_ports=ports)
            for port, rtcp in zip(ports, (False, True), strict=True):
                self._paths[index, rtcp] = self._path(Address(self._host, port), index, rtcp)
        self.apply()
        return SetUp(chosen)

    def _path(self, address: Address, index: int, rtcp: bool) -> PortPath:
        path = PortPath(self._world, "rtsp", address, lambda data: self._taken(Packet(index, rtcp, data)))
        path.begin()
        return path

    def answered(self, setups: Iterable[TrackSetUp]) -> None:
        """The engine has named its ports."""
        for setup in setups:
            for port, rtcp in zip(setup.transport.server_ports or (), (False, True), strict=False):
                self._paths[setup.medium, rtcp].port = port

    def send(self, packet: Packet) -> None:
        """Send a packet, once it is known where to."""
        self._paths[packet.medium, packet.rtcp].send(packet.data)

    def babble(self, data: bytes) -> None:
        """Send what is no packet to one of the ports."""
        if self._paths:
            self._world.chance.one(list(self._paths.values())).send(data)

    def apply(self) -> None:
        """Have all paths be as this says."""
        for path in self._paths.values():
            path.latency = path.latency if self.latency is None else self.latency
            path.jitter, path.loss, path.doubled = self.jitter, self.loss, self.doubled

    def close(self) -> None:
        """Hear and send nothing more."""
        for path in self._paths.values():
            path.close()


class OverUdp(Linked):
    """What both peers have in common; `ways` are theirs."""

    door = "rtsp"
    port = "rtp-ports"
    ways: RtpWays
    _left: ScriptedTransport | None = None

    def slow_down(self, latency: int, jitter: int) -> None:
        """See `Peer`: datagrams overtake each other, but who has begun knows how to wait."""
        super().slow_down(latency, jitter)
        self.ways.latency, self.ways.jitter = latency // _SHARE, jitter // _SHARE
        self.ways.apply()
        if self.began is None:
            self.lost()

    def lose(self, loss: float, doubled: float) -> None:
        """See `Peer`."""
        self.lost()
        self.ways.loss, self.ways.doubled = loss, doubled
        self.ways.apply()

    def cut(self) -> None:
        """See `Peer`: the connection may stay, so that only silence tells the engine."""
        if self.world.chance.happens(0.5):
            super().cut()
        else:
            self.vanish()

    def vanish(self) -> None:
        """It is gone without a word: a publisher is missed as one, a player when its session times out and a fifth."""
        left = self.link.vanish()
        self._left = left if self.began is not None else None
        session = self.world.engine.topology.endpoints.rtsp.session_timeout
        publishes = isinstance(self, PublishingPeer)
        missed = self.world.policy(self.key).idle_ns + limits.QOS_WINDOW if publishes else session * 6 // 5
        self.patience = missed + limits.LINGER_TIMEOUT  # what it is told then waits for it to read
        self.end("us", "vanished")

    @property
    def lingers(self) -> bool:
        """See `Peer`."""
        return self._left is not None and not self._left.over

    def end(self, by: str, told: str = "") -> None:
        """See `Peer`."""
        super().end(by, told)
        self.ways.close()


class RtspUdpPublisher(OverUdp, RtspPublisher):
    """RECORDs over UDP."""

    protocol = "rtsp-udp"
    faults: ClassVar[frozenset[str]] = RtspPublisher.faults | {"loss"}

    def start(self) -> None:
        """See `Peer`."""
        self.ways = RtpWays(self.world, self.address.host, lambda _report: None)
        super().start()

    def lost(self) -> None:
        """See `Peer`: nothing of what needs a lost keyframe is taken, and who has nothing else counts as silent."""
        super().lost()
        if self.camera.sound is None:
            self.excuse("its keyframes are lost")

    def set_up(self, media: list[int]) -> SetUp:
        """See `RtspPublisher`."""
        return self.ways.open(media)

    def told(self, event: object) -> None:
        """See `Driven`."""
        if isinstance(event, SetUpAnswered):
            self.ways.answered(event.setups)
        super().told(event)

    def carry(self, data: bytes) -> None:
        """See `RtspPublisher`: out of its framing."""
        found = cut(data)
        for train in (*found.reports, *found.trains):
            for start, end in train.bounds:
                self.ways.send(Packet(train.channel >> 1, bool(train.channel & 1), bytes(train.data[start:end])))

    def babble(self, data: bytes) -> None:
        """See `Peer`."""
        self.ways.babble(data)


class RtspUdpViewer(OverUdp, RtspViewer):
    """PLAYs over UDP, and says now and then how much of it arrived. Of what comes while it is stalled nothing is kept."""

    protocol = "rtsp-udp"
    faults: ClassVar[frozenset[str]] = STREAM_FAULTS | {"loss"}
    reorder = True
    apart = True
    sure_of_keyframes = True

    def start(self) -> None:
        """See `Peer`."""
        self._settles: int | None = None
        self._heard: set[int] = set()
        self.ways = RtpWays(self.world, self.address.host, self._arrived)
        super().start()

    def set_up(self, media: list[int]) -> SetUp:
        """See `RtspViewer`."""
        return self.ways.open(media)

    def told(self, event: object) -> None:
        """See `Driven`."""
        if isinstance(event, SetUpAnswered):
            self.ways.answered(event.setups)
            self.world.later(limits.RTSP_REPORT_INTERVAL, self._report)
        super().told(event)

    def _arrived(self, packet: Packet) -> None:
        if not self.over and not self.stalled:
            if not packet.rtcp:
                self._heard.add(packet.medium)
            self.take(PacketsReceived((packet,)))
            self._await()

    def _await(self) -> None:
        at = self._tracks.wake_at if self._tracks is not None else None
        if at is not None and self._settles is None:
            self._settles = at
            self.world.later(at - self.world.now, self._settle)

    def _settle(self) -> None:
        self._settles = None
        if self._tracks is not None and not self.over:
            self.show(self._tracks.wake(self.world.now))
            self._await()

    def _report(self) -> None:
        if self.over or self._tracks is None:
            return
        for packet in self._tracks.reports(self.world.now) if not self.stalled else ():
            self.ways.send(packet)
        self.world.later(limits.RTSP_REPORT_INTERVAL, self._report)

    def slow_down(self, latency: int, jitter: int) -> None:
        """See `Peer`: of a medium that is yet to come, nobody can tell which packet is the first."""
        super().slow_down(latency, jitter)
        if len(self._heard) < len(self._description.media):
            self.lost()

    def stall(self) -> None:
        """See `Peer`."""
        self.lost()
        super().stall()

    def babble(self, data: bytes) -> None:
        """See `Peer`."""
        self.ways.babble(data)
