"""The invariants can fail: an engine that is broken on purpose is found out, each time by the invariant that says so."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from arcly_actors import limits
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.encoded import EncodedFeed
from arcly_actors.bus.fanout import Fanout
from arcly_actors.bus.keyframes import KeyframeBroker
from arcly_actors.bus.log import SharedLog
from arcly_actors.bus.place import Place
from arcly_actors.bus.stream import StreamActor
from arcly_actors.bus.timeline import Timeline
from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.hls_segmenter import Segment, Segmenter
from arcly_actors.egress.hls_shelf import Shelf
from arcly_actors.egress.view import View
from arcly_actors.ingest.publisher import Publisher
from arcly_actors.ingest.ts_datagrams import TsDatagrams
from arcly_actors.media.frame import MediaFrame
from arcly_actors.runtime.child import Child
from arcly_actors.runtime.supervisor import Supervisor
from arcly_actors.simulation import explorer, faults, simulate
from arcly_actors.simulation.explorer import Plan
from arcly_actors.simulation.feed import FeedPublisher
from arcly_actors.simulation.hls import HlsViewer
from arcly_actors.simulation.rtmp import RtmpPublisher
from arcly_actors.transport.budget import Budget, Permit
from arcly_actors.transport.rtp_ports import Destination, PortPair
from arcly_actors.transport.rtp_trains import Train

BUSY = Plan(viewers=10, faults=60, stay=20)
SEEDS = (15, 9, 7, 1, 4, 13)


def join_in_the_middle(channel: Channel, _join: object) -> int | None:
    """No keyframe gate."""
    return max(channel.log.tail, channel.log.head - 2) if len(channel.log) else None


def place_as_it_comes(_timeline: Timeline, frame: MediaFrame) -> MediaFrame:
    """No repair of DTS."""
    return frame


def skip_without_a_word(_fanout: Fanout, place: Place, _frames: int) -> None:
    """A lagging viewer skips, and nobody is told."""
    place.resync = True


def twice(joined: Callable[..., bytes]) -> Callable[..., bytes]:
    """Every write twice."""
    return lambda feed, start, end: joined(feed, start, end) * 2


def lose_one(unsettle: Callable[..., None]) -> Callable[..., None]:
    """A viewer that becomes slow loses a frame."""

    def broken(fanout: Fanout, place: Place, cohort: Any) -> None:
        unsettle(fanout, place, cohort)
        place.position = (place.position or 0) + 1

    return broken


def give_up(_view: View, _error: BaseException) -> None:
    """A subscriber that crashes is not restarted."""


def start_over(restart: Callable[..., Any]) -> Callable[..., Any]:
    """A restarted subscriber has forgotten its viewer's place, and begins anew."""

    def broken(view: View, error: BaseException) -> Any:
        view._place = None
        return restart(view, error)

    return broken


def never_again(launch: Callable[..., Any]) -> Callable[..., Any]:
    """A supervisor starts its children once."""

    def broken(supervisor: Supervisor, child: Child) -> Any:
        return ValueError("never again") if child.launched else launch(supervisor, child)

    return broken


