"""Tapes of a running engine and their replays: equal to what was recorded, and to each other."""

import asyncio
import os
import random
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import arcly_actors as arcly
from arcly_actors.clock import SystemClock, SystemEntropy
from arcly_actors.script import Head, Record, Script, ScriptError, read, read_file
from arcly_actors.script import edit as editing
from arcly_actors.script.check import check
from arcly_actors.script.record import digest
from arcly_actors.script.replay import frames_of, replay
from arcly_actors.script.show import page, text
from arcly_actors.topology import Topology
from tests.bus.frames import VIDEO, pictures
from tests.support.loopback import LOOPBACK
from tests.support.waiting import until

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"
LIBRARY = sorted(SCRIPTS.glob("*.jsonl"))
RTMP = SCRIPTS / "ffmpeg-rtmp.jsonl"


def changed(script: Script, index: int, record: Record) -> Script:
    return replace(script, records=(*script.records[:index], record, *script.records[index + 1 :]))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_the_same_script_goes_the_same_way_twice(path: Path) -> None:
    script = read_file(path)
    first, second = replay(script), replay(script)
    assert first.records == second.records
    assert first.records == script.records
    assert first.divergence is None


@pytest.mark.parametrize(
    "name", ["ffmpeg-rtmp", "ffmpeg-srt-encrypted", "ffmpeg-rtsp-udp", "ffmpeg-mpegts", "slow-viewer", "whep-mid-gop"]
)
def test_nothing_reads_the_real_clock_or_entropy(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """By the package's own code: Pykka names an actor by `uuid4`, before the package gives it another name."""

    def guard(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def read(*arguments: Any) -> Any:
            caller = sys._getframe(1).f_globals["__name__"]
            if caller.startswith("arcly_actors") or owner in (SystemClock, SystemEntropy):
                raise AssertionError(f"{caller} read the machine's clock or entropy")
            return real(*arguments)

        monkeypatch.setattr(owner, name, read)

    script = read_file(SCRIPTS / f"{name}.jsonl")
    replay(script)  # what is imported when first used is imported now
    places: list[tuple[Any, str]] = [(os, "urandom"), (uuid, "uuid4"), (random, "random"), (random, "getrandbits")]
    places += [(time, name) for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter")]
    places += [(SystemClock, "monotonic_ns"), (SystemClock, "wall_ns")]
    places += [(SystemEntropy, "random_bytes"), (SystemEntropy, "uniform")]
    for owner, name in places:
        guard(owner, name)
    assert replay(script).divergence is None
    with pytest.raises(AssertionError, match="read the machine's clock"):
        SystemClock().monotonic_ns()


def test_a_changed_byte_is_the_first_difference_and_has_neighbours() -> None:
    script = read_file(RTMP)
    index = [at for at, record in enumerate(script.records) if record.kind == "out"][4]
    data = bytearray(script.records[index].data or b"")
    data[1] ^= 1
    for exact in (True, False):
        head = replace(script.head, exact=exact)
        wrong = changed(replace(script, head=head), index, replace(script.records[index], data=bytes(data)))
        found = replay(wrong).divergence
        assert found is not None
        assert found.expected is not None
        assert found.expected.line == script.records[index].line
        lines = found.lines()
        assert [line[:4] for line in lines if line.startswith(("  - ", "  + "))] == ["  - ", "  + "]
        assert len(lines) > 5


def test_digests_do_for_what_goes_out() -> None:
    script = read_file(RTMP)
    told = tuple(record.hashed() if record.kind == "out" else record for record in script.records)
    assert replay(replace(script, records=told)).divergence is None
    recorded = replace(script, records=told, head=replace(script.head, exact=False))
    assert replay(recorded).divergence is None
    index = [at for at, record in enumerate(told) if record.kind == "out"][7]
    wrong = replace(told[index], fields={**told[index].fields, "hash": digest(b"another")})
    found = replay(changed(recorded, index, wrong)).divergence
    assert found is not None
    assert found.note == "another digest"


async def test_a_tape_of_an_engine_is_a_script(tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    async with arcly.Engine(LOOPBACK) as engine, engine.publish("live/cam", (VIDEO,)) as publisher:
        frames = list(pictures(12, gop=4))
        for frame in frames[:6]:
            publisher.send(frame)
        stream = await engine.stream("live/cam")
        await until(lambda: len(stream.tracks) == 1)
        async with engine.tape("live/cam", path, provenance={"why": "a test"}):
            for frame in frames[6:]:
                publisher.send(frame)
            await until(lambda: engine.built.bus.channel(stream.key).log.head == len(frames))  # type: ignore[union-attr]  # it is live
    script = read_file(path)
    assert script.head.provenance["why"] == "a test"
    assert [record.kind for record in script.records].count("send") == len(frames)
    replayed, streams = await asyncio.to_thread(
        lambda: (replay(script), frames_of(script))
    )  # they have loops of their own
    assert replayed.divergence is None
    (made,) = streams.values()
    assert [frame.payload for frame in made[1]] == [frame.payload for frame in frames]


async def test_a_tape_gives_records_and_other_streams_are_not_on_it() -> None:
    async with arcly.Engine(LOOPBACK) as engine:
        async with (
            engine.tape("live/cam") as tape,
            engine.publish("live/cam", (VIDEO,)),
            engine.publish("live/b", (VIDEO,)),
        ):
            await asyncio.sleep(0)
            tape.stop()
            records = [record async for record in tape]
        assert engine.built.system.seams.tapes == ()
    assert [record.fields["key"] for record in records if record.kind == "publish"] == ["live/cam"]
    assert records[-1].kind == "end"


async def test_a_tape_is_bounded() -> None:
    async with (
        arcly.Engine(LOOPBACK) as engine,
        engine.publish("live/cam", (VIDEO,)) as publisher,
        engine.tape("live/cam", size=2000) as tape,
    ):
        for frame in pictures(60, gop=5):
            publisher.send(frame)
        await until(lambda: bool(tape.lost))
        records = [record async for record in tape]
    assert tape.lost == records[-1].fields["reason"] == "as much is recorded as the tape holds"


def test_faults_change_what_happens_and_go_the_same_way_for_one_seed() -> None:
    script = read_file(RTMP)
    length = script.duration_ns
    faults = [editing.read_fault(each, length) for each in ("jitter 40ms", "disconnect 2s", "clock-jump +1h")]
    made = [replay(editing.apply(script, faults, seed)).records for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert any(record.get("what") == "PublishHeld" and record.at >= 2_000_000_000 for record in made[0])


def test_a_crash_is_told_as_its_supervision_says() -> None:
    seen = {path.stem: [r.get("what") for r in read_file(path).records if r.kind == "event"] for path in LIBRARY}
    assert "ActorRestarted" in seen["crash-stream"]
    assert "ActorRestarted" in seen["crash-gop"]
    assert "PublishHeld" in seen["crash-publisher"]
    assert seen["crash-subscriber"].count("SubscriberJoined") > seen["ffmpeg-rtmp"].count("SubscriberJoined")


@pytest.mark.parametrize("wrong", ["loss", "loss 200%", "jitter", "crash publisher", "disconnect soon", "rain 3%"])
def test_what_is_no_fault_is_told(wrong: str) -> None:
    with pytest.raises(arcly.ConfigurationError):
        editing.read_fault(wrong, 1)


def test_loss_is_for_frames() -> None:
    with pytest.raises(arcly.ConfigurationError, match="a byte stream loses nothing"):
        editing.apply(read_file(RTMP), [editing.loss(0.5)])


def test_cut_and_redacted() -> None:
    script = read_file(RTMP)
    short = editing.cut(script, 0, 2_000_000_000)
    assert short.duration_ns == 2_000_000_000
    assert replay(short).divergence is None
    hidden = editing.redact(script)
    assert all(record.data is None and record.kind != "draw" for record in hidden.records)
    with pytest.raises(ScriptError, match="can be looked at, not replayed"):
        replay(hidden)


def test_a_script_is_drawn() -> None:
    lines = list(text(read_file(SCRIPTS / "publisher-reconnect.jsonl")))
    assert lines[0].split()[:2] == ["engine", "rtmp-1"]
    assert any(line.endswith("[HELD]") for line in lines)
    assert any(line.endswith("[RESUMED]") for line in lines)
    assert any(line.endswith("[KEY]") for line in lines)
    drawn = page(read_file(RTMP))
    assert drawn.startswith("<!doctype html>")
    assert "src=" not in drawn.replace("testsrc=", "")


HAND_WRITTEN = (
    '{"script": 1}\n{"is": "view", "who": "a", "key": "live/cam"}\n'
    '{"is": "publish", "who": "p", "key": "live/cam"}\n'
    '{"is": "tracks", "who": "p", "key": "live/cam", "tracks": [{"id": 0, "codec": "vp8"}]}\n'
    '{"at": "10ms", "is": "send", "who": "p", "track": 0, "pts": 0, "dts": 0, "keyframe": true, "data": "AAAA"}\n'
    '{"at": "50ms", "is": "send", "who": "p", "track": 0, "pts": 40000000, "dts": 40000000, "data": "AAAB"}\n'
    '{"at": "1s", "is": "unpublish", "who": "p"}\n'
)


@pytest.mark.parametrize(
    ("expectation", "problem"),
    [
        ('{"at": 0, "expect": "frames", "who": "a", "count": 2, "monotonic": "dts"}', ""),
        ('{"at": 0, "expect": "frames", "who": "a", "count": 3}', "expected 3 frames, and 2 came"),
        ('{"at": 0, "expect": "PublishStarted", "within": "10ms"}', ""),
        ('{"at": "1s", "expect": "PublishHeld", "with": {"key": "live/cam"}}', ""),
        ('{"at": "2s", "expect": "PublishHeld"}', "expected 1 x PublishHeld until the end, and 0 came"),
        ('{"at": 0, "expect": "no", "type": "SubscriberLeft"}', ""),
        ('{"at": 0, "expect": "no", "type": "PublishHeld"}', "expected no PublishHeld, and it came at 1.000 s"),
    ],
)
def test_expectations(expectation: str, problem: str) -> None:
    lines = HAND_WRITTEN.encode().splitlines(keepends=True)
    placed = [
        *lines,
        *([f"{expectation}\n".encode()] if '"at": 0' not in expectation else ()),
        b'{"at": "3s", "is": "end"}\n',
    ]
    if '"at": 0' in expectation:
        placed.insert(1, f"{expectation}\n".encode())
    replayed, failures = check(read(placed, "s.jsonl"))
    assert replayed.divergence is None
    assert bool(failures) is bool(problem)
    assert problem in "".join(failures)


def test_a_script_that_cannot_be_replayed_says_why() -> None:
    for udp in ({}, {"udp": True}):
        with pytest.raises(ScriptError, match="no endpoint 'moon'"):
            replay(Script(Head(), (Record(0, "open", {"who": "a", "on": "moon", "peer": "192.0.2.1:5", **udp}, line=2),)))
    with pytest.raises(ScriptError, match="the topology in the head is wrong"):
        replay(Script(Head({"version": 3}), ()))
    with pytest.raises(ScriptError, match="there is no actor 'moon'"):
        replay(Script(Head(Topology().model_dump(mode="json")), (Record(0, "crash", {"actor": "moon"}, line=2),)))
