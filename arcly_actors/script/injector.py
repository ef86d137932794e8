"""`Injector`: faults on purpose in an engine that runs, at the places where tapes listen.

Around connections, peers of datagram sockets and WebRTC sessions (decrypted), outside of tapes: a tape has what the
engine met, so its replay needs no faults. It is off unless asked for, and each fault is told as an event, which the log
shows as a warning. What was open before the first fault was asked for is left alone, but for datagrams.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from arcly_actors import limits
from arcly_actors.bus.events import Event, FaultInjected
from arcly_actors.clock import NS_PER_S, SeededEntropy
from arcly_actors.runtime.seams import Opened, Place, Remote, Source
from arcly_actors.script.endpoints import endpoint_at
from arcly_actors.script.faults import crash_one
from arcly_actors.script.faulty_datagrams import FaultyDatagrams, FaultyPeer, shown
from arcly_actors.script.faulty_sessions import FaultySession
from arcly_actors.script.faulty_streams import FaultyStream
from arcly_actors.script.faulty_ways import Met, Way
from arcly_actors.script.taped_dials import ALONE
from arcly_actors.topology.injection import Fault, means
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.engine import Engine


_FOR_EVER = 1 << 62


def _on(start: int, end: int | None, now: int) -> bool:
    return start <= now and (end is None or now < end)


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
        self._met: list[Met] = []
        self._sockets: list[FaultyDatagrams] = []
        self._arrangers: dict[str, Met] = {}
        self._publishers: dict[str, Way] = {}
        self._counts: dict[str, int] = {}
        self._entropies: dict[int, SeededEntropy] = {}
        self._seat = engine.events.observable.subscribe(self._happened)
        built.system.seams.faults = self
        for opened in built.system.seams.sockets:
            self.datagrams(opened)

    def inject(self, fault: Fault) -> None:
        """From now on; its `at` counts from here."""
        now, delay = self.now(), fault.at if fault.at is not None else fault.every or 0
        if fault.lasting:
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
        streams = (each.way for each in self._met if isinstance(each, FaultyStream))
        for way in (*streams, *self._publishers.values()):
            way.flush()
        for socket in self._sockets:
            socket.close()
        self._system.seams.faults = None

    def passing(self, names: tuple[str, ...], now: int) -> list[Fault]:
        """The losses and jitters that are on for who has these names."""
        return [
            fault
            for fault, start, end in self._passing
            if fault.operator in ("loss", "jitter") and _on(start, end, now) and means(fault.on, *names)
        ]

    def stalled(self, names: tuple[str, ...], now: int) -> int:
        """See `Chance.stalled`."""
        ends = [
            _FOR_EVER if end is None else end
            for fault, start, end in self._passing
            if fault.stall is not None and _on(start, end, now) and means(fault.stall, *names)
        ]
        return max(ends, default=0)

    def entropy(self, fault: Fault) -> SeededEntropy:
        """The chance of one fault, the same for all that it is on."""
        return self._entropies.setdefault(id(fault), SeededEntropy(fault.seed))

    # --- see `runtime.seams.Faults` ---

    def stream(self, protocol: asyncio.Protocol, at: Place) -> asyncio.Protocol:
        """A connection was accepted."""
        faulty = FaultyStream(protocol, Way(self, again=True))
        faulty.names = self._names(endpoint_at(self._engine, at))
        self._meet(faulty)
        return faulty

    def dialled(self, remote: Remote, protocol: asyncio.Protocol) -> asyncio.Protocol:
        """A source or sink has a connection."""
        faulty = FaultyStream(protocol, Way(self, again=True))
        faulty.names = (*self._names(remote.does), str(remote.key))
        self._meet(faulty)
        return faulty

    def met(self, remote: Remote, transport: Any) -> None:
        """A sink has a WebRTC session."""
        self._meet(FaultySession(self, transport, (*self._names(remote.does), "webrtc", str(remote.key))))

    def refuses(self, remote: Remote) -> bool:
        """A source or sink dials."""
        now, names = self.now(), (remote.does, str(remote.key))
        return any(
            fault.refuse is not None and _on(start, end, now) and means(fault.refuse, *names)
            for fault, start, end in self._passing
        )

    def frame(self, key: object, deliver: Callable[[], None]) -> None:
        """A program sent a frame."""
        way = self._publishers.get(str(key))
        if way is None:
            way = self._publishers[str(key)] = Way(self, again=False)
            way.names = (str(key),)
        way.come(deliver)

    def datagrams(self, opened: Opened) -> None:
        """A datagram socket was opened."""
        self._sockets.append(FaultyDatagrams(self, opened, self._peer))

    def beside(self, peers: Iterable[Source], owner: str) -> None:
        """These belong with a connection."""
        found = next((each for each in self._met if each.peer == owner and each.stands), None)
        addresses = {str(Address.of_peer(peer)) for peer in peers}
        for address in addresses:
            self._arrangers.pop(address, None)
            if found is not None:
                self._arrangers[address] = found
        for socket in self._sockets:
            socket.beside(addresses)

    def session(self, kind: str, key: object, peer: str, transport: Any) -> None:
        """A WebRTC session was opened; who opened it is not who is to be met for its stream."""
        for each in self._met:
            if each.peer == peer:
                each.learns, each.names = False, tuple(name for name in each.names if name != str(key))
        self._meet(FaultySession(self, transport, (*self._names(kind), "webrtc", str(key))))

    def _peer(self, opened: Opened, source: Source) -> FaultyPeer:
        address, on = Address.of_peer(source), opened.on
        if opened.remote is not None:
            does = opened.remote.does
            names = (*self._names(does if on in ALONE else f"{does}-rtp"), str(opened.remote.key), does)
            dialled = FaultyPeer(self, names, str(address))
            if on in ALONE:
                self._meet(dialled)
            return dialled
        rtp = on.endswith(("-rtp", "-rtcp"))
        arranger = self._arrangers.get(str(address)) or self._arrangers.get(str(Address(address.host, 0)))
        names = (*self._names(on), on.rpartition("-")[0]) if rtp else self._names(on)
        made = FaultyPeer(self, names, shown(on, source), arranger if rtp else None)
        self._meet(made)
        return made

    def _names(self, on: str) -> tuple[str, ...]:
        self._counts[on] = number = self._counts.get(on, 0) + 1
        return on, f"{on}-{number}"

    def _meet(self, one: Met) -> None:
        self._met = [each for each in self._met if not each.over][-limits.TAPE_PEERS :]
        self._met.append(one)

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
            met = [each for each in self._met if each.stands and means(place, *each.names)]
            told = f"{told}: {met[0].names[1]} ({met[0].peer})" if met else f"{told}: nobody is connected"
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
            peer = peer.replace("rtp://", "udp://")
            for each in self._met:
                if each.learns and each.peer == peer and str(key) not in each.names:
                    each.names = (*each.names, str(key))
