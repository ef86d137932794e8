"""`Injector`: faults on purpose in an engine that runs, at the places where tapes listen.

Around accepted connections, outside of tapes: a tape has what the engine met, so its replay needs no faults. It is off
unless asked for, and each fault is told as an event, which the log shows as a warning.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arcly_actors import limits
from arcly_actors.bus.events import Event, FaultInjected
from arcly_actors.clock import NS_PER_S, SeededEntropy
from arcly_actors.runtime.seams import Place
from arcly_actors.script.endpoints import endpoint_at
from arcly_actors.script.faults import Passage, crash_one
from arcly_actors.topology.injection import Fault, means
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.engine import Engine


class Way:
    """One way in, a connection or a publisher in the program, with the faults that are on it."""

    def __init__(self, injector: "Injector", *, again: bool) -> None:
        self._injector = injector
        self._again = again
        self._passages: dict[int, Passage] = {}
        self._waiting: deque[Callable[[], None]] = deque()
        self._due = 0
        self.names: tuple[str, ...] = ()

    def come(self, deliver: Callable[[], None], *, sure: bool = False) -> None:
        """Something came in: `deliver` is called now, later, or never (only if it is not `sure`); in order."""
        now = due = self._injector.now()
        for fault in self._injector.passing(self.names, now):
            arrives = self._passage(fault).arrives(due, sure=sure)
            if arrives is None:
                return
            due = arrives
        if len(self._waiting) >= limits.FAULT_BACKLOG:
            self.flush()
        if due <= now and not self._waiting:
            deliver()
            return
        self._due = max(self._due, due)
        self._waiting.append(deliver)
        self._injector.loop.call_later(max(0, self._due - now) / NS_PER_S, self._next)

    def flush(self) -> None:
        """Nothing waits any more."""
        while self._waiting:
            self._next()

    def drop(self) -> None:
        """What waits never comes."""
        self._waiting.clear()

    def _next(self) -> None:
        if self._waiting:
            self._waiting.popleft()()

    def _passage(self, fault: Fault) -> Passage:
        found = self._passages.get(id(fault))
        if found is None:
            entropy = self._injector.entropy(fault)
            found = Passage(entropy, loss=fault.loss or 0.0, jitter=fault.jitter or 0, again=self._again)
            self._passages[id(fault)] = found
        return found


class FaultyStream(asyncio.Protocol):
    """Stands before a connection's protocol: what comes in is late or late again; it can be broken."""

    def __init__(self, inner: asyncio.Protocol, way: Way) -> None:
        self._inner = inner
        self.way = way
        self._transport: Any = None  # uvloop's are no `asyncio.Transport` by class
        self.peer = ""

    @property
    def stands(self) -> bool:
        """Whether it is connected."""
        return self._transport is not None and not self._transport.is_closing()

    def sever(self) -> None:
        """Break it, as a network does that is gone."""
        self.way.drop()
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = transport
        self.peer = str(Address.of_peer(transport.get_extra_info("peername")))
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self.way.come(lambda: self._inner.data_received(data))

    def eof_received(self) -> bool | None:
        """See `asyncio.Protocol`: True keeps the transport open until what came before has been heard."""
        if self._transport.get_extra_info("sslcontext") is not None:
            self.way.flush()
            return self._inner.eof_received()

        def finished() -> None:
            if not self._inner.eof_received() and not self._transport.is_closing():
                self._transport.close()

        self.way.come(finished, sure=True)
        return True

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self.way.flush()
        self._transport = None
        self._inner.connection_lost(exc)


