"""Where an engine meets what is outside of it: the network and chance.

A tape listens at these seams, a replay stands in for what is behind them. Nothing here is on a hot path: what is
recorded is decided once per connection and once per draw.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pykka

from arcly_actors.clock import Entropy
from arcly_actors.limits import TAPE_DRAWS
from arcly_actors.runtime.dials import DialSeams, DialsHeard

if TYPE_CHECKING:
    from arcly_actors.runtime.system import System

Place = tuple[str, int]
"""Host and port."""

Source = tuple[Any, ...]
"""Where a datagram comes from, as its socket names it."""

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


class NoAnswer(Exception):
    """What is dialled on a network that is no socket's does not answer; the text says why, as to a person."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sink asks a server over HTTP. URL, fields and body may hold secrets, so they are not shown."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Replied:
    """What the server answers."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(eq=False, slots=True)
class Remote:
    """A source or a sink: it does ``pull`` or ``push`` the stream `key`, from or to `url`, with the `options` of the
    engine's method. `tries` counts what it has dialled; `answered`: of one of these it is known what came of it.
    `token`: what it shows to the server, a secret.
    `listens`: in its latest try it dials nobody, but waits for who comes; `drawn` is the entropy of that try.
    """

    does: str
    key: Any
    url: Any
    options: Mapping[str, Any]
    token: str = field(default="", repr=False)
    tries: int = 0
    answered: bool = False
    listens: bool = False
    drawn: "list[bytes | float]" = field(default_factory=list)


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

    def webrtc_dial(self, system: "System", note: "SessionNote | None") -> pykka.ActorRef[Any]:
        """Start the actor that stands for a WebRTC peer that is dialled, as ``transport.webrtc_dial.WebRtcDial``."""
        ...

    async def ask(self, asked: Asked, remote: Remote | None, number: int) -> Replied:
        """What a server answers over HTTP, in the try `number` of a sink. NoAnswer says why it does not."""
        ...

    def plays(self, remote: Remote | None) -> bool:
        """Whether a script has what FFmpeg read for this source."""
        ...

    def play(self, remote: Remote | None, hear: Callable[[object], None]) -> bool:
        """Have that told to `hear`, as a pull tells its owner; False when there is no script."""
        ...

    async def dial(self, to: Place, protocol: Callable[[], asyncio.Protocol], remote: Remote | None) -> None:
        """Connect to whoever listens there, for a source or sink; ConnectionRefusedError when nobody does, NoAnswer for
        what else there may be. Host names stand for themselves.
        """
        ...

    async def resolve(self, to: Place, remote: Remote | None) -> Place:
        """Where datagrams for a host lead. NoAnswer says why nowhere."""
        ...

    def bind(self, at: Place, on: str = "", remote: Remote | None = None) -> Any:
        """What stands for a UDP socket there (see `transport.udp_socket.Datagrams`); it frees the place when it closes.

        Port 0 is replaced; `on` and `remote` say what for. AddressUnavailable when it is taken.
        """
        ...


class Tap(Protocol):
    """What hears of the datagrams of one socket."""

    def hearing(self, deliver: Any) -> Any:
        """What is given datagrams in place of `deliver`, and gives them on to it."""
        ...

    def hears(self, to: Source) -> bool:
        """Whether it wants to know what is sent there: asked before a train is taken apart for it."""
        ...

    def went(self, data: bytes | memoryview, to: Source) -> None:
        """This was sent."""
        ...


def heard_by(taps: tuple[Tap, ...], deliver: Any) -> Any:
    """What to give datagrams to so that these taps hear of them; `deliver` itself when there are none, which is usual."""
    for tap in taps:
        deliver = tap.hearing(deliver)
    return deliver


class Tapped(Protocol):
    """A datagram socket, as a tape sees it. Its `taps` hear of each datagram, the last of them first."""

    taps: tuple[Tap, ...]
    bound: Any

    def poke(self) -> None:
        """Have its owner read now, as if something had come: a tap has something for it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A datagram socket that is open: `on` is its name for tapes, `heard` gives those who are known there by now.
    `remote` is the source or sink that it was opened for.
    """

    on: str
    socket: Tapped
    heard: Callable[[], Iterable[Source]]
    remote: Remote | None = None


class Tape(Protocol):
    """What records."""

    @property
    def dials(self) -> DialsHeard:
        """What of it hears of dials."""
        ...

    def stream(self, protocol: asyncio.Protocol, at: Place) -> asyncio.Protocol:
        """The protocol to use instead for a connection that was accepted at `at`."""
        ...

    def notes(self, protocol: Any) -> Note | None:
        """Where the control messages of a connection (a protocol, a datagram link) go, None when it is not recorded."""
        ...

    def datagrams(self, opened: Opened) -> None:
        """A datagram socket was opened."""
        ...

    def beside(self, peers: Iterable[Source], owner: str) -> None:
        """What comes from and goes to these addresses belongs with the connection to the peer `owner`."""
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

    def struck(self, kind: str, fields: dict[str, Any]) -> None:
        """A fault was done to the engine: a kind of record, with its fields."""
        ...


class Faults(Protocol):
    """What makes things go wrong on purpose."""

    def stream(self, protocol: asyncio.Protocol, at: Place) -> asyncio.Protocol:
        """The protocol to use instead for a connection that was accepted at `at`."""
        ...

    def frame(self, key: object, deliver: Callable[[], None]) -> None:
        """A program sent a frame of this stream: `deliver` is called now, later or never."""
        ...

    def datagrams(self, opened: Opened) -> None:
        """A datagram socket was opened."""
        ...

    def dialled(self, remote: Remote, protocol: asyncio.Protocol) -> asyncio.Protocol:
        """The protocol to use instead for a connection that a source or sink has dialled."""
        ...

    def met(self, remote: Remote, transport: Any) -> None:
        """A sink has a WebRTC session, on this ``transport.webrtc_dial.DialledSession``."""
        ...

    def refuses(self, remote: Remote) -> bool:
        """Whether what a source or sink dials now is refused."""
        ...

    def beside(self, peers: Iterable[Source], owner: str) -> None:
        """See `Tape.beside`."""
        ...

    def session(self, kind: str, key: object, peer: str, transport: Any) -> None:
        """A WebRTC session, ``whip`` or ``whep``, was opened by an HTTP client on this ``transport.webrtc_session``."""
        ...


@dataclass(slots=True)
class Seams(DialSeams):
    """What stands at the seams of one engine: tapes that record, faults, a network in place of sockets."""

    tapes: tuple[Tape, ...] = ()
    network: Network | None = None
    faults: Faults | None = None
    concerned: tuple[Tape, ...] | None = None
    """Whom draws of entropy are told to at the moment; None: all."""
    drawer: Remote | None = None
    """Who listens, and draws at the moment: its draws are kept for tapes that begin before anybody comes."""
    sockets: list[Opened] = field(default_factory=list)
    remotes: list[Remote] = field(default_factory=list)
    gate: asyncio.Event | None = None
    """Nothing is dialled before it is set: tapes that begin with the engine are to have it all."""

    def opened(
        self, on: str, socket: Tapped, heard: Callable[[], Iterable[Source]], remote: Remote | None = None
    ) -> None:
        """A datagram socket is open; tapes, also those that begin later, hear of it."""
        opened = Opened(on, socket, heard, remote)
        self.sockets.append(opened)
        for tape in self.tapes:
            tape.datagrams(opened)
        if self.faults is not None:
            self.faults.datagrams(opened)

    def closed(self, socket: Tapped) -> None:
        """It is closed."""
        self.sockets = [opened for opened in self.sockets if opened.socket is not socket]

    def beside(self, peers: Iterable[Source], owner: str) -> None:
        """See `Tape.beside`."""
        peers = tuple(peers)
        for tape in self.tapes:
            tape.beside(peers, owner)
        if self.faults is not None:
            self.faults.beside(peers, owner)

    def taped(self, protocol: asyncio.Protocol, at: Place) -> asyncio.Protocol:
        """The protocol of a connection accepted at `at`, with every tape around it, and faults around these."""
        for tape in self.tapes:
            protocol = tape.stream(protocol, at)
        return self.faults.stream(protocol, at) if self.faults is not None else protocol

    def session_dialled(self, remote: Remote | None) -> SessionNote | None:
        """Where the packets of a WebRTC session go that a sink dials; None, which is usual, when no tape wants them."""
        if remote is None:
            return None
        return _together([note for tape in self.tapes if (note := tape.dials.session(remote)) is not None])

    def notes(self, protocol: Any) -> Note | None:
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
        return _together([note for tape in self.tapes if (note := tape.session(kind, key, peer)) is not None])

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
    def drawing_by(self, remote: Remote | None) -> Iterator[None]:
        """What is drawn within is for what a source or sink says, and on no tape that does not have it."""
        self.concerned = tuple(tape for tape in self.tapes if tape.dials.knows(remote)) if remote is not None else None
        self.drawer = remote if remote is not None and remote.listens else None
        try:
            yield
        finally:
            self.concerned = self.drawer = None

    @contextmanager
    def drawing_for(self, key: object) -> Iterator[None]:
        """What is drawn within is for a stream."""
        self.concerned = tuple(tape for tape in self.tapes if tape.belongs(key))
        try:
            yield
        finally:
            self.concerned = None


def _together(notes: list[SessionNote]) -> SessionNote | None:
    return None if not notes else (notes[0] if len(notes) == 1 else _Notes(tuple(notes)))


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
        if self.seams.drawer is not None:
            self.seams.drawer.drawn.append(drawn)
        concerned = self.seams.concerned
        for tape in self.seams.tapes if concerned is None else concerned:
            tape.drew(drawn)
