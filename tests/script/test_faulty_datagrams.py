"""Faults on purpose in what comes by datagrams: SRT, RTP over UDP, feeds, and WebRTC at its decrypted seam."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import arcly_actors as arcly
from arcly_actors.bus.events import Event, FaultInjected, SinkFailed
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.script import Script, edit, faults, read_file
from arcly_actors.script.network import ScriptedNetwork
from arcly_actors.script.packets import asks
from arcly_actors.script.record import Record
from arcly_actors.script.replay import replay
from arcly_actors.script.virtual import another, run_engine
from arcly_actors.topology import Fault
from tests.script.clip import clip, sending
from tests.script.test_datagrams import controls
from tests.script.test_dialled import FAR, pictures
from tests.support.loopback import LOOPBACK
from tests.support.virtual import pass_time

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"
KINDS = {
    "srt": "ffmpeg-srt.jsonl",
    "rtsp": "ffmpeg-rtsp-udp.jsonl",
    "mpegts": "ffmpeg-mpegts.jsonl",
    "whip": "chromium-whip.jsonl",
}


def recorded(over: str) -> Script:
    return read_file(SCRIPTS / KINDS[over])


def under(over: str, *given: Fault) -> tuple[Record, ...]:
    """What comes of what a real client sent when these faults are in the topology of the engine that hears it."""
    script = recorded(over)
    listed = [each.model_dump(mode="json") for each in given]
    faulty = replace(script, head=replace(script.head, topology={**script.head.topology, "faults": listed}))
    return replay(faulty).records


def frames(records: tuple[Record, ...]) -> int:
    return sum(record.kind == "frame" for record in records)


def held(records: tuple[Record, ...]) -> list[float]:
    return [record.at / NS_PER_S for record in records if record.get("what") == "PublishHeld"]


@pytest.mark.parametrize("over", KINDS)
def test_what_is_lost_does_not_come_and_chance_is_the_seeds(over: str) -> None:
    whole = frames(recorded(over).records)
    lossy = [under(over, faults.loss("10%", on=place, seed=seed)) for place, seed in (("live/cam", 1), (over, 1))]
    assert all(frames(each) < whole for each in lossy)
    assert under(over, faults.loss("10%", on=over, seed=1)) == lossy[1]
    assert under(over, faults.loss("10%", on="live/other")) == under(over)


@pytest.mark.parametrize("over", KINDS)
def test_what_is_late_overtakes_and_is_put_in_order(over: str) -> None:
    whole = frames(recorded(over).records)
    late = under(over, faults.jitter("30ms", seed=1))
    assert 0.97 * whole <= frames(late) <= whole
    dts: dict[int, int] = {}
    for record in late:
        if record.kind == "frame":
            assert record.fields["dts"] > dts.get(record.fields["track"], -1)
            dts[record.fields["track"]] = record.fields["dts"]


def test_what_is_lost_is_asked_for_where_a_protocol_can() -> None:
    lossy = [under(over, faults.loss("10%", seed=3)) for over in ("srt", "whip")]
    naks = [
        sum(controls(each)[kind] for kind in controls(each) if kind.name == "NAK") for each in (under("srt"), lossy[0])
    ]
    assert naks[0] < naks[1]
    asked = Counter(word for record in lossy[1] if record.kind == "rtcp-out" for word in asks(record.data).split()[:1])
    assert asked["NACK"] + asked["PLI"] > 0


@pytest.mark.parametrize(("over", "after"), [("rtsp", 0), ("mpegts", 0.9), ("whip", 0)])
def test_who_is_disconnected_is_missed(over: str, after: float) -> None:
    """An RTSP connection breaks, with all that it arranged, and a session of WebRTC; a feed falls silent."""
    script = recorded(over)
    silent = edit.apply(script, [edit.of(faults.disconnect("live/cam", at="2s"), script.duration_ns)])
    for records in (under(over, faults.disconnect("live/cam", at="2s")), replay(silent).records):
        (at,) = held(records)
        assert after + 1.9 < at < after + 2.1
        assert frames(records) < frames(recorded(over).records)


@pytest.mark.parametrize("over", KINDS)
def test_edit_has_the_same_operators_for_them(over: str) -> None:
    script = recorded(over)
    whole = frames(script.records)
    for place in ("*", "live/cam", over):
        changes = [edit.of(each, script.duration_ns) for each in (faults.loss("10%", on=place), faults.jitter("40ms"))]
        made = replay(edit.apply(script, changes, seed=3)).settled()
        assert frames(made.records) < whole
    elsewhere = edit.apply(script, [edit.of(faults.loss("50%", on="live/other"), script.duration_ns)], seed=3)
    assert frames(replay(elsewhere).records) == whole


def test_a_tape_has_what_came_and_needs_no_faults(tmp_path: Path) -> None:
    """A caller and a sender of RTP from elsewhere, with loss, jitter and a silence on their way."""
    path, told = tmp_path / "faulty.jsonl", list[Event]()
    given = (faults.loss("3%", on="srt", seed=1), faults.jitter("20ms", on="live/rtp"), faults.disconnect("srt", at="2s"))

    async def scenario(server: arcly.Engine) -> None:
        server.events.observable.subscribe(told.append)
        async with another(server, LOOPBACK) as client, sending(client, "live/cam"), server.tape(None, path):
            client.events.observable.subscribe(told.append)
            await client.push("live/cam", "srt://127.0.0.1:3?streamid=publish:live/srt")
            await client.push("live/cam", "rtsp://127.0.0.1:2/live/rtp", transport="udp")
            for key in ("live/srt", "live/rtp"):
                await pictures(server, key, 20)
            await pass_time(9 * NS_PER_S)

    clip()
    topology = FAR.model_copy(update={"faults": given})
    run_engine(scenario, topology, network=ScriptedNetwork(delay=NS_PER_MS), seed=2)
    whats = [event.what for event in told if isinstance(event, FaultInjected)]
    assert any(what.startswith("disconnect srt@2s: srt-1 (127.0.0.1:") for what in whats)
    assert any(isinstance(event, SinkFailed) for event in told)  # the caller noticed, too
    script = read_file(path)
    assert script.head.topology["faults"] == []
    assert sum(record.kind == "datagram" for record in script.records) > 300
    assert replay(script).divergence is None