class Injector:
    """See the module. One for each engine that has, or had, a fault."""

    def __init__(self, engine: "Engine") -> None:
        built = engine.built
        self._engine = engine
        self._system = built.system
        self.loop = built.system.loop
        self.now = built.system.clock.monotonic_ns
        self._passing: list[tuple[Fault, int, int | None]] = []
        self._timers: set[asyncio.TimerHandle] = set()
        self._streams: list[FaultyStream] = []
        self._publishers: dict[str, Way] = {}
        self._counts: dict[str, int] = {}
        self._entropies: dict[int, SeededEntropy] = {}
        self._seat = engine.events.observable.subscribe(self._happened)
        built.system.seams.faults = self

    def inject(self, fault: Fault) -> None:
        """From now on; its `at` counts from here."""
        now, delay = self.now(), fault.at if fault.at is not None else fault.every or 0
        if fault.operator in ("loss", "jitter"):
            start = now + delay
            self._passing.append((fault, start, start + fault.length if fault.length is not None else None))
            self._tell(f"is on: {fault.told()}")
        else:
            if delay:
                self._tell(f"will come: {fault.told()}")
            self._after(delay, fault)

    def close(self) -> None:
        """No more of them; what waits comes."""
        for timer in self._timers:
            timer.cancel()
        self._seat.dispose()
        self._passing.clear()
        for way in (*(stream.way for stream in self._streams), *self._publishers.values()):
            way.flush()
        self._system.seams.faults = None

    def passing(self, names: tuple[str, ...], now: int) -> list[Fault]:
        """The losses and jitters that are on for who has these names."""
        return [
            fault
            for fault, start, end in self._passing
            if start <= now and (end is None or now < end) and means(fault.on, *names)
        ]

    def entropy(self, fault: Fault) -> SeededEntropy:
        """The chance of one fault, the same for all that it is on."""
        return self._entropies.setdefault(id(fault), SeededEntropy(fault.seed))

    # --- see `runtime.seams.Faults` ---

    def stream(self, protocol: asyncio.Protocol, at: Place) -> asyncio.Protocol:
        """A connection was accepted."""
        on = endpoint_at(self._engine, at)
        self._counts[on] = number = self._counts.get(on, 0) + 1
        self._streams = [each for each in self._streams if each.stands]
        faulty = FaultyStream(protocol, Way(self, again=True))
        faulty.way.names = (on, f"{on}-{number}")
        self._streams.append(faulty)
        return faulty

    def frame(self, key: object, deliver: Callable[[], None]) -> None:
        """A program sent a frame."""
        way = self._publishers.get(str(key))
        if way is None:
            way = self._publishers[str(key)] = Way(self, again=False)
            way.names = (str(key),)
        way.come(deliver)

    # --- what comes once ---

    def _after(self, delay: int, fault: Fault) -> None:
        def strike() -> None:
            self._timers.discard(timer)
            self._strike(fault)
            if fault.every is not None:
                self._after(fault.every, fault)

        timer = self.loop.call_later(delay / NS_PER_S, strike)
        self._timers.add(timer)

    def _strike(self, fault: Fault) -> None:
        told = fault.told()
        if fault.crash is not None:
            self._record("crash", {"actor": fault.crash})
            found = crash_one(self._system, fault.crash)
            told = told if found else f"{told}: there is none"
        elif fault.disconnect is not None:
            place = fault.disconnect
            met = [each for each in self._streams if each.stands and means(place, *each.way.names)]
            told = f"{told}: {met[0].way.names[1]} ({met[0].peer})" if met else f"{told}: nobody is connected"
            if met:
                met[0].sever()
        elif fault.clock_jump is not None:
            self._record("clock", {"jump": fault.clock_jump})
            self._engine.clock.step(fault.clock_jump)
        self._tell(told)

    def _record(self, kind: str, fields: dict[str, Any]) -> None:
        for tape in self._system.seams.tapes:
            tape.struck(kind, fields)

    def _tell(self, what: str) -> None:
        self._engine.events.emit(FaultInjected(what))

    def _happened(self, event: Event) -> None:
        """Learn which stream a connection is about."""
        peer, key = getattr(event, "peer", ""), getattr(event, "key", None)
        if peer and key is not None:
            for stream in self._streams:
                if stream.peer == peer and str(key) not in stream.way.names:
                    stream.way.names = (*stream.way.names, str(key))
