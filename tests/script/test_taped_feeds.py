"""Transport streams in datagrams on tapes, bare and in RTP: what sinks send, and what sources listen to."""

import asyncio
import socket
from pathlib import Path

import pytest

import arcly_actors as arcly
from arcly_actors.bus.events import SinkConnected
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.loop import run
from arcly_actors.script import Script, edit, read_file
from arcly_actors.script.replay import replay
from arcly_actors.script.virtual import another
from tests.script.clip import clip, sending
from tests.script.dialling import rolled
from tests.script.test_dialled import FAR, PUSHED, pictures
from tests.script.test_taped_dials import assert_replays, happened, kinds, of
from tests.script.test_taped_rtsp_udp import until
from tests.support.loopback import LOOPBACK
from tests.support.virtual import pass_time

FEED = "udp://127.0.0.1:9003"
SINKS = {"udp": PUSHED["udp"], "rtp": "rtp://127.0.0.1:6?ttl=3&pkt_size=1328"}


def pushed(over: str, path: Path) -> Script:
    """Pushed to where somebody listens after a while."""
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        async with engine.tape("live/cam", path), sending(engine, "live/cam"):
            await pass_time(NS_PER_S // 7)
            handle = await engine.push("live/cam", SINKS[over])
            async with another(engine, FAR) as far:
                await pass_time(2 * NS_PER_S if over == "rtp" else 0)
                if over == "udp":
                    await pictures(far, "live/there", 30)
            await handle.stop()
            await pass_time(NS_PER_S)

    return rolled(scenario, path)


@pytest.mark.parametrize("over", SINKS)
def test_a_sink_of_datagrams_is_on_the_tape_and_replays(over: str, tmp_path: Path) -> None:
    script = pushed(over, tmp_path / "sink.jsonl")
    (remote,) = of(script, "remote")
    assert remote.fields["url"] == SINKS[over]
    assert [each.kind for each in script.records if each.who.startswith("push-1-")][:4] == [
        "dial",
        "found",
        "bound",
        "open",
    ]
    assert len(of(script, "sent")) > 20
    assert {each.who for each in of(script, "sent")} == {"push-1-1"}
    assert "SinkConnected" in happened(script.records)
    first, second = replay(script), replay(script)
    assert first.divergence is None
    assert first.records == second.records
    assert replay(first.settled()).divergence is None
    refused = replay(edit.apply(script, [edit.read_fault("refuse push@0s", script.duration_ns)]))
    assert "SinkFailed" in happened(refused.records)
    assert "sent" not in {each.kind for each in refused.records}


def listened(path: Path, *, before: bool = False, silent: bool = False) -> Script:
    """A source that listens; its sender comes after a while, before the tape begins or not, and falls silent."""
    clip()

    async def scenario(engine: arcly.Engine) -> None:
        tape = engine.tape("live/here", path)
        if not (before or silent):
            await tape.__aenter__()
        handle = await engine.pull("live/here", FEED, stall="2s")
        await pass_time(NS_PER_S)
        if silent:
            await tape.__aenter__()
        async with another(engine, FAR) as far, sending(far, "live/cam"):
            await far.push("live/cam", FEED)
            await pictures(engine, "live/here", 10)
            if before:
                await tape.__aenter__()
            await pictures(engine, "live/here", 30)
        await pass_time(5 * NS_PER_S)
        await handle.stop()
        await pass_time(NS_PER_S)
        await tape.__aexit__(None, None, None)

    return rolled(scenario, path)


@pytest.mark.parametrize("silent", [False, True])
def test_a_source_that_listens_is_on_the_tape_and_replays(silent: bool, tmp_path: Path) -> None:
    script = listened(tmp_path / "source.jsonl", silent=silent)
    assert kinds(script)["publish"] == 0
    assert [each.fields["url"] for each in of(script, "remote")] == [FEED]
    assert {each.who for each in of(script, "datagram")} == {"pull-1-1.caller-1"}
    assert "SourceStalled" in happened(script.records)
    assert len(of(script, "dial")) > 1
    first, second = replay(script), replay(script)
    assert first.divergence is None
    assert first.records == second.records
    assert replay(first.settled()).divergence is None
    at = f"@{of(script, 'open')[0].at // NS_PER_MS + 200}ms"
    stalled = f"stall pull-1-1.caller-1{at}+300ms"
    for text in ("loss 5%", "jitter 10ms", f"disconnect pull{at}", stalled, "refuse pull@0s"):
        made = replay(edit.apply(script, [edit.read_fault(text, script.duration_ns)], seed=7))
        assert replay(made.settled()).records == made.records
        assert ("SourceConnected" in happened(made.records)) == ("refuse" not in text)


def test_a_source_that_was_heard_before_the_tape_is_by_frames(tmp_path: Path) -> None:
    script = listened(tmp_path / "later.jsonl", before=True)
    assert kinds(script)["remote"] == kinds(script)["datagram"] == 0
    assert len(of(script, "send")) > 10
    assert_replays(script)


def test_a_port_that_is_taken_is_so_in_the_replay(tmp_path: Path) -> None:
    path = tmp_path / "taken.jsonl"

    async def scenario(engine: arcly.Engine) -> None:
        async with engine.tape(None, path):
            for key in ("live/one", "live/two"):
                await engine.pull(key, FEED)
                await pass_time(NS_PER_S // 10)
            await pass_time(2 * NS_PER_S)

    script = rolled(scenario, path)
    assert {each.fields["why"] for each in of(script, "unanswered")} == {
        "cannot listen on 127.0.0.1:9003: another endpoint has it"
    }
    assert_replays(script)


def free_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.mark.real_time
@pytest.mark.parametrize("scheme", ["udp", "rtp"])
def test_a_session_with_real_sockets_replays(scheme: str, tmp_path: Path) -> None:
    """Both ends of it. Over RTP nobody listens; its headers have the time, which no replay has."""
    here, there = tmp_path / "sink.jsonl", tmp_path / "source.jsonl"
    port = free_port()

    async def scenario() -> None:
        async with arcly.Engine(LOOPBACK) as far, arcly.Engine(LOOPBACK) as near, asyncio.timeout(20):
            await near.start_pattern("live/cam")
            await near.stream("live/cam")
            async with near.tape(None, here), far.tape(None, there):
                if scheme == "udp":
                    await far.pull("live/there", f"udp://127.0.0.1:{port}")
                connected = asyncio.ensure_future(until(near, SinkConnected))
                await near.push("live/cam", f"{scheme}://127.0.0.1:{port}")
                await connected
                await pictures(*((far, "live/there") if scheme == "udp" else (near, "live/cam")), 40)

    run(scenario())
    sink, source = read_file(here), read_file(there)
    assert len(of(sink, "sent")) > 10
    assert_replays(sink)
    assert (len(of(source, "datagram")) > 10) == (scheme == "udp")
    assert_replays(source)
