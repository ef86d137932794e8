"""Timers fire by the time that they were set for; while a tape records, each with its time on the clock."""

import asyncio
import weakref
from collections.abc import Callable, Iterator

import pytest

from arcly_actors.clock import NS_PER_MS, SteppedClock, VirtualClock
from arcly_actors.runtime.run_queue import RunQueue
from arcly_actors.runtime.timers import Timers
from arcly_actors.runtime.turns import FEW, Turns
from arcly_actors.runtime.virtual_loop import VirtualLoop

MS = 1e-3


class Machine:
    """A machine whose time is a test's to pass, so that all is late that a test wants late."""

    def __init__(self) -> None:
        self.loop = VirtualLoop(VirtualClock())
        self.inner = VirtualClock(NS_PER_MS)
        self.clock = SteppedClock(self.inner)
        self.timers = Timers(self.loop, self.clock, RunQueue(self.loop))
        self.fired: list[tuple[str, int]] = []

    def call(self, name: str, delay: float, then: Callable[[], object] = lambda: None) -> asyncio.TimerHandle:
        def fire() -> None:
            self.fired.append((name, self.clock.monotonic_ns() - NS_PER_MS))
            then()

        return self.timers.call_later(delay, fire)

    def late_by(self, ms: int) -> None:
        """So much time passes before the loop has a turn."""
        self.inner.advance(ms * NS_PER_MS)

    def turns(self) -> None:
        """The loop has some, and whatever it waits for comes."""
        done = self.loop.create_future()
        self.loop.call_later(10, done.set_result, None)
        self.loop.run_until_complete(done)


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine()
    yield made
    made.loop.close()


def test_they_fire_in_the_order_of_their_times(machine: Machine) -> None:
    machine.call("second", 2 * MS)
    machine.call("first", 1 * MS)
    machine.call("cancelled", 1 * MS).cancel()
    machine.late_by(5)
    machine.turns()
    assert [name for name, _ in machine.fired] == ["first", "second"]


def test_one_that_is_not_due_waits(machine: Machine) -> None:
    machine.call("later", 5 * MS)
    machine.late_by(4)
    assert machine.timers.late(machine.clock.monotonic_ns()) == 0
    machine.late_by(1)
    assert machine.timers.late(machine.clock.monotonic_ns()) == 1
    machine.turns()
    assert [name for name, _ in machine.fired] == ["later"]


def test_none_holds_what_it_would_have_called_when_all_is_over(machine: Machine) -> None:
    class Owner:
        def fire(self) -> None:
            """Never."""

    owner = Owner()
    machine.timers.call_later(5 * MS, owner.fire)
    machine.timers.call_later(5 * MS, owner.fire).cancel()
    held = weakref.ref(owner)
    machine.timers.close()
    del owner
    assert held() is None


def test_none_holds_who_holds_it_once_it_has_fired(machine: Machine) -> None:
    class Owner:
        def __init__(self) -> None:
            self.timer = machine.timers.call_later(1 * MS, self.fire)

        def fire(self) -> None:
            """Once."""

    owner = Owner()
    held = weakref.ref(owner)
    machine.late_by(2)
    machine.turns()
    del owner
    assert held() is None


def test_on_tape_each_sees_its_own_time_however_late(machine: Machine) -> None:
    turns = machine.timers.turns = Turns(machine.loop, machine.clock)
    machine.call("first", 1 * MS, lambda: machine.call("follows", 1 * MS))
    machine.call("third", 3 * MS)
    machine.late_by(50)
    machine.turns()
    assert machine.fired == [("first", 1_000_000), ("follows", 2_000_000), ("third", 3_000_000)]
    assert turns.settled


def test_on_tape_what_came_before_a_late_timer_is_seen_to_first(machine: Machine) -> None:
    turns = machine.timers.turns = Turns(machine.loop, machine.clock)
    machine.call("due", 1 * MS)
    machine.late_by(3)
    turns.came()
    assert machine.timers.late(machine.clock.monotonic_ns()) == 2 * NS_PER_MS + 1
    seen: list[bool] = []

    def work(left: int) -> None:
        seen.append(bool(machine.fired))
        if left:
            machine.loop.call_soon(work, left - 1)

    machine.loop.call_soon(work, FEW - 2)
    machine.late_by(1)
    machine.turns()
    assert not any(seen)
    assert machine.fired == [("due", 3_000_000)], "no time goes back behind what came"


def test_one_that_is_set_for_at_once_is_none_that_was_before(machine: Machine) -> None:
    machine.timers.turns = Turns(machine.loop, machine.clock)
    late: list[int] = []

    def fire() -> None:
        machine.call("at once", 0)
        late.append(machine.timers.late(machine.clock.monotonic_ns()))

    machine.call("due", 1 * MS, fire)
    machine.late_by(2)
    machine.turns()
    assert late == [0]
    assert [name for name, _ in machine.fired] == ["due", "at once"]


def test_turns_count_from_the_very_turn_of_an_input(machine: Machine) -> None:
    """One that has its place later in the same turn is not a turn."""
    turns = Turns(machine.loop, machine.clock)
    numbers: list[int] = []

    def come() -> None:
        numbers.append(turns.came())

    machine.loop.call_soon(come)  # the count of this one is still to come in the next turn
    machine.loop.call_soon(lambda: machine.loop.call_soon(come))
    machine.loop.call_soon(lambda: machine.loop.call_soon(lambda: machine.loop.call_soon(come)))
    machine.loop.call_soon(lambda: machine.loop.call_later(1, come))
    machine.turns()
    first, second, third, last = numbers
    assert (second - first, third - second) == (1, 1)
    assert last - third > FEW
