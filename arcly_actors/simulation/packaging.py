"""An invariant of viewers whose frames come in segments: each is out soon after it is whole."""

from bisect import bisect_left
from typing import Any

from arcly_actors.clock import NS_PER_S
from arcly_actors.media.codec import Kind
from arcly_actors.simulation.invariant import Invariant
from arcly_actors.simulation.journal import Entry, Life
from arcly_actors.simulation.peer import ViewingPeer
from arcly_actors.simulation.viewing import NoGapNoDuplicate


class Packaged(Invariant):
    """What a keyframe two target durations later has closed is seen by who asks for it, on a path that works."""

    text = "what is packaged comes out in time"
    PATIENCE = 12 * NS_PER_S

    def __init__(self, places: NoGapNoDuplicate, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._places = places

    def check(self) -> None:
        """See `Invariant`."""
        now = self.world.now
        for viewer in self.world.viewers:
            place = self._places.place(viewer) if viewer.delayed and not viewer.over else None
            if place is None or place.life.over or viewer.stalled or viewer.excuses:
                continue
            since = max(viewer.began or 0, viewer.trouble, self.world.trouble(viewer.key))
            kind = Kind.VIDEO if Kind.VIDEO in place.due else Kind.AUDIO
            due = place.due.get(kind)
            if now - since < self.PATIENCE or due is None or due >= len(place.life.entries):
                continue
            if self._closed(viewer, place.life, kind, due, now - self.PATIENCE):
                self.broken(f"{viewer} waits for what comes after {due - 1} for too long")

    def _closed(self, viewer: ViewingPeer, life: Life, kind: Kind, due: int, until: int) -> bool:
        span = 2 * self.world.engine.topology.applications[viewer.key.application].hls.segment
        lane = life.of_kind[kind]
        first: Entry | None = None
        for place in range(bisect_left(lane, due), len(lane)):
            entry = life.entries[lane[place]]
            if entry.at > until:
                return False
            if entry.keyframe:
                first = first or entry
                if entry.dts - first.dts >= span:
                    return True
        return False
