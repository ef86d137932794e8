import itertools
from collections.abc import Callable
from typing import Any

import pykka
import pytest

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.errors import ConfigurationError, Refused
from arcly_actors.runtime import (
    Backoff,
    ChildFailed,
    ChildGaveUp,
    Children,
    ChildRestarted,
    ChildSpec,
    Degraded,
    Exited,
    Intensity,
    IntensityExceeded,
    Killed,
    LoopActor,
    OnExceeded,
    Restart,
    RestartChild,
    RestartPolicy,
    StartChild,
    StopChild,
    Strategy,
    SupervisionEvent,
    Supervisor,
    System,
    receives,
    run_virtual,
    tree,
)
from tests.support.virtual import Probe, ask, in_virtual_time, pass_time

Ref = pykka.ActorRef[Any]
EXACT = Backoff(first_ns=100 * NS_PER_MS, cap_ns=10 * NS_PER_S, jitter=0.0)


class Worker(LoopActor):
    """Fails with the exception that it is told, stops in order when told "stop"."""

    def __init__(self, system: System, name: str, log: list[str]) -> None:
        super().__init__(system)
        self.name = name
        self.log = log

    def on_start(self) -> None:
        self.log.append(f"+{self.name}")

    def on_stop(self) -> None:
        self.log.append(f"-{self.name}")

    @receives(BaseException)
    def on_crash(self, error: BaseException) -> None:
        raise error

    @receives(str)
    def on_word(self, _word: str) -> None:
        self.stop_self("told to")


class Yard:
    """One supervisor under test: its children by id, the log of starts (+) and stops (-), its events."""

    def __init__(self, system: System, policy: RestartPolicy, *specs: tuple[str, dict[str, Any]]) -> None:
        self.system = system
        self.log: list[str] = []
        self.events: list[SupervisionEvent] = []
        self.refs: dict[str, Ref] = {}
        self.starts: list[int] = []
        children = [self.spec(name, **arguments) for name, arguments in specs]
        self.ref: Ref = Supervisor.start(system, "yard", children=children, policy=policy, on_event=self.events.append)

    def spec(self, name: str, **arguments: Any) -> ChildSpec:
        def start() -> Ref:
            self.starts.append(self.system.clock.monotonic_ns())
            ref = self.refs[name] = Worker.start(self.system, name, self.log)
            return ref

        return ChildSpec(name, **{"start": start, **arguments})

    def crash(self, name: str) -> None:
        self.refs[name].tell(ValueError(f"{name} is broken"))

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def states(self) -> dict[str, str]:
        return {node.id: node.state for node in tree(self.ref).children}


def policy(strategy: Strategy = Strategy.ONE_FOR_ONE, *, restarts: int = 5, backoff: Backoff = EXACT) -> RestartPolicy:
    return RestartPolicy(strategy, Intensity(restarts, 10 * NS_PER_S), backoff)


SETTLE = NS_PER_MS


# -- restart types


@pytest.mark.parametrize(
    ("restart", "after_crash", "after_stop"),
    [
        (Restart.PERMANENT, {"a": "running"}, {"a": "running"}),
        (Restart.TRANSIENT, {"a": "running"}, {}),
        (Restart.TEMPORARY, {}, {}),
    ],
)
def test_who_is_restarted(restart: Restart, after_crash: dict[str, str], after_stop: dict[str, str]) -> None:
    @in_virtual_time
    async def crash(system: System) -> None:
        yard = Yard(system, policy(), ("a", {"restart": restart}))
        await pass_time(SETTLE)
        yard.crash("a")
        await pass_time(NS_PER_S)
        assert yard.states() == after_crash

    @in_virtual_time
    async def stop(system: System) -> None:
        yard = Yard(system, policy(), ("a", {"restart": restart}))
        await pass_time(SETTLE)
        yard.refs["a"].tell("stop")
        await pass_time(NS_PER_S)
        assert yard.states() == after_stop
        assert yard.of(ChildFailed) == []

    crash()
    stop()


# -- strategies


@pytest.mark.parametrize(
    ("strategy", "log"),
    [
        (Strategy.ONE_FOR_ONE, ["+b"]),
        (Strategy.ONE_FOR_ALL, ["-d", "-c", "-a", "+a", "+b", "+c", "+d"]),
        (Strategy.REST_FOR_ONE, ["-d", "-c", "+b", "+c", "+d"]),
    ],
)
def test_strategies(strategy: Strategy, log: list[str]) -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        yard = Yard(system, policy(strategy), *((name, {}) for name in "abcd"))
        await pass_time(SETTLE)
        assert yard.log == ["+a", "+b", "+c", "+d"]
        yard.log.clear()
        yard.crash("b")
        await pass_time(99 * NS_PER_MS)
        assert [entry for entry in yard.log if entry[0] == "+"] == [], "the backoff comes first"
        await pass_time(2 * NS_PER_MS)
        assert yard.log == log
        assert set(yard.states().values()) == {"running"}

    scenario()


