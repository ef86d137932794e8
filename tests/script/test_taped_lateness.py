"""Tapes of a machine that is late: what a replay does at which time, when others kept the engine busy."""

from collections.abc import Coroutine
from typing import Any

import pytest

from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_MS, NS_PER_S, SeededEntropy, SteppedClock, VirtualClock
from arcly_actors.engine import Engine
from arcly_actors.runtime.virtual_loop import VirtualLoop
from arcly_actors.script import Record, Script
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.script.replay import replay
from arcly_actors.script.tape import Tape
from arcly_actors.topology import Topology
from tests.bus.frames import STEP_MS, VIDEO, pictures
from tests.support.virtual import pass_time

STEP = STEP_MS * NS_PER_MS


class Busy:
    """An engine as on a real machine, with timers that can be late; its loop is virtual, its time is passed by hand."""

    def __init__(self) -> None:
        self.inner = VirtualClock()
        self.clock = SteppedClock(self.inner)
        self.loop = VirtualLoop(self.inner)
        self.loop.virtual = False

    def run(self, scenario: Coroutine[Any, Any, None]) -> None:
        try:
            self.loop.run_until_complete(scenario)
        finally:
            self.loop.close()

    def engine(self) -> Engine:
        return Engine(Topology(), clock=self.clock, entropy=SeededEntropy(0), network=ScriptedNetwork())


class Kept:
    def __init__(self, engine: Engine, clock: SteppedClock, key: str) -> None:
        self.records: list[Record] = []
        built = engine.built
        self.tape = Tape(
            built.system, built.bus, engine.events, lambda _at: "", self, key=StreamKey.parse(key), live=clock
        )
        self.head = self.tape.head(engine.topology.model_dump(mode="json"), {})
        self.tape.start(engine.drawn)

    def take(self, records: list[Record]) -> None:
        self.records += records

    def script(self) -> Script:
        return Script(self.head, tuple(self.records))


@pytest.mark.parametrize("behind_ms", [7, 90])
def test_a_late_timer_is_shown_the_time_of_another_streams_frame_in_a_replay_too(behind_ms: int) -> None:
    busy = Busy()
    made: list[Script] = []

    async def scenario() -> None:
        async with busy.engine() as engine:
            tape, other = (Kept(engine, busy.clock, key) for key in ("live/cam", "live/other"))
            async with engine.publish("live/other", (VIDEO,)) as others:
                async with engine.publish("live/cam", (VIDEO,)) as publisher:
                    for frame in pictures(25):
                        publisher.send(frame)
                        await pass_time(STEP)
                await pass_time(10 * NS_PER_S - 1)  # its hold, of which nothing has to be left for it to be over
                busy.inner.advance(behind_ms * NS_PER_MS)
                others.send(next(iter(pictures(1))))
                await pass_time(NS_PER_S)
            tape.tape.stop()
            other.tape.stop()
            made.append(tape.script())

    busy.run(scenario())
    ended = [record.at for record in made[0].records if record.get("what") == "PublishEnded"]
    replayed = replay(made[0])
    assert replayed.divergence is None
    assert [record.at for record in replayed.records if record.get("what") == "PublishEnded"] == ended
    (shown,) = [record for record in made[0].records if record.kind == "time"]
    assert [shown.at] == ended
    assert shown.get("late") > 0
