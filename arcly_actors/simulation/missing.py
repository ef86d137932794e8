"""An invariant of peers that are gone without a word: silence alone has to tell the engine, and does in time."""

from typing import Any

from arcly_actors.clock import NS_PER_S
from arcly_actors.simulation.invariant import Invariant
from arcly_actors.simulation.peer import Peer


class GivenUp(Invariant):
    """Who has gone lingers no longer than its `patience`, and what it takes to notice."""

    text = "who is gone without a word is given up in time"
    SLACK = 2 * NS_PER_S

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._gone: list[Peer] = []

    def ended(self, peer: Peer) -> None:
        """See `Invariant`."""
        if peer.lingers:
            self._gone.append(peer)

    def check(self) -> None:
        """See `Invariant`."""
        self._gone = [peer for peer in self._gone if peer.lingers]
        for peer in self._gone:
            if peer.fate is not None and self.world.now - peer.fate.at > peer.patience + self.SLACK:
                self._gone.remove(peer)
                self.broken(f"{peer} is still waited for")
                return
