"""Where commands write: rich on a terminal, plain unwrapped lines in a pipe."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:  # it takes a while, and most commands need none of it
    from arcly_actors.topology import TopologyError, TopologyFault


def output() -> Console:
    """Standard output as it is now: what a command was asked for."""
    return Console(highlight=False, soft_wrap=True)


def errors() -> Console:
    """Standard error as it is now: log lines and what went wrong."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def fault_line(fault: "TopologyFault") -> Text:
    """``file:line:column: key: message (hint)``, coloured."""
    parts = [(f"{fault.place}: ", "bold")]
    if fault.key:
        parts.append((f"{fault.key}: ", "cyan"))
    parts.append((fault.message, "red"))
    if fault.hint:
        parts.append((f" ({fault.hint})", "green"))
    return Text.assemble(*parts)


def tell_faults(console: Console, error: "TopologyError") -> None:
    """A line for each fault, and how many there are."""
    for fault in error.faults:
        console.print(fault_line(fault))
    count = len(error.faults)
    console.print(Text(f"{count} mistake{'' if count == 1 else 's'}", style="bold red"))
