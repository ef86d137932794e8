"""An invariant of viewers whose frames come in segments: each is out soon after it is whole."""

from typing import Any

from arcly_actors.clock import NS_PER_S
from arcly_actors.media.codec import Kind
from arcly_actors.simulation.invariant import Invariant
from arcly_actors.simulation.journal import Life
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
        last = max((life.entries[index].at for index in life.of_kind[kind] if index < due), default=0)
        late = [index for index in life.of_kind[kind] if index >= due and life.entries[index].keyframe]
        starts = [index for index in late if life.entries[index].at >= last]
        if not starts:
            return False
        first = life.entries[starts[0]]
        return any(life.entries[index].at <= until and life.entries[index].dts - first.dts >= span for index in starts)
