import gc
import logging
import weakref
from collections.abc import Iterator
from typing import Any

import pykka
import pytest

from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import ChildSpec, LoopActor, Restart, StartChild, StopChild, Supervisor, System
from arcly_actors.runtime.collector import rarely_collected, tune_collector
from tests.support.virtual import ask, in_virtual_time, pass_time


@pytest.fixture
def collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("collector")
def test_what_lives_is_set_aside_and_full_collections_become_rare() -> None:
    before = gc.get_threshold()
    tune_collector()
    assert gc.get_freeze_count() > 10_000
    young, middle, old = gc.get_threshold()
    assert young * middle * old > 10 * before[0] * before[1] * before[2]
    assert gc.isenabled()


@pytest.mark.usefixtures("collector")
def test_a_run_in_virtual_time_leaves_the_collector_as_it_was() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with rarely_collected():
        assert gc.get_threshold()[0] > before[0]
        assert gc.get_freeze_count() > 10_000
        with rarely_collected():
            pass
        assert gc.get_freeze_count() > 10_000  # the one within was not the first
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, frozen)


@in_virtual_time
async def test_actors_that_come_and_go_need_no_collector(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The premise of the setting: a child that ends, in order or not, is freed at once."""
    monkeypatch.setattr(logging.getLogger("pykka"), "disabled", True)  # pytest keeps the records, and so the errors

    class Session(LoopActor):
        def on_start(self) -> None:
            self.after(10 * NS_PER_S, "never")
            if self.system.entropy.uniform(0, 1) < 0.5:
                raise OSError("gone")

    living: weakref.WeakSet[LoopActor] = weakref.WeakSet()
    supervisor = Supervisor.start(system, "sessions")

    def start(number: int) -> StartChild:
        def session() -> pykka.ActorRef[Any]:
            ref = Session.start(system)
            actor = ref._actor_weakref()
            assert actor is not None
            living.add(actor)
            return ref

        return StartChild(ChildSpec(f"{number}", session, Restart.TEMPORARY))

    gc.collect()
    gc.disable()
    try:
        for number in range(200):
            supervisor.tell(start(number))
        await pass_time(NS_PER_S)
        assert 50 < len(living) < 150
        for number in range(200):
            await ask(supervisor, StopChild(f"{number}"))
        assert len(living) == 0
    finally:
        gc.enable()
