"""`run_virtual`: a whole program of actors in virtual time, within the call and without waiting."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pykka import ActorRegistry

from arcly_actors.clock import SeededEntropy, VirtualClock
from arcly_actors.limits import VIRTUAL_ITERATIONS
from arcly_actors.runtime.receiver import Kill
from arcly_actors.runtime.system import System
from arcly_actors.runtime.virtual_loop import VirtualLoop

T = TypeVar("T")
Scenario = Callable[[System], Coroutine[Any, Any, T]]


def run_virtual(scenario: Scenario[T], *, seed: int = 0, iterations: int = VIRTUAL_ITERATIONS) -> T:
    """Run `scenario(system)` on a virtual loop; its result is the result, its exception is raised.

    The same scenario with the same seed goes the same way to the last message. Raises `VirtualDeadlock` when it waits
    for what cannot come and `VirtualRunaway` past `iterations` turns. Actors left at the end are stopped, last first.
    """
    clock = VirtualClock()
    loop = VirtualLoop(clock, iterations=iterations)
    system = System(loop, clock, SeededEntropy(seed))
    try:
        return loop.run_until_complete(scenario(system))
    finally:
        finish(loop, system)


def finish(loop: VirtualLoop, *systems: System) -> None:
    """End every task and actor, without letting time pass: a stop that takes time is cut short. Closes the loop.

    All systems of the loop are meant, those too that a scenario left unfinished when it was broken off.
    """
    asyncio.set_event_loop(None)
    found = dict.fromkeys(systems)
    try:
        for _ in range(2):  # tasks that are ended may start actors
            found.update(dict.fromkeys(_systems_on(loop)))
            for system in found:
                loop.run_until_complete(_end_all(system))
            loop.run_until_complete(_end_tasks())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        for system in found:
            system.run_queue.close()
        loop.close()


def _systems_on(loop: VirtualLoop) -> list[System]:
    known = (getattr(ref, "system", None) for ref in ActorRegistry.get_all())
    return [system for system in known if isinstance(system, System) and system.loop is loop]


async def _end_all(system: System) -> None:
    for ref in reversed(system.actors()):
        if ref.is_alive():
            ref.stop(block=False)
    system.run_queue.drain()
    for ref in reversed(system.actors()):
        ref.actor_inbox.urgent(Kill())
    system.run_queue.drain()


async def _end_tasks() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