@in_virtual_time
async def test_a_second_failure_widens_the_group_instead_of_restarting_twice(system: System) -> None:
    yard = Yard(system, policy(Strategy.REST_FOR_ONE), *((name, {}) for name in "abc"))
    await pass_time(SETTLE)
    yard.crash("c")
    await pass_time(50 * NS_PER_MS)
    yard.crash("b")
    await pass_time(NS_PER_S)
    assert yard.log == ["+a", "+b", "+c", "+b", "+c"]


@in_virtual_time
async def test_all_failing_at_once_is_one_restart(system: System) -> None:
    yard = Yard(system, policy(Strategy.ONE_FOR_ALL, restarts=1), *((name, {}) for name in "abc"))
    await pass_time(SETTLE)
    for name in "bca":
        yard.crash(name)
    await pass_time(NS_PER_S)
    assert yard.log == ["+a", "+b", "+c"] * 2
    assert len(yard.of(ChildFailed)) == 3


@in_virtual_time
async def test_temporary_children_of_a_group_are_not_started_again(system: System) -> None:
    yard = Yard(system, policy(Strategy.ONE_FOR_ALL), ("a", {}), ("t", {"restart": Restart.TEMPORARY}), ("b", {}))
    await pass_time(SETTLE)
    yard.crash("a")
    await pass_time(NS_PER_S)
    assert yard.states() == {"a": "running", "b": "running"}


@in_virtual_time
async def test_a_group_whose_start_fails_again_is_tried_again(system: System) -> None:
    fails = iter([False, True, False])
    yard = Yard(system, policy(Strategy.ONE_FOR_ALL), ("a", {}))

    def start() -> Ref:
        if next(fails):
            raise OSError("port in use")
        return Worker.start(system, "b", yard.log)

    await ask(yard.ref, StartChild(yard.spec("b", start=start)))
    await ask(yard.ref, StartChild(yard.spec("c")))
    yard.log.clear()
    yard.crash("a")
    await pass_time(NS_PER_S)
    assert yard.log == ["-c", "-b", "+a", "-a", "+a", "+b", "+c"]
    assert [event.error.__class__ for event in yard.of(ChildFailed)] == [ValueError, OSError]


# -- backoff


