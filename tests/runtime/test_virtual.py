import asyncio
from typing import Any

import pytest

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.runtime import LoopActor, System, receives, run_virtual
from arcly_actors.runtime.virtual_loop import VirtualDeadlock, VirtualRunaway
from tests.support.virtual import Probe, ask, in_virtual_time, pass_time


class Beat(LoopActor):
    """Ticks at random intervals and writes down when, and who it is."""

    def __init__(self, system: System, trace: list[Any]) -> None:
        super().__init__(system)
        self.trace = trace

    def on_start(self) -> None:
        self.after(round(self.system.entropy.uniform(1, 10) * NS_PER_MS), 0)

    @receives(int)
    def on_tick(self, count: int) -> None:
        self.trace.append((self.system.clock.monotonic_ns(), self.actor_urn, count))
        self.after(round(self.system.entropy.uniform(1, 10) * NS_PER_MS), count + 1)


def trace_of(seed: int) -> list[Any]:
    trace: list[Any] = []

    async def scenario(system: System) -> None:
        for _ in range(20):
            Beat.start(system, trace)
        await pass_time(NS_PER_S)

    run_virtual(scenario, seed=seed)
    return trace


def test_the_same_seed_gives_the_same_trace() -> None:
    first = trace_of(7)
    assert len(first) > 2000
    assert trace_of(7) == first
    assert trace_of(8) != first


def test_hours_take_no_time_and_are_exact_to_the_nanosecond() -> None:
    async def scenario(system: System) -> list[int]:
        start = system.clock.monotonic_ns()
        moments = []
        for ns in (1, 10, 3600 * NS_PER_S, 1):
            await pass_time(ns)
            moments.append(system.clock.monotonic_ns() - start)
        return moments

    assert run_virtual(scenario) == [1, 11, 3600 * NS_PER_S + 11, 3600 * NS_PER_S + 12]


def test_who_waits_for_a_part_of_a_nanosecond_does_not_wait_for_ever() -> None:
    """As aiohttp does, whose timer sets itself again when it fires too early (simulation, seed 20)."""

    async def scenario(system: System) -> int:
        loop, over = system.loop, asyncio.Event()
        when = 5.0000000004

        def look() -> None:
            if loop.time() < when:
                loop.call_at(when, look)
            else:
                over.set()

        look()
        await over.wait()
        return system.clock.monotonic_ns()

    assert run_virtual(scenario) == 5 * NS_PER_S + 1


def test_callbacks_run_in_order_before_time_moves() -> None:
    async def scenario(system: System) -> list[str]:
        order: list[str] = []
        system.loop.call_later(0.001, order.append, "timer")
        system.loop.call_soon(order.append, "first")
        system.loop.call_soon(order.append, "second")
        await asyncio.sleep(0)
        assert system.clock.monotonic_ns() == 0
        await pass_time(2 * NS_PER_MS)
        return order

    assert run_virtual(scenario) == ["first", "second", "timer"]


def test_waiting_for_nothing_is_an_error_not_a_hang() -> None:
    async def scenario(_system: System) -> None:
        await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlock, match="nothing is scheduled"):
        run_virtual(scenario)


def test_running_away_is_an_error() -> None:
    async def busy(_system: System) -> None:
        while True:  # noqa: ASYNC110 - being busy is the point
            await asyncio.sleep(0)

    async def idle(system: System) -> None:
        Beat.start(system, [])
        await pass_time(10**9 * NS_PER_S)

    with pytest.raises(VirtualRunaway, match="turns"):
        run_virtual(busy, iterations=1000)
    with pytest.raises(VirtualRunaway, match="turns"):
        run_virtual(idle, iterations=1000)


def test_far_timers_run_out_of_virtual_time() -> None:
    async def scenario(_system: System) -> None:
        while True:
            await pass_time(86400 * NS_PER_S)

    with pytest.raises(VirtualRunaway, match="virtual time"):
        run_virtual(scenario)


def test_there_are_no_threads_and_no_sockets() -> None:
    async def thread(_system: System) -> None:
        await asyncio.to_thread(print)

    async def connection(_system: System) -> None:
        await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)

    with pytest.raises(RuntimeError, match="no threads"):
        run_virtual(thread)
    with pytest.raises(RuntimeError, match="no "):
        run_virtual(connection)


def test_what_a_scenario_leaves_behind_is_ended() -> None:
    stopped: list[str] = []

    class Left(LoopActor):
        def on_stop(self) -> None:
            stopped.append("left")

    async def scenario(system: System) -> None:
        Left.start(system)
        asyncio.get_running_loop().create_task(pass_time(NS_PER_S))
        raise LookupError("scenario failed")

    with pytest.raises(LookupError):
        run_virtual(scenario)
    assert stopped == ["left"]


@in_virtual_time
async def test_a_probe_waits_for_what_it_is_asked_for(system: System) -> None:
    probe = Probe(system, {int: "number"})
    system.loop.call_later(5, probe.ref.tell, "late")
    assert await ask(probe.ref, 1) == "number"
    assert await ask(probe.ref, 2) == "number"
    assert await probe.next(str) == "late"
    assert system.clock.monotonic_ns() == 5 * NS_PER_S
    assert [await probe.next(int), await probe.next(int)] == [1, 2]
    with pytest.raises(AssertionError, match="no float came"):
        await probe.next(float)


@in_virtual_time
async def test_decorated_tests_get_fixtures(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(monkeypatch, pytest.MonkeyPatch)
    assert system.virtual
