"""Two SRT engines and a seeded bad network between them, in virtual time: a caller, and whoever a listener accepted."""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from arcly_actors.clock import NS_PER_MS
from arcly_actors.protocols.outputs import Emit, Hangup, Transmit, WakeAt
from arcly_actors.protocols.srt.agreement import Terms
from arcly_actors.protocols.srt.caller import Call, SrtCaller
from arcly_actors.protocols.srt.engine import SrtEngine
from arcly_actors.protocols.srt.events import Accept, Asked, Received, Train
from arcly_actors.protocols.srt.listener import SrtListener
from arcly_actors.protocols.srt.seed import Seed
from arcly_actors.transport.srt_ciphers import SrtCiphers

CALLER, LISTENER = ("192.0.2.1", 5000), ("192.0.2.2", 8890)
START = 1_000_000_000_000


@dataclass
class Weather:
    """One direction: shares lost and repeated, milliseconds of delay and of jitter, ppm by which a clock is too fast."""

    loss: float = 0.0
    twice: float = 0.0
    delay: int = 10
    jitter: int = 0


@dataclass
class Side:
    """An engine, what it told, and when (ms since the start)."""

    engine: SrtEngine
    events: list[Any] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    delivered: list[float] = field(default_factory=list)
    hangup: Hangup | None = None
    wake_at: int | None = None
    sent: list[bytes] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether it hung up."""
        return self.hangup is not None

    @property
    def error(self) -> BaseException | None:
        """What it hung up with."""
        return self.hangup.error if self.hangup is not None else None

    def of(self, kind: type[Any]) -> list[Any]:
        """What it told of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def datagrams(output: Transmit | Train) -> Iterator[bytes]:
    """What an output is on the wire."""
    if isinstance(output, Transmit):
        yield output.data
        return
    for start in range(0, len(output.data), output.step):
        yield output.data[start : start + output.step]


class Network:
    """See the module. `decide` answers what the listener's connections ask."""

    def __init__(
        self,
        call: Call | None = None,
        *,
        admit: Callable[[str], Terms] = lambda _: Terms(),
        up: Weather | None = None,
        down: Weather | None = None,
        seed: int = 1,
        decide: Callable[[Asked], Any] = lambda _: Accept(),
        filter_up: Callable[[bytes], bool] = lambda _: True,
    ) -> None:
        self.now = START
        self.up, self.down = up or Weather(), down or Weather()
        self._chance = random.Random(seed)
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._decide = decide
        self._filter_up = filter_up
        self.listener = SrtListener(admit, SrtCiphers(), b"s" * 32)
        self.caller = Side(SrtCaller(call or Call("read:live/cam"), LISTENER, SrtCiphers(), Seed(b"c" * 32), self.now))
        self.accepted: Side | None = None
        self._drain(self.caller)

    @property
    def ms(self) -> float:
        """Milliseconds since the start."""
        return (self.now - START) / NS_PER_MS

    @property
    def callee(self) -> Side:
        """The listener's connection."""
        assert self.accepted is not None
        return self.accepted

    def at(self, ms: float, do: Callable[[], None]) -> None:
        """Do something at a time."""
        self._at(START + int(ms * NS_PER_MS), do)

    def _at(self, ns: int, do: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (ns, next(self._numbers), do))

    def run(self, ms: float) -> None:
        """Let time pass until `ms` after the start."""
        end = START + int(ms * NS_PER_MS)
        while self._queue and self._queue[0][0] <= end:
            at, _, do = heapq.heappop(self._queue)
            self.now = max(self.now, at)
            do()
        self.now = end

    def send(self, side: Side, *payloads: bytes) -> None:
        """Have a side send now."""
        side.engine.send(payloads, self.now)
        self._drain(side)

    def command(self, side: Side, command: Any) -> None:
        """Give a side a command now."""
        side.engine.command(command, self.now)
        self._drain(side)

    def _drain(self, side: Side) -> None:
        while (output := side.engine.poll()) is not None:
            if isinstance(output, Transmit | Train):
                for data in datagrams(output):
                    side.sent.append(data)
                    self._travel(side, data)
            elif isinstance(output, WakeAt):
                side.wake_at = output.at
                if output.at is not None:
                    self._at(output.at, lambda: self._wake(side))
            elif isinstance(output, Emit):
                self._told(side, output.event)
            else:
                side.hangup = output

    def _told(self, side: Side, event: Any) -> None:
        side.events.append(event)
        side.times.append(self.ms)
        if isinstance(event, Received):
            side.payloads += event.payloads
            side.delivered += [self.ms] * len(event.payloads)
        elif isinstance(event, Asked):
            answer = self._decide(event)
            if answer is not None:
                side.engine.command(answer, self.now)

    def _wake(self, side: Side) -> None:
        if side.wake_at is not None and self.now >= side.wake_at and side.hangup is None:
            side.wake_at = None
            side.engine.wake(self.now)
            self._drain(side)

    def _travel(self, side: Side, data: bytes) -> None:
        upwards = side is self.caller
        weather = self.up if upwards else self.down
        if self._chance.random() < weather.loss or (upwards and not self._filter_up(data)):
            return
        for _ in range(1 + (self._chance.random() < weather.twice)):
            delay = weather.delay + self._chance.uniform(0, weather.jitter)
            self.at(self.ms + delay, lambda: self.arrive(data, upwards=upwards))

    def arrive(self, data: bytes, *, upwards: bool) -> None:
        """A datagram reaches the other side."""
        if not upwards:
            self.caller.engine.receive(data, self.now)
            self._drain(self.caller)
            return
        taken = self.listener.receive(data, CALLER, self.now)
        if isinstance(taken, bytes):
            self.at(self.ms + self.down.delay, lambda: self.arrive(taken, upwards=False))
        elif taken is not None:
            if self.accepted is None or self.accepted.engine is not taken:
                self.accepted = Side(taken)
            self._drain(self.accepted)
            if self.accepted.hangup is not None:
                self.listener.forget(taken, self.now)
