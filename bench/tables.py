"""What the reports of all benchmarks are made of: Markdown tables and verdicts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

Row = TypeVar("Row")
Column: TypeAlias = tuple[str, Callable[[Row], str]]
"""A column's title, and its cell in a row."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, what was measured for it, and whether that meets it."""

    target: str
    measured: str
    met: bool


def at_most(what: str, measured: float | None, bound: float, unit: str) -> Verdict:
    """The verdict on something that may not be more than `bound`; what was not measured does not meet it."""
    met = measured is not None and measured <= bound
    return Verdict(f"{what} ≤ {bound:g} {unit}", "–" if measured is None else f"{measured:.3g} {unit}", met)


def milliseconds(*values: float | None) -> str:
    """As a cell of a table."""
    return " / ".join("–" if value is None else f"{value:.1f}" for value in values)


def columns(which: Sequence[Column[Row]], rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    return markdown([[title for title, _ in which], *([cell(row) for _, cell in which] for row in rows)])


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """A table; its first row is the head."""
    head, *body = cells
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
