import asyncio
import threading
from typing import Any

import pykka
import pytest
from pykka import ActorDeadError

from arcly_actors.clock import SeededEntropy, SystemClock
from arcly_actors.limits import DRAIN_MESSAGES, TURN_MESSAGES
from arcly_actors.runtime import LoopActor, LoopFuture, System, receives
from tests.support.virtual import ask


class Relay(LoopActor):
    """Passes a number on, less one; keeps what it saw."""

    def __init__(self, system: System, onward: pykka.ActorRef[Any] | None, log: list[Any]) -> None:
        super().__init__(system)
        self.onward = onward
        self.log = log

    @receives(int)
    def on_number(self, number: int) -> None:
        self.log.append((self.actor_urn, number))
        if self.onward is not None:
            self.onward.tell(number)

    @receives(str)
    def on_word(self, word: str) -> str:
        return word


class Echo(LoopActor):
    """Tells itself again and again."""

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self.count = 0

    @receives(int)
    def on_number(self, number: int) -> None:
        self.count += 1
        self.actor_ref.tell(number)


async def test_a_chain_of_actors_runs_in_one_turn_of_the_loop(system: System) -> None:
    log: list[Any] = []
    ref: pykka.ActorRef[Any] | None = None
    for _ in range(6):
        ref = Relay.start(system, ref, log)
    assert ref is not None
    ref.tell(1)
    await asyncio.sleep(0)
    assert len(log) == 6


async def test_a_burst_costs_one_wake_up(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    refs = [Relay.start(system, None, []) for _ in range(5)]
    await asyncio.sleep(0)
    drains: list[object] = []
    call_soon = system.loop.call_soon

    def counted(call: Any, *arguments: Any, **named: Any) -> asyncio.Handle:
        if call == system.run_queue.drain:
            drains.append(call)
        return call_soon(call, *arguments, **named)

    monkeypatch.setattr(system.loop, "call_soon", counted)
    for number in range(100):
        for ref in refs:
            ref.tell(number)
    await asyncio.sleep(0)
    assert len(drains) == 1


async def test_a_burst_from_a_thread_costs_one_wake_up(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[Any] = []
    ref = Relay.start(system, None, log)
    await asyncio.sleep(0)
    wakes: list[object] = []
    wake = system.loop.call_soon_threadsafe

    def counted(call: Any, *arguments: Any, **named: Any) -> asyncio.Handle:
        wakes.append(call)
        return wake(call, *arguments, **named)

    monkeypatch.setattr(system.loop, "call_soon_threadsafe", counted)

    def tell_all() -> None:
        for number in range(100):
            ref.tell(number)

    teller = threading.Thread(target=tell_all)
    teller.start()
    teller.join()
    assert len(wakes) == 1
    assert await asyncio.to_thread(ref.ask, "end", timeout=10) == "end"
    assert [number for _, number in log] == list(range(100))


async def test_nobody_starves_and_the_loop_gets_its_turn(system: System) -> None:
    greedy = [Echo.start(system) for _ in range(2)]
    actors = [ref._actor_weakref() for ref in greedy]
    modest = Relay.start(system, None, [])
    for ref in greedy:
        ref.tell(0)
    turns = 0
    reply = modest.ask("hello", block=False)
    assert isinstance(reply, LoopFuture)
    while not reply.settled:
        turns += 1
        await asyncio.sleep(0)
    assert turns <= 2
    assert await reply == "hello"
    counts = [actor.count for actor in actors if actor is not None]
    assert abs(counts[0] - counts[1]) <= TURN_MESSAGES
    await asyncio.sleep(0)
    later = [actor.count for actor in actors if actor is not None]
    assert 0 < sum(later) - sum(counts) <= 2 * (DRAIN_MESSAGES + TURN_MESSAGES)
    for ref in greedy:
        assert await ref.stop(block=False)


async def test_a_driver_can_drain_without_waiting_for_the_loop(system: System) -> None:
    log: list[Any] = []
    ref = Relay.start(system, Relay.start(system, None, log), log)
    ref.tell(1)
    system.run_queue.drain()
    assert len(log) == 2


def test_actors_of_a_loop_that_is_closed_are_dead() -> None:
    loop = asyncio.new_event_loop()
    system = System(loop, SystemClock(), SeededEntropy(1))
    ref = Relay.start(system, None, [])
    assert loop.run_until_complete(ask(ref, "alive")) == "alive"
    loop.close()
    with pytest.raises(ActorDeadError, match="closed"):
        ref.tell(1)
    outcome: list[Any] = []

    def elsewhere() -> None:
        try:
            ref.ask("anyone?", timeout=10)
        except ActorDeadError as error:
            outcome.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(outcome) == 1
    assert ref.stop(timeout=10) is False
    assert not ref.is_alive()
    assert ref not in pykka.ActorRegistry.get_all()


def test_keyboard_interrupt_is_the_users_word_to_the_process() -> None:
    class Victim(Relay):
        def on_number(self, number: int) -> None:
            raise KeyboardInterrupt

    async def scenario() -> None:
        system = System(asyncio.get_running_loop(), SystemClock(), SeededEntropy(1))
        Victim.start(system, None, []).tell(1)
        await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(scenario())
    assert pykka.ActorRegistry.get_all() == []
