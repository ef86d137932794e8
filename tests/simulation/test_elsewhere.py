"""A simulated server elsewhere: what is pulled comes back, pushes arrive, and an engine that gives up is found out."""

from typing import Any

import pytest

from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import Backoff, RestartPolicy, Strategy
from arcly_actors.simulation import simulate
from arcly_actors.simulation.explorer import Plan
from arcly_actors.topology import build

SEED = 36
"""One of those that have a server elsewhere, as 13 and 8 do."""


def test_what_is_dialled_is_cut_refused_and_silent_and_comes_back() -> None:
    result = simulate(SEED, 40 * NS_PER_S, Plan(viewers=8, faults=60))
    assert result.violation is None
    assert result.counts["fault elsewhere"] > 1
    assert result.counts["SourceConnected"] > 1
    assert result.counts["SinkConnected"] > 3
    assert result.counts["SourceFailed"] > 0
    assert result.counts["SinkFailed"] > 0


def test_an_engine_that_does_not_dial_again_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(policy: RestartPolicy) -> RestartPolicy:
        return RestartPolicy(Strategy.ONE_FOR_ONE, policy.intensity, Backoff(3600 * NS_PER_S, 3600 * NS_PER_S, 0.0))

    monkeypatch.setattr(build, "remote_policy", never)
    found: list[Any] = [simulate(seed, 90 * NS_PER_S, Plan(viewers=2, faults=12)).violation for seed in (13, 8)]
    assert [each.invariant for each in found if each is not None][:1] == ["Reached"]
