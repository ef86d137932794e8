"""WebRTC peers of simulated worlds: worlds that are full of them hold, go the same way twice, and find what is broken."""

from pathlib import Path
from typing import Any, cast

import pytest

from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.rtp_line import RtpLine
from arcly_actors.egress.rtp_replay import Replays
from arcly_actors.egress.rtp_slice import Slice
from arcly_actors.egress.rtp_viewer import RtpViewer
from arcly_actors.ingest.rtp_receiver import Received, RtpReceiver
from arcly_actors.script import read_file, write_file
from arcly_actors.script.replay import replay
from arcly_actors.simulation import explorer, faults, simulate
from arcly_actors.simulation.explorer import Plan
from arcly_actors.simulation.faults import FAULTS, Fault, crashes, loss, stall, storm
from arcly_actors.simulation.peer import PublishingPeer
from arcly_actors.simulation.protocols import PUBLISHERS, VIEWERS
from arcly_actors.simulation.rtmp import RtmpPublisher
from arcly_actors.simulation.whep import WhepViewer
from arcly_actors.simulation.whip import WhipPublisher

BUSY = Plan(viewers=12, faults=60)
SEEDS = (1, 3, 6, 7)


@pytest.fixture(autouse=True)
def crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most peers come over WebRTC."""
    monkeypatch.setitem(cast("dict[Any, float]", VIEWERS), WhepViewer, 40)
    monkeypatch.setitem(cast("dict[Any, float]", PUBLISHERS), WhipPublisher, 4)
    monkeypatch.setitem(cast("dict[Any, float]", FAULTS), loss, 6)


def test_all_invariants_hold_and_every_fault_is_met() -> None:
    counts: dict[str, int] = {}
    for seed in SEEDS:
        result = simulate(seed, 20 * NS_PER_S, BUSY)
        assert result.violation is None, seed
        for what, count in result.counts.items():
            counts[what] = counts.get(what, 0) + count
    assert counts["whep viewer"] > 50
    assert counts["whip publisher"] > 10
    met = {"fault storm", "fault loss", "fault stall", "fault jitter", "fault garbage"}
    assert met | {"KeyframeRequested"} <= set(counts)


def test_the_same_seed_goes_the_same_way_twice_and_its_tape_replays(tmp_path: Path) -> None:
    first, taped = (simulate(1, 20 * NS_PER_S, BUSY, tape=tape) for tape in (False, True))
    script, taped.script = taped.script, None
    assert first == taped
    assert script is not None
    assert {"session", "connected", "rtp-out", "rtcp-in", "closed"} <= {record.kind for record in script.records}
    path = tmp_path / "simulation.jsonl"
    write_file(script, path)
    assert replay(read_file(path)).divergence is None


def start_anywhere(line: RtpLine, one: Slice, now: int) -> None:
    """Who waits for a keyframe is shown whatever comes."""
    if line.waiting and one.opens:
        line._start(one.sequence)
    TAKE(line, one, now)


def hear_nothing(_viewer: RtpViewer, _data: bytes, _now: int, _wall: int) -> bool:
    """Reports and requests of viewers go nowhere."""
    return False


def forget(line: RtpLine) -> bool:
    """After a crash a viewer goes on at live, and what came meanwhile is not sent."""
    line._next = line.track.sent
    return True


def again_at_once(viewer: RtpViewer, now: int) -> bool:
    """The cached GOP as often as it is asked for."""
    viewer._replays = Replays()
    return REPLAY(viewer, now)


def mislay(receiver: RtpReceiver, data: bytes, now: int) -> Received | None:
    """Now and then what a sender's packet completes is lost."""
    received = RECEIVE(receiver, data, now)
    return None if data[3] % 32 == 7 else received


def ask_for_none(_receiver: RtpReceiver, _sources: object, *, full_intra: bool) -> bytes:
    """No sender is asked for a keyframe."""
    del full_intra
    return b""


TAKE, REPLAY, RECEIVE = RtpLine.take, RtpViewer.replay, RtpReceiver.receive
Mutation = tuple[Any, str, Any, type[PublishingPeer], Fault]
MUTATIONS: dict[str, tuple[Mutation, set[str]]] = {
    "deltas first": ((RtpLine, "take", start_anywhere, RtmpPublisher, storm), {"KeyframeFirst"}),
    "nobody listens": ((RtpViewer, "heard", hear_nothing, WhipPublisher, stall), {"RequestsAnswered"}),
    "a crash loses pictures": ((RtpLine, "go_on", forget, RtmpPublisher, crashes), {"NoGapNoDuplicate", "KeyframeFirst"}),
    "GOPs without end": ((RtpViewer, "replay", again_at_once, RtmpPublisher, storm), {"RequestsAnswered"}),
    "frames are mislaid": ((RtpReceiver, "receive", mislay, WhipPublisher, storm), {"Contributed", "KeyframeFirst"}),
    "no PLIs": ((RtpReceiver, "keyframe_request", ask_for_none, WhipPublisher, storm), {"KeyframesAsked"}),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_engine_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a world that has little but what it takes."""
    (owner, attribute, replacement, publisher, fault), expected = MUTATIONS[name]
    monkeypatch.setattr(owner, attribute, replacement)
    monkeypatch.setattr(explorer, "PUBLISHERS", {publisher: 1})
    monkeypatch.setattr(explorer, "VIEWERS", {WhepViewer: 1})
    monkeypatch.setattr(explorer, "FAULTS", {fault: 1})
    monkeypatch.setattr(faults, "TARGETS", {"whep-session": False})
    for seed in range(1, 9):
        found = simulate(seed, 40 * NS_PER_S, BUSY).violation
        if found is not None:
            assert found.invariant in expected, str(found)
            return
    pytest.fail(f"nobody noticed: {name}")
