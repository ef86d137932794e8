import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop
from pykka import ActorRegistry

from arcly_actors.clock import SeededEntropy, SystemClock
from arcly_actors.runtime import System
from arcly_actors.transport.outlet import SocketOutlet
from arcly_actors.transport.wire import OutletFactory, Wire
from tests.support.certificates import write_certificate
from tests.support.wires import MakePair, Peer, dispose, wire_pair


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Everything here runs on both loops: they differ in when they call back."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def system() -> AsyncIterator[System]:
    made = System(asyncio.get_running_loop(), SystemClock(), SeededEntropy(1))
    yield made
    for ref in reversed(made.actors()):
        await ref.stop(block=False)
    assert ActorRegistry.get_all() == []


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[MakePair]:
    """Makes connected pairs (see `wire_pair`) and closes them after the test."""
    made: list[tuple[Wire, Peer]] = []

    async def make(make_outlet: OutletFactory = SocketOutlet, *, small: bool = False) -> tuple[Wire, Peer]:
        made.append(await wire_pair(make_outlet, small=small))
        return made[-1]

    yield make
    for wire, peer in made:
        await dispose(wire, peer)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key."""
    return write_certificate(tmp_path_factory.mktemp("tls"))
