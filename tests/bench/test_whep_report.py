from dataclasses import replace

import pytest

from bench.whep.case import WhepCase
from bench.whep.report import Row, table, verdicts
from bench.whep.run import cases
from tests.bench.test_report import GOOD

FINE = replace(GOOD, cpu_ms=0.7, latency_p95_ms=9.0, rss_kb_per_viewer=100.0)
CROWD = WhepCase(100, 2600, "gcm", 20.0)


def unmet(case: WhepCase, **changes: object) -> list[str]:
    row = Row(case, replace(FINE, **changes), None)  # type: ignore[arg-type]  # each test names a field rightly
    return [verdict.target for verdict in verdicts([row]) if not verdict.met]


def test_a_crowd_is_judged_by_all_targets() -> None:
    assert unmet(CROWD) == []
    assert unmet(CROWD, cpu_ms=1.31) == ["100 viewers, 2600 kb/s: CPU per viewer-second ≤ 1.3 ms"]
    assert unmet(CROWD, latency_p95_ms=10.1, rss_kb_per_viewer=151.0) == [
        "100 viewers, 2600 kb/s: RSS per viewer ≤ 150 kB",
        "100 viewers, 2600 kb/s: added latency p95 ≤ 10 ms",
    ]


def test_the_low_rate_has_a_bound_of_its_own() -> None:
    assert unmet(replace(CROWD, kilobits=600), cpu_ms=0.81) == ["100 viewers, 600 kb/s: CPU per viewer-second ≤ 0.8 ms"]


@pytest.mark.parametrize("case", [WhepCase(20, 2600, "gcm", 20.0), WhepCase(100, 2600, "cm", 20.0)])
def test_few_viewers_and_the_slow_cipher_are_not_judged(case: WhepCase) -> None:
    assert unmet(case, cpu_ms=9.0, latency_p95_ms=99.0) == []


def test_a_loss_is_told() -> None:
    assert unmet(CROWD, errors={"missing": 1}) == ["no viewer loses a packet"]


def test_a_case_without_a_floor_has_a_dash() -> None:
    line = table([Row(CROWD, FINE, None)]).splitlines()[-1]
    assert line.startswith("| 100 | 2600 | AES-GCM | 0.70 | – | 9 | 2760.0 | 47.0 / 9.0 / 99.0 | – |")


def test_crowds_come_again_at_the_low_rate_and_with_the_other_cipher() -> None:
    planned = [(case.viewers, case.kilobits, case.profiles) for case in cases([1, 100, 300], "gcm", 5.0)]
    assert planned == [
        *((count, 2600, "gcm") for count in (1, 100, 300)),
        (100, 600, "gcm"),
        (300, 600, "gcm"),
        (100, 2600, "cm"),
    ]
    assert [case.profiles for case in cases([2], "cm", 1.0)] == ["cm"]
