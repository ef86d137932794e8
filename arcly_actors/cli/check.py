"""`arcly check`: every mistake in a topology, and nothing else done."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from arcly_actors.cli.exits import Exit
from arcly_actors.cli.terminal import output, tell_faults

if TYPE_CHECKING:
    from arcly_actors.topology import Topology


def check(topology: Annotated[Path, typer.Argument(help="The topology file.", show_default=False)]) -> None:
    """Check a topology file, and the files it names, without starting anything."""
    from arcly_actors.topology import Topology, TopologyError  # noqa: PLC0415 - takes a while: not for `--version`

    console = output()
    try:
        loaded = Topology.load(topology)
    except TopologyError as error:
        tell_faults(console, error)
        raise typer.Exit(Exit.INVALID) from None
    console.print(Text.assemble((f"{topology}: ", "bold"), ("ok", "green")))
    for line in summary(loaded):
        console.print(Text(f"  {line}"))


def summary(topology: "Topology") -> list[str]:
    """What `topology` would serve, a line each: applications, endpoints, sources, sinks, tapes. Secrets are masked."""
    listeners = topology.endpoints.listeners()
    return [
        f"applications: {', '.join(topology.applications)}",
        *(f"{name}: {address}" for name, address in listeners.items()),
        *(() if listeners else ("no endpoint is enabled",)),
        *(f"source {source.key}: {source.plan().request.url}" for source in topology.sources),
        *(f"sink {sink.key}: {sink.request().url}" for sink in topology.sinks),
        *(f"record {entry.told()}" for entry in topology.record),
    ]
