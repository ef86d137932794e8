"""All renditions of an engine: made when a viewer first needs one, shared by all, stopped when none has for a while."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.events import Events
from arcly_actors.bus.gop import GopCacheActor
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.clock import NS_PER_S
from arcly_actors.media.frame import Track
from arcly_actors.renditions.rendition import Rendition
from arcly_actors.renditions.rendition_actor import RenditionActor
from arcly_actors.renditions.wishes import RenditionPolicy, Wish, plan
from arcly_actors.runtime import (
    ChildSpec,
    OnExceeded,
    RestartPolicy,
    StartChild,
    StopChild,
    SupervisionEvent,
    Supervisor,
    System,
)
from arcly_actors.runtime.notify import notify

_DEFAULT = RenditionPolicy()


@dataclass(frozen=True, slots=True)
class RenditionReport:
    """A running rendition: its viewers (or packagers) now, its tracks, and frames dropped by reason."""

    key: StreamKey
    wish: Wish
    users: int
    tracks: tuple[Track, ...]
    dropped: Mapping[str, int]


@dataclass(eq=False, slots=True)
class _Entry:
    """Who uses a stream in one way; `rendition` is None as long as the stream itself will do."""

    users: int = 0
    rendition: Rendition | None = None
    child: ChildSpec | None = None
    idle: asyncio.TimerHandle | None = None


class Renditions:
    """For the loop's thread. `policies` has the applications by name; one that is not in it has the defaults.

    The actors of a rendition live under what `supervisor()` names. When that is started anew, it starts `children()`.
    """

    def __init__(
        self,
        system: System,
        events: Events,
        policies: Mapping[str, RenditionPolicy],
        supervisor: Callable[[], Ref],
        restarts: RestartPolicy | None = None,
        on_event: Callable[[SupervisionEvent], None] | None = None,
    ) -> None:
        self._system = system
        self._events = events
        self._policies = policies
        self._supervisor = supervisor
        self._restarts = restarts
        self._on_event = on_event
        self._entries: dict[tuple[Channel, Wish], _Entry] = {}
        self._numbers = itertools.count(1)

    def acquire(self, base: Channel, wish: Wish) -> Channel:
        """The stream as `wish` wants it, at once: `base` itself, or a rendition's channel, with its tracks.

        WebRTC always gets a rendition, so that a stream whose tracks change later changes there. Its feed ends with the
        stream's, or with a `Refused` when B-frames that the application refuses appear. Raises `Refused` when they have.
        Give it back with `release`, with the same arguments.
        """
        entry = self._entries.get((base, wish)) or _Entry()
        if entry.rendition is None and self._needed(base, wish):
            self._make(base, wish, entry)
        self._entries[base, wish] = entry
        entry.users += 1
        if entry.idle is not None:
            entry.idle.cancel()
            entry.idle = None
        return entry.rendition.channel if entry.rendition is not None else base

    def release(self, base: Channel, wish: Wish) -> None:
        """Give back what one `acquire` gave; nothing happens when there is nothing to give back (any more)."""
        entry = self._entries.get((base, wish))
        if entry is None or entry.users == 0:
            return
        entry.users -= 1
        if entry.users:
            return
        if entry.rendition is None:
            del self._entries[base, wish]
            return
        delay = limits.RENDITION_IDLE / NS_PER_S
        entry.idle = self._system.timers.call_later(delay, self._stop, base, wish, entry)

    def children(self) -> tuple[ChildSpec, ...]:
        """The renditions that run, for a supervisor that is started (anew)."""
        return tuple(entry.child for entry in self._entries.values() if entry.child is not None)

    def reports(self) -> tuple[RenditionReport, ...]:
        """Every running rendition as a value."""
        return tuple(
            RenditionReport(
                base.key,
                wish,
                entry.users,
                made.channel.tracks,
                {why: count for why, count in made.dropped.items() if count},
            )
            for (base, wish), entry in self._entries.items()
            if (made := entry.rendition) is not None
        )

    def _needed(self, base: Channel, wish: Wish) -> bool:
        return wish is Wish.WEBRTC or bool(plan(base.tracks, wish, self._policy(base)))

    def _policy(self, base: Channel) -> RenditionPolicy:
        return self._policies.get(base.key.application, _DEFAULT)

    def _make(self, base: Channel, wish: Wish, entry: _Entry) -> None:
        rendition = Rendition(base, wish, self._policy(base), self._events, self._system.clock)
        rendition.begin()
        name = f"{wish}-{next(self._numbers)} {base.key}"
        entry.rendition = rendition
        entry.child = ChildSpec(name, lambda: self._start(name, base, wish, entry, rendition))
        notify(self._supervisor(), StartChild(entry.child))

    def _start(self, name: str, base: Channel, wish: Wish, entry: _Entry, rendition: Rendition) -> Ref:
        def start_rendition() -> Ref:
            return RenditionActor.start(self._system, rendition, self._events, lambda: self._stop(base, wish, entry))

        def start_cache() -> Ref:
            # What it has to say, the stream's own cache says.
            return GopCacheActor.start(self._system, rendition.channel, Events())

        # Viewers wait for one that fails too often: it stays down, visibly, and is tried again.
        children = (
            ChildSpec("rendition", start_rendition, on_exceeded=OnExceeded.DEGRADE),
            ChildSpec("gop-cache", start_cache, on_exceeded=OnExceeded.DEGRADE),
        )
        return Supervisor.start(self._system, name, children=children, policy=self._restarts, on_event=self._on_event)

    def _stop(self, base: Channel, wish: Wish, entry: _Entry) -> None:
        """Nobody uses it any more, or it is over."""
        if self._entries.get((base, wish)) is not entry:
            return
        del self._entries[base, wish]
        if entry.idle is not None:
            entry.idle.cancel()
        if entry.rendition is not None:
            entry.rendition.end()
        if entry.child is not None:
            notify(self._supervisor(), StopChild(entry.child.id))
