"""The HLS origin: finds the packager of a stream, and starts it when somebody asks for a playlist."""

from collections.abc import Callable, Mapping

import pykka

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import Event, PublishStarted
from arcly_actors.bus.key import StreamKey
from arcly_actors.egress.hls import HlsStream
from arcly_actors.egress.hls_policy import HlsPolicy
from arcly_actors.egress.hls_resources import CountViewers, GetMaster, GetMedia, HlsRequest, Resource
from arcly_actors.errors import Refusal, Refused
from arcly_actors.runtime import System
from arcly_actors.runtime.exits import Failed
from arcly_actors.runtime.notify import notify

Start = Callable[[StreamKey, HlsPolicy], "pykka.ActorRef[HlsStream]"]


class HlsOrigin:
    """All packagers of an engine, by key; for the loop's thread. `policies` holds the applications that have HLS.

    `start` starts a packager, under a supervisor if the engine wants that (temporary: the next request starts it anew).
    """

    def __init__(self, system: System, bus: Bus, policies: Mapping[str, HlsPolicy], start: Start | None = None) -> None:
        self._system = system
        self._bus = bus
        self._policies = policies
        self._start = start or self._start_alone
        self._streams: dict[StreamKey, pykka.ActorRef[HlsStream]] = {}
        self._seat = bus.events.observable.subscribe(self._noticed)
        self._hear_no_failures = system.failures.subscribe(self._failed)

    async def fetch(self, key: StreamKey, request: HlsRequest) -> Resource:
        """The resource. Raises `Refused`; a playlist may take as long as the policy's `wait_ns`."""
        policy = self._policies.get(key.application)
        if policy is None:
            raise Refused(Refusal.UNKNOWN_APPLICATION, f"no application {key.application!r} with HLS here")
        stream = self._streams.get(key)
        if stream is not None and stream.is_alive():
            try:
                return await self._ask(stream, request)
            except pykka.ActorDeadError:
                pass  # it stopped meanwhile: as if it had not been there
        if not isinstance(request, GetMaster | GetMedia):
            raise Refused(Refusal.NOT_FOUND, f"{key} is not being packaged: a player starts with its playlist")
        try:
            return await self._ask(self._packager(key, policy), request)
        except pykka.ActorDeadError as error:
            raise Refused(Refusal.FAILED, f"the packager of {key} failed") from error

    @property
    def packaged(self) -> tuple[StreamKey, ...]:
        """The streams that are packaged now."""
        return tuple(key for key, stream in self._streams.items() if stream.is_alive())

    async def viewers(self, key: StreamKey) -> int:
        """Players of a stream now, by estimate; 0 when it is not packaged."""
        stream = self._streams.get(key)
        if stream is None or not stream.is_alive():
            return 0
        try:
            return int(await stream.ask(CountViewers(), block=False))
        except pykka.ActorDeadError:
            return 0

    def close(self) -> None:
        """Stop every packager."""
        self._seat.dispose()
        self._hear_no_failures()
        for stream in self._streams.values():
            if stream.is_alive():
                stream.stop(block=False)

    async def _ask(self, stream: "pykka.ActorRef[HlsStream]", request: HlsRequest) -> Resource:
        answer = await stream.ask(request, block=False)
        assert isinstance(answer, Resource)
        return answer

    def _packager(self, key: StreamKey, policy: HlsPolicy) -> "pykka.ActorRef[HlsStream]":
        stream = self._streams.get(key)
        if stream is not None and stream.is_alive():  # another request was first
            return stream
        if len(self._streams) >= limits.HLS_STREAMS:
            self._streams = {known: ref for known, ref in self._streams.items() if ref.is_alive()}
            if len(self._streams) >= limits.HLS_STREAMS:
                raise Refused(Refusal.LIMIT, f"{limits.HLS_STREAMS} streams are being packaged already")
        stream = self._streams[key] = self._start(key, policy)
        return stream

    def _start_alone(self, key: StreamKey, policy: HlsPolicy) -> "pykka.ActorRef[HlsStream]":
        return HlsStream.start(self._system, self._bus, key, policy)

    def _failed(self, failed: Failed) -> None:
        """A packager that failed is forgotten at once: its error holds on to its segments."""
        if issubclass(failed.ref.actor_class, HlsStream):
            self._streams = {key: ref for key, ref in self._streams.items() if ref.actor_urn != failed.urn}

    def _noticed(self, event: Event) -> None:
        if isinstance(event, PublishStarted) and (stream := self._streams.get(event.key)) is not None:
            notify(stream, event)
