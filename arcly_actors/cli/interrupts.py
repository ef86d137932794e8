"""SIGINT and SIGTERM: the first asks for an orderly end, the second insists."""

import asyncio
import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Final, Self

from arcly_actors import limits
from arcly_actors.cli.exits import Exit
from arcly_actors.clock import Clock

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While entered, the first signal completes `asked`; a second ends the process with `Exit.FAILED` after `last_words`.

    The second is taken by a plain signal handler, so that it works on a loop that hangs, too. It has to come
    `limits.SIGNAL_ECHO` after the first: a parent process may pass on what the terminal has sent already.
    """

    def __init__(self, clock: Clock, last_words: Callable[[], object]) -> None:
        self.asked = asyncio.Event()
        self._clock = clock
        self._last_words = last_words
        self._insist_from = 0
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._loop.add_signal_handler(number, self._first)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in _SIGNALS:
            self._loop.remove_signal_handler(number)

    def _first(self) -> None:
        for number in _SIGNALS:
            self._loop.remove_signal_handler(number)
            signal.signal(number, self._second)
        self._insist_from = self._clock.monotonic_ns() + limits.SIGNAL_ECHO
        self.asked.set()

    def _second(self, _number: int, _frame: FrameType | None) -> None:
        if self._clock.monotonic_ns() < self._insist_from:
            return
        try:
            self._last_words()
        finally:
            os._exit(Exit.FAILED)
