"""Two ends of a connection on a `ScriptedNetwork`: what one writes the other reads, in order, `delay` later."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from arcly_actors.clock import NS_PER_S

if TYPE_CHECKING:
    from arcly_actors.script.network import ScriptedTransport


def join(one: "ScriptedTransport", other: "ScriptedTransport", delay: int = 0) -> None:
    """Have each hear what the other is given to write. `delay` is ns."""
    _carry(one, other, delay)
    _carry(other, one, delay)


def _carry(sender: "ScriptedTransport", receiver: "ScriptedTransport", delay: int) -> None:
    way = _Way(delay)
    sender.heard = lambda data: way.put(lambda: receiver.feed(data))
    sender.shut = lambda: way.end(receiver.finish)


class _Way:
    """What is under way, in order, whatever the loop does with timers of the same time."""

    def __init__(self, delay: int) -> None:
        self._delay = delay / NS_PER_S
        self._calls: deque[Callable[[], object]] = deque()
        self._ended = False

    def end(self, call: Callable[[], object]) -> None:
        if not self._ended:
            self._ended = True
            self.put(call)

    def put(self, call: Callable[[], object]) -> None:
        self._calls.append(call)
        loop = asyncio.get_running_loop()
        if self._delay:
            loop.call_later(self._delay, self._next)
        else:
            loop.call_soon(self._next)

    def _next(self) -> None:
        self._calls.popleft()()
