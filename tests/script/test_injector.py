"""Faults on purpose in an engine that runs, in virtual time: what they do, to whom, and that a tape of them replays."""

import asyncio
import itertools
from pathlib import Path

import pytest

import arcly_actors as arcly
from arcly_actors.bus.events import ActorRestarted, Event, FaultInjected, PublishHeld, PublishStarted
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.engine import Engine
from arcly_actors.script import edit as editing
from arcly_actors.script import faults, read_file
from arcly_actors.script.faults import KINDS
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.script.record import Record, Script
from arcly_actors.script.replay import replay
from arcly_actors.script.virtual import run_engine
from arcly_actors.topology import Fault, Topology
from arcly_actors.topology.injection import ACTORS
from arcly_actors.transport.addresses import Address
from tests.bus.frames import STEP_MS, VIDEO, pictures
from tests.support.virtual import pass_time

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"
RTMP = SCRIPTS / "ffmpeg-rtmp.jsonl"


async def seen_of(engine: Engine, count: int = 100) -> list[tuple[int, int]]:
    """Number and time (ms) of the pictures that a stream of the program has after the faults."""
    came: list[tuple[int, int]] = []
    async with engine.publish("live/cam", (VIDEO,)) as publisher:
        stream = await engine.stream("live/cam")
        seat = stream.observable.subscribe(
            lambda frame: came.append((frame.dts // (STEP_MS * NS_PER_MS), engine.clock.monotonic_ns() // NS_PER_MS))
        )
        await pass_time(0)
        for frame in pictures(count):
            publisher.send(frame)
            await pass_time(STEP_MS * NS_PER_MS)
        seat.dispose()
    return came


def run(*given: Fault, seed: int = 0) -> tuple[list[tuple[int, int]], list[str]]:
    told: list[str] = []

    async def scenario(engine: Engine) -> list[tuple[int, int]]:
        engine.events.observable.subscribe(lambda event: told.append(getattr(event, "what", "")))
        return await seen_of(engine)

    return run_engine(scenario, Topology(faults=given), seed=seed), [each for each in told if each]


def test_loss_of_frames_is_by_chance_and_the_same_for_one_seed() -> None:
    clean, _ = run()
    made = [run(faults.loss("10%", on="live/cam", seed=seed))[0] for seed in (1, 1, 2)]
    assert [number for number, _ in clean] == list(range(100))
    assert made[0] == made[1] != made[2]
    assert 80 < len(made[0]) < 98
    assert run(faults.loss("10%", on="live/other"))[0] == clean
    assert [n for n, _ in run(faults.loss("100%", at="1s", length="1s"))[0]] == [
        n for n in range(100) if not 25 <= n < 50
    ]


def test_jitter_makes_late_and_keeps_the_order() -> None:
    late, _ = run(faults.jitter("200ms", seed=3))
    assert [number for number, _ in late] == list(range(len(late)))
    waits = [at - number * STEP_MS for number, at in late]
    assert 0 <= min(waits) < 40 < 150 < max(waits) <= 200


def publishing() -> tuple[Script, dict[str, list[bytes]]]:
    """What a real client sent over RTMP."""
    script = read_file(RTMP)
    return script, {
        who: [record.data or b"" for record in script.records if record.kind == "in" and record.who == who]
        for who in ("rtmp-1", "rtmp-2")
    }


def test_a_connection_is_late_broken_and_named(tmp_path: Path) -> None:
    """A real publisher's bytes under loss, jitter, a disconnect and a jump of the clock; the tape has what came of it."""
    _, sent = publishing()
    network = ScriptedNetwork()
    told: list[Event] = []
    path = tmp_path / "made.jsonl"
    given = (
        faults.loss("5%", on="rtmp", seed=1),
        faults.jitter("30ms", on="live/cam"),
        faults.clock_jump("+1h", at="1s"),
        faults.disconnect("live/cam", at="2s"),
        faults.disconnect("rtmp-9", at="2s"),
    )

    async def scenario(engine: Engine) -> int:
        engine.events.observable.subscribe(told.append)
        before = engine.clock.wall_ns()
        async with engine.tape("live/cam", path):
            (at,) = engine.addresses["rtmp"]
            peer = network.connect((at.host, at.port), Address("192.0.2.1", 5))
            assert peer is not None
            for data in sent["rtmp-1"]:
                peer.feed(data)
                await pass_time(20 * NS_PER_MS)
            assert peer.over
        return engine.clock.wall_ns() - before - engine.clock.monotonic_ns()

    jumped = run_engine(scenario, Topology(faults=given), network=network)
    assert jumped == 3600 * NS_PER_S
    happened = [event.what for event in told if isinstance(event, FaultInjected)]
    assert happened == [
        "clock-jump +1h@1s",
        "disconnect live/cam@2s: rtmp-1 (192.0.2.1:5)",
        "disconnect rtmp-9@2s: nobody is connected",
    ]
    assert any(isinstance(event, PublishStarted) for event in told)
    assert any(isinstance(event, PublishHeld) for event in told)
    script = read_file(path)
    assert script.head.topology["faults"] == []
    assert [record.fields for record in script.records if record.kind == "clock"] == [{"jump": 3600 * NS_PER_S}]
    assert replay(script).divergence is None  # the faults are in what came in
    waits = [record.at // NS_PER_MS for record in script.records if record.kind == "in"]
    assert waits == sorted(waits)
    assert max(b - a for a, b in itertools.pairwise(waits)) >= 200  # one was sent again


@pytest.mark.parametrize("actor", ["publisher", "stream", "gop"])
def test_a_crash_happens_and_a_tape_of_it_replays(actor: str, tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    told: list[Event] = []

    async def scenario(engine: Engine) -> None:
        engine.events.observable.subscribe(told.append)
        async with engine.tape(None, path), engine.publish("live/cam", (VIDEO,)) as publisher:
            engine.inject(faults.crash(actor, at="1s"))
            for frame in pictures(50):
                if publisher.alive:
                    publisher.send(frame)
                await pass_time(STEP_MS * NS_PER_MS)

    run_engine(scenario)
    assert [event.what for event in told if isinstance(event, FaultInjected)] == [
        f"will come: crash {actor}@1s",
        f"crash {actor}@1s",
    ]
    held = any(isinstance(event, PublishHeld) for event in told)
    assert held if actor == "publisher" else any(isinstance(event, ActorRestarted) for event in told)
    script = read_file(path)
    assert [record.at for record in script.records if record.kind == "crash"] == [NS_PER_S]
    if actor != "publisher":  # who recorded a program's frames has no program that fails with them
        assert replay(script).divergence is None


def test_what_comes_again_comes_again_and_an_end_is_an_end() -> None:
    told: list[str] = []

    async def scenario(engine: Engine) -> None:
        engine.events.observable.subscribe(lambda event: told.append(getattr(event, "what", "")))
        await pass_time(3500 * NS_PER_MS)

    run_engine(scenario, Topology(faults=(faults.crash("publisher", at="1s", every="1s"),)))
    assert [each for each in told if each] == ["crash publisher@1s every 1s: there is none"] * 3


def test_it_is_off_unless_it_is_asked_for() -> None:
    async def scenario(engine: Engine) -> bool:
        off = engine.built.system.seams.faults is None
        engine.inject()
        await asyncio.sleep(0)
        return off and engine.built.system.seams.faults is None

    assert run_engine(scenario)


def test_edit_takes_the_same_faults() -> None:
    script = read_file(RTMP)
    length = script.duration_ns
    written = [editing.read_fault("loss 5%", length), editing.read_fault("jitter 40ms", length)]
    named = [editing.of(each, length) for each in (faults.loss("5%"), faults.jitter("40ms"))]
    assert editing.apply(script, written, 7) == editing.apply(script, named, 7)
    late = editing.apply(script, [editing.of(faults.loss("20%", on="rtmp-1", at="1s"), length)], 7)
    moved = [(a.who, a.at) for a, b in zip(ins(script), ins(late), strict=True) if a.at != b.at]
    assert {who for who, _ in moved} == {"rtmp-1"}
    assert min(at for _, at in moved) >= NS_PER_S
    broken = editing.apply(script, [editing.of(faults.disconnect("live/cam", at="1500ms"), length)], 0)
    assert [record.who for record in broken.records if record.kind == "lost" and "error" in record.fields] == ["rtmp-1"]


def ins(script: Script) -> list[Record]:
    return sorted((record for record in script.records if record.kind == "in"), key=lambda record: record.who)


def test_names_are_the_same_everywhere() -> None:
    assert tuple(KINDS) == ACTORS
    with pytest.raises(arcly.ConfigurationError, match="crash: not publisher or subscriber"):
        faults.crash("moon")
