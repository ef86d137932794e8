"""Invariants: what must hold whatever happens. Each is a small class; `world` asks them after every step."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from arcly_actors.bus.events import Event
from arcly_actors.runtime.exits import Failed
from arcly_actors.simulation.peer import Peer, Sight, ViewingPeer

if TYPE_CHECKING:
    from arcly_actors.simulation.world import World


class Violation(AssertionError):
    """An invariant does not hold: which, what is wrong, and when (virtual ns from the beginning)."""

    def __init__(self, invariant: str, detail: str, at: int) -> None:
        super().__init__(f"{invariant} at {at / 1e9:.6f} s: {detail}")
        self.invariant = invariant
        self.detail = detail
        self.at = at

    def __reduce__(self) -> tuple[type["Violation"], tuple[str, str, int]]:
        """To be told by one process to another."""
        return type(self), (self.invariant, self.detail, self.at)


class Invariant:
    """One of them. A breach is told by `broken`, which raises nothing where it is called: the step ends first."""

    text: ClassVar[str] = ""
    """What it says, as a sentence."""

    def __init__(self, world: "World", report: Callable[[Violation], None]) -> None:
        self.world = world
        self._report = report

    def broken(self, detail: str) -> None:
        """It does not hold."""
        self._report(Violation(type(self).__name__, detail, self.world.elapsed))

    def saw(self, viewer: ViewingPeer, sight: Sight) -> None:
        """A viewer got a frame."""

    def happened(self, event: Event) -> None:
        """The engine told an event."""

    def failed(self, failed: Failed) -> None:
        """An actor failed."""

    def ended(self, peer: Peer) -> None:
        """A peer's connection ended, by whomever."""

    def check(self) -> None:
        """A step is over."""

    def finish(self) -> None:
        """All peers have gone and hold times have passed."""
