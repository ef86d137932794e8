import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import pykka
import pytest
from pykka import ActorDeadError, ActorRegistry

from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Refusal, Refused
from arcly_actors.runtime import (
    ChildSpec,
    Exited,
    LoopActor,
    Supervisor,
    System,
    WorkerActor,
    exit_error,
    receives,
    run_virtual,
    tree,
)
from tests.support.virtual import Probe, ask, in_virtual_time, pass_time


@dataclass(frozen=True, slots=True)
class Encode:
    number: int


@dataclass(frozen=True, slots=True)
class Encoded:
    number: int
    thread: int


@dataclass(frozen=True, slots=True)
class Block:
    entered: threading.Event
    gate: threading.Event


class Encoder(WorkerActor):
    media_types = (Encode,)
    media_bound = 3

    def __init__(self, system: System, reader: pykka.ActorRef[Any] | None = None) -> None:
        super().__init__(system)
        self.reader = reader

    @receives(Encode)
    def on_encode(self, encode: Encode) -> None:
        if self.reader is not None:
            self.reader.tell(Encoded(encode.number, threading.get_ident()))

    @receives(str)
    def on_word(self, word: str) -> str:
        return word.upper()

    @receives(Block)
    def on_block(self, block: Block) -> None:
        block.entered.set()
        assert block.gate.wait(30)

    @receives(BaseException)
    def on_fail(self, error: BaseException) -> None:
        raise error

    @receives(int)
    def on_leave(self, _code: int) -> None:
        self.stop_self("done")


class Blocked:
    """A worker that is busy until `release`."""

    def __init__(self, ref: pykka.ActorRef[Any]) -> None:
        self.gate = threading.Event()
        entered = threading.Event()
        ref.tell(Block(entered, self.gate))
        assert entered.wait(30)

    def release(self) -> None:
        self.gate.set()


async def test_a_worker_works_in_its_thread_and_tells_actors_on_the_loop(system: System) -> None:
    probe = Probe(system)
    ref = Encoder.start(system, probe.ref)
    for number in range(100):
        ref.tell(Encode(number))
        assert await ask(ref, "ok") == "OK"
    encoded = [await probe.next(Encoded) for _ in range(100)]
    assert [item.number for item in encoded] == list(range(100))
    assert {item.thread for item in encoded}.isdisjoint({threading.get_ident()})
    await ref.stop(block=False)


async def test_asking_a_busy_worker_does_not_stop_the_loop(system: System) -> None:
    ref = Encoder.start(system)
    blocked = Blocked(ref)
    reply = ref.ask("later", block=False)
    other = Probe(system, {str: "now"})
    assert await ask(other.ref, "question") == "now"
    blocked.release()
    assert await reply == "LATER"
    await ref.stop(block=False)


