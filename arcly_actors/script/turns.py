"""How many turns of the loop one input comes after another: within a few, that decides what comes of the two."""

import asyncio
from typing import Any, Final

_MOST: Final = 4
"""Turns of the loop after which nothing is under way any more of what a packet set going."""


class Turns:
    """Counts while there is something to count: a loop that has nothing to do is not kept busy."""

    __slots__ = ("_counting", "_loop", "_since")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._since = _MOST
        self._counting = False

    def note(self, fields: dict[str, Any]) -> None:
        """Put down in the ``turns`` of an input how many it came after the one before; nothing when that is long ago."""
        if self._since < _MOST:
            fields["turns"] = self._since
        self._since = 0
        if not self._counting:
            self._counting = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._since += 1
        self._counting = self._since < _MOST
        if self._counting:
            self._loop.call_soon(self._turn)
