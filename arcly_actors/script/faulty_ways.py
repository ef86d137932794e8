"""What comes in one way, with the faults that are on it: late, late again, or never."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S, SeededEntropy
from arcly_actors.script.faults import Passage
from arcly_actors.topology.injection import Fault


class Chance(Protocol):
    """What a way asks of its injector."""

    loop: asyncio.AbstractEventLoop
    now: Callable[[], int]

    def passing(self, names: tuple[str, ...], now: int) -> list[Fault]:
        """The losses and jitters that are on for who has these names."""
        ...

    def stalled(self, names: tuple[str, ...], now: int) -> int:
        """Until when (ns) nothing comes of who has these names; a time that is past for nobody."""
        ...

    def entropy(self, fault: Fault) -> SeededEntropy:
        """The chance of one fault, the same for all that it is on."""
        ...


class Met(Protocol):
    """Who can be disconnected: `names` are what it can be called by, the second is its own; `peer` is where it is."""

    names: tuple[str, ...]
    peer: str
    learns: bool
    """Whether an event of its peer says which stream it is about."""

    @property
    def stands(self) -> bool:
        """Whether it is connected."""
        ...

    @property
    def over(self) -> bool:
        """Whether it will not be connected any more."""
        ...

    def sever(self) -> None:
        """Break it, as a network does that is gone."""
        ...


class Way:
    """One way in, a connection or a publisher in the program, with the faults that are on it."""

    def __init__(self, chance: Chance, *, again: bool) -> None:
        self._chance = chance
        self._again = again
        self._passages: dict[int, Passage] = {}
        self._waiting: deque[Callable[[], None]] = deque()
        self._due = 0
        self.names: tuple[str, ...] = ()

    def come(self, deliver: Callable[[], None], *, sure: bool = False) -> None:
        """Something came in: `deliver` is called now, later, or never (only if it is not `sure`); in order."""
        now = self._chance.now()
        due = self.arrives(now, sure=sure)
        if due is None:
            return
        if len(self._waiting) >= limits.FAULT_BACKLOG:
            self.flush()
        if due <= now and not self._waiting:
            deliver()
            return
        self._due = max(self._due, due)
        self._waiting.append(deliver)
        self._chance.loop.call_later(max(0, self._due - now) / NS_PER_S, self._next)

    def arrives(self, now: int, *, sure: bool = False, ordered: bool = True) -> int | None:
        """When (ns) what comes now arrives, None: never; see `Passage.arrives`."""
        due = max(now, self._chance.stalled(self.names, now))
        if due > now and not self._again and not sure:
            return None
        for fault in self._chance.passing(self.names, now):
            arrives = self._passage(fault).arrives(due, sure=sure, ordered=ordered)
            if arrives is None:
                return None
            due = arrives
        return due

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
            entropy = self._chance.entropy(fault)
            found = Passage(entropy, loss=fault.loss or 0.0, jitter=fault.jitter or 0, again=self._again)
            self._passages[id(fault)] = found
        return found
