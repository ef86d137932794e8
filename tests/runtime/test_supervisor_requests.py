from collections.abc import Callable
from typing import Any

import pytest

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.errors import ConfigurationError, Refused
from arcly_actors.runtime import (
    ChildFailed,
    Children,
    ChildSpec,
    Killed,
    Restart,
    RestartChild,
    StartChild,
    StopChild,
    Strategy,
    SupervisionEvent,
    Supervisor,
    System,
    run_virtual,
    tree,
)
from tests.runtime.yard import SETTLE, Ref, Worker, Yard, policy
from tests.support.virtual import ask, in_virtual_time, pass_time

# -- requests


@in_virtual_time
async def test_starting_stopping_and_restarting_children(system: System) -> None:
    yard = Yard(system, policy())
    first = await ask(yard.ref, StartChild(yard.spec("a")))
    assert first is yard.refs["a"]
    with pytest.raises(ConfigurationError, match="already"):
        await ask(yard.ref, StartChild(yard.spec("a")))
    second = await ask(yard.ref, RestartChild("a"))
    assert second is yard.refs["a"]
    assert second is not first
    assert not first.is_alive()
    (node,) = await ask(yard.ref, Children())
    assert (node.id, node.state, node.restarts) == ("a", "running", 1)
    assert await ask(yard.ref, StopChild("a")) is True
    assert not second.is_alive()
    assert await ask(yard.ref, StopChild("a")) is False
    with pytest.raises(ConfigurationError, match="no child"):
        await ask(yard.ref, RestartChild("a"))
    assert yard.log == ["+a", "-a", "+a", "-a"]


@in_virtual_time
async def test_requests_that_are_told_fail_nobody(system: System) -> None:
    yard = Yard(system, policy(), ("a", {}))
    for request in (StartChild(yard.spec("a")), StopChild("x"), RestartChild("x")):
        yard.ref.tell(request)
    await pass_time(SETTLE)
    assert yard.states() == {"a": "running"}


@in_virtual_time
async def test_stopping_and_restarting_a_child_that_waits_for_its_restart(system: System) -> None:
    yard = Yard(system, policy(), ("a", {}), ("b", {}))
    await pass_time(SETTLE)
    yard.crash("a")
    yard.crash("b")
    await pass_time(SETTLE)
    assert yard.states() == {"a": "waiting", "b": "waiting"}
    assert await ask(yard.ref, StopChild("a")) is True
    assert (await ask(yard.ref, RestartChild("b"))).is_alive()
    await pass_time(NS_PER_S)
    assert yard.log == ["+a", "+b", "+b"]


# -- shutdown


class Slow(Worker):
    """Never gets done with stopping."""

    def _asked_to_stop(self, _stop: Any) -> Any:
        return self._create_future()


@in_virtual_time
async def test_an_orderly_stop_goes_last_first(system: System) -> None:
    yard = Yard(system, policy(), *((name, {}) for name in "abc"))
    await pass_time(SETTLE)
    assert await yard.ref.stop(block=False) is True
    assert yard.log == ["+a", "+b", "+c", "-c", "-b", "-a"]
    assert system.actors() == []


@in_virtual_time
async def test_a_child_that_does_not_stop_in_time_is_ended(system: System) -> None:
    log: list[str] = []
    yard = Yard(system, policy(), ("a", {}))
    spec = ChildSpec("slow", lambda: Slow.start(system, "slow", log), shutdown_ns=3 * NS_PER_S)
    slow = await ask(yard.ref, StartChild(spec))
    start = system.clock.monotonic_ns()
    stopped = yard.ref.stop(block=False)
    await pass_time(2 * NS_PER_S)
    assert yard.states() == {"a": "running", "slow": "stopping"}
    with pytest.raises(Refused, match="stopping"):
        await ask(yard.ref, StartChild(yard.spec("late")))
    assert await stopped is True
    assert system.clock.monotonic_ns() - start == 3 * NS_PER_S
    assert not slow.is_alive()
    assert [event.error.__class__ for event in yard.of(ChildFailed)] == [Killed]
    assert system.actors() == []


