"""aioice as we use it: no socket outlasts its agent."""

import asyncio
from pathlib import Path

import pytest

from arcly_actors.transport.dtls_srtp import IceCredentials
from arcly_actors.transport.ice_agent import FullIce

DESCRIPTORS = Path("/proc/self/fd")
pytestmark = pytest.mark.skipif(not DESCRIPTORS.exists(), reason="counts descriptors as Linux shows them")


def opened() -> int:
    return len(list(DESCRIPTORS.iterdir()))


@pytest.mark.parametrize("turns", range(12))
async def test_sockets_are_closed_that_were_being_bound_when_it_was_cancelled(turns: int) -> None:
    """One that is left open keeps uvloop from ever closing its loop: an engine that ends while it dials would hang."""
    agent = FullIce(IceCredentials("ours", "o" * 24), lambda _: None, lambda: None, lambda: 1.0)
    await asyncio.sleep(0)
    before = opened()
    gathering = asyncio.create_task(agent.gather(("127.0.0.1",) * 3))
    for _ in range(turns):
        await asyncio.sleep(0)
    gathering.cancel()
    await asyncio.wait([gathering])
    await agent.close()
    await asyncio.sleep(0)
    assert opened() == before
