"""What Pykka 4.5 documents of actors, references, futures, proxies and the registry, run against `LoopActor`.

The calls block, as Pykka's users write them, on this thread; the loop runs in another. Where a `LoopActor` deliberately
does otherwise (a defect in an `ask` ends it; `on_failure` is called on every path), `test_actor.py` has the test.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pykka
import pytest
from pykka import ActorDeadError, ActorRegistry

from arcly_actors.clock import SeededEntropy, SystemClock
from arcly_actors.errors import ConfigurationError
from arcly_actors.runtime import LoopActor, LoopFuture, System

WAIT = 20.0


@pytest.fixture
def system() -> Iterator[System]:
    """A system on a loop that runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield System(loop, SystemClock(), SeededEntropy(1))
    ActorRegistry.stop_all(timeout=WAIT)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert ActorRegistry.get_all() == []


class Playlist:
    """An attribute whose own attributes a proxy reaches."""

    pykka_traversable = True

    def __init__(self) -> None:
        self.names = ["one", "two"]

    def count(self) -> int:
        return len(self.names)


class Radio(LoopActor):
    station = "fm4"

    def __init__(self, system: System, log: list[Any] | None = None) -> None:
        super().__init__(system)
        self.log: list[Any] = [] if log is None else log
        self.playlist = Playlist()
        self.volume = 3
        self._secret = "hidden"

    def on_start(self) -> None:
        self.log.append("on_start")

    def on_stop(self) -> None:
        self.log.append("on_stop")

    def on_failure(self, *exception: Any) -> None:
        self.log.append(("on_failure", exception[0]))

    def on_receive(self, message: Any) -> Any:
        self.log.append(message)
        if isinstance(message, BaseException):
            raise message
        if isinstance(message, threading.Event):
            assert message.wait(WAIT)
        return ("got", message)

    def louder(self, by: int, *, most: int = 10) -> int:
        self.volume = min(self.volume + by, most)
        return self.volume

    def nested(self) -> str:
        return self.station.upper()

    def fail(self) -> None:
        raise ConfigurationError("no antenna")

    def leave(self) -> None:
        self.stop()

    def thread(self) -> int:
        return threading.get_ident()


def test_tell_returns_nothing_and_keeps_the_order(system: System) -> None:
    log: list[Any] = []
    ref = Radio.start(system, log)
    for number in range(1000):
        ref.tell(number)
    assert ref.ask("end", timeout=WAIT) == ("got", "end")
    assert log == ["on_start", *range(1000), "end"]


def test_ask_blocks_for_the_reply_or_gives_a_future(system: System) -> None:
    ref = Radio.start(system)
    assert ref.ask("a", timeout=WAIT) == ("got", "a")
    future = ref.ask("b", block=False)
    assert future.get(timeout=WAIT) == ("got", "b")
    assert future.get() == ("got", "b"), "the value can be had many times"


def test_ask_times_out(system: System) -> None:
    ref = Radio.start(system)
    gate = threading.Event()
    try:
        with pytest.raises(pykka.Timeout, match="seconds"):
            ref.ask(gate, timeout=0.001)
    finally:
        gate.set()


def test_the_exception_of_an_ask_is_the_askers(system: System) -> None:
    log: list[Any] = []
    ref = Radio.start(system, log)
    error = ConfigurationError("on purpose")
    with pytest.raises(ConfigurationError, match="on purpose"):
        ref.ask(error, timeout=WAIT)
    assert ref.ask("alive", timeout=WAIT) == ("got", "alive")
    assert log == ["on_start", error, "alive"], "and on_failure is not called"


def test_the_exception_of_a_tell_stops_the_actor_after_on_failure(system: System) -> None:
    log: list[Any] = []
    ref = Radio.start(system, log)
    error = ValueError("broken")
    ref.tell(error)
    assert ref.actor_stopped.wait(WAIT)
    with pytest.raises(ActorDeadError):
        ref.ask("late", timeout=WAIT)
    while len(log) < 3:
        ref.actor_stopped.wait(0)
    assert log == ["on_start", error, ("on_failure", ValueError)]
    assert ref not in ActorRegistry.get_all()


def test_stop_is_handled_after_what_was_sent_before_it(system: System) -> None:
    log: list[Any] = []
    ref = Radio.start(system, log)
    for number in range(100):
        ref.tell(number)
    assert ref.stop(timeout=WAIT) is True
    assert log == ["on_start", *range(100), "on_stop"]
    assert ref.stop(timeout=WAIT) is False
    assert not ref.is_alive()
    assert ref.actor_stopped.is_set()


