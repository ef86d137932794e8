"""How many turns of the loop one input comes after another: within a few, that decides what comes of the two.

For as long the engine's clock stands at the time of the input, as it does in a replay: what is made of the time, such
as where a track begins beside another, is the same then.
"""

import asyncio
from typing import Any, Final

from arcly_actors.clock import Steppable

_MOST: Final = 4
"""Turns of the loop after which the order of what came decides nothing any more."""

_STANDS: Final = 8
"""Turns that the clock stands. A publisher takes most: it is answered, has a stream made, and its frames pass on."""


class Turns:
    """Counts while there is something to count: a loop that has nothing to do is not kept busy."""

    __slots__ = ("_clock", "_counting", "_loop", "_since")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Steppable) -> None:
        self._loop = loop
        self._clock = clock
        self._since = _STANDS
        self._counting = False

    def note(self, fields: dict[str, Any]) -> None:
        """Put down in the ``turns`` of an input how many it came after the one before; nothing when that is long ago."""
        if self._since < _MOST:
            fields["turns"] = self._since
        if self._since:  # else it came at the time of the one before, as it will in a replay
            self._clock.stand(self)
        self._since = 0
        if not self._counting:
            self._counting = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._since += 1
        self._counting = self._since < _STANDS
        if self._counting:
            self._loop.call_soon(self._turn)
        else:
            self._clock.go(self)
