"""What the runtime may cost. The bounds are several times what is measured, so that a busy machine stays green."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from arcly_actors.limits import DRAIN_MESSAGES
from arcly_actors.runtime import LoopActor, System, receives

pytestmark = pytest.mark.speed

TELL_S = 0.6e-6
HANDLE_S = 1.0e-6
FACTOR = 5


class Frame:
    pass


class Note:
    pass


class Sink(LoopActor):
    media_types = (Frame,)
    media_bound = 10**9

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self.count = 0

    @receives(Frame, Note)
    def on_any(self, _message: object) -> None:
        self.count += 1


def seconds(benchmark: BenchmarkFixture, call: Callable[[], object], *, per_call: int, rounds: int) -> float:
    """Median seconds of one of the `per_call` operations in a call."""
    pedantic: Callable[..., Any] = benchmark.pedantic  # which is not annotated
    pedantic(call, rounds=rounds, iterations=1, warmup_rounds=2)
    if benchmark.stats is None:
        pytest.skip("pytest-benchmark is disabled (it is under xdist)")
    median = float(benchmark.stats.stats.median) / per_call
    print(f"{median * 1e6:.3f} us")  # noqa: T201 - the figure is the point
    return median


@pytest.mark.parametrize("message", [Note(), Frame()], ids=["control", "media"])
async def test_tell_costs_half_a_microsecond(system: System, benchmark: BenchmarkFixture, message: object) -> None:
    ref = Sink.start(system)
    tell = ref.tell

    def burst() -> None:
        for _ in range(5000):
            tell(message)

    assert seconds(benchmark, burst, per_call=5000, rounds=30) < TELL_S * FACTOR
    await ref.stop(block=False)


@pytest.mark.parametrize("message", [Note(), Frame()], ids=["control", "media"])
async def test_a_message_told_and_handled_costs_a_microsecond(
    system: System, benchmark: BenchmarkFixture, message: object
) -> None:
    ref = Sink.start(system)
    tell, drain = ref.tell, system.run_queue.drain

    def burst() -> None:
        for _ in range(DRAIN_MESSAGES):
            tell(message)
        drain()

    drain()
    assert seconds(benchmark, burst, per_call=DRAIN_MESSAGES, rounds=50) < HANDLE_S * FACTOR
    await ref.stop(block=False)


async def test_a_hop_between_actors_costs_a_microsecond(system: System, benchmark: BenchmarkFixture) -> None:
    class Hop(LoopActor):
        def __init__(self, system: System, onward: Any) -> None:
            super().__init__(system)
            self.onward = onward

        @receives(Note)
        def on_note(self, note: Note) -> None:
            self.onward.tell(note)

    ref: Any = Sink.start(system)
    refs = [ref]
    for _ in range(99):
        ref = Hop.start(system, ref)
        refs.append(ref)
    note, drain = Note(), system.run_queue.drain
    drain()

    def chain() -> None:
        ref.tell(note)
        drain()

    assert seconds(benchmark, chain, per_call=100, rounds=200) < 2 * HANDLE_S * FACTOR
    await asyncio.gather(*(asyncio.ensure_future(stopped(each)) for each in refs))


async def stopped(ref: Any) -> None:
    await ref.stop(block=False)