def test_stop_without_blocking_gives_a_future(system: System) -> None:
    ref = Radio.start(system)
    assert ref.stop(block=False).get(timeout=WAIT) is True
    assert ref.stop(block=False).get(timeout=WAIT) is False


def test_messages_after_a_stop_are_answered_with_actor_dead_error(system: System) -> None:
    ref = Radio.start(system)
    gate = threading.Event()
    ref.tell(gate)
    ref.stop(block=False)
    late = ref.ask("late", block=False)
    second = ref.stop(block=False)
    gate.set()
    with pytest.raises(ActorDeadError):
        late.get(timeout=WAIT)
    assert second.get(timeout=WAIT) is True, "it was being stopped at the time of the call"


def test_a_dead_actor_cannot_be_told(system: System) -> None:
    ref = Radio.start(system)
    ref.stop(timeout=WAIT)
    with pytest.raises(ActorDeadError, match="not found"):
        ref.tell("late")


def test_an_actor_can_stop_itself(system: System) -> None:
    log: list[Any] = []
    ref = Radio.start(system, log)
    ref.proxy().leave().get(timeout=WAIT)
    assert ref.actor_stopped.wait(WAIT)


def test_actors_have_a_urn_a_class_and_a_readable_reference(system: System) -> None:
    first, second = Radio.start(system), Radio.start(system)
    assert first.actor_urn.startswith("urn:uuid:")
    assert first.actor_urn != second.actor_urn
    assert first.actor_class is Radio
    assert str(first) == f"Radio ({first.actor_urn})"
    assert repr(first) == f"<ActorRef for Radio ({first.actor_urn})>"


def test_an_init_that_raises_starts_nothing(system: System) -> None:
    class Unborn(LoopActor):
        def __init__(self, system: System) -> None:
            super().__init__(system)
            raise LookupError("no")

    with pytest.raises(LookupError):
        Unborn.start(system)
    assert ActorRegistry.get_all() == []


@pytest.mark.unexpected_messages
def test_unexpected_messages_are_logged(system: System, caplog: pytest.LogCaptureFixture) -> None:
    assert LoopActor.start(system).ask("what?", timeout=WAIT) is None
    assert "Unexpected message received by LoopActor" in caplog.text


def test_all_messages_are_handled_in_one_thread(system: System) -> None:
    radios = [Radio.start(system).proxy() for _ in range(5)]
    threads = {radio.thread().get(timeout=WAIT) for radio in radios}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


# -- registry


def test_the_registry_knows_the_running_actors(system: System) -> None:
    class Other(LoopActor):
        pass

    first, second, other = Radio.start(system), Radio.start(system), Other.start(system)
    assert ActorRegistry.get_all() == [first, second, other]
    assert ActorRegistry.get_by_class(Radio) == [first, second]
    assert ActorRegistry.get_by_class(LoopActor) == [first, second, other]
    assert ActorRegistry.get_by_class_name("Other") == [other]
    assert ActorRegistry.get_by_urn(second.actor_urn) is second
    second.stop(timeout=WAIT)
    assert ActorRegistry.get_all() == [first, other]
    assert ActorRegistry.get_by_urn(second.actor_urn) is None


def test_broadcast_reaches_a_class_or_all(system: System) -> None:
    class Quiet(Radio):
        pass

    logs: list[list[Any]] = [[], [], []]
    refs: list[pykka.ActorRef[Any]] = [
        Radio.start(system, logs[0]),
        Quiet.start(system, logs[1]),
        Quiet.start(system, logs[2]),
    ]
    ActorRegistry.broadcast("all")
    ActorRegistry.broadcast("quiet", target_class=Quiet)
    ActorRegistry.broadcast("radio", target_class="Radio")
    for ref in refs:
        ref.ask("end", timeout=WAIT)
    assert [log[1:-1] for log in logs] == [["all", "radio"], ["all", "quiet"], ["all", "quiet"]]


def test_stop_all_stops_the_last_started_first(system: System) -> None:
    log: list[Any] = []

    class Numbered(LoopActor):
        def __init__(self, system: System, number: int) -> None:
            super().__init__(system)
            self.number = number

        def on_stop(self) -> None:
            log.append(self.number)

    for number in range(5):
        Numbered.start(system, number)
    assert ActorRegistry.stop_all(timeout=WAIT) == [True] * 5
    assert log == [4, 3, 2, 1, 0]
    assert ActorRegistry.get_all() == []
    assert ActorRegistry.stop_all(timeout=WAIT) == []


# -- proxies