def too_soon(broker: KeyframeBroker, now: int) -> bool | None:
    """A request for a keyframe goes upstream a tenth of the time after the one before."""
    if not broker.pending or (broker._sent is not None and now - broker._sent < limits.KEYFRAME_THROTTLE // 10):
        return None
    broker._sent = now
    return False


def soon(broker: KeyframeBroker, _now: int) -> int | None:
    """So does the wait for the next one."""
    return limits.KEYFRAME_THROTTLE // 10 if broker.pending else None


def at_once(broker: KeyframeBroker, _now: int) -> int | None:
    """The wait for the next request is none: the stream's actor is busy with nothing for ever."""
    return 0 if broker.pending else None


def hold_a_tenth(limit: Callable[..., None]) -> Callable[..., None]:
    """A stream is held for a tenth of its time."""
    return lambda stream, hold: limit(stream, hold // 10)


def keep_everything(log: SharedLog[Any], item: Any, *, dts: int, size: int, at: int) -> int:
    """A log without bounds."""
    log._items.append(item)
    log._marks.append((dts, size, at))
    log._size += size
    log.head += 1
    return log.head - 1


def never_give_back(_budget: Budget, _permit: Permit) -> None:
    """A connection that ends still counts."""


def far_behind(lag: Callable[..., int]) -> Callable[..., int]:
    """Every viewer whose path is slow for a moment counts as far behind."""
    return lambda fanout, place: lag(fanout, place) + 60 * NS_PER_S


def stumble(_publisher: Publisher, _frame: MediaFrame) -> None:
    """An actor has a defect."""
    raise KeyError("a defect")


def all_but_the_last(send: Callable[..., None]) -> Callable[..., None]:
    """Of packets over UDP that leave together the last one stays here."""

    def broken(pair: PortPair, train: Train, destination: Destination) -> None:
        bounds = train.bounds[:-1] if len(train.bounds) > 1 else train.bounds
        send(pair, Train(train.channel, train.data, bounds), destination)

    return broken


def hear_no_silence(feed: TsDatagrams) -> int | None:
    """A feed that has ended is waited for."""
    return min((at for at in (feed._stream.wake_at, feed._jitter.wake_at) if at is not None), default=None)


def cut_short(close: Callable[..., Segment | None]) -> Callable[..., Segment | None]:
    """The last frame of an HLS segment is not in it."""

    def broken(segmenter: Segmenter, until: MediaFrame | None) -> Segment | None:
        closed = close(segmenter, until)
        return closed and replace(closed, frames=closed.frames[:-1] or closed.frames)

    return broken


def stand_still(media: Callable[[Shelf], str]) -> Callable[[Shelf], str]:
    """A playlist stays as it was at first."""
    first: WeakKeyDictionary[Shelf, str] = WeakKeyDictionary()
    return lambda shelf: first.setdefault(shelf, media(shelf))


def no_anchor(_channel: Channel, _position: int | None) -> None:
    """The GOP cache does not say where to start."""


Patch = tuple[Any, str, Any, bool]
"""Of what, which attribute, by what, and whether that takes the original."""

FED = {FeedPublisher: 1, RtmpPublisher: 0.01}
"""Feeds, wherever there is one."""

MUTATIONS: dict[str, tuple[tuple[Patch, ...], set[str]]] = {
    "no keyframe gate": (((Channel, "start", join_in_the_middle, False),), {"KeyframeFirst"}),
    "no repair of DTS": (((Timeline, "place", place_as_it_comes, False),), {"RisingTimes"}),
    "skips are not told": (
        ((Fanout, "_skipped", skip_without_a_word, False), (explorer, "FAULTS", {faults.stall: 1}, False)),
        {"NoGapNoDuplicate"},
    ),
    "every write twice": (((EncodedFeed, "joined", twice, True),), {"NoGapNoDuplicate", "RisingTimes"}),
    "a frame is lost": (((Fanout, "_unsettle", lose_one, True),), {"NoGapNoDuplicate", "KeyframeFirst"}),
    "subscribers stay down": (
        ((View, "restart", give_up, False), (faults, "TARGETS", {"subscriber": False}, False)),
        {"Blameless"},
    ),
    "places are forgotten": (((View, "restart", start_over, True),), {"NoGapNoDuplicate", "NoDefect", "Served"}),
    "no restarts": (((Supervisor, "_launch", never_again, True),), {"Restarted"}),
    "no throttle": (
        ((KeyframeBroker, "due", too_soon, False), (KeyframeBroker, "wake_in", soon, False)),
        {"KeyframesAsked"},
    ),
    "busy for ever": (((KeyframeBroker, "wake_in", at_once, False),), {"TimeGoesOn"}),
    "short holds": (((StreamActor, "_limit_hold", hold_a_tenth, True),), {"EndedForAReason"}),
    "no bounds": (((SharedLog, "append", keep_everything, False),), {"WithinBounds"}),
    "permits leak": (((Budget, "give_back", never_give_back, False),), {"NothingLeaks"}),
    "the slow are put out": (((Fanout, "lag_ns", far_behind, True),), {"Blameless"}),
    "a defect": (((Publisher, "push", stumble, False),), {"NoDefect"}),
    "packets stay here": (((PortPair, "send_train", all_but_the_last, True),), {"NoGapNoDuplicate", "Served"}),
    "feeds are waited for": (
        ((TsDatagrams, "wake_at", property(hear_no_silence), False), (explorer, "PUBLISHERS", FED, False)),
        {"GivenUp"},
    ),
    "segments are cut short": (((Segmenter, "_close", cut_short, True),), {"NoGapNoDuplicate"}),
    "a playlist stands still": (
        (
            (Shelf, "media", stand_still, True),
            (explorer, "VIEWERS", {HlsViewer: 1}, False),
            (explorer, "FAULTS", {faults.garbage: 1}, False),
        ),
        {"Packaged"},
    ),
    "no anchor": (((Channel, "anchor_at", no_anchor, False),), {"Served"}),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_engine_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patches, expected = MUTATIONS[name]
    for owner, attribute, replacement, wraps in patches:
        monkeypatch.setattr(owner, attribute, replacement(getattr(owner, attribute)) if wraps else replacement)
    for seed in SEEDS:
        found = simulate(seed, 30 * NS_PER_S, BUSY).violation
        if found is not None:
            assert found.invariant in expected, str(found)
            return
    pytest.fail(f"nobody noticed: {name}")
