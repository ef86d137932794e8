"""The bus as its users see it: claim a key, subscribe to one, look at all of them."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pykka

from arcly_actors import limits
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.directory import Directory, Entries, Locate, OnSupervision, StreamSupervision
from arcly_actors.bus.encoded import Encoder
from arcly_actors.bus.events import Events, PublishRefused, PublishStarted, SubscriberRefused
from arcly_actors.bus.fanout import Fanout, WriteAll
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Claim, Lease, Ref, Subscribe, Subscription
from arcly_actors.bus.offer import Offer
from arcly_actors.bus.policy import ApplicationPolicy
from arcly_actors.bus.report import StreamReport
from arcly_actors.bus.stream import End, OfferWithdrawn
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import ConfigurationError, Refusal, Refused
from arcly_actors.media.frame import Track
from arcly_actors.runtime import System
from arcly_actors.runtime.notify import notify
from arcly_actors.runtime.policy import RestartPolicy


class Bus:
    """All streams of an engine. Every call is for the loop's thread."""

    def __init__(
        self,
        system: System,
        policies: Mapping[str, ApplicationPolicy],
        events: Events,
        write_all: WriteAll,
        max_publishers: int = limits.MAX_PUBLISHERS,
    ) -> None:
        self.system = system
        self.policies = policies
        self.events = events
        self._write_all = write_all
        self._max_publishers = max_publishers
        self._entries: Entries = {}
        self._offers: dict[StreamKey, Offer] = {}
        self._directory: Ref | None = None

    def start_directory(self, supervisor: Ref, restarts: RestartPolicy, on_event: OnSupervision | None = None) -> Ref:
        """Start the directory actor, whose streams live under `supervisor`. For the engine's child spec."""
        self._directory = Directory.start(
            self.system,
            supervisor,
            self._entries,
            self.policies,
            StreamSupervision(restarts, on_event),
            self.events,
            self._max_publishers,
        )
        return self._directory

    async def claim(self, claim: Claim) -> Lease:
        """Take the publish slot of a key. Raises `Refused`, which is also an event."""
        try:
            self._check_owner(claim)
            lease: Lease = await self._ask(claim.key, claim, create=True)
        except Refused as refused:
            self.events.emit(PublishRefused(str(claim.key), claim.protocol, claim.peer, refused.refusal, refused.detail))
            raise
        return lease

    async def subscribe(self, request: Subscribe) -> Subscription:
        """Take a seat at a stream, waiting for one with a configured source. Raises `Refused`, which is also an event."""
        try:
            offer = self._offers.get(request.key)
            if offer is not None and not request.follows:
                await self._offered(offer)
            subscription: Subscription = await self._ask(request.key, request, create=False)
        except Refused as refused:
            self.events.emit(
                SubscriberRefused(str(request.key), request.protocol, request.peer, refused.refusal, refused.detail)
            )
            raise
        return subscription

    async def tracks(self, key: StreamKey, *, wanted: bool = True) -> tuple[Track, ...]:
        """The tracks of a stream, as soon as its publisher has told them; no tracks when it has not in time.

        For protocols that describe a stream before they take a seat; with `wanted` a configured source is waited for, as
        in `subscribe`. Raises `Refused` when there is no such stream.
        """
        offer = self._offers.get(key)
        if offer is not None and wanted:
            await self._offered(offer)
        await self._ask(key, None, create=False)
        deadline = self.system.clock.monotonic_ns() + limits.DESCRIBE_PATIENCE
        while True:
            entry = self._entries.get(key)
            if entry is None or entry.over:
                raise Refused(Refusal.NOT_FOUND, f"nobody publishes {key}")
            if entry.channel.tracks or self.system.clock.monotonic_ns() >= deadline:
                return entry.channel.tracks
            await asyncio.sleep(limits.REATTACH_DELAY / NS_PER_S)

    def offer(self, key: StreamKey) -> Offer:
        """Give `key` to a source, which claims it with this offer. Raises `Refused` (unknown application),
        ConfigurationError when it has a source already."""
        self.check(key)
        if key in self._offers:
            raise ConfigurationError(f"{key} has a source already")
        made = self._offers[key] = Offer(key)
        return made

    def withdraw(self, offer: Offer) -> None:
        """The source of this offer is gone for good: its stream is held once more, then over."""
        if self._offers.get(offer.key) is not offer:
            return
        del self._offers[offer.key]
        offer.withdrawn = True
        entry = self._entries.get(offer.key)
        if entry is not None and entry.actor is not None:
            notify(entry.actor, OfferWithdrawn())

    async def appears(self, key: StreamKey, *, wanted: bool = False) -> None:
        """Return when `key` is being published. Raises `Refused` for an application that is not there.

        With `wanted` the wait itself is demand: a source on demand begins to dial.
        """
        self.check(key)
        offer = self._offers.get(key) if wanted else None
        if offer is None:
            await self._appears(key)
            return
        offer.awaited(+1)
        try:
            await self._appears(key)
        finally:
            offer.awaited(-1)

    def check(self, key: StreamKey) -> None:
        """Raise `Refused` for an application that is not there."""
        if key.application not in self.policies:
            known = ", ".join(sorted(self.policies)) or "none"
            raise Refused(Refusal.UNKNOWN_APPLICATION, f"no application {key.application!r} here; there is {known}")

    def _check_owner(self, claim: Claim) -> None:
        if claim.offer is not self._offers.get(claim.key):
            raise Refused(Refusal.BUSY, f"{claim.key} belongs to a configured source")

    async def _offered(self, offer: Offer) -> None:
        """Wait until a configured source is live, within `limits.SOURCE_WAIT`."""
        entry = self._entries.get(offer.key)
        if entry is None or entry.over:
            # In a task, because a timeout needs one, which an actor's errand is not.
            await asyncio.get_running_loop().create_task(self._live(offer))

    async def _live(self, offer: Offer) -> None:
        try:
            async with asyncio.timeout(limits.SOURCE_WAIT / NS_PER_S):
                await self.appears(offer.key, wanted=True)
        except TimeoutError:
            # Why is the operator's business: it may name hosts of a network that viewers know nothing of.
            raise Refused(Refusal.NOT_FOUND, f"the source of {offer.key} is not live") from None

    async def _appears(self, key: StreamKey) -> None:
        started = asyncio.Event()

        def notice(event: object) -> None:
            if isinstance(event, PublishStarted) and event.key == key:
                started.set()

        seat = self.events.observable.subscribe(notice)
        try:
            entry = self._entries.get(key)
            if entry is None or entry.over:
                await started.wait()
        finally:
            seat.dispose()

    def channel(self, key: StreamKey) -> Channel | None:
        """The channel of a stream that is not over."""
        entry = self._entries.get(key)
        return entry.channel if entry is not None and not entry.over else None

    def fanout(self, channel: Channel, name: str, make: Callable[[], Encoder]) -> Fanout:
        """The fan-out of one output format of a stream, shared by all who ask; release it with `Fanout.release`."""
        feed = channel.encoded(name, make)
        if feed.fanout is None:
            feed.fanout = Fanout(self.system, channel, feed, self._write_all)
        return feed.fanout

    def end(self, key: StreamKey, detail: str) -> None:
        """End a stream now; nothing happens when there is none."""
        entry = self._entries.get(key)
        if entry is not None and entry.actor is not None and entry.actor.is_alive():
            entry.actor.tell(End(detail))

    def end_all(self, detail: str) -> None:
        """End every stream: viewers get a proper end."""
        for key in tuple(self._entries):
            self.end(key, detail)

    def reports(self) -> tuple[StreamReport, ...]:
        """Every stream as a value, in the order of their keys."""
        entries = [entry for _, entry in sorted(self._entries.items()) if not entry.over]
        return tuple(entry.channel.report() for entry in entries if entry.channel.report is not None)

    async def _ask(self, key: StreamKey, message: object | None, *, create: bool) -> Any:
        """Ask the stream of `key`, again if its actor, or the directory, is just being restarted; None asks nothing."""
        deadline = self.system.clock.monotonic_ns() + limits.REATTACH_PATIENCE
        while True:
            try:
                if self._directory is None:
                    raise Refused(Refusal.SHUTTING_DOWN, "the engine is not running")
                actor = await self._directory.ask(Locate(key, create), block=False)
                return None if message is None else await actor.ask(message, block=False)
            except pykka.ActorDeadError as dead:
                if self.system.clock.monotonic_ns() >= deadline:
                    raise Refused(Refusal.FAILED, f"{key} is being restarted for too long") from dead
                await asyncio.sleep(limits.REATTACH_DELAY / NS_PER_S)
