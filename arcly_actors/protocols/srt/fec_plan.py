"""What the two sides agree to protect with, and which packets belong together (libsrt's filter "fec", SMPTE 2022-1).

A configuration is text, as ``fec,cols:10,rows:5,layout:staircase,arq:onreq``: `cols` packets in a row make a group of a
row; `rows` packets, each `cols` after the one before, make a group of a column. With one row there are no columns, with a
negative number there are columns only. Packets count from the sender's first. What is not set is what libsrt takes then,
which for the layout is not what its documentation says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from arcly_actors import limits
from arcly_actors.protocols.srt.reject import Reject, Rejected

_KNOWN = ("cols", "rows", "layout", "arq")


class Arq(StrEnum):
    """When what is missing is asked for again: never; when it cannot be recovered any more; at once."""

    NEVER = "never"
    ONREQ = "onreq"
    ALWAYS = "always"


class Group(NamedTuple):
    """Packets that one more protects: the first, how far apart they are, how many. `column` is -1 for a row."""

    column: int
    first: int
    step: int
    size: int

    @property
    def last(self) -> int:
        """The last of them."""
        return self.first + (self.size - 1) * self.step

    @property
    def members(self) -> range:
        """All of them."""
        return range(self.first, self.last + 1, self.step)


@dataclass(frozen=True, slots=True)
class FecPlan:
    """See the module. With a `staircase` each column begins a row below its neighbour, so that not all end together."""

    columns: int
    rows: int
    by_rows: bool
    staircase: bool
    arq: Arq

    @classmethod
    def of(cls, text: str) -> Self:
        """Read an agreed configuration. Rejected for one that cannot be served."""
        said = settings(text)
        columns, rows = _size(said, "cols", ""), _size(said, "rows", "1")
        if not 2 <= columns <= limits.SRT_FEC_COLUMNS or rows in (-1, 0):
            raise Rejected(Reject.FILTER, f"cols is 2 to {limits.SRT_FEC_COLUMNS}, and rows at least 1 or at most -2")
        if columns * abs(rows) > limits.SRT_FEC_PACKETS:
            raise Rejected(Reject.FILTER, f"a matrix has at most {limits.SRT_FEC_PACKETS} packets")
        layout = said.get("layout", "staircase")
        if layout not in ("even", "staircase"):
            raise Rejected(Reject.FILTER, "layout is even or staircase")
        try:
            arq = Arq(said.get("arq", Arq.ONREQ))
        except ValueError:
            raise Rejected(Reject.FILTER, f"arq is one of {', '.join(Arq)}") from None
        return cls(columns, abs(rows), rows > 0, layout == "staircase", arq)

    def row_of(self, at: int) -> Group | None:
        """The row of the packet `at`, if rows are protected."""
        return Group(-1, at - at % self.columns, 1, self.columns) if self.by_rows else None

    def column_of(self, at: int) -> Group | None:
        """The column of the packet `at`; None without columns, and for the first packets of a staircase."""
        if self.rows == 1:
            return None
        column, series = at % self.columns, self.columns * self.rows
        start = column + (column % self.rows * self.columns if self.staircase else 0)
        if at < start:
            return None
        return Group(column, at - (at - start) % series, self.columns, self.rows)

    def groups(self, at: int) -> tuple[Group, ...]:
        """The groups of the packet `at`, that of the column first, as their packets are sent."""
        return tuple(group for group in (self.column_of(at), self.row_of(at)) if group is not None)


def settings(text: str) -> Mapping[str, str]:
    """What a configuration sets. Rejected when it is of another filter, or sets what is not known."""
    name, *parts = text.split(",")
    said = dict(part.partition(":")[::2] for part in parts)
    if name != "fec" or not said.keys() <= set(_KNOWN) or len(said) != len(parts):
        raise Rejected(Reject.FILTER, f"the packet filter here is fec, with {', '.join(_KNOWN)}")
    return said


def agreed(ours: str, theirs: str) -> str:
    """One configuration of two: each side may leave to the other what it does not set. Rejected when they differ."""
    one, other = settings(ours or theirs), settings(theirs)
    if any(one[word] != other[word] for word in one.keys() & other.keys()):
        raise Rejected(Reject.FILTER)
    return ",".join(("fec", *(f"{word}:{value}" for word, value in {**other, **one}.items())))


def _size(said: Mapping[str, str], word: str, otherwise: str) -> int:
    text = said.get(word, otherwise)
    if not (text.removeprefix("-").isascii() and text.removeprefix("-").isdecimal() and len(text) <= 6):
        raise Rejected(Reject.FILTER, f"{word} is a number")
    return int(text)
