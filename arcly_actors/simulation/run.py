"""`simulate`: one seed from beginning to end, and what came of it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

from arcly_actors.clock import NS_PER_S, SeededEntropy, VirtualClock
from arcly_actors.engine import Engine
from arcly_actors.runtime.virtual_loop import VirtualRunaway
from arcly_actors.script.record import Script
from arcly_actors.script.virtual import run_engine
from arcly_actors.simulation.bounds import NothingLeaks, WithinBounds
from arcly_actors.simulation.chance import Chance
from arcly_actors.simulation.conduct import Blameless, EndedForAReason, KeyframesAsked
from arcly_actors.simulation.contribution import Contributed
from arcly_actors.simulation.elsewhere import Between, Elsewhere, Reached
from arcly_actors.simulation.explorer import Explorer, Plan
from arcly_actors.simulation.feedback import RequestsAnswered
from arcly_actors.simulation.invariant import Invariant, Violation
from arcly_actors.simulation.missing import GivenUp
from arcly_actors.simulation.packaging import Packaged
from arcly_actors.simulation.recorder import Recorder
from arcly_actors.simulation.scene import scene
from arcly_actors.simulation.supervising import NoDefect, Restarted
from arcly_actors.simulation.viewing import Fed, KeyframeFirst, NoGapNoDuplicate, RisingTimes, Served
from arcly_actors.simulation.world import World

SETTLING: Final = 90 * NS_PER_S
"""How long after the last peer has gone everything must be as at the beginning: longer than any hold or time-out."""

_TURNS: Final = 2_000
"""Turns of the loop for each virtual second, and a tenth more for each viewer: many times what a busy world takes."""


@dataclass(slots=True)
class Simulated:
    """What came of a seed: `violation` is None when all invariants held. `done` is what the explorer did, and when (ns).

    `elapsed_ns` is how far it came, `frames` were sent by publishers. `script` is what a tape had of
    it, if there was one.
    """

    seed: int
    duration_ns: int
    violation: Violation | None = None
    elapsed_ns: int = 0
    steps: int = 0
    frames: int = 0
    lives: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    done: list[tuple[int, str]] = field(default_factory=list)
    script: Script | None = None


def simulate(seed: int, duration_ns: int, plan: Plan | None = None, *, tape: bool = False) -> Simulated:
    """Run one seed for so long (virtual ns), then let everybody leave. The same seed goes the same way each time.

    With a `tape` everything is recorded, which takes memory and changes nothing else: a seed that fails is run once more
    with one.
    """
    plan = plan or Plan()
    result = Simulated(seed, duration_ns)
    clock, network = VirtualClock(), Between()
    chance = Chance(seed)
    topology, keys = scene(chance)

    async def play(engine: Engine) -> None:
        world = World(engine, network, clock, chance, keys)
        recorder = Recorder(engine, world) if tape else None
        try:
            await _play(world, plan, result, network)
        finally:
            if recorder is not None:
                result.script = recorder.script(result.seed, result.violation)

    turns = (_TURNS + _TURNS // 10 * plan.viewers) * ((duration_ns + SETTLING) // NS_PER_S + 1)
    try:
        run_engine(play, topology, clock=clock, network=network, entropy=SeededEntropy(seed), iterations=turns)
    except VirtualRunaway as runaway:
        result.violation = Violation("TimeGoesOn", str(runaway), result.elapsed_ns)
    return result


async def _play(world: World, plan: Plan, result: Simulated, between: Between) -> None:
    await world.pass_time(NS_PER_S)
    held = invariants(world)
    elsewhere = world.elsewhere = Elsewhere(world, between) if world.chance.happens(0.5) else None
    if elsewhere is not None:
        await elsewhere.start()
        held.append(Reached(elsewhere, world, world.violations.append))
    world.watch_over(held)
    explorer = Explorer(world, plan)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: world.strange(_told(context)))
    try:
        while world.elapsed < result.duration_ns:
            explorer.step()
            result.steps += 1
            await world.pass_time(explorer.span())
            result.elapsed_ns = min(world.elapsed, result.duration_ns)
            world.check()
        for peer in (*world.publishers, *world.viewers):
            peer.leave()
            await world.pass_time(NS_PER_S // 100)
        if elsewhere is not None:
            await elsewhere.stop()
        await world.pass_time(SETTLING)
        world.check()
        for invariant in world.invariants:
            invariant.finish()
        world.judge()
    except Violation as violation:
        result.violation = violation
    result.counts = dict(sorted(world.counts.items()))
    result.frames = len(world.journal.shots)
    result.lives = len(world.journal.lives)
    result.done = explorer.done


def invariants(world: World) -> list[Invariant]:
    """All of them."""
    report = world.violations.append
    places = NoGapNoDuplicate(world, report)
    return [
        KeyframeFirst(world, report),
        RisingTimes(world, report),
        places,
        Served(places, world, report),
        Packaged(places, world, report),
        Fed(world, report),
        GivenUp(world, report),
        Blameless(world, report),
        EndedForAReason(world, report),
        KeyframesAsked(world, report),
        RequestsAnswered(places, world, report),
        Contributed(world, report),
        NoDefect(world, report),
        Restarted(world, report),
        WithinBounds(world, report),
        NothingLeaks(world, report),
    ]


def _told(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context.get('message')}: {error!r}"
