"""`faults:` in a topology: what an entry means, and every mistake with its place."""

import pytest

from arcly_actors.clock import NS_PER_S
from arcly_actors.topology import Fault, Topology, TopologyError
from arcly_actors.topology.injection import ACTORS, means, share, share_text


def faults(text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        Topology.parse(f"version: 1\nfaults:\n  - {text}\n", source="t")
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{loss: 3%, on: live/cam, seed: 7}", "loss 3% on live/cam (seed 7)"),
        ("{loss: 0.05 %}", "loss 0.05% (seed 0)"),
        ("{jitter: 40ms, on: rtmp, at: 5s, for: 1m}", "jitter 40ms@5s for 1m on rtmp (seed 0)"),
        ("{crash: publisher, at: 2500ms}", "crash publisher@2500ms"),
        ("{crash: stream, at: 2.5s, every: 10s}", "crash stream@2500ms every 10s"),
        ('{disconnect: "*", every: 30s}', "disconnect * every 30s"),
        ("{clock-jump: +1h, at: 2s}", "clock-jump +1h@2s"),
    ],
)
def test_an_entry_as_it_is_written(text: str, told: str) -> None:
    topology = Topology.parse(f"version: 1\nfaults: [{text}]")
    assert [fault.told() for fault in topology.faults] == [told]
    assert Topology.parse(topology.to_yaml()) == topology


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{on: live/cam}", "t:3:5: faults[0]: says nothing that goes wrong (one of loss, jitter, stall, refuse, cr"),
        ("{loss: 3%, jitter: 1s}", "says loss and jitter (one of"),
        ("{loss: 3}", "t:3:12: faults[0].loss: 3 is not a share (write it as 3%)"),
        ("{loss: 101%}", "'101%' is not a share (write it as 3%)"),
        ("{loss: 3%, every: 1s}", "t:3:23: faults[0].every: a loss has no 'every' (remove it)"),
        ("{crash: publisher}", "t:3:13: faults[0].crash: a crash has a time (add at: 2.5s)"),
        ("{crash: publsher, at: 1s}", "not publisher or subscriber or stream or gop or connection or listener or port"),
        ("{crash: gop, at: 1s, on: live/cam}", "a crash has no 'on' (remove it)"),
        ("{disconnect: a b, at: 1s}", "'a b' is no place (a stream (live/cam, live/*), an endpoint (rtmp) or rtmp-2)"),
        ("{clock-jump: 1h, at: 1s, every: 1s}", "a clock-jump has no 'every' (remove it)"),
        ("{jitter: 2m}", "2m is out of range (from 1ms to 1m)"),
        ("{los: 3%}", "unknown key (did you mean 'loss'?)"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, told: str) -> None:
    found = faults(text)
    assert all(each.startswith("t:3:") for each in found)
    assert any(told in each for each in found), found


def test_places() -> None:
    names = ("rtmp", "rtmp-2", "live/cam")
    assert all(means(place, *names) for place in ("*", "rtmp", "rtmp-2", "live/cam", "live/*"))
    assert not any(means(place, *names) for place in ("rtmp-1", "live/other", "rtsp"))
    assert not means("rtmp")
    assert means("*")


def test_shares() -> None:
    assert [share_text(share(text)) for text in ("3%", "0.1%", "100%")] == ["3%", "0.1%", "100%"]


def test_python_says_it_too() -> None:
    fault = Fault(loss=0.03, at=NS_PER_S, length=NS_PER_S, on="live/*")
    assert fault.told() == "loss 3%@1s for 1s on live/* (seed 0)"
    assert [Fault.model_validate({"crash": actor, "at": "1s"}).crash for actor in ACTORS] == [*ACTORS]
