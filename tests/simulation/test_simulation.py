"""Simulated worlds: a fixed set of seeds holds, goes the same way twice, and leaves scripts that can be replayed."""

from pathlib import Path

import pytest

from arcly_actors.clock import NS_PER_S
from arcly_actors.script import read_file, write_file
from arcly_actors.script.replay import replay
from arcly_actors.simulation import simulate
from arcly_actors.simulation.explorer import Plan
from arcly_actors.simulation.protocols import PUBLISHERS, VIEWERS

SEEDS = range(1, 9)
MINUTE = 60 * NS_PER_S
BUSY = Plan(viewers=12, faults=60)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_invariants_hold(seed: int) -> None:
    result = simulate(seed, MINUTE)
    assert result.violation is None
    assert result.elapsed_ns == MINUTE
    assert result.frames > 100


def test_the_same_seed_goes_the_same_way_with_a_tape_and_without() -> None:
    first, second, taped = (simulate(7, 20 * NS_PER_S, BUSY, tape=tape) for tape in (False, False, True))
    assert first == second
    assert first.done
    taped.script = None
    assert first == taped


def test_another_seed_goes_another_way() -> None:
    assert simulate(1, 5 * NS_PER_S).done != simulate(2, 5 * NS_PER_S).done


@pytest.mark.parametrize("seed", [5, 7])
def test_a_tape_of_a_simulation_is_a_script_that_replays(seed: int, tmp_path: Path) -> None:
    script = simulate(seed, 20 * NS_PER_S, BUSY, tape=True).script
    assert script is not None
    assert any(record.kind == "crash" for record in script.records)
    path = tmp_path / "simulation.jsonl"
    write_file(script, path)
    assert replay(read_file(path)).divergence is None


def test_every_protocol_and_every_fault_is_met_in_the_fixed_seeds() -> None:
    """A protocol that is never chosen, or a fault that never applies, would be a promise that nobody keeps."""
    counts: dict[str, int] = {}
    for seed in (31, 36, 9):
        for what, count in simulate(seed, 40 * NS_PER_S, BUSY).counts.items():
            counts[what] = counts.get(what, 0) + count
    met = {name for name, count in counts.items() if count}
    assert {f"{kind.protocol} publisher" for kind in PUBLISHERS} <= met
    assert {f"{kind.protocol} viewer" for kind in VIEWERS} <= met
    assert {"fault cut", "fault stall", "fault garbage", "fault picture", "fault crashes", "fault silence"} <= met
    assert {"SubscriberLagged", "SubscriberEvicted", "ActorRestarted", "PublishResumed", "KeyframeRequested"} <= met
