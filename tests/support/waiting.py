"""Waiting for a condition of the real loop without guessing how long it takes."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool], within: float = 20.0) -> None:
    """Let the loop turn until the condition holds; TimeoutError names it when it does not in `within` seconds."""
    try:
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 - conditions of any kind, not only those with an event
                await asyncio.sleep(0)
    except TimeoutError:
        raise TimeoutError(
            f"this never came true: {condition.__code__.co_filename}:{condition.__code__.co_firstlineno}"
        ) from None
