"""What an operator decides about an application's streams; plain values, made by the topology."""

from dataclasses import dataclass, field
from enum import StrEnum

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S


class Conflict(StrEnum):
    """What happens to a second publisher on a key."""

    REJECT = "reject"
    TAKEOVER = "takeover"


class Join(StrEnum):
    """Where a subscriber starts: at the cached GOP, or at the next keyframe. Never in the middle of a GOP."""

    INSTANT = "instant"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class GopBound:
    """How large a GOP may grow and still be kept for joiners; beyond any of these it is dropped whole.

    By default that of an encoder left at its own: x264's has 250 pictures, 10.4 s at 24 a second.
    """

    frames: int = 2048
    size: int = 32 * 1024 * 1024
    duration_ns: int = 12 * NS_PER_S


@dataclass(frozen=True, slots=True)
class ApplicationPolicy:
    """The rules for all streams of one application; durations in nanoseconds.

    `hold_ns`: how long viewers are kept after a publisher leaves. `idle_ns`: a publisher that sends no frame for this
    long loses its slot. `max_lag_ns`: how far behind the head a subscriber may be before it is evicted; at half of it
    the subscriber skips to the newest keyframe. `unwatched_ns`: how much is kept of a stream that nobody watches, if that
    is more than its newest GOP. `flush_interval_ns`: the latency that coalesced writes may add.
    """

    gop: GopBound = field(default_factory=GopBound)
    hold_ns: int = 10 * NS_PER_S
    idle_ns: int = 30 * NS_PER_S
    on_conflict: Conflict = Conflict.REJECT
    join: Join = Join.INSTANT
    max_lag_ns: int = 5 * NS_PER_S
    unwatched_ns: int = limits.UNWATCHED_HISTORY
    flush_interval_ns: int = 95 * NS_PER_MS
