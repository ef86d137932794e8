"""An invariant of peers that are gone without a word: silence alone has to tell the engine, and does in time."""

from dataclasses import dataclass
from typing import Any

from arcly_actors.clock import NS_PER_S
from arcly_actors.script.network import ScriptedTransport
from arcly_actors.simulation.invariant import Invariant
from arcly_actors.simulation.peer import Peer, PublishingPeer


@dataclass(frozen=True, slots=True)
class _Gone:
    peer: Peer
    transport: ScriptedTransport
    since: int


class GivenUp(Invariant):
    """A publisher is waited for for its idle time-out, a player over UDP for its session's and a fifth."""

    text = "who is gone without a word is given up in time"
    SLACK = 5 * NS_PER_S

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._gone: list[_Gone] = []

    def ended(self, peer: Peer) -> None:
        """See `Invariant`."""
        if peer.left_behind is not None and peer.began is not None:
            self._gone.append(_Gone(peer, peer.left_behind, self.world.now))

    def check(self) -> None:
        """See `Invariant`."""
        self._gone = [each for each in self._gone if not each.transport.over]
        for gone in self._gone:
            if self.world.now - gone.since > self._patience(gone.peer):
                self._gone.remove(gone)
                self.broken(f"{gone.peer} is still waited for")
                return

    def _patience(self, peer: Peer) -> int:
        session = self.world.engine.topology.endpoints.rtsp.session_timeout * 6 // 5
        waits = self.world.policy(peer.key).idle_ns if isinstance(peer, PublishingPeer) else session
        return waits + self.SLACK
