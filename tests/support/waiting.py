"""Waiting for a condition of the real loop without guessing how long it takes."""

import asyncio
import os
from collections.abc import Callable


async def until(condition: Callable[[], bool], within: float = 20.0) -> None:
    """Let the loop turn until the condition holds; TimeoutError names it when it does not in `within` seconds."""
    try:
        async with asyncio.timeout(within):
            while not condition():
                await turn()
    except TimeoutError:
        raise TimeoutError(
            f"this never came true: {condition.__code__.co_filename}:{condition.__code__.co_firstlineno}"
        ) from None


async def turn() -> None:
    """A turn of the loop that lets other threads get on: spinning alone hardly ever gives up the interpreter's lock."""
    await asyncio.to_thread(os.sched_yield)


class Noticing:
    """Something that changes on the loop and says so by `notice`; `until` waits without turning the loop idly."""

    def __init__(self) -> None:
        self._noticed = asyncio.Event()

    def notice(self) -> None:
        """Something changed."""
        self._noticed.set()

    async def until(self, condition: Callable[[], object], within: float = 10.0) -> None:
        """Return when the condition holds, looked at after each change; TimeoutError says what `self` is otherwise."""
        try:
            async with asyncio.timeout(within):
                while not condition():
                    self._noticed.clear()
                    await self._noticed.wait()
        except TimeoutError:
            code = getattr(condition, "__code__", None)
            where = f"{code.co_filename}:{code.co_firstlineno}" if code else repr(condition)
            raise TimeoutError(f"this never came true: {where}; {self!r}") from None
