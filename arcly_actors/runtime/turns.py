"""How many turns of the loop one input comes after another: within a few, that decides what comes of the two.

For as long the engine's clock stands at the time of the input, as it does in a replay: what is made of the time, such
as where a track begins beside another, is the same then.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from arcly_actors.clock import Steppable

FEW: Final = 8
"""Turns after which the order of what came decides nothing any more. A publisher takes most: it is answered, has a stream
made, and its frames pass on."""

_APART: Final = 1 << 20
"""What two inputs are apart that have nothing to do with each other."""


class Turns:
    """Counts while there is something to count: a loop that has nothing to do is not kept busy.

    `settled` says that nothing has come within the last few turns. The clock shows the time of what came, or of what
    rang, for as long.

    `shown` are told, of an input whose time a late timer is about to be shown instead of its own, the time (monotonic ns)
    and the number: it may be on no tape but one.
    """

    __slots__ = ("_clock", "_counting", "_loop", "_now", "_number", "_settled", "_since", "shown")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Steppable) -> None:
        self._loop = loop
        self._clock = clock
        self._number = 0
        self._since = FEW
        self._counting: asyncio.Handle | None = None
        self._now = 0
        self._settled = True
        self.shown: tuple[Callable[[int, int], None], ...] = ()

    @property
    def settled(self) -> bool:
        """See the class."""
        return self._settled

    def came(self) -> int:
        """Something has come in. The number of this turn: compared with that of another input it says how many are
        between them, or more than a few."""
        self._settled = False
        self._number += self._since
        if self._since or self._counting is None:  # else it came at the time of what came before, as it will in a replay
            self._clock.stand(self)
            self._now = self._clock.monotonic_ns()
        self._count()
        return self._number

    def rang(self, due: int) -> None:
        """A timer that was due at `due` (monotonic ns) is about to be seen to: what comes next comes after that."""
        if self._now > due:
            for tell in self.shown:
                tell(self._now, self._number)
        self._settled = True
        self._number += _APART
        self._clock.stand(self, max(due, self._now))
        self._now = self._clock.monotonic_ns()
        self._count()

    def _count(self) -> None:
        self._since = 0
        if self._counting is not None:
            self._counting.cancel()  # it may have its place later in this very turn
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
