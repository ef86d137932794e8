"""The invariant of what WebRTC viewers ask for: keyframes come, and a cached GOP not again and again."""

from typing import Any

from arcly_actors import limits
from arcly_actors.bus.policy import Join
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.codec import Kind
from arcly_actors.simulation.invariant import Invariant
from arcly_actors.simulation.peer import Peer, Sight, ViewingPeer
from arcly_actors.simulation.viewing import NoGapNoDuplicate
from arcly_actors.simulation.whep import WhepViewer


class RequestsAnswered(Invariant):
    """A viewer that asks for a keyframe gets one: a new one of a publisher that can make it, else the cached GOP.

    That GOP comes no more often than each `limits.REPLAY_INTERVAL`.
    """

    text = "a viewer that asks for a keyframe gets one"
    PATIENCE = 5 * NS_PER_S

    def __init__(self, places: NoGapNoDuplicate, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._places = places
        self._seen: dict[ViewingPeer, tuple[int, int]] = {}

    def saw(self, viewer: ViewingPeer, sight: Sight) -> None:
        """See `Invariant`: how far a viewer has come, and when it last was shown a GOP again."""
        if not isinstance(viewer, WhepViewer) or sight.kind is not Kind.VIDEO:
            return
        newest, again = self._seen.get(viewer, (0, 0))
        if sight.keyframe and sight.number <= newest:
            apart = sight.at - again
            if again and apart < limits.REPLAY_INTERVAL - _UNEVEN and not (viewer.path.jitter or viewer.lossy):
                self.broken(f"{viewer} was shown the GOP of {sight.number} again after {apart // NS_PER_MS} ms")
            again = sight.at
        self._seen[viewer] = max(newest, sight.number), again

    def check(self) -> None:
        """See `Invariant`."""
        for viewer in self.world.viewers:
            if isinstance(viewer, WhepViewer) and viewer.asking is not None and viewer.lively:
                since = max(viewer.asking, viewer.mended, viewer.trouble, self.world.trouble(viewer.key))
                waits = self.world.now - since > self.PATIENCE and viewer.path.clean and viewer.doomed is None
                if waits and not self._places.is_thin(viewer) and self._can_be_had(viewer, since):
                    self.broken(f"{viewer} asks for a keyframe since {(self.world.now - since) / NS_PER_S:.1f} s")
                    viewer.asking = None

    def ended(self, peer: Peer) -> None:
        """See `Invariant`."""
        if isinstance(peer, WhepViewer):
            self._seen.pop(peer, None)

    def _can_be_had(self, viewer: WhepViewer, since: int) -> bool:
        """Whether there is a keyframe that it could have been shown: one that came meanwhile, or the cached one."""
        world = self.world
        life = world.journal.current(viewer.key)
        codec = (viewer.codecs or {}).get(Kind.VIDEO)
        newest = life.entries[life.keyframes[-1]] if life is not None and life.keyframes else None
        if newest is None or newest.codec is not codec:
            return False
        if since <= newest.at < world.now - self.PATIENCE:
            return True
        channel = world.engine.built.bus.channel(viewer.key)
        publisher = next((each for each in world.publishers if each.key == viewer.key and each.began), None)
        if publisher is None or publisher.silent or channel is None:
            return False
        if publisher.answers:
            asked = max(since, publisher.trouble, publisher.began or 0)
            return publisher.camera.picture is not None and world.now - asked > self.PATIENCE
        if channel.anchor is None:
            return False
        joins = viewer in self._seen or world.policy(viewer.key).join is Join.INSTANT
        return joins and newest.at < since


_UNEVEN = 50 * NS_PER_MS
"""By which what arrives is nearer together than it left."""
