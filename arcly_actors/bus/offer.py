"""An offer: the standing of a configured source towards the bus. The actors of source and stream come and go; it stays.

A key with an offer belongs to its source: nobody else may publish there. Whoever asks for it waits until it is live,
within `limits.SOURCE_WAIT`; whoever watches stays for as long as the source tries to come back.
"""

from dataclasses import dataclass

from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class DemandChanged:
    """To a source: somebody wants its stream, or nobody does any more."""

    wanted: bool


@dataclass(eq=False, slots=True)
class Offer:
    """`source` is the actor that is told `DemandChanged`, while there is one; `error` is why its last try failed.

    `viewers` are those with a seat, `waiting` those that asked before the stream was there. `withdrawn`: nothing comes.
    """

    key: StreamKey
    source: Ref | None = None
    viewers: int = 0
    waiting: int = 0
    error: str = ""
    withdrawn: bool = False

    @property
    def wanted(self) -> bool:
        """Whether anybody watches or waits."""
        return self.viewers + self.waiting > 0

    @property
    def keeps_viewers(self) -> bool:
        """Whether viewers may go on waiting, however long it takes."""
        return self.viewers > 0 and not self.withdrawn

    def seated(self, viewers: int) -> None:
        """So many have a seat now."""
        self._count(viewers, self.waiting)

    def awaited(self, change: int) -> None:
        """So many more, or fewer, wait for the stream to begin."""
        self._count(self.viewers, self.waiting + change)

    def _count(self, viewers: int, waiting: int) -> None:
        before = self.wanted
        self.viewers, self.waiting = viewers, waiting
        if self.wanted != before and self.source is not None:
            notify(self.source, DemandChanged(self.wanted))
