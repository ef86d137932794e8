import gc
import itertools
import weakref

import pytest

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.runtime import (
    Backoff,
    ChildFailed,
    ChildGaveUp,
    ChildRestarted,
    ChildSpec,
    Degraded,
    Exited,
    IntensityExceeded,
    LoopActor,
    OnExceeded,
    Restart,
    StartChild,
    StopChild,
    Strategy,
    SupervisionEvent,
    Supervisor,
    System,
    tree,
)
from tests.runtime.yard import SETTLE, Ref, Worker, Yard, policy
from tests.support.virtual import Probe, ask, in_virtual_time, pass_time


class Held:
    """What a child's start holds on to."""


@in_virtual_time
async def test_of_children_that_have_ended_nothing_is_held(system: System) -> None:
    held = Held()
    gone = weakref.ref(held)

    def start(what: Held = held) -> Ref:
        assert what is not None
        return Probe(system).ref

    supervisor: Ref = Supervisor.start(system, "yard", children=(ChildSpec("a", start, restart=Restart.TEMPORARY),))
    await pass_time(SETTLE)
    del held, start
    await ask(supervisor, StopChild("a"))
    await pass_time(SETTLE)
    gc.collect()
    assert gone() is None


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
