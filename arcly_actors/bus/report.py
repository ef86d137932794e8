"""What a stream looks like from outside: values for the console, the API and embedding programs."""

from dataclasses import dataclass

from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.place import SeatQos
from arcly_actors.bus.qos import StreamQos
from arcly_actors.media.frame import Track


@dataclass(frozen=True, slots=True)
class SeatReport:
    """One subscriber: since when (ns ago), how many frames it has skipped, and how it is doing where that is known."""

    number: int
    protocol: str
    peer: str
    age_ns: int
    skipped: int
    qos: SeatQos | None = None


@dataclass(frozen=True, slots=True)
class StreamReport:
    """One stream: `state` is ``live`` or ``held``; `age_ns` since it began; figures of the last second in `qos`."""

    key: StreamKey
    state: str
    protocol: str
    peer: str
    age_ns: int
    tracks: tuple[Track, ...]
    qos: StreamQos
    seats: tuple[SeatReport, ...]
    dropped_frames: int
    formats: tuple[str, ...]
