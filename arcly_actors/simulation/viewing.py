"""Invariants of what viewers get."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

from arcly_actors.bus.events import (
    Event,
    SubscriberDegraded,
    SubscriberJoined,
    SubscriberLagged,
    SubscriberRecovered,
)
from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.codec import Kind
from arcly_actors.simulation.invariant import Invariant
from arcly_actors.simulation.journal import Life
from arcly_actors.simulation.peer import Peer, Sight, ViewingPeer


class KeyframeFirst(Invariant):
    """No viewer sees a delta frame before its keyframe."""

    text = "no viewer sees a delta frame before its keyframe"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._opened: dict[ViewingPeer, int] = {}

    def saw(self, viewer: ViewingPeer, sight: Sight) -> None:
        """See `Invariant`."""
        shot = self.world.journal.shots.get(sight.number)
        if shot is None or shot.kind is not Kind.VIDEO:
            return
        if sight.keyframe is not shot.keyframe:
            self.broken(f"{viewer} was sent {sight.number} as {'a' if sight.keyframe else 'no'} keyframe")
        if shot.keyframe:
            self._opened[viewer] = sight.number
        elif viewer.lossy and not viewer.sure_of_keyframes:
            return  # datagrams were lost: its keyframe may be among them
        elif shot.gop is not None and shot.publisher in self.world.lossy:
            return  # likewise
        elif shot.gop is None or self._opened.get(viewer) != shot.gop:
            self.broken(
                f"{viewer} saw {sight.number}, which needs {shot.gop}; its last keyframe is {self._opened.get(viewer)}"
            )


class RisingTimes(Invariant):
    """DTS rise strictly in each of a viewer's tracks, and are those of the stream's timeline.

    Where HLS tells a discontinuity they may begin anew (RFC 8216 §4.3.2.3): sound laid end to end may have run ahead.
    """

    text = "DTS rise in each track of a viewer"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._last: dict[tuple[ViewingPeer, Kind], int] = {}

    def saw(self, viewer: ViewingPeer, sight: Sight) -> None:
        """See `Invariant`."""
        lane = (viewer, sight.kind)
        last = self._last.get(lane)
        if last is not None and sight.dts <= last and not (viewer.delayed and sight.leap):
            self.broken(f"{viewer} got {sight.kind} {sight.number} at {sight.dts} ns after one at {last} ns")
        self._last[lane] = sight.dts


@dataclass(slots=True)
class _Place:
    """Where a viewer stands in a stream: the next index of each kind that is due.

    Kinds that are `apart` begin wherever their first frame is, which is due from when the viewer had another one's.
    """

    life: Life
    first: int
    due: dict[Kind, int] = field(default_factory=dict)
    missed: dict[Kind, int] = field(default_factory=dict)
    apart: set[Kind] = field(default_factory=set)


class NoGapNoDuplicate(Invariant):
    """From its first frame on a viewer gets every frame of the stream once and in order, but for skips that were told.

    After a skip it goes on at a keyframe; what it missed is no more than `SubscriberLagged` said. From
    `SubscriberDegraded` to `SubscriberRecovered` it gets keyframes only.
    """

    text = "a join has no gap and no duplicate"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._places: dict[ViewingPeer, _Place] = {}
        self._told: dict[object, int] = {}
        self._lagged: dict[object, int] = {}
        self._seats: dict[tuple[StreamKey, int], object] = {}
        self._thin: dict[object, int | None] = {}

    def place(self, viewer: ViewingPeer) -> _Place | None:
        """Where a viewer stands."""
        return self._places.get(viewer)

    def happened(self, event: Event) -> None:
        """See `Invariant`: who was told to have skipped how much."""
        if isinstance(event, SubscriberJoined):
            # Programs are all "in-process": what one of them skipped is put to all of them of that stream together.
            self._seats[event.key, event.number] = event.peer if event.protocol != "python" else event.key
        elif isinstance(event, SubscriberLagged):
            whose = self._seats.get((event.key, event.number))
            self._told[whose] = self._told.get(whose, 0) + event.frames
            self._lagged[whose] = self.world.now
        elif isinstance(event, SubscriberDegraded | SubscriberRecovered):
            whose = self._seats.get((event.key, event.number))
            self._thin[whose] = None if isinstance(event, SubscriberDegraded) else self.world.now
            self._lagged[whose] = self.world.now

    def is_thin(self, viewer: ViewingPeer) -> bool:
        """Whether a viewer is sent keyframes only, or was a moment ago."""
        until = self._thin.get(_seat(viewer), 0)
        return until is None or (until > 0 and self.world.now - until < NS_PER_S)

    def skips_since(self, viewer: ViewingPeer) -> int:
        """When a viewer was last told to have skipped: it may wait for a keyframe since then. 0 for never."""
        return self._lagged.get(_seat(viewer), 0)

    def saw(self, viewer: ViewingPeer, sight: Sight) -> None:
        """See `Invariant`."""
        place = self._places.get(viewer)
        if place is None:
            place = self._begin(viewer, sight)
            if place is None:
                return
        index = place.life.by_number.get(sight.number)
        if index is None:
            self.broken(f"{viewer} got {sight.number}, which is not of its stream's present life")
            return
        if viewer.apart and sight.kind not in place.due and index < place.first and self._precedes(viewer, place, index):
            place.first = index
        if sight.kind in place.apart:
            place.apart.discard(sight.kind)
            place.due[sight.kind] = index
        due = self._due(viewer, place, sight.kind)
        if due is None or index < due:
            if sight.keyframe and sight.kind is Kind.VIDEO and viewer.repeats:
                place.due[sight.kind] = index + 1
                return
            self.broken(f"{viewer} got {sight.kind} {sight.number} (place {index}) again or too late: {due} was due")
            return
        if index > due and not sight.leap:
            self._skipped(viewer, place, sight, due, index)
        place.due[sight.kind] = index + 1

    def _begin(self, viewer: ViewingPeer, sight: Sight) -> _Place | None:
        life = next((life for life in reversed(self.world.journal.lives) if sight.number in life.by_number), None)
        if life is None or life.key != viewer.key:
            self.broken(f"{viewer} got {sight.number}, which is not of its stream")
            return None
        first = life.by_number[sight.number]
        place = self._places[viewer] = _Place(life, first)
        if not viewer.together:
            place.apart = {kind for kind in Kind if kind is not sight.kind}
            place.due = dict.fromkeys(place.apart, len(life.entries))
        return place

    def _precedes(self, viewer: ViewingPeer, place: _Place, index: int) -> bool:
        """Whether a viewer whose first entry was of another kind has missed none of that kind since `index`."""
        kind = place.life.entries[place.first].kind
        return viewer.lossy or self._next(viewer, place.life, kind, index) == place.first

    def _due(self, viewer: ViewingPeer, place: _Place, kind: Kind) -> int | None:
        """The next entry of a kind that the viewer's format carries."""
        return self._next(viewer, place.life, kind, place.due.get(kind, place.first))

    def _next(self, viewer: ViewingPeer, life: Life, kind: Kind, start: int) -> int | None:
        lane = life.of_kind[kind]
        wanted = viewer.codecs.get(kind) if viewer.codecs is not None else None
        for at in range(bisect_left(lane, start), len(lane)):
            if wanted is None or life.entries[lane[at]].codec is wanted:
                return lane[at]
        return None

    def _skipped(self, viewer: ViewingPeer, place: _Place, sight: Sight, due: int, index: int) -> None:
        entries = place.life.entries
        lane = place.life.of_kind[sight.kind]
        if sight.keyframe and sight.kind is Kind.VIDEO and self.is_thin(viewer):
            return
        wanted = viewer.codecs.get(sight.kind) if viewer.codecs is not None else None
        between = lane[bisect_left(lane, due) : bisect_left(lane, index)]
        lost = sum(1 for each in between if wanted is None or entries[each].codec is wanted)
        place.missed[sight.kind] = place.missed.get(sight.kind, 0) + lost
        told = self._told.get(_seat(viewer), 0)
        unheard = place.life.over and viewer.stalls > 0  # it read on after the end: nobody is left to be told
        if sum(place.missed.values()) > told and not unheard and not viewer.lossy:
            self.broken(
                f"{viewer} got {sight.kind} {sight.number} (place {index}) when {due} was due: "
                f"{sum(place.missed.values())} are missing, {told} were told to be skipped"
            )


