"""What all peers with a connection and a sans-IO engine of a client have in common."""

from typing import Any, ClassVar

from arcly_actors.bus.key import StreamKey
from arcly_actors.protocols.outputs import Emit, Engine, Hangup, Transmit, WakeAt
from arcly_actors.simulation.camera import Camera
from arcly_actors.simulation.link import Link
from arcly_actors.simulation.peer import Peer, PublishingPeer, ViewingPeer
from arcly_actors.transport.addresses import Address

STREAM_FAULTS = frozenset({"cut", "stall", "garbage", "jitter"})


class EnginePeer(Peer):
    """A peer whose side of the protocol is one of our client engines."""

    _engine: Any
    _wakes: int | None = None

    def command(self, command: Any) -> None:
        """Have the engine do something."""
        self._engine.command(command, self.world.now)
        self.settle()

    def received(self, data: bytes) -> None:
        """Bytes from the engine under test."""
        self._engine.receive(data, self.world.now)
        self.settle()

    def told(self, event: Any) -> None:
        """The engine says something."""
        raise NotImplementedError

    def transmit(self, data: bytes) -> None:
        """The engine sends something."""
        raise NotImplementedError

    def hung_up(self, hangup: Hangup) -> None:
        """The engine has ended."""
        raise NotImplementedError

    def settle(self) -> None:
        """Carry out what the engine wants; what is none of the usual outputs is a train of datagrams."""
        while (output := self._engine.poll()) is not None:
            match output:
                case Transmit():
                    self.transmit(output.data)
                case Emit():
                    self.told(output.event)
                case WakeAt():
                    self._wake(output.at)
                case Hangup():
                    self.hung_up(output)
                case _:
                    for start in range(0, len(output.data), output.step):
                        self.transmit(output.data[start : start + output.step])

    def _wake(self, at: int | None) -> None:
        self._wakes = at
        if at is not None:
            self.world.later(at - self.world.now, self._woken, at)

    def _woken(self, at: int) -> None:
        if self._wakes == at and not self.over:
            self._wakes = None
            self._engine.wake(self.world.now)
            self.settle()


def reason_of(hangup: Hangup) -> str:
    """Why an engine has ended."""
    return f"{hangup.reason}: {hangup.error}" if hangup.error is not None else hangup.reason


class Linked(Peer):
    """A peer with a link."""

    link: Link

    def connect(self) -> None:
        """Open the link; a peer that is turned away has ended."""
        self.link = Link(self.world, self.door, self.address, self)
        if not self.link.open():
            self.end("engine", "turned away")

    def received(self, data: bytes) -> None:
        """See `link.Ends`."""
        raise NotImplementedError

    def ended(self) -> None:
        """See `link.Ends`."""
        self.end("engine", "closed")

    def cut(self) -> None:
        """See `Peer`."""
        self.link.cut()
        self.end("us", "cut")

    def stall(self) -> None:
        """See `Peer`."""
        self.link.stall()

    def resume(self) -> None:
        """See `Peer`."""
        self.link.resume()

    def babble(self, data: bytes) -> None:
        """See `Peer`."""
        self.link.send(data)

    def slow_down(self, latency: int, jitter: int) -> None:
        """See `Peer`."""
        self.link.latency, self.link.jitter = latency, jitter

    def leave(self) -> None:
        """See `Peer`."""
        self.link.close()
        self.end("us", "left")


class Driven(EnginePeer, Linked):
    """A peer whose side of the protocol is a client engine for a stream of bytes."""

    def drive(self, engine: Engine[Any, Any]) -> None:
        """Begin with this engine."""
        self._engine = engine
        self.connect()
        self.settle()

    def transmit(self, data: bytes) -> None:
        """See `EnginePeer`."""
        self.link.send(data)

    def hung_up(self, hangup: Hangup) -> None:
        """See `EnginePeer`: without an error it was us."""
        self.link.close()
        if not self.over:
            self.end("engine" if hangup.error is not None else "us", reason_of(hangup))


class DrivenPublisher(Driven, PublishingPeer):
    """A publisher with a client engine."""

    faults: ClassVar[frozenset[str]] = STREAM_FAULTS | {"silence", "picture", "time", "keyframes"}

    def __init__(self, world: Any, name: str, key: StreamKey, address: Address, camera: Camera) -> None:
        super().__init__(world, name, key, address, camera)


class LinkedViewer(Linked, ViewingPeer):
    """A viewer with a link."""

    faults: ClassVar[frozenset[str]] = STREAM_FAULTS

    def stall(self) -> None:
        """See `Peer`."""
        self.stalled = True
        self.stalls += 1
        super().stall()

    def resume(self) -> None:
        """See `Peer`."""
        self.stalled = False
        super().resume()
