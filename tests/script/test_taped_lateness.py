"""Tapes of a machine that is late: what a replay does at which time, when others kept the engine busy."""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arcly_actors.clock import NS_PER_MS, NS_PER_S, SeededEntropy, SteppedClock, VirtualClock
from arcly_actors.engine import Engine
from arcly_actors.runtime.virtual_loop import VirtualLoop
from arcly_actors.script import Record, Script, read_file
from arcly_actors.script.edit import cut
from arcly_actors.script.endpoints import endpoint_at
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.script.replay import replay, topology_of
from arcly_actors.script.stage import Stage
from arcly_actors.script.virtual import run_engine
from arcly_actors.topology import Topology
from tests.bus.frames import STEP_MS, VIDEO, pictures
from tests.support.virtual import pass_time

STEP = STEP_MS * NS_PER_MS
SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"
SESSIONS = (
    "ffmpeg-rtmp",
    "ffmpeg-rtsp-tcp",
    "ffmpeg-rtsp-udp",
    "ffmpeg-srt",
    "hls",
    "mid-gop-join",
    "publisher-reconnect",
)


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

    def engine(self, topology: Topology | None = None, network: ScriptedNetwork | None = None) -> Engine:
        return Engine(
            topology or Topology(),
            clock=self.clock,
            entropy=SeededEntropy(0),
            network=network or ScriptedNetwork(),
        )


@asynccontextmanager
async def taped(engine: Engine, key: str, made: list[Script]) -> AsyncIterator[None]:
    """Record a stream; when it is over the script is in `made`."""
    async with engine.tape(key) as tape:

        async def read() -> list[Record]:
            return [record async for record in tape]

        reading = asyncio.ensure_future(read())
        yield
    made.append(Script(tape.head, tuple(await reading)))


@pytest.mark.parametrize("behind_ms", [7, 90])
def test_a_late_timer_is_shown_the_time_of_another_streams_frame_in_a_replay_too(behind_ms: int) -> None:
    busy = Busy()
    made: list[Script] = []

    async def scenario() -> None:
        async with (
            busy.engine() as engine,
            taped(engine, "live/other", []),
            taped(engine, "live/cam", made),
            engine.publish("live/other", (VIDEO,)) as others,
        ):
            async with engine.publish("live/cam", (VIDEO,)) as publisher:
                for frame in pictures(25):
                    publisher.send(frame)
                    await pass_time(STEP)
            await pass_time(10 * NS_PER_S - 1)  # its hold, of which nothing has to be left for it to be over
            busy.inner.advance(behind_ms * NS_PER_MS)
            others.send(next(iter(pictures(1))))
            await pass_time(NS_PER_S)

    busy.run(scenario())
    ended = [record.at for record in made[0].records if record.get("what") == "PublishEnded"]
    replayed = replay(made[0])
    assert replayed.divergence is None
    assert [record.at for record in replayed.records if record.get("what") == "PublishEnded"] == ended
    (shown,) = [record for record in made[0].records if record.kind == "time"]
    assert [shown.at] == ended
    assert shown.get("late") > 0


def at_home(record: Record) -> Record:
    """It comes to where the endpoint is now, not to where it was."""
    return replace(record, fields={name: value for name, value in record.fields.items() if name != "local"})


def recorded_busily(name: str, seed: int) -> Script:
    """Clients that were recorded come as fast as they can, while each turn of the loop takes long and another stream is
    published: timers wait, and are seen to in the midst of all.
    """
    source = read_file(SCRIPTS / f"{name}.jsonl")
    busy = Busy()
    chance = random.Random(seed)
    made: list[Script] = []

    async def scenario() -> None:
        network = ScriptedNetwork()
        async with (
            busy.engine(topology_of(source), network) as engine,
            taped(engine, "live/other", []),
            taped(engine, source.head.key or "live/cam", made),
            engine.publish("live/other", (VIDEO,)) as others,
        ):
            stage = Stage(engine, network, busy.inner, source)
            frames = iter(pictures(10_000))
            for record in source.records:
                if not record.comes_in or record.kind in ("draw", "expect", "end"):
                    continue
                await stage.do(at_home(record))
                if chance.random() < 0.3:
                    others.send(next(frames))
                for _ in range(chance.choice((0, 0, 1, 1, 2, 12))):
                    busy.inner.advance(chance.choice((0, 1, 5, 30)) * NS_PER_MS)
                    await asyncio.sleep(0)
            await pass_time(NS_PER_S)
            await stage.close()

    busy.run(scenario())
    return made[0]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", SESSIONS)
def test_what_a_busy_machine_recorded_replays_the_same(name: str, seed: int) -> None:
    assert replay(recorded_busily(name, seed)).divergence is None


def test_it_was_busy() -> None:
    """The sessions of the test above have what makes it hard."""
    records = recorded_busily("publisher-reconnect", 1).records
    assert any(record.get("late") and "turns" in record.fields for record in records)
    assert any(record.kind == "time" and "rang" in record.fields for record in records)


def times(records: Iterable[Record]) -> list[tuple[int, str]]:
    """When which frame came; on which timeline depends on the publishers before."""
    return [(record.at, record.fields["hash"]) for record in records if record.kind == "frame"]


@pytest.mark.parametrize("seed", range(4))
def test_what_is_cut_from_it_rings_when_it_did(seed: int) -> None:
    script = recorded_busily("publisher-reconnect", seed)
    *_, second = (record.at for record in script.records if record.kind == "open" and record.who.startswith("rtmp"))
    part = cut(script, start=second)
    assert any("rang" in record.fields for record in part.records)
    assert times(replay(part).records) == times(part.records)


def test_a_tcp_port_with_the_number_of_a_udp_port_is_another_endpoint() -> None:
    listen = {"http": {"listen": "127.0.0.1:8000"}, "rtsp": {"udp_ports": {"rtp": 8000, "rtcp": 8001}}}

    async def look(engine: Engine) -> str:
        return endpoint_at(engine, ("127.0.0.1", 8000))

    assert run_engine(look, Topology.model_validate({"version": 1, "endpoints": listen})) == "http"
