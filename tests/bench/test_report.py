from dataclasses import replace

import pytest

from bench.case import Case, Measurement
from bench.machine import Machine
from bench.outcome import Outcome, between_markers
from bench.report import Row, table, verdicts

MACHINE = Machine(cpu="a cpu", cores=2, kernel="6.1", python="3.11.7", load=0.1)
GOOD = Measurement(
    cpu_ms=0.09, cpu_share=0.09, delivered_mbs=345.0, expected_mbs=345.8, latency_p50_ms=47.0, latency_p95_ms=96.0,
    latency_max_ms=99.0, first_keyframe_p50_ms=2.0, first_keyframe_max_ms=20.0, rss_kb_per_viewer=12.0, joined=1000,
    failed=0, frames=600_000, errors={"missing": 0}, first_error="", client_cpu_share=0.2,
)  # fmt: skip
TOP = Case(1000, None, None, 20.0)


def row(case: Case, **changes: object) -> Row:
    return Row(case, replace(GOOD, **changes), None, 33.0)  # type: ignore[arg-type]  # each test names a field rightly


def unmet(*rows: Row) -> list[str]:
    return [verdict.target for verdict in verdicts(rows) if not verdict.met]


def test_the_table_has_a_line_per_row_and_a_dash_for_no_floor() -> None:
    lines = table([row(TOP), Row(Case(50, 97.0, 100, 20.0), GOOD, replace(GOOD, cpu_ms=0.05), 97.0)]).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith(
        "| 1000 | default | default | 0.090 | – | 9 | 345.00 (345.80) | 47.0 / 96.0 | 2.0 / 20.0 |"
    )
    assert "| 50 | 100 ms | 97 | 0.090 | 0.050 @ 97 ms |" in lines[3]
    assert len({line.count("|") for line in lines}) == 1


def test_each_class_has_its_bounds() -> None:
    in_class = Case(1000, 97.0, 100, 20.0)
    assert unmet(row(in_class)) == []
    assert unmet(row(in_class, cpu_ms=0.131)) == ["class 100 ms: CPU per viewer-second ≤ 0.13 ms"]
    assert unmet(row(in_class, latency_p95_ms=100.1)) == ["class 100 ms: added latency p95 ≤ 100 ms"]


def test_joining_and_memory_are_judged_at_the_default_setting() -> None:
    assert unmet(row(TOP)) == []
    assert len(unmet(row(TOP, first_keyframe_p50_ms=9.0, first_keyframe_max_ms=61.0, rss_kb_per_viewer=41.0))) == 3


def test_one_viewer_is_judged_by_latency_and_none_by_what_was_not_measured() -> None:
    one = Case(1, None, None, 20.0)
    assert unmet(row(one, latency_p95_ms=4.9)) == []
    assert unmet(row(one, latency_p95_ms=None)) == ["added latency with one viewer, p95 ≤ 5 ms"]


def test_the_cost_per_viewer_may_not_grow() -> None:
    few = Case(200, None, None, 20.0)
    assert unmet(row(few, cpu_ms=0.1), row(TOP, cpu_ms=0.104)) == []
    assert unmet(row(few, cpu_ms=0.1), row(TOP, cpu_ms=0.106)) == ["CPU per viewer does not grow from 200 to 1000"]


@pytest.mark.parametrize("changes", [{"failed": 1}, {"errors": {"missing": 2}}])
def test_a_loss_is_told(changes: dict[str, object]) -> None:
    lossy = row(TOP, **changes)
    assert unmet(lossy) == ["no viewer loses a byte"]
    assert "**no**" in table([lossy])


def test_the_document_says_when_the_machine_was_busy() -> None:
    rows = [row(TOP)]
    quiet = Outcome("rtmp", rows, table(rows), verdicts(rows), MACHINE, 400.0)
    assert "busy" not in quiet.document()
    assert "do not trust" in replace(quiet, machine=replace(MACHINE, load=1.5)).document()


def test_only_what_is_between_the_markers_changes() -> None:
    begin, end = "<!-- x: begin -->", "<!-- x: end -->"
    assert between_markers(f"a\n{begin}\nold\n{end}\nb\n", "x", "new") == f"a\n{begin}\nnew\n{end}\nb\n"
    with pytest.raises(ValueError, match="begin"):
        between_markers("no markers", "x", "new")
