"""What an actor asks others within the drain, and where such an errand becomes a task."""

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pykka
import pytest

from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import Exited, LoopActor, LoopFuture, System, receives
from tests.support.virtual import in_virtual_time, pass_time


class Adder(LoopActor):
    """Answers with one more, at once or when it is told to."""

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self.owed: list[LoopFuture[int]] = []

    @receives(int)
    def add(self, number: int) -> int:
        return number + 1

    @receives(str)
    def later(self, _: str) -> LoopFuture[int]:
        self.owed.append(LoopFuture())
        return self.owed[-1]


Errands = Callable[["Client"], Coroutine[Any, Any, object]]


class Client(LoopActor):
    """Goes on one errand when it starts."""

    def __init__(self, system: System, adder: pykka.ActorRef[Any], errand: Errands, log: list[object]) -> None:
        super().__init__(system)
        self.adder = adder
        self.log = log
        self._work = errand

    def on_start(self) -> None:
        self.errand(self._work(self))
        self.log.append("set out")

    @receives(int)
    def result(self, number: int) -> None:
        self.log.append(number)


class Mourner(LoopActor):
    def __init__(self, system: System, ref: pykka.ActorRef[Any], exits: list[Exited]) -> None:
        super().__init__(system)
        self.watch(ref)
        self.exits = exits

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        self.exits.append(exited)


async def twice(client: Client) -> int:
    first = await client.adder.ask(1, block=False)
    return int(await client.adder.ask(first, block=False))


@in_virtual_time
async def test_all_replies_come_within_one_drain(system: System) -> None:
    system.run_queue.drain()  # this thread is the one that drains
    log: list[object] = []
    Client.start(system, Adder.start(system), twice, log)
    system.run_queue.drain()
    assert log == ["set out", 3]


@in_virtual_time
async def test_what_takes_time_goes_on_as_a_task(system: System) -> None:
    system.run_queue.drain()  # this thread is the one that drains
    log: list[object] = []

    async def slowly(client: Client) -> int:
        first = await client.adder.ask(1, block=False)
        drains = asyncio.current_task()
        await pass_time(5 * NS_PER_S)
        log.append(asyncio.current_task() is not drains)
        async with asyncio.timeout(1):  # which only a task may have
            return int(await client.adder.ask(first, block=False))

    Client.start(system, Adder.start(system), slowly, log)
    system.run_queue.drain()
    assert log == ["set out"]
    await pass_time(6 * NS_PER_S)
    assert log == ["set out", True, 3]


@in_virtual_time
async def test_a_reply_from_another_thread_is_waited_for(system: System) -> None:
    system.run_queue.drain()  # this thread is the one that drains
    log: list[object] = []
    adder = Adder.start(system)

    async def wait(client: Client) -> int:
        return int(await client.adder.ask("later", block=False))

    Client.start(system, adder, wait, log)
    system.run_queue.drain()
    actor = adder._actor_weakref()
    assert actor is not None
    thread = threading.Thread(target=actor.owed[0].set, args=(7,))
    thread.start()
    thread.join()
    await pass_time(NS_PER_S)
    assert log == ["set out", 7]


@pytest.mark.parametrize("asks_first", [False, True])
@in_virtual_time
async def test_its_failure_is_the_actors(system: System, asks_first: bool) -> None:
    system.run_queue.drain()  # this thread is the one that drains

    async def fail(client: Client) -> int:
        if asks_first:
            await client.adder.ask(1, block=False)
        raise LookupError("lost")

    exits: list[Exited] = []
    Mourner.start(system, Client.start(system, Adder.start(system), fail, []), exits)
    system.run_queue.drain()
    assert [type(exited.error) for exited in exits] == [LookupError]


@in_virtual_time
async def test_it_ends_with_its_actor(system: System) -> None:
    system.run_queue.drain()  # this thread is the one that drains
    log: list[object] = []

    async def leave_word(client: Client) -> int:
        try:
            return int(await client.adder.ask("later", block=False))
        finally:
            log.append("cleared up")
            await pass_time(NS_PER_S)
            log.append("later, too")

    client = Client.start(system, Adder.start(system), leave_word, log)
    system.run_queue.drain()
    client.stop(block=False)
    system.run_queue.drain()
    assert log == ["set out", "cleared up"]
    await pass_time(2 * NS_PER_S)
    assert log == ["set out", "cleared up", "later, too"]


@in_virtual_time
async def test_a_reply_that_comes_after_the_end_is_nothing(system: System) -> None:
    system.run_queue.drain()  # this thread is the one that drains

    async def wait(client: Client) -> int:
        return int(await client.adder.ask("later", block=False))

    log: list[object] = []
    adder = Adder.start(system)
    client = Client.start(system, adder, wait, log)
    system.run_queue.drain()
    client.stop(block=False)
    system.run_queue.drain()
    actor = adder._actor_weakref()
    assert actor is not None
    gc.collect()
    assert client._actor_weakref() is None, "it is not kept by what may never be answered"
    actor.owed[0].set(7)
    system.run_queue.drain()
    assert log == ["set out"]
