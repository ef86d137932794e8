"""`Tape`: a session of a running engine, recorded at its seams and handed on as records.

A publisher whose bytes are not on the tape (it came before, or over a protocol that is not recorded as bytes) is
recorded by its frames.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from reactivex import abc

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import (
    Event,
    Events,
    FaultInjected,
    PublishEnded,
    PublishHeld,
    PublishResumed,
    PublishStarted,
    SubscriberEvicted,
    SubscriberJoined,
    SubscriberLeft,
    TapeEnded,
    TapeFailed,
    TapeStarted,
    WorkerAbandoned,
)
from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_S, Steppable
from arcly_actors.runtime import Note, SessionNote, System
from arcly_actors.runtime.seams import Opened, Place, Source, Tapped
from arcly_actors.runtime.turns import FEW
from arcly_actors.script.followed import FollowedStreams
from arcly_actors.script.plain import message_fields
from arcly_actors.script.record import Head, Record, told_by_digest
from arcly_actors.script.taped import TapedStream
from arcly_actors.script.taped_datagrams import DatagramPeers, DatagramTap, Peer, Recorded
from arcly_actors.script.taped_dials import TapedDials
from arcly_actors.script.taped_order import InputOrder
from arcly_actors.script.taped_sessions import SessionTap
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.datagram_link import DatagramLink

_MEDIA = frozenset({"MediaReceived", "PacketsReceived", "SendPackets", "Received", "Drained"})
"""Messages that say what the bytes beside them say already."""

_OUTCOMES = frozenset({"out", "sent", "frame", "rtp-out", "rtcp-out"})
"""What is told by its digest on a tape without payload."""

_SCARCE, _NAME = 64, 16
"""Bytes that a record takes besides its payload, and that a further name in it takes."""


_OURS = (TapeStarted, TapeEnded, TapeFailed, FaultInjected, WorkerAbandoned)
"""Events that a replay has none of: no tapes but its own, no workers, and faults are in what comes in."""

FULL = "as much is recorded as the tape holds"
"""Why a tape ended that had its size."""


class Sink(Protocol):
    """Where records go."""

    def take(self, records: list[Record]) -> None:
        """More of them, in order."""
        ...


class Tape:
    """See the module. `key` None: everything. `payload` False: what goes out and frames are told by their digests.
    `name` gives the next connection to an endpoint its name, `peer_name` a peer of a datagram socket; without them they
    are numbered. `belongs` says of a datagram socket whether its peers do (None: each will tell).
    `frames`: those whose bytes are on the tape already have their payload, too. `programs` False: whoever holds the tape
    puts down what programs (``publish``, ``view``) do himself. `live`: the engine's clock; it is no replay's, so that
    what comes in is wanted, too, and the same bytes that are written to several connections one after the other are one
    record, with the names of the further ones in ``also``.

    `lost` is why it ended by itself, else empty; `ignored` counts connections of other streams.
    """

    def __init__(
        self,
        system: System,
        bus: Bus,
        events: Events,
        endpoint: Callable[[Place], str],
        sink: Sink,
        *,
        key: StreamKey | None = None,
        payload: bool = True,
        size: int = limits.TAPE_SIZE,
        name: Callable[[str], str] | None = None,
        peer_name: Callable[[str, Address], str] | None = None,
        belongs: Callable[[str], bool | None] | None = None,
        frames: bool = False,
        programs: bool = True,
        live: Steppable | None = None,
    ) -> None:
        self._live = live is not None
        self._shared: bytes | None = None
        self._also: list[str] = []
        self._programs = programs
        self._name = name or self._next_name
        self._system = system
        self._bus = bus
        self._events = events
        self._endpoint = endpoint
        self._sink = sink
        self._key = key
        self._payload = payload
        self._left = size
        self.now = self._now = system.clock.monotonic_ns
        self._started = 0
        self._numbers: dict[str, itertools.count[int]] = {}
        self._waiting: deque[tuple[Record, Recorded | None, int | None]] = deque()
        self._undecided = 0
        self._order = InputOrder(system, live, self._put_time) if live is not None else None
        self._turn = -FEW  # in which the last input came of those that were handed on
        self._latest = 0
        self._opening: Recorded | None = None  # whose making is under way, and so whose entropy is drawn
        self._by_protocol: dict[int, Recorded] = {}
        self._by_peer: dict[str, Recorded] = {}
        self._by_session: dict[str, Recorded] = {}  # whose connection is gone, perhaps, and whose session stays
        self._taps: list[tuple[Tapped, DatagramTap]] = []
        peer_name = peer_name or (lambda on, _address: self._next_name(on))
        self._peers = DatagramPeers(
            belongs or (lambda _on: None if key is not None else True),
            peer_name,
            self._by_peer,
            system.loop.call_later,
            lambda recorded: self._settle(recorded, wanted=False),
        )
        self.dials = TapedDials(self, self._name, peer_name, self._by_peer)
        herald = self._order.came if self._order is not None else None
        self._streams = FollowedStreams(self, bus, self._next_name, payload=frames, herald=herald)
        self._viewers: dict[tuple[StreamKey, int], str] = {}
        self._seat: abc.DisposableBase | None = None
        self._flushing: asyncio.Handle | None = None
        self.running = False
        self.lost = ""
        self.ignored = 0

    def head(self, topology: dict[str, Any], provenance: dict[str, Any]) -> Head:
        """The head of a script of what comes from now on."""
        clock = self._system.clock
        self._started = clock.monotonic_ns()
        key = str(self._key) if self._key is not None else ""
        return Head(topology, key, self._started, clock.wall_ns(), provenance=provenance)

    def start(self, drawn: Iterable[bytes | float]) -> None:
        """Begin; `drawn` is the entropy of the engine's start. Times count from when the head was made, if it was."""
        self.running = True
        if self._order is not None:
            self._order.start()
        self._started = self._started or self._now()
        for value in drawn:
            self.drew(value)
        self._system.seams.tapes = (*self._system.seams.tapes, self)
        sockets = self._system.seams.sockets
        busy = {opened.remote for opened in sockets if any(True for _ in opened.heard())}
        for remote in self._system.seams.remotes:
            if not remote.answered and remote not in busy:
                self.dials.added(remote)
        for opened in sockets:
            tap = DatagramTap(self, opened, opened.heard()) if opened.remote is None else self.dials.tap(opened)
            if tap is not None:
                self._tap(opened, tap)
        self._seat = self._events.observable.subscribe(self._happened)
        for report in self._bus.reports():
            if self.belongs(report.key):
                self._streams.follow(report.key, by_frames=True)

    def stop(self, reason: str = "") -> None:
        """End; more than once does no harm."""
        if not self.running:
            return
        self.put(None, "end", {"reason": reason} if reason else {})
        self.running = False
        self._system.seams.tapes = tuple(each for each in self._system.seams.tapes if each is not self)
        if self._order is not None:
            self._order.stop()
        for socket, tap in self._taps:
            socket.taps = tuple(each for each in socket.taps if each is not tap)
        if self._seat is not None:
            self._seat.dispose()
        self._streams.close()
        for source in self._by_peer.values():
            source.wanted = bool(source.wanted)
        self.flush()

    # --- see `runtime.seams.Tape` ---

    def stream(self, protocol: asyncio.Protocol, at: Place) -> asyncio.Protocol:
        """A connection was accepted."""
        on = self._endpoint(at)
        source = Recorded(self._name(on), None if self._key is not None else True)
        if source.wanted is None:
            self._system.loop.call_later(limits.TAPE_UNDECIDED_FOR / NS_PER_S, self._lose_patience, source)
        return self.taped(protocol, source, on)

    def taped(self, protocol: asyncio.Protocol, source: Recorded, on: str) -> asyncio.Protocol:
        """The protocol of a connection that is recorded as that of `source`; `on` accepted or dialled it."""
        mask = source.mask
        self._by_protocol[id(_innermost(protocol))] = source

        def put(kind: str, data: bytes | None = None, **fields: Any) -> None:
            if mask is not None and data is not None:
                data = mask.came(data) if kind == "in" else mask.went(data)
            if kind == "open":
                source.peer = fields["peer"]
                self._by_peer[source.peer] = source
                fields = {"on": on, **fields}
            told = {"who": source.who, **fields}
            if kind in ("open", "in", "eof", "lost", "drained"):
                self.came(source, kind, told, data)
            else:
                self.put(source, kind, told, data)

        def opening(*, begun: bool) -> None:
            self._opening = source if begun else None

        def out(data: bytes) -> None:
            if mask is not None:
                self.put(source, "out", {"who": source.who}, mask.went(data))
                return
            if data is self._shared and source.wanted and self.running:
                self._also.append(source.who)  # the very same bytes, as the fan-out writes them to one after the other
                self._left -= _NAME
                return
            self.put(source, "out", {"who": source.who, "also": []} if self._live else {"who": source.who}, data)
            if self._live and source.wanted and self.running:
                self._shared, self._also = data, self._waiting[-1][0].fields["also"]

        return TapedStream(protocol, put, out, opening, partial(self._gone, source, _innermost(protocol)))

    def datagrams(self, opened: Opened) -> None:
        """A datagram socket was opened."""
        tap = DatagramTap(self, opened) if opened.remote is None else self.dials.tap(opened)
        if tap is not None:
            self._tap(opened, tap)

    def _tap(self, opened: Opened, tap: DatagramTap) -> None:
        opened.socket.taps = (tap, *opened.socket.taps)  # faults stand outside of tapes
        self._taps.append((opened.socket, tap))

    def beside(self, peers: Iterable[Source], owner: str) -> None:
        """Whose datagrams these are."""
        self._peers.beside(peers, owner)
        for _, tap in self._taps:
            tap.beside()

    def notes(self, protocol: Any) -> Note | None:
        """Of which the engine's events and commands are wanted."""
        if isinstance(protocol, DatagramLink):
            source = self._by_peer.get(str(protocol.peer))
        else:
            source = self._by_protocol.get(id(protocol))
        if source is None:
            return None

        def note(kind: str, message: Any) -> None:
            if type(message).__name__ not in _MEDIA:
                fields = message_fields(message)
                told = source.mask.message(kind, fields) if source.mask is not None else fields
                self.put(source, kind, {"who": source.who, **told})

        return note

    def session(self, kind: str, key: object, peer: str) -> SessionNote | None:
        """A WebRTC session is opened: it is on the tape if the HTTP connection is that opens it, which a replay needs."""
        source = self._by_peer.get(peer)
        if source is None:
            return None
        self._settle(source, wanted=self.belongs(key))
        name = f"{source.who}.{kind}"
        number = next(self._numbers.setdefault(name, itertools.count(1)))
        name = name if number == 1 else f"{name}-{number}"
        if not source.wanted:
            return None
        self._by_session[source.peer] = source
        return SessionTap(name, str(key), self, source)

    def concerns(self, key: object, peer: str) -> None:
        """A request about a session, perhaps the only one on its connection."""
        source = self._by_peer.get(peer)
        if source is not None:
            self._settle(source, wanted=self.belongs(key))

    def drew(self, value: bytes | float) -> None:
        """Entropy was drawn."""
        self.put(self._opening, "draw", {"bytes": value.hex()} if isinstance(value, bytes) else {"number": value})

    def struck(self, kind: str, fields: dict[str, Any]) -> None:
        """A fault was done to the engine."""
        self.came(None, kind, fields)

    # --- writing down ---

    def datagram_peer(self, on: str, address: Address) -> Peer | None:
        """See `taped_datagrams.Writing`."""
        return self._peers.find(on, address)

    def drawing(self, decision: Recorded | None) -> None:
        """See `taped_datagrams.Writing`."""
        self._opening = decision

    def did(self, kind: str, fields: Mapping[str, Any], data: bytes | None = None) -> None:
        """Put down what was done to the engine past its seams, by whoever holds the tape."""
        self.came(None, kind, dict(fields), data)

    def came(
        self,
        source: Recorded | None,
        kind: str,
        fields: dict[str, Any],
        data: bytes | None = None,
        at: int | None = None,
    ) -> None:
        """Input, with what says in which order with others, and with timers, it came. In a replay it is there already,
        but who begins, and what is by frames.
        """
        if self._order is None:
            if source is None or kind == "open":
                self.put(source, kind, fields, data, at)
            return
        turn = self._order.came()
        on_tape = source is None or bool(source.wanted)
        self._order.note(fields, self._now() if at is None else at, turn, on_tape=on_tape)
        self.put(source, kind, fields, data, at, turn)

    def _put_time(self, fields: dict[str, Any], at: int, turn: int) -> None:
        at = max(at, self._latest)  # what a thread brought may have been later
        if "rang" in fields:
            fields["rang"] = at - fields["rang"]
        self.put(None, "time", fields, None, at, turn)

    def put(
        self,
        source: Recorded | None,
        kind: str,
        fields: Mapping[str, Any],
        data: bytes | None = None,
        at: int | None = None,
        turn: int | None = None,
    ) -> None:
        """One record, of this source or of the engine; `at` is monotonic ns, now unless given. `turn` is that of an
        input."""
        if not self.running or (source is not None and source.wanted is False):
            return
        self._shared = None
        if data is not None and not self._payload and kind in _OUTCOMES:
            fields, data = told_by_digest(fields, data), None
        self._latest = at = max(self._now(), self._latest) if at is None else at  # a timer's time may be past
        record = Record(at - self._started, kind, fields, data)
        size = _SCARCE + (len(data) if data is not None else 0)
        self._left -= size
        if self._left < 0 and kind != "end":
            self.give_up(FULL)
            return
        if not (self._live or self._waiting) and (source is None or source.wanted):
            self._sink.take([record])
            return
        self._waiting.append((record, source, turn))
        if source is not None and source.wanted is None:
            self._undecided += size
            if self._undecided > limits.TAPE_UNDECIDED:
                self._settle(source, wanted=False)
        if self._flushing is None:
            self._flushing = self._system.loop.call_soon(self._flush_soon)

    def flush(self) -> None:
        """Hand on what is decided: records stay in order, so one that is undecided holds back those after it."""
        ready: list[Record] = []
        waiting = self._waiting
        while waiting and (waiting[0][1] is None or waiting[0][1].wanted is not None):
            record, source, turn = waiting.popleft()
            if source is None or source.wanted:
                ready.append(record if turn is None else self._counted(record, turn))
        if not waiting:
            self._undecided = 0
        if ready:
            self._sink.take(ready)

    def _counted(self, record: Record, turn: int) -> Record:
        """An input, and how many turns it came after the one before it that is on the tape."""
        turns, self._turn = turn - self._turn, turn
        return replace(record, fields={**record.fields, "turns": turns}) if turns < FEW else record

    def _next_name(self, on: str) -> str:
        return f"{on}-{next(self._numbers.setdefault(on, itertools.count(1)))}"

    def _flush_soon(self) -> None:
        self._flushing = None
        self._shared = None  # its record is handed on
        self.flush()

    def _settle(self, source: Recorded, *, wanted: bool) -> None:
        if source.wanted is None:
            source.wanted = wanted
            self.ignored += not wanted

    def _lose_patience(self, source: Recorded) -> None:
        if self.running:
            self._settle(source, wanted=False)
            self.flush()

    def _gone(self, source: Recorded, protocol: asyncio.Protocol) -> None:
        self._by_protocol.pop(id(protocol), None)
        self._settle(source, wanted=False)  # it said nothing of a stream
        if self._by_peer.get(source.peer) is source:
            del self._by_peer[source.peer]

    def give_up(self, why: str) -> None:
        """End it before its time."""
        if not self.lost:
            self.lost = why
            self.stop(why)

    # --- streams ---

    def belongs(self, key: object) -> bool:
        """Whether a stream, or what belongs to none, is recorded."""
        return self._key is None or key is None or str(key) == str(self._key)

    def _happened(self, event: Event) -> None:
        if isinstance(event, _OURS) or getattr(event, "actor", "").startswith("records/") or not self.dials.passes(event):
            return
        key = getattr(event, "key", None)
        peer = getattr(event, "peer", "")
        source = self._by_peer.get(peer) or self._by_session.get(peer) or self.dials.whose(event)
        if source is not None:
            self._settle(source, wanted=self.belongs(key))
        if not self.belongs(key):
            return
        recorded = source is not None and source.wanted is not False
        if isinstance(event, SubscriberJoined) and not recorded and self._programs:
            # Nothing else tells of this viewer: in a replay one in the program takes its seat.
            who = self._next_name("viewer")
            self._viewers[event.key, event.number] = who
            self.came(None, "view", {"who": who, "key": str(event.key), "number": event.number})
        elif isinstance(event, SubscriberLeft | SubscriberEvicted):
            left = self._viewers.pop((event.key, event.number), None)
            if left is not None:
                self.came(None, "leave", {"who": left})
        self.put(None, "event", message_fields(event))
        if isinstance(event, PublishStarted | PublishResumed):
            self._streams.follow(event.key, by_frames=not recorded and self._programs)
        elif isinstance(event, PublishHeld | PublishEnded):
            self._streams.unfollow(event.key)


def _innermost(protocol: asyncio.Protocol) -> asyncio.Protocol:
    while isinstance(protocol, TapedStream):
        protocol = protocol.inner
    return protocol
