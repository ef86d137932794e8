"""A whole engine in virtual time, without sockets, sleeps or threads."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from arcly_actors import limits
from arcly_actors.clock import Entropy, SeededEntropy, VirtualClock
from arcly_actors.engine import Engine
from arcly_actors.runtime import System, WatchedEntropy, rarely_collected
from arcly_actors.runtime.virtual import finish
from arcly_actors.runtime.virtual_loop import VirtualLoop
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.topology import Topology

T = TypeVar("T")


def run_engine(
    scenario: Callable[[Engine], Coroutine[Any, Any, T]],
    topology: Topology | None = None,
    *,
    clock: VirtualClock | None = None,
    network: ScriptedNetwork | None = None,
    entropy: Entropy | None = None,
    seed: int = 0,
    iterations: int = limits.VIRTUAL_ITERATIONS,
) -> T:
    """Run `scenario(engine)` to its end; its result is the result, its exception is raised.

    The same scenario with the same seed goes the same way to the last message. WebRTC's packets end at
    `ScriptedNetwork.peers`. Raises `VirtualDeadlock` when it waits for
    what cannot come, `VirtualRunaway` past `iterations` turns.
    """
    time = clock or VirtualClock()
    loop = VirtualLoop(time, iterations=iterations)
    systems: list[System] = []

    async def main() -> T:
        made = Engine(
            topology or Topology(),
            clock=time,
            entropy=entropy or SeededEntropy(seed),
            network=network or ScriptedNetwork(),
        )
        async with made as engine:
            systems.append(engine.built.system)
            return await scenario(engine)

    with rarely_collected():
        try:
            return loop.run_until_complete(main())
        finally:
            finish(loop, *systems)


def another(engine: Engine, topology: Topology | None = None) -> Engine:
    """One more engine on the network, the clock and the entropy of this one: what the other dials, or is dialled by.
    Tapes of the one hear nothing of the other.

    ``async with another(engine, topology) as far`` stands for a server elsewhere; its ports have to be others.
    """
    system = engine.built.system
    return Engine(
        topology or Topology(),
        clock=system.clock,
        entropy=system.entropy.inner if isinstance(system.entropy, WatchedEntropy) else system.entropy,
        network=system.seams.network,
    )
