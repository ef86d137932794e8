"""What the tests of taped dials share: their network, how such a session ends, and how it becomes a script."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import arcly_actors as arcly
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.script import Script, read_file
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.script.virtual import run_engine
from tests.support.loopback import LOOPBACK
from tests.support.virtual import pass_time


def network() -> ScriptedNetwork:
    return ScriptedNetwork(delay=5 * NS_PER_MS)


async def let_go(handle: arcly.SourceHandle | arcly.SinkHandle, seconds: int = 2) -> None:
    """Stop it after so long, and let what it says last arrive."""
    await pass_time(seconds * NS_PER_S)
    await handle.stop()
    await pass_time(NS_PER_S)


def rolled(scenario: Callable[[arcly.Engine], Coroutine[Any, Any, None]], path: Path) -> Script:
    """What the scenario, run in virtual time, leaves on its tape at `path`."""
    run_engine(scenario, LOOPBACK, network=network(), seed=4)
    return read_file(path)
