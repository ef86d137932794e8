"""The invariant of what WebRTC publishers send: it is on the stream."""

from typing import Any

from arcly_actors.clock import NS_PER_S
from arcly_actors.media.codec import Kind
from arcly_actors.simulation.invariant import Invariant
from arcly_actors.simulation.peer import Peer, PublishingPeer
from arcly_actors.simulation.whip import WhipPublisher

_LATE = 2 * NS_PER_S
"""How long a frame may take, and how long after a trouble one may be missing."""


class Contributed(Invariant):
    """Over a path that loses nothing every frame of a publisher comes to its stream, from a keyframe on."""

    text = "what a WebRTC publisher sends is on the stream"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._whole: dict[PublishingPeer, bool] = {}

    def check(self) -> None:
        """See `Invariant`."""
        for publisher in self.world.publishers:
            if isinstance(publisher, WhipPublisher) and publisher.sent:
                self._look(publisher)

    def ended(self, peer: Peer) -> None:
        """See `Invariant`."""
        if isinstance(peer, PublishingPeer):
            self._whole.pop(peer, None)

    def _look(self, publisher: WhipPublisher) -> None:
        world, sent = self.world, publisher.sent
        life = world.journal.current(publisher.key)
        troubled = max(publisher.trouble, publisher.mended, publisher.began or 0, world.trouble(publisher.key)) + _LATE
        holds = world.holders.get(publisher.key) == str(publisher.address) and publisher.path.clean
        while sent and sent[0].at < world.now - _LATE:
            frame = sent.popleft()
            if frame.at < troubled or not holds or life is None:
                self._whole[publisher] = False
            elif frame.keyframe and (frame.kind is Kind.VIDEO or publisher.camera.picture is None):
                self._whole[publisher] = True
            if self._whole.get(publisher) and life is not None and frame.number not in life.by_number:
                self.broken(f"{publisher} sent {frame.kind} {frame.number}, which is not on the stream")
