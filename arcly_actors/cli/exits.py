"""Exit codes of the `arcly` command: the one table."""

from enum import IntEnum


class Exit(IntEnum):
    """What a shell, a service manager or a CI job learns from how `arcly` ended."""

    OK = 0
    """Did what was asked; for `run`: ended by SIGINT or SIGTERM after a clean shutdown."""
    FAILED = 1
    """A failure of ours or of the machine: worth a restart, and a report."""
    INVALID = 2
    """The command line or the topology is wrong: a restart will not help."""
    UNAVAILABLE = 3
    """An address could not be bound: taken by another program, or not ours to bind."""
