"""Where an engine meets what is outside of it: the network and chance.

A tape listens at these seams, a replay stands in for what is behind them. Nothing here is on a hot path: what is
recorded is decided once per connection and once per draw.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pykka

from arcly_actors.clock import Entropy
from arcly_actors.limits import TAPE_DRAWS

if TYPE_CHECKING:
    from arcly_actors.runtime.system import System

Place = tuple[str, int]
"""Host and port."""

Note = Callable[[str, Any], None]
"""Takes a control message of a connection: ``told`` for an event of its engine, ``asked`` for a command to it."""


class SessionNote(Protocol):
    """Takes what passes between a WebRTC session and its transport, decrypted. `who` is its name on the tape."""

    @property
    def who(self) -> str:
        """See the class; empty when it has none."""
        ...

    @property
    def tapes(self) -> "tuple[Tape, ...]":
        """Which tapes it is on."""
        ...

    def put(self, kind: str, data: bytes | None = None, at: int | None = None, **fields: Any) -> None:
        """A kind of record (specs/scripts/FORMAT.md), its payload and fields; `at` is monotonic ns, now unless given."""
        ...


class Network(Protocol):
    """What stands in for sockets."""

    def listen(self, at: Place, accept: Callable[[asyncio.Transport], asyncio.Protocol | None]) -> Place:
        """Have connections to `at` given to `accept`, which returns None for one that it turns away.

        Returns where that is: port 0 is replaced. AddressUnavailable when it is taken.
        """
        ...

    def close(self, at: Place) -> None:
        """Take no more connections there."""
        ...

    def webrtc_port(self, system: "System", listen: Any, ice: Any, **options: Any) -> pykka.ActorRef[Any]:
        """Start the actor that stands for a WebRTC port, with the arguments of ``transport.webrtc_port.WebRtcPort``."""
        ...


class Tape(Protocol):
    """What records."""

    def stream(self, protocol: asyncio.Protocol, at: Place) -> asyncio.Protocol:
        """The protocol to use instead for a connection that was accepted at `at`."""
        ...

    def notes(self, protocol: asyncio.Protocol) -> Note | None:
        """Where the control messages of a connection go, None when it is not recorded."""
        ...

    def session(self, kind: str, key: object, peer: str) -> SessionNote | None:
        """Where the packets of a WebRTC session go that `peer`, an HTTP client, has just opened; None when it is not
        recorded. `kind` is ``whip`` or ``whep``."""
        ...

    def concerns(self, key: object, peer: str) -> None:
        """What this HTTP client asks for is about a session of this stream."""
        ...

    def belongs(self, key: object) -> bool:
        """Whether it records this stream."""
        ...

    def drew(self, value: bytes | float) -> None:
        """This came of a draw of entropy."""
        ...


@dataclass(slots=True)
class Seams:
    """What stands at the seams of one engine: tapes that record, and a network in place of sockets."""

    tapes: tuple[Tape, ...] = ()
    network: Network | None = None
    concerned: tuple[Tape, ...] | None = None
    """Whom draws of entropy are told to at the moment; None: all."""

    def taped(self, protocol: asyncio.Protocol, at: Place) -> asyncio.Protocol:
        """The protocol of a connection accepted at `at`, with every tape around it."""
        for tape in self.tapes:
            protocol = tape.stream(protocol, at)
        return protocol

    def notes(self, protocol: asyncio.Protocol) -> Note | None:
        """Where the control messages of a connection go; None, which is usual, when no tape wants them."""
        found = [note for tape in self.tapes if (note := tape.notes(protocol)) is not None]
        if not found:
            return None
        if len(found) == 1:
            return found[0]

        def tell_all(kind: str, message: Any) -> None:
            for note in found:
                note(kind, message)

        return tell_all

    def session(self, kind: str, key: object, peer: str) -> SessionNote | None:
        """Where the packets of a WebRTC session go; None, which is usual, when no tape wants them."""
        found = [note for tape in self.tapes if (note := tape.session(kind, key, peer)) is not None]
        return None if not found else (found[0] if len(found) == 1 else _Notes(tuple(found)))

    def concerns(self, key: object, peer: str) -> None:
        """See `Tape.concerns`."""
        for tape in self.tapes:
            tape.concerns(key, peer)

    @contextmanager
    def drawing(self, note: SessionNote | None) -> Iterator[None]:
        """What is drawn within is this session's, and on no tape that does not have it: a replay would draw it for
        another.
        """
        self.concerned = note.tapes if note is not None else ()
        try:
            yield
        finally:
            self.concerned = None

    @contextmanager
    def drawing_for(self, key: object) -> Iterator[None]:
        """What is drawn within is for a stream."""
        self.concerned = tuple(tape for tape in self.tapes if tape.belongs(key))
        try:
            yield
        finally:
            self.concerned = None


@dataclass(frozen=True, slots=True)
class _Notes:
    """Several tapes of one session."""

    notes: tuple[SessionNote, ...]

    @property
    def who(self) -> str:
        """The name on the first."""
        return self.notes[0].who

    @property
    def tapes(self) -> tuple[Tape, ...]:
        """See `SessionNote.tapes`."""
        return tuple(tape for note in self.notes for tape in note.tapes)

    def put(self, kind: str, data: bytes | None = None, at: int | None = None, **fields: Any) -> None:
        """See `SessionNote.put`."""
        for note in self.notes:
            note.put(kind, data, at, **fields)


@dataclass(slots=True)
class WatchedEntropy:
    """Entropy whose draws tapes hear of; those of the engine's start, before any tape, are `remembered`."""

    inner: Entropy
    seams: Seams
    remembered: list[bytes | float] = field(default_factory=list)
    starting: bool = True

    def random_bytes(self, count: int) -> bytes:
        """See `Entropy.random_bytes`."""
        drawn = self.inner.random_bytes(count)
        self._tell(drawn)
        return drawn

    def uniform(self, low: float, high: float) -> float:
        """See `Entropy.uniform`."""
        drawn = self.inner.uniform(low, high)
        self._tell(drawn)
        return drawn

    def _tell(self, drawn: bytes | float) -> None:
        if self.starting and len(self.remembered) < TAPE_DRAWS:
            self.remembered.append(drawn)
        concerned = self.seams.concerned
        for tape in self.seams.tapes if concerned is None else concerned:
            tape.drew(drawn)
