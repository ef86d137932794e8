"""What is wrong with a topology, so that the person can mend it: where, which key, what, the nearest right word."""

from collections.abc import Iterable
from dataclasses import dataclass

from arcly_actors.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class TopologyFault:
    """One mistake. `line` and `column` count from 1, 0 without a text; `key` is dotted, empty for the whole file."""

    file: str
    line: int
    column: int
    key: str
    message: str
    hint: str = ""

    @property
    def place(self) -> str:
        """``file:line:column``, as editors and terminals follow it."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {key}{self.message}{hint}"


class TopologyError(ConfigurationError):
    """A topology that cannot run; `faults` has every mistake that was found, in the order of the file."""

    def __init__(self, faults: Iterable[TopologyFault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.line, fault.column, fault.key, fault.message)))
        super().__init__("\n".join(map(str, self.faults)))
