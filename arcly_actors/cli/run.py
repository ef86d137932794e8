"""`arcly run`: the server that a topology describes."""

from pathlib import Path
from typing import Annotated

import typer

from arcly_actors.cli.level import Level, LevelOption


def run(
    topology: Annotated[
        Path | None, typer.Argument(help="The topology file; without one: application 'live' on 127.0.0.1 only.")
    ] = None,
    log_level: LevelOption = Level.INFO,
) -> None:
    """Run the server until SIGINT or SIGTERM.

    Exits with 0 after a clean shutdown, 1 after a failure, 2 for an invalid topology, 3 when an address is taken.
    """
    # Imported when needed: `arcly --version` and `--help` are to be quick.
    from arcly_actors.cli.serve import Serving, serve  # noqa: PLC0415
    from arcly_actors.topology import Topology  # noqa: PLC0415

    if topology is None:
        note = "no topology given: listening on 127.0.0.1 only"
        advice = "Stop the program that has it, or give endpoints.{name}.listen another address in a topology file."
        code = serve(Serving(Topology(), log_level.number, note, advice=advice))
    else:
        code = serve(Serving(Topology.load(topology), log_level.number, str(topology)))
    raise typer.Exit(code)
