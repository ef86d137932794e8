"""A place: where one viewer stands in an encoded feed, and what it did on the way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from arcly_actors.bus.log import Moment
from arcly_actors.bus.policy import Join
from arcly_actors.errors import Refusal
from arcly_actors.media.frame import Track

if TYPE_CHECKING:
    from arcly_actors.bus.channel import Channel


class Outlet(Protocol):
    """The way to one viewer's socket. Writing takes everything; what the kernel does not take is `pending`."""

    @property
    def pending(self) -> int:
        """Bytes accepted and not yet in the kernel."""
        ...

    @property
    def closed(self) -> bool:
        """Nothing written from now on arrives."""
        ...

    def write(self, data: bytes) -> None:
        """Send all of `data` after everything written before; never raises, never blocks."""
        ...

    def when_writable(self, callback: Callable[[], None]) -> None:
        """Call once, on the loop, as soon as nothing is pending or the outlet is closed."""
        ...


class Viewer(Protocol):
    """Whom a place belongs to; called on the loop, must not block."""

    def lagged(self, frames: int) -> None:
        """`frames` frames were skipped."""
        ...

    def evicted(self, refusal: Refusal, detail: str) -> None:
        """The place is lost; close the viewer's session with this reason."""
        ...


@dataclass(frozen=True, slots=True)
class SeatQos:
    """What one viewer has got so far, and how far behind the head it is (ns)."""

    size: int
    frames: int
    skipped: int
    lag_ns: int
    pending: int
    loss: float = 0.0


Opening: TypeAlias = Callable[[Sequence[Track], Mapping[str, str], int], bytes]
"""Makes what goes first, as `bus.encoded.Encoder.opening`."""


@dataclass(eq=False, slots=True)
class Place:
    """One viewer's position. `position` is the next entry to send; None while it waits for a keyframe.

    `waits_from` is the position from which on a keyframe will do. `drained` is the moment up to which the kernel has
    surely taken everything: what lag is measured from, but not from before `joined`, where the stream was when it came:
    the cached GOP that it is given is no lag of its own. `resync` asks for the configurations to be sent again;
    `draining` says that the fan-out will hear when nothing is pending. `channel` is the one whose positions these are;
    None before the place is taken. `opening` stands in for that of the format. `loss` is the share of packets that the
    viewer last reported as lost, 0 to 1.
    """

    outlet: Outlet
    viewer: Viewer
    join: Join
    channel: "Channel | None" = None
    with_opening: bool = True
    position: int | None = None
    waits_from: int = 0
    drained: Moment | None = None
    joined: Moment | None = None
    resync: bool = False
    draining: bool = False
    size: int = 0
    frames: int = 0
    skipped: int = 0
    loss: float = 0.0
    started: Callable[[], None] | None = field(default=None)
    opening: Opening | None = None
