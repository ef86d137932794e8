"""A source: it brings one stream in from elsewhere and publishes it, for as long as its supervisor restarts it.

::

    idle ──wanted──▶ dialling ──tracks──▶ claiming ──slot──▶ live
     ▲ ▲                │                    │                │
     │ └─nobody watches─┴────────────────────┴────────────────┤ a file's end ─▶ over
     └───────── restarted by its supervisor ◀── fails ────────┘

Whatever goes wrong (the dial, a stall, the end of the stream, a crash) is this actor's failure, so the supervision tree
shows it and its policy sets the pace of the tries; the `Offer` keeps what has to outlast them. A source that is not on
demand is never idle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import SourceConnected, SourceFailed, SourceIdled, SourceStalled
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.offer import DemandChanged, Offer
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import ArclyError
from arcly_actors.ingest.in_process import InProcessPublisher, Tracks
from arcly_actors.ingest.publisher import KeyframeNeeded, PublishAccepted, Publishing, PublishLost
from arcly_actors.ingest.pull import PullEnded, PullFactory, PullFailed, PullFrames, PullRequest, PullTracks, PullWaiting
from arcly_actors.ingest.watchdog import Watchdog
from arcly_actors.media.frame import MediaFrame
from arcly_actors.runtime import Exited, LoopActor, System, Timer, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.runtime.tree import figures_of


class SourceState(Enum):
    """Where a source stands."""

    IDLE = auto()
    DIALLING = auto()
    CLAIMING = auto()
    LIVE = auto()
    OVER = auto()


class SourceMove(Enum):
    """What moves a source."""

    DIALLED = auto()
    CONNECTED = auto()
    GRANTED = auto()
    HUNG_UP = auto()
    ENDED = auto()


SOURCE: Final[Mapping[SourceState, Mapping[SourceMove, SourceState]]] = {
    SourceState.IDLE: {SourceMove.DIALLED: SourceState.DIALLING},
    SourceState.DIALLING: {
        SourceMove.CONNECTED: SourceState.CLAIMING,
        SourceMove.HUNG_UP: SourceState.IDLE,
        SourceMove.ENDED: SourceState.OVER,
    },
    SourceState.CLAIMING: {
        SourceMove.GRANTED: SourceState.LIVE,
        SourceMove.HUNG_UP: SourceState.IDLE,
        SourceMove.ENDED: SourceState.OVER,
    },
    SourceState.LIVE: {SourceMove.HUNG_UP: SourceState.IDLE, SourceMove.ENDED: SourceState.OVER},
    SourceState.OVER: {SourceMove.DIALLED: SourceState.DIALLING},
}


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """What a source does: `idle_ns` is how long one on demand stays connected when nobody watches."""

    request: PullRequest
    on_demand: bool = False
    idle_ns: int = limits.SOURCE_IDLE


class SourceBroke(ArclyError):
    """A try of a source failed; the text says why."""


@dataclass(frozen=True, slots=True)
class _LookOut:
    """See whether anything came."""


@dataclass(frozen=True, slots=True)
class _Unwatched:
    """Nobody has watched for a while."""


class Source(LoopActor):
    """See the module. `pull` starts a try; frames that come faster than the bus takes them are dropped and counted."""

    media_types = (PullFrames,)
    expected_failures = (SourceBroke,)

    def __init__(self, system: System, bus: Bus, plan: SourcePlan, offer: Offer, pull: PullFactory) -> None:
        super().__init__(system)
        self._bus = bus
        self._plan = plan
        self._offer = offer
        self._start_pull = pull
        self._key = plan.request.key
        self._shown = str(plan.request.url)
        self._state = SourceState.IDLE
        self._pull: Ref | None = None
        self._publisher: Ref | None = None
        self._parting: Ref | None = None  # the publisher of a file that is over, until its last frame is out
        self._watchdog = Watchdog(plan.request.stall_ns)
        self._looking: Timer | None = None
        self._leaving: Timer | None = None
        self._early: list[MediaFrame] = []
        self.dropped_frames = 0

    @property
    def state(self) -> SourceState:
        """Where it stands now."""
        return self._state

    def on_start(self) -> None:
        """Dial, unless nobody wants what comes."""
        self._offer.source = self.actor_ref
        if not self._plan.on_demand or self._offer.wanted:
            self._dial()

    def on_stop(self) -> None:
        """Nothing of a try outlives it."""
        self._let_go()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._let_go()

    def figures(self) -> Mapping[str, int | float]:
        """What its pull counts, for the tree."""
        return figures_of(self._pull) if self._pull is not None else {}

    def _move(self, move: SourceMove) -> None:
        self._state = SOURCE[self._state][move]

    def _dial(self) -> None:
        self._move(SourceMove.DIALLED)
        self._watchdog.begin(self.system.clock.monotonic_ns())
        self._pull = self._start_pull(self.system, self._plan.request, self.actor_ref)
        self.watch(self._pull)
        self._look_out()

    def _let_go(self) -> None:
        """Stop the try and give the slot back: the stream is held."""
        for timer in (self._looking, self._leaving):
            if timer is not None:
                timer.cancel()
        self._looking = self._leaving = None
        self._early.clear()
        pull, self._pull = self._pull, None
        publisher, self._publisher = self._publisher, None
        for actor in (publisher, pull):
            if actor is not None:
                self.unwatch(actor)
                actor.stop(block=False)

    def _break(self, error: str) -> SourceBroke:
        self._offer.error = error
        self._bus.events.emit(SourceFailed(self._key, self._shown, error))
        return SourceBroke(f"{self._shown}: {error}")

    # -- the try

    @receives(PullWaiting)
    def waiting(self, _: PullWaiting) -> None:
        """Whoever it waits for may take his time."""
        if self._pull is not None and self._state is SourceState.DIALLING:
            self._watchdog.begin(self.system.clock.monotonic_ns())

    @receives(PullTracks)
    def tracks(self, told: PullTracks) -> None:
        """Connected, or its tracks changed."""
        if self._pull is None:
            return
        self._watchdog.connected(told.tracks, self.system.clock.monotonic_ns())
        if self._publisher is None:
            self._move(SourceMove.CONNECTED)
            request = self._plan.request
            publishing = Publishing(self._key, request.url.scheme, self._shown, offer=self._offer)
            self._publisher = InProcessPublisher.start(self.system, self._bus, publishing, self.actor_ref)
            self.watch(self._publisher)
            self._look_out()
        notify(self._publisher, Tracks(told.tracks, told.metadata))

    @receives(PullFrames)
    def frames(self, told: PullFrames) -> None:
        """Publish; what comes before the slot is granted waits for it."""
        if self._pull is None or self._publisher is None:
            self.dropped_frames += len(told.frames)
            return
        now = self.system.clock.monotonic_ns()
        for frame in told.frames:
            self._watchdog.saw(frame, now)
        if self._state is SourceState.LIVE:
            notify(self._publisher, told)
            return
        room = max(0, limits.EARLY_FRAMES - len(self._early))
        self._early += told.frames[:room]
        self.dropped_frames += len(told.frames[room:])

    @receives(PublishAccepted)
    def accepted(self, _: PublishAccepted) -> None:
        """Live."""
        if self._publisher is None or self._state is not SourceState.CLAIMING:
            return
        self._move(SourceMove.GRANTED)
        self._offer.error = ""
        self._bus.events.emit(SourceConnected(self._key, self._shown))
        early, self._early = self._early, []
        if early:
            notify(self._publisher, PullFrames(tuple(early)))
        self._consider_leaving()

    @receives(PublishLost)
    def lost(self, lost: PublishLost) -> None:
        """The slot is not, or no longer, ours."""
        raise self._break(f"its key was lost: {lost.detail}")

    @receives(PullFailed)
    def failed(self, failed: PullFailed) -> None:
        """The try is over: fail, so that the supervisor starts another."""
        if self._pull is None:
            return
        if failed.stalled and self._state is not SourceState.DIALLING:
            self._bus.events.emit(SourceStalled(self._key, self._shown, failed.detail))
        raise self._break(failed.detail)

    @receives(PullEnded)
    def ended(self, ended: PullEnded) -> None:
        """A file that is not looped: end the stream, and be done until somebody wants it again, if on demand."""
        if self._pull is None:
            return
        parting = self._parting = self._publisher
        self._let_go()
        if parting is not None:
            self.watch(parting)
        self._move(SourceMove.ENDED)
        self._bus.events.emit(SourceIdled(self._key, self._shown, ended.detail))

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """The pull or the publisher is gone and did not say why: a defect, of which their supervisor's log tells."""
        if self._parting is not None and exited.urn == self._parting.actor_urn:
            self._parting = None
            self._bus.end(self._key, "its source came to its end")  # now that all of its frames are in
            return
        ours = {actor.actor_urn for actor in (self._pull, self._publisher) if actor is not None}
        if exited.urn in ours:
            raise self._break(f"{type(exited.error).__name__} in it" if exited.error else "it stopped") from exited.error

    @receives(KeyframeNeeded)
    def keyframe_needed(self, needed: KeyframeNeeded) -> None:
        """Pass it on to where it may have an effect."""
        if self._pull is not None:
            notify(self._pull, needed)

    # -- the watchdog

    @receives(_LookOut)
    def look_out(self, _: _LookOut) -> None:
        """Fail if nothing of use has come for too long."""
        self._looking = None
        if self._pull is None:
            return
        trouble = self._watchdog.trouble(self.system.clock.monotonic_ns())
        if trouble is None:
            self._look_out()
            return
        if self._state is not SourceState.DIALLING:
            self._bus.events.emit(SourceStalled(self._key, self._shown, trouble))
        raise self._break(trouble)

    def _look_out(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        now = self.system.clock.monotonic_ns()
        self._looking = self.after(max(NS_PER_S // 10, self._watchdog.due(now) - now), _LookOut())

    # -- demand

    @receives(DemandChanged)
    def demand_changed(self, changed: DemandChanged) -> None:
        """On demand: dial for the first viewer, hang up some time after the last."""
        if not self._plan.on_demand:
            return
        if changed.wanted and self._state in {SourceState.IDLE, SourceState.OVER}:
            self._dial()
        self._consider_leaving()

    def _consider_leaving(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        if self._plan.on_demand and not self._offer.wanted and self._pull is not None:
            self._leaving = self.after(self._plan.idle_ns, _Unwatched())

    @receives(_Unwatched)
    def unwatched(self, _: _Unwatched) -> None:
        """Hang up."""
        self._leaving = None
        if self._pull is None or self._offer.wanted:
            return
        self._let_go()
        self._move(SourceMove.HUNG_UP)
        self._bus.events.emit(SourceIdled(self._key, self._shown, f"no viewer for {self._plan.idle_ns / NS_PER_S:g} s"))
