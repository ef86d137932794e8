"""In which order, with one another and with timers, inputs came: what a replay needs beside their times.

A tape knows this of its own inputs. That a timer was seen to before or after one of them, and at which time by the
engine's clock, can also be due to what came for others: then a record ``time`` says so.
"""

from collections.abc import Callable
from typing import Any

from arcly_actors.clock import Steppable
from arcly_actors.runtime import System
from arcly_actors.runtime.timers import Timers
from arcly_actors.runtime.turns import FEW, Turns

PutTime = Callable[[dict[str, Any], int, int], None]
"""Put down a ``time``: its fields, with `rang` as a time, when (monotonic ns) and in which turn."""


class InputOrder:
    """Of one tape of a running engine; `put_time` puts its records down. See `runtime.turns.Witness`."""

    def __init__(self, system: System, clock: Steppable, put_time: PutTime) -> None:
        self._system = system
        self._put_time = put_time
        self._turns = _turns_of(system, clock)
        self._last_at = 0
        self._last_turn = -FEW
        self.came = self._turns.came

    def start(self) -> None:
        """Listen."""
        self._turns.witnesses += (self,)

    def stop(self) -> None:
        """Listen no more; without tapes timers need not wait for anything."""
        self._turns.witnesses = tuple(each for each in self._turns.witnesses if each is not self)
        if isinstance(self._system.timers, Timers) and not self._turns.witnesses:
            self._system.timers.turns = None

    def note(self, fields: dict[str, Any], at: int, turn: int, *, on_tape: bool) -> None:
        """Add to the fields of an input for how long the first timer that was not seen to was due."""
        if on_tape:
            self._last_at, self._last_turn = at, turn
        timers = self._system.timers
        if isinstance(timers, Timers):
            late = timers.late(at)
            if late:
                fields["late"] = late

    def shown(self, at: int, number: int) -> None:
        """See `Witness`."""
        if at > self._last_at:
            self._put({}, at, number)

    def rung(self, at: int, number: int, until: int) -> None:
        """See `Witness`."""
        if at > self._last_at or number - self._last_turn < FEW:
            self._put({"rang": until}, at, number)

    def _put(self, fields: dict[str, Any], at: int, turn: int) -> None:
        self.note(fields, at, turn, on_tape=True)
        self._put_time(fields, at, turn)


def _turns_of(system: System, clock: Steppable) -> Turns:
    """The same for all tapes of an engine: its timers heed them."""
    timers = system.timers
    if not isinstance(timers, Timers):
        return Turns(system.loop, clock)
    timers.turns = timers.turns or Turns(system.loop, clock)
    return timers.turns
