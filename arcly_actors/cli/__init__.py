"""The `arcly` command."""

import sys

from rich.text import Text

from arcly_actors.cli.app import app
from arcly_actors.cli.exits import Exit
from arcly_actors.cli.terminal import errors, tell_faults
from arcly_actors.errors import ConfigurationError


def main() -> None:
    """Run the command that the arguments name, and exit with a code of `cli.exits.Exit`."""
    try:
        app(prog_name="arcly")
    except ConfigurationError as error:
        from arcly_actors.topology import TopologyError  # noqa: PLC0415 - takes a while: not for `--version`

        if isinstance(error, TopologyError):
            tell_faults(errors(), error)
        else:
            errors().print(Text(f"arcly: {error}", style="red"))
        sys.exit(Exit.INVALID)


__all__ = ["app", "main"]