@in_virtual_time
async def test_slow_temporary_children_stop_together(system: System) -> None:
    yard = Yard(system, policy())
    for number in range(100):
        spec = ChildSpec(f"{number}", lambda: Slow.start(system, "slow", []), Restart.TEMPORARY, 3 * NS_PER_S)
        await ask(yard.ref, StartChild(spec))
    start = system.clock.monotonic_ns()
    await yard.ref.stop(block=False)
    assert system.clock.monotonic_ns() - start == 3 * NS_PER_S


@in_virtual_time
async def test_children_do_not_outlive_a_supervisor_that_fails(system: System) -> None:
    yard = Yard(system, policy(), ("a", {}), ("b", {}))
    await pass_time(SETTLE)
    yard.ref.actor_inbox.put(StartChild(None))  # type: ignore[arg-type]  # a defect: what it causes is the point
    await pass_time(SETTLE)
    assert system.actors() == []
    assert yard.log == ["+a", "+b", "-b", "-a"]


@in_virtual_time
async def test_a_crash_during_shutdown_restarts_nothing(system: System) -> None:
    yard = Yard(system, policy(), ("a", {}), ("slow", {"start": lambda: Slow.start(system, "slow", [])}))
    await pass_time(SETTLE)
    stopped = yard.ref.stop(block=False)
    yard.crash("a")
    await stopped
    assert len(yard.starts) == 1


@in_virtual_time
async def test_an_observer_that_raises_is_not_the_childrens_affair(system: System) -> None:
    def broken(_event: SupervisionEvent) -> None:
        raise RuntimeError("observer")

    refs: list[Ref] = []

    def start() -> Ref:
        refs.append(Worker.start(system, "a", []))
        return refs[-1]

    supervisor = Supervisor.start(system, "s", children=[ChildSpec("a", start)], policy=policy(), on_event=broken)
    await pass_time(SETTLE)
    refs[0].tell(ValueError("broken"))
    await pass_time(NS_PER_S)
    assert tree(supervisor).children[0].restarts == 1


# -- scale


@in_virtual_time
async def test_thousands_of_temporary_children_come_and_go(system: System) -> None:
    yard = Yard(system, policy(), ("a", {}))
    for number in range(3000):
        yard.ref.tell(StartChild(yard.spec(f"s{number}", restart=Restart.TEMPORARY)))
    await pass_time(SETTLE)
    assert len(yard.states()) == 3001
    for number in range(3000):
        name = f"s{number}"
        if number % 2:
            yard.crash(name)
        else:
            yard.refs[name].tell("stop")
    await pass_time(SETTLE)
    assert yard.states() == {"a": "running"}
    assert len(yard.of(ChildFailed)) == 1500
    actor = yard.ref._actor_weakref()
    assert actor is not None
    assert (actor._by_urn.keys(), actor._timers, actor._watching.keys()) == (
        {yard.refs["a"].actor_urn},
        {},
        {yard.refs["a"].actor_urn},
    )


def test_crashes_at_random_never_lose_a_child() -> None:
    """Whatever the order of crashes, stops and restarts, permanent children run in the end, each once."""

    def storm(strategy: Strategy) -> Callable[[System], Any]:
        async def scenario(system: System) -> list[str]:
            names = "abcdef"
            yard = Yard(system, policy(strategy, restarts=10**6), *((name, {}) for name in names))
            for _ in range(300):
                await pass_time(round(system.entropy.uniform(0, 150) * NS_PER_MS))
                victim = names[int(system.entropy.uniform(0, len(names)))]
                if system.entropy.uniform(0, 1) < 0.2:
                    yard.ref.tell(RestartChild(victim))
                elif yard.refs[victim].is_alive():
                    yard.crash(victim)
            await pass_time(60 * NS_PER_S)
            assert yard.states() == dict.fromkeys(names, "running")
            assert len(system.actors()) == len(names) + 1
            return yard.log

        return scenario

    for strategy in Strategy:
        for seed in range(5):
            log = run_virtual(storm(strategy), seed=seed)
            assert len(log) > 200
