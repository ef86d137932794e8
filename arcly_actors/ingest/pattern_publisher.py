"""The test pattern as a source: a worker encodes in its thread, an actor publishes at the pictures' times."""

from dataclasses import dataclass

import pykka

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.errors import ArclyError
from arcly_actors.ingest.in_process import InProcessPublisher, Tracks
from arcly_actors.ingest.pattern import PatternShape, TestPattern
from arcly_actors.ingest.publisher import KeyframeNeeded, PublishAccepted, Publishing, PublishLost
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime import Exited, LoopActor, System, WorkerActor, receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class Encode:
    """Encode the next picture."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """The frames of one picture's time, and when the next picture is due (ns after the first)."""

    tracks: tuple[Track, ...]
    frames: tuple[MediaFrame, ...]
    next_due: int


class PatternEncoder(WorkerActor):
    """Runs a `TestPattern` for `reader`."""

    def __init__(self, system: System, shape: PatternShape, reader: Ref) -> None:
        super().__init__(system)
        self._shape = shape
        self._reader = reader

    def on_start(self) -> None:
        """Open the encoders."""
        self._pattern = TestPattern(self._shape)

    @receives(Encode)
    def encode(self, _: Encode) -> None:
        """Encode one picture with its sound."""
        frames = tuple(self._pattern.next())
        notify(self._reader, Encoded(self._pattern.tracks, frames, self._pattern.due_ns))


class PatternSource(LoopActor):
    """Publishes the pattern in real time. It fails when its encoder fails or its slot is lost; its supervisor decides."""

    def __init__(self, system: System, bus: Bus, key: StreamKey, shape: PatternShape | None = None) -> None:
        super().__init__(system)
        self._bus = bus
        self._key = key
        self._shape = shape or PatternShape()
        self._started: int | None = None
        self._told: tuple[Track, ...] = ()
        self._publisher: pykka.ActorRef[InProcessPublisher] | None = None
        self._encoder: pykka.ActorRef[PatternEncoder] | None = None

    def on_start(self) -> None:
        """Claim the slot."""
        publishing = Publishing(self._key, "pattern", "built-in")
        self._publisher = InProcessPublisher.start(self.system, self._bus, publishing, self.actor_ref)
        self.watch(self._publisher)

    def on_stop(self) -> None:
        """Stop both."""
        self._stop_both()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._stop_both()

    @receives(PublishAccepted)
    def accepted(self, _: PublishAccepted) -> None:
        """Begin to encode."""
        self._encoder = PatternEncoder.start(self.system, self._shape, self.actor_ref)
        self.watch(self._encoder)
        notify(self._encoder, Encode())

    @receives(PublishLost)
    def lost(self, lost: PublishLost) -> None:
        """Fail, so that the supervisor tries again."""
        raise ArclyError(f"the test pattern lost {self._key}: {lost.detail}")

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """Neither the publisher nor the encoder ends before this actor does."""
        raise ArclyError(f"the test pattern of {self._key} broke off") from exited.error

    @receives(KeyframeNeeded)
    def keyframe_needed(self, _: KeyframeNeeded) -> None:
        """Its GOP is short: the next keyframe comes soon enough."""

    @receives(Encoded)
    def encoded(self, encoded: Encoded) -> None:
        """Send, and have the next picture encoded when it is due."""
        if self._publisher is None:
            return
        now = self.system.clock.monotonic_ns()
        if self._started is None:
            self._started = now
        if encoded.tracks != self._told:
            self._told = encoded.tracks
            notify(self._publisher, Tracks(encoded.tracks))
        for frame in encoded.frames:
            notify(self._publisher, frame)
        self.after(max(0, self._started + encoded.next_due - now), Encode())

    @receives(Encode)
    def encode(self, encode: Encode) -> None:
        """It is time."""
        if self._encoder is not None:
            notify(self._encoder, encode)

    def _stop_both(self) -> None:
        for actor in (self._encoder, self._publisher):
            if actor is not None:
                actor.stop(block=False)
