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
from arcly_actors.bus.policy import ApplicationPolicy
from arcly_actors.bus.report import StreamReport
from arcly_actors.bus.stream import End
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Refusal, Refused
from arcly_actors.media.frame import Track
from arcly_actors.runtime import System
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
            lease: Lease = await self._ask(claim.key, claim, create=True)
        except Refused as refused:
            self.events.emit(PublishRefused(str(claim.key), claim.protocol, claim.peer, refused.refusal, refused.detail))
            raise
        return lease

    async def subscribe(self, request: Subscribe) -> Subscription:
        """Take a seat at a stream. Raises `Refused`, which is also an event."""
        try:
            subscription: Subscription = await self._ask(request.key, request, create=False)
        except Refused as refused:
            self.events.emit(
                SubscriberRefused(str(request.key), request.protocol, request.peer, refused.refusal, refused.detail)
            )
            raise
        return subscription

    async def appears(self, key: StreamKey) -> None:
        """Return when `key` is being published. Raises `Refused` for an application that is not there."""
        if key.application not in self.policies:
            raise Refused(Refusal.UNKNOWN_APPLICATION, f"no application {key.application!r} here")
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

    async def tracks(self, key: StreamKey) -> tuple[Track, ...]:
        """The tracks of a stream, as soon as its publisher has told them; no tracks when it has not in time.

        For protocols that describe a stream before they take a seat. Raises `Refused` when there is no such stream.
        """
        if self._directory is None:
            raise Refused(Refusal.SHUTTING_DOWN, "the engine is not running")
        await self._directory.ask(Locate(key, create=False), block=False)
        deadline = self.system.clock.monotonic_ns() + limits.RTSP_DESCRIBE_PATIENCE
        while True:
            entry = self._entries.get(key)
            if entry is None or entry.over:
                raise Refused(Refusal.NOT_FOUND, f"nobody publishes {key}")
            if entry.channel.tracks or self.system.clock.monotonic_ns() >= deadline:
                return entry.channel.tracks
            await asyncio.sleep(limits.REATTACH_DELAY / NS_PER_S)

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

    async def _ask(self, key: StreamKey, message: object, *, create: bool) -> Any:
        """Ask the stream of `key`, again if its actor is just being restarted."""
        deadline = self.system.clock.monotonic_ns() + limits.REATTACH_PATIENCE
        while True:
            try:
                if self._directory is None:
                    raise Refused(Refusal.SHUTTING_DOWN, "the engine is not running")
                actor = await self._directory.ask(Locate(key, create), block=False)
                return await actor.ask(message, block=False)
            except pykka.ActorDeadError as dead:
                if self.system.clock.monotonic_ns() >= deadline:
                    raise Refused(Refusal.FAILED, f"{key} is being restarted for too long") from dead
                await asyncio.sleep(limits.REATTACH_DELAY / NS_PER_S)