def test_a_proxy_reads_writes_and_calls(system: System) -> None:
    proxy = Radio.start(system).proxy()
    assert proxy.station.get(timeout=WAIT) == "fm4"
    assert proxy.nested().get(timeout=WAIT) == "FM4"
    assert proxy.louder(2, most=4).get(timeout=WAIT) == 4
    proxy.volume = 9
    assert proxy.volume.get(timeout=WAIT) == 9
    assert "louder" in dir(proxy)
    with pytest.raises(AttributeError):
        proxy._secret  # noqa: B018
    with pytest.raises(AttributeError, match="nothing"):
        proxy.nothing  # noqa: B018


def test_a_proxy_reaches_into_traversable_attributes(system: System) -> None:
    proxy = Radio.start(system).proxy()
    assert proxy.playlist.count().get(timeout=WAIT) == 2
    assert proxy.playlist.names.get(timeout=WAIT) == ["one", "two"]


def test_exceptions_come_through_a_proxy(system: System) -> None:
    with pytest.raises(ConfigurationError, match="antenna"):
        Radio.start(system).proxy().fail().get(timeout=WAIT)


def test_a_deferred_call_has_no_future_so_its_exception_fails_the_actor(system: System) -> None:
    ref = Radio.start(system)
    assert ref.proxy().nested.defer() is None
    ref.proxy().fail.defer()
    assert ref.actor_stopped.wait(WAIT)


def test_a_proxy_needs_a_living_actor(system: System) -> None:
    ref = Radio.start(system)
    ref.stop(timeout=WAIT)
    with pytest.raises(ActorDeadError):
        ref.proxy()


# -- futures


def test_a_future_is_settled_once() -> None:
    future: LoopFuture[int] = LoopFuture()
    future.set(1)
    with pytest.raises(queue.Full):
        future.set(2)
    with pytest.raises(queue.Full):
        future.set_exception((None, ValueError(), None))
    with pytest.raises(queue.Full):
        future.set_get_hook(lambda _timeout: 3)
    assert future.get() == 1


def test_a_future_keeps_the_exception_that_is_being_handled() -> None:
    future: LoopFuture[int] = LoopFuture()
    try:
        raise LookupError("this one")  # noqa: TRY301
    except LookupError:
        future.set_exception()
    with pytest.raises(LookupError, match="this one"):
        future.get()


def test_a_future_times_out() -> None:
    with pytest.raises(pykka.Timeout):
        LoopFuture[int]().get(timeout=0)


def test_pykkas_get_all_collects(system: System) -> None:
    radios = [Radio.start(system).proxy() for _ in range(3)]
    assert pykka.get_all([radio.louder(n) for n, radio in enumerate(radios)], timeout=WAIT) == [3, 4, 5]


Derive = Callable[[LoopFuture[Any]], pykka.Future[Any]]
DERIVED: list[tuple[Derive, Any]] = [
    (lambda future: future.map(lambda numbers: numbers[0]), 1),
    (lambda future: future.filter(lambda number: number > 1), [2, 3]),
    (lambda future: future.reduce(lambda total, number: total + number), 6),
    (lambda future: future.reduce(lambda total, number: total + number, 10), 16),
    (lambda future: future.join(future), [[1, 2, 3], [1, 2, 3]]),
    (lambda future: future.map(len).map(str), "3"),
]


@pytest.mark.parametrize(("derive", "value"), DERIVED)
def test_derived_futures_are_got_and_awaited(derive: Derive, value: Any) -> None:
    got: LoopFuture[Any] = LoopFuture()
    derived = derive(got)
    got.set([1, 2, 3])
    assert derived.get(timeout=WAIT) == value

    async def scenario() -> Any:
        source: LoopFuture[Any] = LoopFuture()
        asyncio.get_running_loop().call_soon(source.set, [1, 2, 3])
        return await derive(source)

    assert asyncio.run(scenario()) == value


def test_a_future_settled_in_another_thread_wakes_its_loop() -> None:
    async def scenario() -> tuple[int, int]:
        future: LoopFuture[int] = LoopFuture()
        thread = threading.Thread(target=future.set, args=(5,))
        asyncio.get_running_loop().call_soon(thread.start)
        both = await asyncio.gather(asyncio.ensure_future(wait(future)), asyncio.ensure_future(wait(future)))
        thread.join()
        return both[0], both[1]

    async def wait(future: LoopFuture[int]) -> int:
        return await future

    assert asyncio.run(scenario()) == (5, 5)


def test_a_cancelled_wait_leaves_nothing_in_the_future() -> None:
    future: LoopFuture[int] = LoopFuture()

    async def wait() -> int:
        return await future

    async def scenario() -> None:
        task = asyncio.get_running_loop().create_task(wait())
        await asyncio.sleep(0)
        assert len(future._waiters) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert future._waiters == []
    future.set(1)