async def test_a_busy_workers_media_lane_is_bounded_and_its_control_is_not(system: System) -> None:
    probe = Probe(system)
    ref = Encoder.start(system, probe.ref)
    actor = ref._actor_weakref()
    assert actor is not None
    blocked = Blocked(ref)
    for number in range(10):
        ref.tell(Encode(number))
    replies = [ref.ask(f"w{number}", block=False) for number in range(10)]
    stopped = ref.stop(block=False)
    assert actor.dropped == 7
    blocked.release()
    assert [await reply for reply in replies] == [f"W{number}" for number in range(10)]
    assert await stopped is True
    assert [(await probe.next(Encoded)).number for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("error", [ValueError("codec"), asyncio.CancelledError(), SystemExit(1)])
async def test_a_workers_failure_is_told_and_its_own(system: System, error: BaseException) -> None:
    probe, bystander, ref = Probe(system), Encoder.start(system), Encoder.start(system)
    probe.watch(ref)
    ref.tell(error)
    assert await probe.next(Exited) == Exited(ref, ref.actor_urn, error)
    assert exit_error(ref) is error
    assert system.failures.count == 1
    with pytest.raises(ActorDeadError):
        ref.tell("too late")
    with pytest.raises(ActorDeadError):
        await ask(ref, "too late")
    assert await ask(bystander, "alive") == "ALIVE"
    await bystander.stop(block=False)


async def test_refusals_are_answers_and_defects_end_a_worker(system: System) -> None:
    ref = Encoder.start(system)
    with pytest.raises(Refused):
        await ask(ref, Refused(Refusal.UNSUPPORTED, "no such codec"))
    probe = Probe(system)
    probe.watch(ref)
    with pytest.raises(ZeroDivisionError):
        await ask(ref, ZeroDivisionError())
    assert isinstance((await probe.next(Exited)).error, ZeroDivisionError)


async def test_a_worker_that_cannot_start_is_a_failure(system: System) -> None:
    class Stillborn(Encoder):
        def on_start(self) -> None:
            raise OSError("no codec")

    ref = Stillborn.start(system)
    probe = Probe(system)
    probe.watch(ref)
    assert isinstance((await probe.next(Exited)).error, OSError)
    assert ref not in ActorRegistry.get_all()


async def test_a_worker_stops_itself_and_says_why(system: System) -> None:
    ref = Encoder.start(system)
    probe = Probe(system)
    probe.watch(ref)
    ref.tell(0)
    exited = await probe.next(Exited)
    assert (exited.error, exited.reason) == (None, "done")


async def test_what_waits_when_a_worker_fails_is_answered(system: System) -> None:
    ref = Encoder.start(system)
    blocked = Blocked(ref)
    ref.tell(ValueError("codec"))
    waiting = ref.ask("hello?", block=False)
    blocked.release()
    with pytest.raises(ActorDeadError):
        await waiting


async def test_a_supervisor_restarts_a_worker(system: System) -> None:
    refs: list[pykka.ActorRef[Any]] = []
    started = asyncio.Event()

    def start() -> pykka.ActorRef[Any]:
        refs.append(Encoder.start(system))
        started.set()
        return refs[-1]

    supervisor = Supervisor.start(system, "workers", children=[ChildSpec("encoder", start)])
    await started.wait()
    started.clear()
    refs[0].tell(ValueError("codec"))
    await started.wait()
    assert await ask(refs[1], "again") == "AGAIN"
    assert tree(supervisor).children[0].last_error == "ValueError: codec"
    await supervisor.stop(block=False)
    assert not refs[1].is_alive()


async def test_a_worker_that_does_not_stop_in_time_is_left_behind(system: System) -> None:
    refs: list[pykka.ActorRef[Any]] = []

    def start() -> pykka.ActorRef[Any]:
        refs.append(Encoder.start(system))
        return refs[-1]

    supervisor = Supervisor.start(system, "workers", children=[ChildSpec("encoder", start, shutdown_ns=1)])
    system.run_queue.drain()
    blocked = Blocked(refs[0])
    assert await supervisor.stop(block=False) is True
    assert refs[0].is_alive()
    probe = Probe(system)
    probe.watch(refs[0])
    blocked.release()
    await probe.next(Exited)


# -- virtual


@in_virtual_time
async def test_in_virtual_time_a_worker_runs_on_the_loop(system: System) -> None:
    probe = Probe(system)
    ref = Encoder.start(system, probe.ref)
    ref.tell(Encode(1))
    assert await probe.next(Encoded) == Encoded(1, threading.get_ident())
    assert await ask(ref, "ok") == "OK"
    probe.watch(ref)
    ref.tell(ValueError("codec"))
    assert isinstance((await probe.next(Exited)).error, ValueError)


def test_in_virtual_time_workers_and_actors_have_one_order() -> None:
    class Pacer(LoopActor):
        def __init__(self, system: System, log: list[Any]) -> None:
            super().__init__(system)
            self.log = log
            self.encoder = Encoder.start(system, self.actor_ref)

        def on_start(self) -> None:
            self.after(round(self.system.entropy.uniform(1, 1000)), 0)

        @receives(int)
        def on_tick(self, number: int) -> None:
            self.encoder.tell(Encode(number))
            self.after(round(self.system.entropy.uniform(1, 1000)), number + 1)

        @receives(Encoded)
        def on_encoded(self, encoded: Encoded) -> None:
            self.log.append((self.system.clock.monotonic_ns(), self.actor_urn, encoded.number))

    def trace() -> list[Any]:
        log: list[Any] = []

        async def scenario(system: System) -> None:
            for _ in range(5):
                Pacer.start(system, log)
            await pass_time(NS_PER_S // 10_000)

        run_virtual(scenario, seed=3)
        return log

    first = trace()
    assert len(first) > 500
    assert trace() == first
