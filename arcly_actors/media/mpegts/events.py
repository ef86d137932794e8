"""What a transport stream turns out to hold, in the order in which it was sent."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from arcly_actors.media.mpegts.tables import ElementaryStream, ProgramMap


@dataclass(frozen=True, slots=True)
class ProgramChanged:
    """A programme is there, or consists of other streams than before."""

    map: ProgramMap


@dataclass(frozen=True, slots=True)
class ProgramEnded:
    """A programme is there no more."""

    program: int


class Unit(NamedTuple):
    """A PES packet's payload, or a section: one access unit, or several audio frames.

    Times are ticks of 90 kHz on the programme's line (see `ProgramClock`); None where the sender told none, `now` is the
    programme's time when it began. `broken` says that the first of a new time base is this, `bounded` that the packet
    told its length, `lost` that something before it is missing.
    """

    program: int
    stream: ElementaryStream
    payload: bytes
    pts: int | None
    dts: int | None
    now: int | None
    broken: bool = False
    bounded: bool = True
    lost: bool = False


@dataclass(frozen=True, slots=True)
class ContinuityLost:
    """Packets of a PID are missing, or came twice in the wrong place: `expected` and `found` are the 4-bit counters.

    What they belonged to is dropped.
    """

    program: int
    pid: int
    expected: int
    found: int


@dataclass(frozen=True, slots=True)
class ClockJumped:
    """The PCR of a programme went elsewhere; times go on rising nevertheless."""

    program: int


@dataclass(frozen=True, slots=True)
class Scrambled:
    """A stream is encrypted from here on; its packets are dropped."""

    program: int
    pid: int


TsEvent: TypeAlias = ProgramChanged | ProgramEnded | Unit | ContinuityLost | ClockJumped | Scrambled
"""What a demultiplexer tells."""
