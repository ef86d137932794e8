"""One connection on a `DatagramPort`: what a `Connection` is to TCP, as a record that the port drives, and an outlet.

It begins when its first datagram came, and holds what its engine tells until an owner attaches. It ends with its owner.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import pykka

from arcly_actors import limits
from arcly_actors.protocols.outputs import Emit, Hangup, Transmit, WakeAt
from arcly_actors.runtime.seams import Note
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.connection import ConnectionClosed
from arcly_actors.transport.udp_socket import Datagrams, Path

_NEVER = 1 << 63


class LinkPort(Protocol):
    """What a link asks of its port."""

    udp: Datagrams
    now: Callable[[], int]

    def follow(self, link: "DatagramLink", owner: pykka.ActorRef[Any]) -> None:
        """See `DatagramPort.follow`."""
        ...

    def forget(self, link: "DatagramLink") -> None:
        """See `DatagramPort.forget`."""
        ...

    def hurry(self, at: int) -> None:
        """See `DatagramPort.hurry`."""
        ...


class DatagramLink:
    """See the module. Its engine may put out *trains* beside what all engines do: anything with `data` and `step`."""

    __slots__ = ("_held", "_port", "ended", "engine", "note", "owner", "path", "wake_at")

    def __init__(self, port: LinkPort, engine: Any, path: Path) -> None:
        self._port = port
        self.engine = engine
        self.path = path
        self.note: Note | None = None
        self.owner: pykka.ActorRef[Any] | None = None
        self.wake_at = _NEVER
        self.ended: ConnectionClosed | None = None
        self._held: deque[Any] = deque(maxlen=limits.ORPHAN_EVENTS)

    @property
    def peer(self) -> Address:
        """Where the other side is."""
        return self.path.address

    # --- what the owner does ---

    def attach(self, owner: pykka.ActorRef[Any]) -> None:
        """Tell this actor what happens, beginning with what already has. The link ends when the actor does."""
        self.owner = owner
        held = tuple(self._held)
        self._held.clear()
        for event in held:
            owner.tell(event)
        if self.ended is not None:
            owner.tell(self.ended)
        else:
            self._port.follow(self, owner)

    def command(self, command: Any) -> None:
        """Have the engine do this; ignored when the link is over."""
        if self.ended is None:
            if self.note is not None:
                self.note("asked", command)
            self.engine.command(command, self._port.now())
            self.drain()

    def send(self, payloads: tuple[bytes, ...]) -> None:
        """Have the engine send these; ignored when the link is over."""
        if self.ended is None:
            self.engine.send(payloads, self._port.now())
            self.drain()

    # --- what the port does ---

    def receive(self, datagrams: Sequence[memoryview], now: int) -> None:
        """These came together; none: the engine has taken its first one already."""
        if datagrams:
            self.engine.receive_all(datagrams, now)
        self.drain()

    def wake(self, now: int) -> None:
        """The time that the engine asked for has come."""
        self.wake_at = _NEVER
        self.engine.wake(now)
        self.drain()

    def drain(self) -> None:
        """Do what the engine puts out."""
        poll, udp, path = self.engine.poll, self._port.udp, self.path
        while (output := poll()) is not None:
            kind = type(output)
            if kind is Transmit:
                udp.send(output.data, path)
            elif kind is WakeAt:
                self.wake_at = _NEVER if output.at is None else output.at
                self._port.hurry(self.wake_at)
            elif kind is Emit:
                if self.note is not None:
                    self.note("told", output.event)
                self._tell(output.event)
            elif kind is Hangup:
                self.over(ConnectionClosed(output.reason, output.error))
                return
            else:
                self._send_train(output.data, output.step)

    def close(self) -> None:
        """Say good-bye."""
        if self.ended is None:
            self.engine.closed(self._port.now())
            while (output := self.engine.poll()) is not None:
                if type(output) is Transmit:
                    self._port.udp.send(output.data, self.path)

    def owner_ended(self, reason: str) -> None:
        """Its owner is gone, and with it the reason for this connection."""
        self.owner = None
        self.close()
        self.over(ConnectionClosed(reason))

    def over(self, verdict: ConnectionClosed) -> None:
        """The end; the first word stands."""
        if self.ended is not None:
            return
        self.ended = verdict
        self._tell(verdict)
        self._port.forget(self)

    def _tell(self, event: Any) -> None:
        if self.owner is None:
            if event is not self.ended:
                self._held.append(event)
            return
        with suppress(pykka.ActorDeadError):  # its Exited is under way to the port
            self.owner.tell(event)

    def _send_train(self, data: bytes, step: int) -> None:
        bounds: Sequence[tuple[int, int]] = _Bounds(len(data), step)
        self._port.udp.send_segments(memoryview(data), step, bounds, self.path)


class _Bounds(Sequence[tuple[int, int]]):
    """Where the datagrams of a train lie, worked out only if they have to be sent one by one."""

    def __init__(self, size: int, step: int) -> None:
        self._starts = range(0, size, step)
        self._size = size

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: Any) -> Any:
        start = self._starts[index]
        return start, min(start + self._starts.step, self._size)
