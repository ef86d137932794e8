"""How many turns of the loop one input comes after another: within a few, that decides what comes of the two.

For as long the engine's clock stands at the time of the input, as it does in a replay: what is made of the time, such
as where a track begins beside another, is the same then.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from arcly_actors.clock import Steppable

FEW: Final = 8
"""Turns after which the order of what came decides nothing any more. A publisher takes most: it is answered, has a stream
made, and its frames pass on."""

_APART: Final = 1 << 20
"""What two inputs are apart that have nothing to do with each other."""


class Witness(Protocol):
    """A tape, as to what it hears of timers. Times are monotonic ns; `number` is that of the turn."""

    def shown(self, at: int, number: int) -> None:
        """A late timer is about to be shown the time of an input, `at`, instead of its own: perhaps of another tape's."""
        ...

    def rung(self, at: int, number: int, until: int) -> None:
        """Timers due until then have been seen to, although what came before was not done with; the clock shows `at`."""
        ...


class Turns:
    """Counts while there is something to count: a loop that has nothing to do is not kept busy.

    `settled` says that nothing has come within the last few turns. The clock shows the time of what came, or of what
    rang, for as long. `witnesses` hear of timers what a tape cannot know by itself.
    """

    __slots__ = (
        "_clock",
        "_counting",
        "_loop",
        "_next",
        "_now",
        "_number",
        "_rung",
        "_settled",
        "_since",
        "witnesses",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Steppable) -> None:
        self._loop = loop
        self._clock = clock
        self._number = 0
        self._since = FEW
        self._counting: asyncio.Handle | None = None
        self._next: asyncio.Handle | None = None
        self._now = 0
        self._rung: tuple[int, int] | None = None
        self._settled = True
        self.witnesses: tuple[Witness, ...] = ()

    @property
    def settled(self) -> bool:
        """See the class."""
        return self._settled

    def came(self) -> int:
        """Something has come in. The number of this turn: compared with that of another input it says how many are
        between them, or more than a few."""
        self._settled = False
        self.rung()
        self._number += self._since
        if self._since or self._counting is None:  # else it came at the time of what came before, as it will in a replay
            self._clock.stand(self)
            self._now = self._clock.monotonic_ns()
        self._count()
        return self._number

    def then(self, call: Callable[[], object]) -> asyncio.Handle:
        """Call it in the next turn, when that is counted; while something is, that is before it is `settled`."""
        self._next = asyncio.Handle(call, (), self._loop)
        return self._next

    def rings(self) -> None:
        """Timers are about to be seen to, one time after the other, each of which has `rang`; then all of them have
        `rung`. If it is not `settled`, they could wait no longer for what came last to be done with.
        """
        if not self._settled:
            self._number += self._since
            self._since = 0

    def rang(self, due: int) -> None:
        """Those due at `due` (monotonic ns) are about to be seen to: what comes next comes after that, but for what one
        of them reads itself.
        """
        if self._now > due:
            for witness in self.witnesses:
                witness.shown(self._now, self._number)
        else:
            self.rung()  # before anything has a later time
        if self._settled:
            self._number += _APART
        self._clock.stand(self, max(due, self._now))
        self._now = self._clock.monotonic_ns()
        self._count()

    def seen_to(self, due: int) -> None:
        """Those due at `due` have been."""
        if not self._settled:
            self._rung = self._now, due

    def rung(self) -> None:
        """Tapes are to know how far it has come; see `rings`."""
        rung, self._rung = self._rung, None
        if rung is not None:
            at, until = rung
            for witness in self.witnesses:
                witness.rung(at, self._number, until)

    def _count(self) -> None:
        """From nought. What counts already goes on: it must not be put off by whatever comes in each turn."""
        self._since = 0
        if self._counting is None:
            self._counting = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._since += 1
        if self._since < FEW:
            self._counting = self._loop.call_soon(self._turn)
        else:
            self._counting = None
            self._number += _APART
            self._settled = True
            self._clock.go(self)
        following, self._next = self._next, None
        if following is not None and not following.cancelled():
            following._run()  # noqa: SLF001 - what a loop does
