"""What a program has started under a supervisor of the tree comes back when that supervisor fails."""

import pytest

import arcly_actors as arcly
from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import TreeNode
from arcly_actors.script.faults import actors_of, crash_one
from arcly_actors.script.virtual import another, run_engine
from arcly_actors.simulation.crashes import supervised
from tests.script.clip import clip, sending
from tests.script.dialling import network
from tests.script.test_dialled import FAR, PULLED, PUSHED, pictures
from tests.support.loopback import LOOPBACK
from tests.support.virtual import pass_time


def crash_supervisor(engine: arcly.Engine, name: str) -> None:
    """The one of sources, or of sinks, fails."""
    system = engine.built.system
    which = [supervised(ref) for ref in actors_of(system, "supervisor")].index(name)
    assert crash_one(system, "supervisor", which)


def children(engine: arcly.Engine, name: str) -> tuple[TreeNode, ...]:
    """What runs, or is to run again, under that supervisor."""
    return next(node.children for node in engine.tree().children if node.id == name)


def test_a_pull_comes_back_and_its_viewers_stay() -> None:
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        async with another(engine, FAR) as far, sending(far, "live/cam"):
            handle = await engine.pull("live/here", PULLED["rtmp"][0])
            await pictures(engine, "live/here", 10)
            crash_supervisor(engine, "sources")
            await pass_time(2 * NS_PER_S)
            await pictures(engine, "live/here", 10)
            await handle.stop()
            await handle.stop()
            crash_supervisor(engine, "sources")
            await pass_time(2 * NS_PER_S)
            assert not actors_of(engine.built.system, "source"), "what was stopped does not come back"

    run_engine(scenario, LOOPBACK, network=network())


def test_a_push_comes_back() -> None:
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        async with another(engine, FAR) as far, sending(engine, "live/cam"):
            handle = await engine.push("live/cam", PUSHED["rtmp"])
            await pictures(far, "live/there", 10)
            crash_supervisor(engine, "sinks")
            await pass_time(2 * NS_PER_S)
            await pictures(far, "live/there", 10)
            await handle.stop()
            crash_supervisor(engine, "sinks")
            await pass_time(2 * NS_PER_S)
            assert not actors_of(engine.built.system, "sink")

    run_engine(scenario, LOOPBACK, network=network())


NOBODY = "rtmp://127.0.0.1:9/live/nobody"


@pytest.mark.parametrize("supervisor", ["sources", "sinks"])
def test_one_that_is_added_or_stopped_while_its_supervisor_is_down(supervisor: str) -> None:
    async def scenario(engine: arcly.Engine) -> None:
        crash_supervisor(engine, supervisor)
        add = engine.pull if supervisor == "sources" else engine.push
        handle: arcly.SourceHandle | arcly.SinkHandle = await add("live/here", NOBODY)
        await pass_time(2 * NS_PER_S)
        assert len(children(engine, supervisor)) == 1
        crash_supervisor(engine, supervisor)
        await handle.stop()
        await pass_time(2 * NS_PER_S)
        assert not children(engine, supervisor)

    run_engine(scenario, LOOPBACK, network=network())
