"""`record:` of a topology: tapes that begin and end by themselves, in virtual time, and what goes wrong with them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pykka
import pytest

from arcly_actors import limits
from arcly_actors.bus.events import ActorRestarted, Event, TapeEnded, TapeFailed, TapeStarted
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.engine import Engine
from arcly_actors.media.frame import MediaFrame
from arcly_actors.runtime.receiver import Crash
from arcly_actors.script import read_file
from arcly_actors.script.recorder import Recorder
from arcly_actors.script.replay import replay
from arcly_actors.script.virtual import run_engine
from arcly_actors.topology import Recording, Topology
from tests.bus.frames import STEP_MS, VIDEO, pictures
from tests.support.virtual import pass_time

STEP = STEP_MS * NS_PER_MS
STARTED = "20231114T221320Z"  # where virtual clocks begin


async def publish(engine: Engine, key: str, seconds: float = 1.0) -> None:
    async with engine.publish(key, (VIDEO,)) as publisher:
        frame: MediaFrame
        for frame in pictures(round(seconds * 25)):
            publisher.send(frame)
            await pass_time(STEP)


def recorded(*entries: Recording, do: Callable[[Engine], Awaitable[None]]) -> list[Event]:
    """What is said of tapes while a scenario runs."""
    told: list[Event] = []

    async def scenario(engine: Engine) -> None:
        engine.events.observable.subscribe(told.append)
        await do(engine)

    run_engine(scenario, Topology(record=entries))
    return [event for event in told if isinstance(event, TapeStarted | TapeEnded | TapeFailed | ActorRestarted)]


def kinds(path: Path) -> list[str]:
    return [record.kind for record in read_file(path).records]


def test_a_tape_waits_for_its_stream_and_ends_after_its_time(tmp_path: Path) -> None:
    async def do(engine: Engine) -> None:
        await pass_time(100 * NS_PER_S)
        await asyncio.gather(publish(engine, "live/cam", 5), publish(engine, "live/other", 5))

    entry = Recording(key="live/cam", to=f"{tmp_path}/a/{{key}}-{{time}}.jsonl", payload=False, length=3 * NS_PER_S)
    events = recorded(entry, do=do)
    path = tmp_path / f"a/live/cam-{STARTED}.jsonl"
    size = path.stat().st_size
    assert events == [TapeEnded("live/cam", str(path), size, "recorded for 3s")]  # it began before anybody listened
    script = read_file(path)
    assert script.records[-1].at == 103 * NS_PER_S
    assert script.records[-1].fields == {"reason": "recorded for 3s"}
    assert script.head.topology["record"] == []
    assert 70 < kinds(path).count("frame") + kinds(path).count("send") < 80
    assert path.stat().st_mode & 0o777 == 0o600


def test_each_stream_of_a_pattern_has_a_tape_and_a_replay_is_the_same(tmp_path: Path) -> None:
    async def do(engine: Engine) -> None:
        await publish(engine, "live/a")
        await pass_time(60 * NS_PER_S)  # its hold is over
        await asyncio.gather(publish(engine, "live/a"), publish(engine, "live/b"))

    events = recorded(Recording(key="live/*", to=f"{tmp_path}/{{key}}.jsonl"), do=do)
    paths = [tmp_path / f"live/{name}.jsonl" for name in ("a", "a-2", "b")]
    assert [event.path for event in events if isinstance(event, TapeStarted)] == [str(path) for path in paths]
    ends = {event.path: event.reason for event in events if isinstance(event, TapeEnded)}
    assert ends == dict(zip(map(str, paths), ("the stream ended", "the engine stops", "the engine stops"), strict=True))
    for path in paths:
        assert kinds(path).count("send") == 25
        assert replay(read_file(path)).divergence is None


def test_everything_is_one_tape_from_the_start(tmp_path: Path) -> None:
    async def do(engine: Engine) -> None:
        await asyncio.gather(publish(engine, "live/a"), publish(engine, "live/b"))

    recorded(Recording(to=f"{tmp_path}/{{key}}.jsonl"), do=do)
    script = read_file(tmp_path / "all.jsonl")
    assert {record.fields["key"] for record in script.records if record.kind == "publish"} == {"live/a", "live/b"}
    assert replay(script).divergence is None


def test_a_tape_that_is_full_says_so_and_is_no_larger(tmp_path: Path) -> None:
    async def do(engine: Engine) -> None:
        async with engine.publish("live/cam", (VIDEO,)) as publisher:
            for frame in pictures(100, size=5000):
                publisher.send(frame)
                await pass_time(STEP)

    path = tmp_path / "cam.jsonl"
    (ended,) = recorded(Recording(key="live/cam", to=str(path), max=65536), do=do)
    assert isinstance(ended, TapeEnded)
    assert ended.reason == "as much is recorded as the tape holds"
    assert 50_000 < ended.size == path.stat().st_size < 65536 + 200
    assert kinds(path)[-1] == "end"
    assert not read_file(path).cut


def test_no_more_tapes_than_said(tmp_path: Path) -> None:
    async def do(engine: Engine) -> None:
        for name in ("a", "b", "c"):
            await publish(engine, f"live/{name}")

    entry = Recording(key="live/*", to=f"{tmp_path}/{{key}}.jsonl", tapes=2)
    failed = [event for event in recorded(entry, do=do) if isinstance(event, TapeFailed)]
    assert failed == [TapeFailed("live/c", entry.to, "this entry of record: has made its 2 tapes")]
    assert sorted(path.name for path in tmp_path.rglob("*.jsonl")) == ["a.jsonl", "b.jsonl"]


def test_what_cannot_be_written_is_told_and_tried_again(tmp_path: Path) -> None:
    blocked = tmp_path / "tapes"
    blocked.write_text("no folder")

    async def do(engine: Engine) -> None:
        publishing = asyncio.ensure_future(publish(engine, "live/cam", 30))
        await pass_time(1 * NS_PER_S)
        blocked.unlink()
        await publishing

    events = recorded(Recording(key="live/cam", to=f"{blocked}/{{key}}.jsonl", begin="stream"), do=do)
    assert isinstance(events[0], TapeFailed)
    assert events[0].error == "Not a directory"
    assert any(isinstance(event, ActorRestarted) and event.actor.startswith("records/1: live/cam") for event in events)
    assert isinstance(events[-1], TapeEnded)
    assert replay(read_file(blocked / "live/cam.jsonl")).divergence is None


def test_a_full_disk_ends_a_tape_and_another_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bytes:
        monkeypatch.undo()
        raise OSError(28, "No space left on device")

    async def do(engine: Engine) -> None:
        publishing = asyncio.ensure_future(publish(engine, "live/cam", 10))
        await pass_time(2 * NS_PER_S)
        monkeypatch.setattr("arcly_actors.script.taping.record_line", full)
        await publishing

    events = recorded(Recording(key="live/cam", to=f"{tmp_path}/cam.jsonl"), do=do)
    assert [type(event) for event in events] == [TapeFailed, ActorRestarted, TapeStarted, TapeEnded]
    assert isinstance(events[0], TapeFailed)
    assert events[0].error == "No space left on device"
    assert replay(read_file(tmp_path / "cam-2.jsonl")).divergence is None


def test_a_recorder_that_crashes_is_restarted_and_what_it_had_is_whole(tmp_path: Path) -> None:
    async def do(engine: Engine) -> None:
        publishing = asyncio.ensure_future(publish(engine, "live/cam", 4))
        await pass_time(1 * NS_PER_S)
        (recorder,) = pykka.ActorRegistry.get_by_class(Recorder)
        recorder.tell(Crash(RuntimeError("injected")))
        await publishing

    events = recorded(Recording(key="live/cam", to=f"{tmp_path}/cam.jsonl"), do=do)
    assert [type(event) for event in events] == [TapeEnded, ActorRestarted, TapeStarted, TapeEnded]
    for name in ("cam.jsonl", "cam-2.jsonl"):
        script = read_file(tmp_path / name)
        assert script.records[-1].kind == "end"
        assert replay(script).divergence is None


def test_a_tape_that_waits_is_begun_anew_each_hour(tmp_path: Path) -> None:
    async def do(engine: Engine) -> None:
        await pass_time(5 * limits.RECORDING_RENEWAL // 2)
        await publish(engine, "live/cam")

    events = recorded(Recording(key="live/cam", to=f"{tmp_path}/{{time}}.jsonl"), do=do)
    ends = [event.reason for event in events if isinstance(event, TapeEnded)]
    assert ends == ["nothing came in 1h: begun anew"] * 2 + ["the engine stops"]
    (left,) = tmp_path.iterdir()
    assert read_file(left).duration_ns < limits.RECORDING_RENEWAL
