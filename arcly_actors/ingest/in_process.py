"""Publishing from Python code: frames that the embedding program makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType, TracebackType
from typing import Self

import pykka

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.errors import Refusal, Refused
from arcly_actors.ingest.publisher import KeyframeNeeded, PublishAccepted, Publisher, Publishing, PublishLost
from arcly_actors.ingest.pull import PullFrames
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime import Exited, LoopActor, LoopFuture, System, receives
from arcly_actors.runtime.notify import notify

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Tracks:
    """Announce these tracks."""

    tracks: tuple[Track, ...]
    metadata: Mapping[str, str] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True)
class _Attend:
    """Look after this publisher."""

    publisher: Ref


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Ask whether the slot was granted."""


class InProcessPublisher(Publisher):
    """The publisher actor behind a `PublishHandle`."""

    media_types = (MediaFrame, PullFrames)

    @receives(Tracks)
    def tracks(self, message: Tracks) -> None:
        """Announce."""
        self.announce(message.tracks, message.metadata)

    @receives(MediaFrame)
    def frame(self, frame: MediaFrame) -> None:
        """Push; a frame that does not say when it arrived arrives now."""
        faults = self.system.seams.faults
        if faults is None:
            self.arrived(frame)
        else:
            faults.frame(self._publishing.key, lambda: self.arrived(frame))

    @receives(PullFrames)
    def pulled(self, told: PullFrames) -> None:
        """The frames of a source."""
        one = self.arrived if self.system.seams.faults is None else self.frame
        for frame in told.frames:
            one(frame)

    def arrived(self, frame: MediaFrame) -> None:
        """See `frame`."""
        self.push(frame if frame.arrival else replace(frame, arrival=self.system.clock.monotonic_ns()))


class _Owner(LoopActor):
    """Hears what becomes of a publisher, for the program that holds its handle."""

    def __init__(self, system: System, wanted: Callable[[bool], None] | None) -> None:
        super().__init__(system)
        self._granted: LoopFuture[None] = LoopFuture()
        self._wanted = wanted

    @receives(_Attend)
    def attend(self, attend: _Attend) -> None:
        """Notice when it fails."""
        self.watch(attend.publisher)

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """Whoever still waits for its slot waits in vain."""
        if not self._granted.settled:
            refused = Refused(Refusal.FAILED, f"the publisher failed: {exited.error or exited.reason}")
            self._granted.fail(refused)

    @receives(_Outcome)
    def outcome(self, _: _Outcome) -> LoopFuture[None]:
        """Answered when the slot is granted or refused."""
        return self._granted

    @receives(PublishAccepted)
    def accepted(self, _: PublishAccepted) -> None:
        """Granted."""
        self._granted.set(None)

    @receives(PublishLost)
    def lost(self, lost: PublishLost) -> None:
        """Refused, or lost later."""
        if not self._granted.settled:
            self._granted.fail(Refused(lost.refusal, lost.detail))

    @receives(KeyframeNeeded)
    def keyframe_needed(self, needed: KeyframeNeeded) -> None:
        """Pass it on to the program."""
        if self._wanted is not None:
            self._wanted(needed.full_intra)


class PublishHandle:
    """A publisher as an async context manager; `send` never blocks, and frames are in decoding order within a track.

    ``async with engine.publish("live/made", tracks) as publisher: publisher.send(frame)``. Entering raises `Refused` when
    the slot is taken. `keyframe_wanted(full_intra)` is called on the loop when a viewer needs a keyframe.
    """

    def __init__(
        self,
        system: System,
        bus: Bus,
        key: StreamKey,
        tracks: tuple[Track, ...],
        metadata: Mapping[str, str] = _NONE,
        keyframe_wanted: Callable[[bool], None] | None = None,
    ) -> None:
        self._system = system
        self._bus = bus
        self._key = key
        self._tracks = tracks
        self._metadata = metadata
        self._wanted = keyframe_wanted
        self._owner: pykka.ActorRef[_Owner] | None = None
        self._publisher: pykka.ActorRef[InProcessPublisher] | None = None

    async def __aenter__(self) -> Self:
        owner = self._owner = _Owner.start(self._system, self._wanted)
        publishing = Publishing(self._key, "python", "in-process", answers_keyframes=self._wanted is not None)
        self._publisher = InProcessPublisher.start(self._system, self._bus, publishing, owner)
        owner.tell(_Attend(self._publisher))
        try:
            await owner.ask(_Outcome(), block=False)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        self.announce(self._tracks, self._metadata)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for actor in (self._publisher, self._owner):
            if actor is not None:
                await actor.stop(block=False)

    @property
    def alive(self) -> bool:
        """Whether frames still go anywhere: False once the slot is lost."""
        return self._publisher is not None and self._publisher.is_alive()

    def announce(self, tracks: tuple[Track, ...], metadata: Mapping[str, str] = _NONE) -> None:
        """These tracks come from now on."""
        self._tell(Tracks(tracks, metadata))

    def send(self, frame: MediaFrame) -> None:
        """Send one frame. Raises `Refused` (ended) once the slot is lost."""
        self._tell(frame)

    def _tell(self, message: object) -> None:
        if self._publisher is None or not notify(self._publisher, message):
            raise Refused(Refusal.ENDED, f"{self._key} is not being published by this handle")
