"""`arcly simulate`: several seeds, one after the other or at a time."""

import logging
import pickle
import re

from typer.testing import CliRunner

from arcly_actors.cli import app
from arcly_actors.cli.exits import Exit
from arcly_actors.simulation import Violation

runner = CliRunner()


def without_speed(output: str) -> list[str]:
    return re.sub(r"\d+ x real time", "", output).splitlines()


def test_seeds_that_run_at_a_time_come_in_order_and_go_as_alone() -> None:
    alone, together = (
        runner.invoke(app, ["simulate", "--seeds", "1-3", "--duration", "2s", "--jobs", jobs]) for jobs in ("1", "2")
    )
    assert logging.getLogger("pykka").level < logging.CRITICAL, "whoever calls it hears of failures as before"
    assert alone.exit_code == together.exit_code == Exit.OK
    assert without_speed(together.output) == without_speed(alone.output)
    *each, total = together.output.splitlines()
    assert [line.split(":")[0] for line in each] == ["seed 1", "seed 2", "seed 3"]
    assert total.startswith("3 seeds, 6 s, ")
    assert total.endswith("0 failed")


def test_a_violation_is_told_from_one_process_to_another() -> None:
    violation = Violation("NothingLeaks", "2 more tasks", 1_500_000_000)
    told = pickle.loads(pickle.dumps(violation))
    assert (str(told), told.invariant, told.detail, told.at) == (
        str(violation), "NothingLeaks", "2 more tasks", 1_500_000_000
    )  # fmt: skip
