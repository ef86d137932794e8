"""SRT peers: callers that publish or read MPEG-TS, over paths that lose datagrams."""

from typing import Any, ClassVar

from arcly_actors import limits
from arcly_actors.ingest.ts_source import TsSource
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.outputs import Hangup
from arcly_actors.protocols.srt.caller import Call, SrtCaller
from arcly_actors.protocols.srt.events import Disconnect, Established, Received, Send
from arcly_actors.protocols.srt.seed import Seed
from arcly_actors.simulation.camera import Camera
from arcly_actors.simulation.datagram_path import DatagramPath
from arcly_actors.simulation.engine_peer import EnginePeer, reason_of
from arcly_actors.simulation.peer import PublishingPeer, ViewingPeer
from arcly_actors.simulation.transport_stream import FilmedStream
from arcly_actors.transport.srt_ciphers import SrtCiphers

DATAGRAM_FAULTS = frozenset({"cut", "jitter", "loss", "garbage"})


class Caller(EnginePeer):
    """A peer with an SRT engine."""

    door = "srt"

    def call(self, mode: str) -> None:
        """Ask to publish (``publish``) or to read (``read``)."""
        seed = Seed(self.world.chance.data(32))
        self._path = DatagramPath(self.world, self.door, self.address, self.received)
        self._engine = SrtCaller(Call(f"{mode}:{self.key}"), "engine", SrtCiphers(), seed, self.world.now)
        self._path.begin()
        self.settle()

    def received(self, data: bytes) -> None:
        """See `EnginePeer`."""
        self._engine.receive(data, self.world.now)
        self.settle()

    def transmit(self, data: bytes) -> None:
        """See `EnginePeer`."""
        self._path.send(data)

    def hung_up(self, hangup: Hangup) -> None:
        """See `EnginePeer`."""
        self._path.close()
        self.end("engine", reason_of(hangup))

    def leave(self) -> None:
        """See `Peer`."""
        self.end("us", "left")
        self.command(Disconnect("left"))
        self._path.latency = self._path.jitter = 0
        self._path.close()

    def cut(self) -> None:
        """See `Peer`: nothing tells the engine."""
        self._path.close()
        self.end("us", "cut")

    def babble(self, data: bytes) -> None:
        """See `Peer`."""
        self._path.send(data[: limits.SRT_PAYLOAD])

    def slow_down(self, latency: int, jitter: int) -> None:
        """See `Peer`: less than what its latency makes good, but for what overtakes the handshake."""
        self.lose(self._path.loss, self._path.doubled)
        self._path.latency, self._path.jitter = latency // 10, jitter // 10

    def lose(self, loss: float, doubled: float) -> None:
        """See `Peer`."""
        self.lossy = True
        self.world.lossy.add(self.name)
        self._path.loss, self._path.doubled = loss, doubled


class SrtPublisher(Caller, PublishingPeer):
    """Publishes a transport stream."""

    protocol = "srt"
    faults: ClassVar[frozenset[str]] = DATAGRAM_FAULTS | {"silence", "picture", "time", "keyframes"}

    def start(self) -> None:
        """See `Peer`."""
        self._made: FilmedStream | None = None
        self.call("publish")

    def told(self, event: Any) -> None:
        """See `Caller`."""
        if isinstance(event, Established):
            self._made = FilmedStream()
            self.publish()

    def send(self, camera: Camera) -> None:
        """See `PublishingPeer`."""
        if self._made is not None and not self.over:
            self.command(Send(self._made.shoot(camera)))


class SrtViewer(Caller, ViewingPeer):
    """Reads a transport stream."""

    protocol = "srt"
    faults: ClassVar[frozenset[str]] = DATAGRAM_FAULTS
    ends_with_the_next = True

    def start(self) -> None:
        """See `Peer`."""
        self._source = TsSource()
        self.call("read")

    def told(self, event: Any) -> None:
        """See `Caller`."""
        if isinstance(event, Established):
            self.watch()
        elif isinstance(event, Received) and not self.over:
            for _, item in self._source.receive(b"".join(event.payloads), self.world.now):
                if isinstance(item, MediaFrame):
                    self.see(item.track.kind, item.dts, item.payload, keyframe=item.keyframe)
