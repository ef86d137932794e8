"""The publisher actor: it has the publish slot of one key and pushes frames to the stream that grants it.

Each protocol's publisher is this one with its own way to frames. If the stream actor is restarted, the publisher claims
the slot again, announces its tracks again and goes on; its peer does not notice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pykka

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import (
    Announce,
    Claim,
    Displaced,
    KeyframeWanted,
    Lease,
    Push,
    Ref,
    ReferencesLost,
    Release,
)
from arcly_actors.bus.offer import Offer
from arcly_actors.errors import Refusal, Refused
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Publishing:
    """What a publisher wants: which key, over which protocol, from where, with which URL query, under which offer."""

    key: StreamKey
    protocol: str
    peer: str
    parameters: Mapping[str, str] = field(default_factory=lambda: _NONE)
    answers_keyframes: bool = False
    offer: Offer | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PublishAccepted:
    """To the owner: the slot is ours."""


@dataclass(frozen=True, slots=True)
class PublishLost:
    """To the owner: the slot is not, or no longer, ours. The publisher has stopped."""

    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class KeyframeNeeded:
    """To the owner: have the peer make a keyframe."""

    full_intra: bool


@dataclass(frozen=True, slots=True)
class Granted:
    """To the publisher itself: the slot is its own."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class _Reclaim:
    """The stream actor was restarted: ask for the slot again."""


class Publisher(LoopActor):
    """Holds the slot for `owner` (itself without one), which is told `PublishAccepted` and, if it comes to that,
    `PublishLost`.
    """

    def __init__(self, system: System, bus: Bus, publishing: Publishing, owner: Ref | None) -> None:
        super().__init__(system)
        self._bus = bus
        self._publishing = publishing
        self._owner: Ref = owner if owner is not None else self.actor_ref
        self._lease: Lease | None = None
        self._announced: tuple[tuple[Track, ...], Mapping[str, str]] | None = None
        self._accepted = False
        self.dropped_frames = 0

    def on_start(self) -> None:
        """Ask for the slot."""
        self._claim()

    def on_stop(self) -> None:
        """Give it back: the stream is held."""
        self._give_back("the publisher left")

    def announce(self, tracks: tuple[Track, ...], metadata: Mapping[str, str] = _NONE) -> None:
        """These tracks come from now on."""
        self._announced = (tracks, metadata)
        if self._lease is not None:
            notify(self._lease.stream, Announce(self._lease.number, tracks, metadata))

    def push(self, frame: MediaFrame) -> None:
        """Send a frame to the stream; counted as dropped while its actor is being restarted."""
        lease = self._lease
        if lease is not None:
            try:
                lease.stream.tell(Push(lease.number, frame))
            except pykka.ActorDeadError:
                pass  # its Exited is still under way to us
            else:
                return
        self.dropped_frames += 1

    def lost_references(self) -> None:
        """Packets of the peer are lost, and a keyframe is needed; the stream says when to ask for it."""
        if self._lease is not None:
            notify(self._lease.stream, ReferencesLost(self._lease.number))

    def lose(self, refusal: Refusal, detail: str) -> None:
        """End the publishing for a reason that its peer is told."""
        self._give_back(detail)
        notify(self._owner, PublishLost(refusal, detail))
        self.stop_self(detail)

    def _claim(self) -> None:
        wanted = self._publishing
        claim = Claim(
            wanted.key,
            self.actor_ref,
            wanted.protocol,
            wanted.peer,
            answers_keyframes=wanted.answers_keyframes,
            parameters=wanted.parameters,
            offer=wanted.offer,
            again=self._accepted,
        )

        async def ask() -> Any:
            try:
                return Granted(await self._bus.claim(claim))
            except Refused as refused:
                return PublishLost(refused.refusal, refused.detail)

        self.errand(ask())

    @receives(Granted)
    def granted(self, granted: Granted) -> None:
        """The slot is ours (again)."""
        self._lease = granted.lease
        self.watch(granted.lease.stream)
        if self._announced is not None:
            self.announce(*self._announced)
        if not self._accepted:
            self._accepted = True
            notify(self._owner, PublishAccepted())

    @receives(PublishLost)
    def lost(self, lost: PublishLost) -> None:
        """The slot was refused."""
        self.lose(lost.refusal, lost.detail)

    @receives(Displaced)
    def displaced(self, displaced: Displaced) -> None:
        """The stream took the slot away."""
        self._lease = None
        self.lose(displaced.refusal, displaced.detail)

    @receives(KeyframeWanted)
    def keyframe_wanted(self, wanted: KeyframeWanted) -> None:
        """A viewer needs one: the protocol asks the peer."""
        notify(self._owner, KeyframeNeeded(wanted.full_intra))

    @receives(Exited)
    def stream_gone(self, exited: Exited) -> None:
        """The stream actor crashed: come back to its successor."""
        if self._lease is not None and exited.urn == self._lease.stream.actor_urn:
            self._lease = None
            self.after(limits.REATTACH_DELAY, _Reclaim())

    @receives(_Reclaim)
    def reclaim(self, _: _Reclaim) -> None:
        """Ask again."""
        self._claim()

    def _give_back(self, reason: str) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            notify(lease.stream, Release(lease.number, reason))
