"""The option ``--log-level``."""

import logging
from enum import StrEnum
from typing import Annotated, TypeAlias

import typer


class Level(StrEnum):
    """The least level of log lines that are shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def number(self) -> int:
        """As the logging module counts."""
        return logging.getLevelNamesMapping()[self.name]


LevelOption: TypeAlias = Annotated[Level, typer.Option("--log-level", help="Show log lines from this level on.")]
"""The option, for every command that logs."""