@in_virtual_time
async def test_backoff_doubles_up_to_its_cap_and_a_quiet_period_resets_it(system: System) -> None:
    yard = Yard(system, policy(restarts=100), ("a", {}))
    waits: list[int] = []
    for expected in range(2, 11):
        await pass_time(SETTLE)
        yard.crash("a")
        crashed = system.clock.monotonic_ns()
        while len(yard.of(ChildRestarted)) + 1 < expected:
            await pass_time(SETTLE)
        waits.append((yard.starts[-1] - crashed) // NS_PER_MS)
    assert waits == [100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000]
    await pass_time(10 * NS_PER_S)
    yard.crash("a")
    await pass_time(101 * NS_PER_MS)
    assert yard.states() == {"a": "running"}


def test_jitter_spreads_and_never_passes_its_bounds() -> None:
    @in_virtual_time
    async def scenario(system: System) -> None:
        backoff = Backoff(first_ns=1000, cap_ns=8000, jitter=0.25)
        delays = [backoff.delay_ns(attempt, system.entropy) for attempt in (0, 3, 500) for _ in range(200)]
        first, third, far = delays[:200], delays[200:400], delays[400:]
        assert min(first) >= 750
        assert max(first) <= 1250
        assert len(set(first)) > 50
        assert min(third + far) >= 6000
        assert max(third + far) <= 10000

    scenario()


# -- intensity


@in_virtual_time
async def test_too_many_restarts_fail_the_supervisor_after_an_orderly_stop(system: System) -> None:
    watcher = Probe(system)
    yard = Yard(system, policy(restarts=2, backoff=Backoff(0, 0, 0.0)), ("a", {}), ("b", {}))
    watcher.watch(yard.ref)
    for _ in range(3):
        await pass_time(SETTLE)
        yard.crash("b")
    exited = await watcher.next(Exited)
    assert isinstance(exited.error, IntensityExceeded)
    assert isinstance(exited.error.__cause__, ValueError)
    assert yard.log == ["+a", "+b", "+b", "+b", "-a"]
    assert yard.of(ChildGaveUp) == [ChildGaveUp("yard", "b", exited.error.__cause__, escalated=True)]
    assert tree(yard.ref).state == "stopped"


@in_virtual_time
async def test_restarts_outside_the_window_are_forgiven(system: System) -> None:
    yard = Yard(system, policy(restarts=2, backoff=Backoff(0, 0, 0.0)), ("a", {}))
    for _ in range(10):
        await pass_time(6 * NS_PER_S)
        yard.crash("a")
    await pass_time(NS_PER_S)
    assert tree(yard.ref).children[0].restarts == 10


@in_virtual_time
async def test_escalation_lets_the_parent_decide(system: System) -> None:
    inner_events: list[SupervisionEvent] = []
    refs: list[Ref] = []

    def start_worker() -> Ref:
        refs.append(Worker.start(system, "w", []))
        return refs[-1]

    def start_inner() -> Ref:
        return Supervisor.start(
            system,
            "inner",
            children=[ChildSpec("w", start_worker)],
            policy=policy(restarts=0),
            on_event=inner_events.append,
        )

    outer = Supervisor.start(system, "outer", children=[ChildSpec("inner", start_inner)], policy=policy())
    await pass_time(SETTLE)
    refs[-1].tell(ValueError("broken"))
    await pass_time(NS_PER_S)
    (inner,) = tree(outer).children
    assert (inner.state, inner.restarts, len(refs)) == ("running", 1, 2)
    assert inner.last_error.startswith("IntensityExceeded: inner: w failed too often, last: ValueError: broken")
    assert [node.id for node in inner.children] == ["w"]


@in_virtual_time
async def test_a_degraded_child_is_visible_and_tried_for_ever(system: System) -> None:
    up = itertools.count()
    tries: list[int] = []

    def start() -> Ref:
        tries.append(system.clock.monotonic_ns())
        if next(up) < 30:
            raise ConnectionError("no route to the camera")
        return Worker.start(system, "pull", [])

    yard = Yard(system, policy(restarts=3), ("a", {}), ("pull", {"start": start, "on_exceeded": OnExceeded.DEGRADE}))
    await pass_time(5 * NS_PER_S)
    node = tree(yard.ref)
    assert (node.state, yard.states()) == ("degraded", {"a": "running", "pull": "degraded"})
    assert node.children[1].last_error == "ConnectionError: no route to the camera"
    assert len(yard.of(Degraded)) == 1
    await pass_time(3600 * NS_PER_S)
    assert (tree(yard.ref).state, yard.states()) == ("running", {"a": "running", "pull": "running"})
    assert len(tries) == 31
    waits = [(later - earlier) // NS_PER_MS for earlier, later in itertools.pairwise(tries)]
    assert waits == [100, 200, 400] + [10_000] * 27


@in_virtual_time
async def test_a_degraded_child_that_fails_again_soon_stays_degraded(system: System) -> None:
    yard = Yard(system, policy(restarts=1), ("a", {"on_exceeded": OnExceeded.DEGRADE}))
    for _ in range(2):
        await pass_time(NS_PER_S)
        yard.crash("a")
    await pass_time(9 * NS_PER_S)
    assert yard.states() == {"a": "degraded"}
    await pass_time(2 * NS_PER_S)
    assert yard.states() == {"a": "running"}
    yard.crash("a")
    await pass_time(SETTLE)
    assert yard.states() == {"a": "degraded"}
    await pass_time(11 * NS_PER_S + 10 * NS_PER_S)  # up again, and quiet for a period
    yard.crash("a")
    await pass_time(101 * NS_PER_MS)
    assert yard.states() == {"a": "running"}, "the row of failures is over: the first backoff applies again"


@in_virtual_time
async def test_an_abandoned_child_is_removed_and_the_others_stay(system: System) -> None:
    yard = Yard(system, policy(restarts=1), ("a", {}), ("b", {"on_exceeded": OnExceeded.ABANDON}))
    for _ in range(2):
        await pass_time(NS_PER_S)
        yard.crash("b")
    await pass_time(NS_PER_S)
    assert yard.states() == {"a": "running"}
    assert [(event.id, event.escalated) for event in yard.of(ChildGaveUp)] == [("b", False)]


@in_virtual_time
async def test_the_window_of_a_child_that_degrades_is_its_own(system: System) -> None:
    yard = Yard(system, policy(restarts=2), ("a", {}), ("b", {"on_exceeded": OnExceeded.DEGRADE}))
    for _ in range(2):
        await pass_time(NS_PER_S)
        yard.crash("b")
    for _ in range(2):
        await pass_time(NS_PER_S)
        yard.crash("a")
    await pass_time(NS_PER_S)
    assert yard.states() == {"a": "running", "b": "running"}


# -- starts that fail


@in_virtual_time
async def test_an_on_start_that_raises_is_a_failure(system: System) -> None:
    fails = iter([True, True, False])

    class Shaky(LoopActor):
        def on_start(self) -> None:
            if next(fails):
                raise OSError("no device")

    yard = Yard(system, policy(), ("a", {"start": lambda: Shaky.start(system)}))
    await pass_time(NS_PER_S)
    (node,) = tree(yard.ref).children
    assert (node.state, node.restarts, node.last_error, node.actor) == ("running", 2, "OSError: no device", "Shaky")


@in_virtual_time
async def test_a_temporary_child_that_cannot_start_is_the_askers_affair(system: System) -> None:
    def start() -> Ref:
        raise OSError("no device")

    yard = Yard(system, policy())
    with pytest.raises(OSError, match="no device"):
        await ask(yard.ref, StartChild(yard.spec("x", start=start, restart=Restart.TEMPORARY)))
    assert yard.states() == {}
    assert yard.ref.is_alive()


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
