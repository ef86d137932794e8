"""What a benchmark came to: for the terminal, `results/<name>.json`, and bench/README.md between two markers."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.machine import Machine
from bench.tables import Verdict, markdown

_HERE = Path(__file__).parent
_README = _HERE / "README.md"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run: the benchmark's name, its rows (dataclasses) and their table, what was judged, where and how long it ran."""

    name: str
    rows: Sequence[Any]
    table: str
    verdicts: Sequence[Verdict]
    machine: Machine
    took_seconds: float

    def document(self) -> str:
        """What stands between the markers of bench/README.md."""
        machine = self.machine
        busy = " (busy: do not trust the numbers)" if machine.busy else ""
        head = (
            f"{machine.cpu}, {machine.cores} cores, Linux {machine.kernel}, Python {machine.python}; load average before "
            f"the run {machine.load:.2f}{busy}; the run took {self.took_seconds / 60:.0f} min."
        )
        judged = [[v.target, v.measured, "yes" if v.met else "**no**"] for v in self.verdicts]
        return f"{head}\n\n{self.table}\n\n{markdown([['target', 'measured', 'met'], *judged])}"

    def save(self) -> None:
        """Write the results and the table."""
        result = {
            "machine": asdict(self.machine),
            "took_seconds": round(self.took_seconds, 1),
            "targets": [asdict(verdict) for verdict in self.verdicts],
            "rows": [asdict(row) for row in self.rows],
        }
        path = _HERE / "results" / f"{self.name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")
        _README.write_text(between_markers(_README.read_text(), self.name, self.document()))
        print(f"saved {path.name} and the table in {_README.name}")


def between_markers(text: str, name: str, inside: str) -> str:
    """`text` with what stands between the markers of this name replaced; ValueError when they are not there."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"no {begin} … {end} in the text")
    return f"{before}{begin}\n{inside}\n{end}{after}"