def _seat(viewer: ViewingPeer) -> object:
    return str(viewer.address) if viewer.protocol != "python" else viewer.key


class Served(Invariant):
    """Who can take frames gets them in time: a viewer that reads, of a stream that goes on, on a path that works.

    This is also how a keyframe request is answered: a viewer that waits is shown the next keyframe that comes.
    """

    text = "a viewer that reads gets what there is in time"
    PATIENCE = 4 * NS_PER_S

    def __init__(self, places: NoGapNoDuplicate, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._places = places
        self._lives: dict[ViewingPeer, Life | None] = {}

    def check(self) -> None:
        """See `Invariant`."""
        now = self.world.now
        for viewer in self.world.viewers:
            if viewer.over or viewer.began is None:
                continue
            if viewer not in self._lives:
                self._lives[viewer] = self.world.journal.current(viewer.key)
            life = self._lives[viewer]
            if life is None or life.over or viewer.stalled or viewer.lossy or viewer.doomed is not None:
                continue
            if viewer.delayed:
                continue  # see `simulation.packaging`
            since = max(viewer.began, viewer.trouble, self.world.trouble(viewer.key))
            if now - since >= self.PATIENCE:
                self._look(viewer, life, since, now - self.PATIENCE)

    def ended(self, peer: Peer) -> None:
        """See `Invariant`."""
        if isinstance(peer, ViewingPeer):
            self._lives.pop(peer, None)

    def _look(self, viewer: ViewingPeer, life: Life, since: int, until: int) -> None:
        place = self._places.place(viewer)
        lagged = self._places.skips_since(viewer)
        shown = viewer.codecs is None or Kind.VIDEO in viewer.codecs
        waiting = shown and (place is None or lagged or Kind.VIDEO in place.apart)
        if waiting:
            at = place.due.get(Kind.VIDEO, 0) if place is not None else 0
            waits = self._waits_for(viewer, life, max(since, lagged), until)
            if waits is not None and waits >= at:
                self.broken(f"{viewer} waits for a keyframe since {_ms(self.world.now - since)}, and did not get {waits}")
        if place is None or lagged:
            return
        for kind, lane in life.of_kind.items():
            if not lane or (waiting and kind is Kind.VIDEO) or (viewer.codecs is not None and kind not in viewer.codecs):
                continue
            due = self._due(viewer, place, kind)
            owed = due is not None and life.entries[due].at >= viewer.owed_since
            if due is not None and owed and self._complete_at(viewer, life, due) <= until:
                self.broken(f"{viewer} waits for {kind} {life.entries[due].number} (place {due}) for too long")
                return

    def _waits_for(self, viewer: ViewingPeer, life: Life, since: int, until: int) -> int | None:
        """The newest keyframe that it should have been shown."""
        if viewer.codecs is not None and Kind.VIDEO not in viewer.codecs:
            return None
        wanted = viewer.codecs.get(Kind.VIDEO) if viewer.codecs is not None else None
        for index in reversed(life.keyframes):
            entry = life.entries[index]
            if entry.at < since:
                return None
            if wanted in (None, entry.codec) and self._complete_at(viewer, life, index) <= until:
                return index
        return None

    def _complete_at(self, viewer: ViewingPeer, life: Life, index: int) -> int:
        """When the viewer could know that it has all of an entry."""
        if not viewer.ends_with_the_next:
            return life.entries[index].at
        lane = life.of_kind[life.entries[index].kind]
        after = bisect_left(lane, index) + 1
        return life.entries[lane[after]].at if after < len(lane) else self.world.now

    def _due(self, viewer: ViewingPeer, place: _Place, kind: Kind) -> int | None:
        return self._places._due(viewer, place, kind)  # noqa: SLF001 - one idea in two classes


class Fed(Invariant):
    """Who loses datagrams gets the others: of so much sound that some of it must have arrived, some has."""

    text = "a viewer that loses datagrams gets the others"
    SPAN = 12 * NS_PER_S
    SOUNDS = 30

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._last: dict[ViewingPeer, int] = {}

    def saw(self, viewer: ViewingPeer, sight: Sight) -> None:
        """See `Invariant`."""
        if sight.kind is Kind.AUDIO:
            self._last[viewer] = sight.at

    def ended(self, peer: Peer) -> None:
        """See `Invariant`."""
        if isinstance(peer, ViewingPeer):
            self._last.pop(peer, None)

    def check(self) -> None:
        """See `Invariant`."""
        until = self.world.now - NS_PER_S
        for viewer in self.world.viewers:
            if not viewer.lossy or viewer.over or viewer.began is None or viewer.stalled or viewer.doomed is not None:
                continue
            since = max(viewer.began, viewer.trouble, self.world.trouble(viewer.key), self._last.get(viewer, 0))
            life = self.world.journal.current(viewer.key)
            deaf = viewer.codecs is not None and Kind.AUDIO not in viewer.codecs
            if until - since < self.SPAN or life is None or deaf:
                continue
            wanted = viewer.codecs.get(Kind.AUDIO) if viewer.codecs is not None else None
            recent = (life.entries[at] for at in life.of_kind[Kind.AUDIO][-self.SOUNDS :])
            sounds = sum(1 for each in recent if since < each.at <= until and wanted in (None, each.codec))
            if sounds == self.SOUNDS:
                self.broken(f"{viewer} has heard nothing for {_ms(self.world.now - since)}")
                self._last[viewer] = self.world.now


def _ms(ns: int) -> str:
    return f"{ns // NS_PER_MS} ms"
