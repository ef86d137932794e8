"""Faults on purpose in what an engine dials: cut, stalled, refused; it is dialled for ever, and touches nobody else."""

import itertools
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import arcly_actors as arcly
from arcly_actors.bus.events import (
    Event,
    PublishEnded,
    PublishHeld,
    SinkConnected,
    SinkFailed,
    SourceConnected,
    SourceFailed,
    SubscriberEvicted,
    SubscriberLeft,
)
from arcly_actors.clock import NS_PER_MS, NS_PER_S, VirtualClock
from arcly_actors.script import edit, faults, read_file
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.script.replay import replay
from arcly_actors.script.virtual import another, run_engine
from arcly_actors.topology import Fault
from tests.script.clip import clip, sending
from tests.script.test_dialled import FAR, PULLED, PUSHED
from tests.support.loopback import LOOPBACK
from tests.support.virtual import pass_time

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"
Happened = list[tuple[float, Event]]


def pulling(over: str, *given: Fault, seconds: int = 8, path: Path | None = None) -> Happened:
    """What happens at an engine with these faults whose source's server is there all the time."""
    url, transport = PULLED[over]
    happened: Happened = []
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        clock = engine.clock
        seat = engine.events.observable.subscribe(lambda event: happened.append((clock.monotonic_ns() / NS_PER_S, event)))
        async with another(engine, FAR) as far, sending(far, "live/cam"), AsyncExitStack() as stack:
            if path is not None:
                await stack.enter_async_context(engine.tape("live/here", path))
            await engine.pull("live/here", url, transport=transport)
            await pass_time(seconds * NS_PER_S)
            seat.dispose()

    topology = LOOPBACK.model_copy(update={"faults": given})
    run_engine(scenario, topology, clock=VirtualClock(), network=ScriptedNetwork(delay=5 * NS_PER_MS), seed=4)
    return happened


def times(happened: Happened, *kinds: type[Event]) -> list[float]:
    return [at for at, event in happened if isinstance(event, kinds)]


@pytest.mark.parametrize("over", PULLED)
def test_a_source_that_is_cut_off_comes_back(over: str, tmp_path: Path) -> None:
    path, seconds = tmp_path / "cut.jsonl", 12 if over == "srt" else 5
    happened = pulling(over, faults.disconnect("pull", at="3003ms"), seconds=seconds, path=path)
    noticed = 6 if over == "srt" else 0  # who sends datagrams falls silent
    (failed,) = times(happened, SourceFailed)
    assert 2.9 + noticed * 0.8 < failed < 3.2 + noticed
    assert len(times(happened, SourceConnected)) == 2
    assert len(times(happened, PublishHeld)) == 1
    assert times(happened, PublishEnded) == []
    script = read_file(path)
    assert len({record.who for record in script.records if record.kind == "dial"}) == 2
    assert replay(script).divergence is None  # the fault is in what came in


@pytest.mark.parametrize(("over", "why"), [("rtmp", "127.0.0.1:1: connection refused"), ("srt", "refused on purpose")])
def test_a_source_that_is_refused_is_dialled_further_and_further_apart(over: str, why: str) -> None:
    happened = pulling(over, faults.refuse("live/here", length="5s"), seconds=9)
    failed = times(happened, SourceFailed)
    gaps = [after - before for before, after in itertools.pairwise(failed)]
    assert len(failed) > 3
    assert gaps[-1] > 1.5 * gaps[0]
    assert all(why in event.error for _, event in happened if isinstance(event, SourceFailed))
    assert 5 < times(happened, SourceConnected)[0] < 9


def test_a_source_that_stalls_is_given_up_and_dialled_anew() -> None:
    happened = pulling("rtmp", faults.stall("live/here", at="2s", length="11s"), seconds=14)
    assert 11.9 < times(happened, SourceFailed)[0] < 13
    assert times(happened, SourceConnected)[-1] > 13
    assert times(happened, PublishEnded) == []


