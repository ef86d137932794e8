"""The journal: what was put on each stream, in the stream's order; what viewers get is held against it."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from arcly_actors.bus.channel import Channel
from arcly_actors.bus.key import StreamKey
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame
from arcly_actors.simulation.camera import Shot, number_of


class Entry(NamedTuple):
    """One frame of a stream: its place, its number, what it is, its DTS there, and when it was appended (ns)."""

    place: int
    number: int
    kind: Kind
    codec: CodecId
    keyframe: bool
    dts: int
    at: int


@dataclass(eq=False, slots=True)
class Life:
    """One life of a stream, from its first publisher to its end. `of_kind` has the indexes of each kind's entries."""

    key: StreamKey
    channel: "weakref.ref[Channel]"
    entries: list[Entry] = field(default_factory=list)
    by_number: dict[int, int] = field(default_factory=dict)
    of_kind: dict[Kind, list[int]] = field(default_factory=lambda: {Kind.VIDEO: [], Kind.AUDIO: []})
    keyframes: list[int] = field(default_factory=list)
    over: bool = False


class Journal:
    """All lives of all streams; `shots` is what cameras made, by number.

    `strange` is told of a frame that no camera made.
    """

    def __init__(self, now: Callable[[], int], strange: Callable[[str], None]) -> None:
        self._now = now
        self._strange = strange
        self.shots: dict[int, Shot] = {}
        self.lives: list[Life] = []
        self._current: dict[StreamKey, Life] = {}

    def take_down(self, shot: Shot) -> None:
        """A camera made this."""
        self.shots[shot.number] = shot

    def current(self, key: StreamKey) -> Life | None:
        """The life that a stream has now."""
        life = self._current.get(key)
        return life if life is not None and not life.over else None

    def begin(self, key: StreamKey, channel: Channel) -> None:
        """A publisher has the slot: a new life, unless it is the same channel as before."""
        life = self._current.get(key)
        if life is not None and life.channel() is channel:
            return
        life = self._current[key] = Life(key, weakref.ref(channel))
        self.lives.append(life)
        channel.feed.subscribe(lambda frame: self._append(life, frame))

    def end(self, key: StreamKey) -> None:
        """The stream is over."""
        life = self._current.get(key)
        if life is not None:
            life.over = True

    def _append(self, life: Life, frame: MediaFrame) -> None:
        number = number_of(frame.payload)
        if number is None or number not in self.shots:
            self._strange(f"{life.key} has a frame that nobody published ({number})")
            return
        index = len(life.entries)
        kind = frame.track.kind
        life.entries.append(Entry(index, number, kind, frame.track.codec, frame.keyframe, frame.dts, self._now()))
        if number in life.by_number:
            self._strange(f"{life.key} has frame {number} twice")
        life.by_number[number] = index
        life.of_kind[kind].append(index)
        if frame.keyframe and kind is Kind.VIDEO:
            life.keyframes.append(index)
