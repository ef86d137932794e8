import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from pykka import ActorRegistry

from arcly_actors.clock import SeededEntropy, SystemClock
from arcly_actors.runtime import System


@pytest_asyncio.fixture
async def system() -> AsyncIterator[System]:
    """A system on the test's own (real) loop; every actor left at the end is stopped and the registry must be empty."""
    made = System(asyncio.get_running_loop(), SystemClock(), SeededEntropy(1))
    yield made
    for ref in reversed(made.actors()):
        await ref.stop(block=False)
    assert ActorRegistry.get_all() == []