def test_a_stall_that_is_short_is_no_failure() -> None:
    happened = pulling("rtmp", faults.stall("pull-1", at="2s", length="2s"), seconds=5)
    assert times(happened, SourceFailed, PublishHeld) == []


def test_a_sink_that_fails_touches_nobody_else() -> None:
    """Three sinks and a viewer: what is refused, cut and stalled is one sink's, again and again."""
    happened: Happened = []
    clip()
    given = (
        faults.disconnect("push-1", at="3s"),
        faults.refuse("push", at="3s", length="2s"),
        faults.disconnect("push", at="7s"),
    )

    async def scenario(engine: arcly.Engine) -> int:
        clock = engine.clock
        seat = engine.events.observable.subscribe(lambda event: happened.append((clock.monotonic_ns() / NS_PER_S, event)))
        async with another(engine, FAR) as far, sending(engine, "live/cam"):
            await engine.push("live/cam", PUSHED["rtmp"])
            await engine.push("live/cam", PUSHED["rtsp"].replace("there", "elsewhere"))
            await engine.push("live/cam", PUSHED["srt"].replace("there", "third"))
            seen: list[int] = []
            stream = await engine.stream("live/cam")
            stream.observable.subscribe(lambda frame: seen.append(frame.dts))
            await pass_time(9 * NS_PER_S)
            reports = {str(report.key): report for report in far.streams()}
            assert set(reports) == {"live/there", "live/elsewhere", "live/third"}
            seat.dispose()
        return len(seen)

    topology = LOOPBACK.model_copy(update={"faults": given})
    seen = run_engine(scenario, topology, network=ScriptedNetwork(delay=5 * NS_PER_MS), seed=4)
    failed = {event.url for at, event in happened if isinstance(event, SinkFailed) and at < 6}
    assert failed == {"rtmp://127.0.0.1:1/live/***"}
    connected = [event.url for _, event in happened if isinstance(event, SinkConnected)]
    assert connected.count("rtmp://127.0.0.1:1/live/***") >= 2
    assert connected.count("srt://127.0.0.1:3/?***") == 1
    assert times(happened, SubscriberEvicted, PublishHeld) == []
    left = [event for _, event in happened if isinstance(event, SubscriberLeft)]
    assert len(left) < 12
    assert seen > 9 * 60  # the viewer in the program had all of it


def test_scripts_take_them_too() -> None:
    script = read_file(SCRIPTS / "pull-rtmp.jsonl")
    refused = replay(edit.apply(script, [edit.read_fault("refuse live/cam@0s+1500ms", script.duration_ns)]))
    why = [record.fields["why"] for record in refused.script.records if record.kind == "unanswered"]
    assert why[-1] == "connection refused"
    starts = [record.at for record in refused.records if record.get("what") == "PublishStarted"]
    assert [at > 1_800_000_000 for at in starts] == [True]
    stalled = replay(edit.apply(script, [edit.read_fault("stall pull@1s+500ms", script.duration_ns)]))
    frames = [record.at for record in stalled.records if record.kind == "frame"]
    assert not [at for at in frames if 1_100_000_000 < at < 1_490_000_000]
    assert len(frames) == sum(record.kind == "frame" for record in script.records)
    for text in ("stall pull", "refuse pull@1s+soon"):
        with pytest.raises(arcly.ConfigurationError):
            edit.read_fault(text, 1)


def test_the_topology_says_what_they_are() -> None:
    assert faults.stall("pull", at="2s", length="3s").told() == "stall pull@2s for 3s"
    assert faults.refuse("live/cam").told() == "refuse live/cam@0s"
    with pytest.raises(arcly.ConfigurationError, match="has no 'on'"):
        faults.refuse("pull", on="live/cam")
    with pytest.raises(arcly.ConfigurationError, match="has no 'every'"):
        faults.stall("pull", every="1s")
