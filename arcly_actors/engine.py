"""The engine: a whole streaming server as an object that a program embeds.

``async with Engine(topology) as engine`` starts the supervision tree and every endpoint, and ends it in order: viewers
get a proper end, connections are flushed, actors stop from the leaves up.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from os import PathLike
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import pykka
from aiohttp.web import RouteDef

from arcly_actors import limits
from arcly_actors.bus.events import Events
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.report import StreamReport
from arcly_actors.clock import NS_PER_S, Clock, Entropy, Steppable, SteppedClock, SystemClock, SystemEntropy
from arcly_actors.console.reports import StreamJson, stream_json
from arcly_actors.console.routes import console_routes
from arcly_actors.console.trees import tree_json
from arcly_actors.egress.whip_push import Farewell, Said
from arcly_actors.errors import ArclyError, ConfigurationError
from arcly_actors.ingest.in_process import PublishHandle
from arcly_actors.media.frame import Track
from arcly_actors.renditions import RenditionReport
from arcly_actors.runtime import (
    ChildSpec,
    Exited,
    LoopActor,
    Network,
    OnExceeded,
    Seams,
    StartChild,
    StopChild,
    System,
    TreeNode,
    WatchedEntropy,
    receives,
    tree,
)
from arcly_actors.stream import Stream
from arcly_actors.topology import Fault, Sink, Source, Topology
from arcly_actors.topology.build import Build, build
from arcly_actors.topology.explain import checked
from arcly_actors.topology.remotes import SinkHandle, SourceHandle
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.ingest.pattern import PatternShape
    from arcly_actors.script.injector import Injector
    from arcly_actors.script.recorder import Reel
    from arcly_actors.script.taping import Taping
    from arcly_actors.threaded import ThreadedEngine

_NONE: Mapping[str, str] = MappingProxyType({})


class Engine:
    """A streaming runtime on the running event loop. Use it as an async context manager, from that loop only.

    Entering raises `ConfigurationError` when an endpoint cannot have its address. `clock` and `entropy` are the system's
    unless given; a `network` stands in for listening sockets (`script.network`).
    """

    def __init__(
        self,
        topology: Topology | None = None,
        *,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        network: Network | None = None,
    ) -> None:
        self.topology = topology or Topology()
        self.events = Events()
        self.clock = _steppable(clock or SystemClock())
        self._seams = Seams(network=network)
        self._entropy = WatchedEntropy(entropy or SystemEntropy(), self._seams)
        self._built: Build | None = None
        self._watcher: pykka.ActorRef[_RootWatcher] | None = None
        self._failed: asyncio.Future[None] | None = None
        self._reels: Sequence[Reel] = ()
        self._injector: Injector | None = None

    @classmethod
    def run_in_thread(
        cls, topology: Topology | None = None, *, clock: Clock | None = None, entropy: Entropy | None = None
    ) -> "ThreadedEngine":
        """An engine for a program without an event loop: ``with Engine.run_in_thread() as engine``."""
        from arcly_actors.threaded import ThreadedEngine  # noqa: PLC0415 - it is built on this module

        return ThreadedEngine(topology, clock=clock, entropy=entropy)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        system = System(loop, self.clock, self._entropy, self._seams)
        self._failed = loop.create_future()
        if self.topology.record:
            self._seams.gate = asyncio.Event()
        self._built = build(system, self.topology, self.events, self._console)
        self._watcher = _RootWatcher.start(system, self._built.root, self._failed)
        try:
            self._entropy.starting = False
            if self.topology.record:  # before anybody is accepted: that takes a turn of the loop
                from arcly_actors.script.recorder import start_recorders  # noqa: PLC0415 - for who wants one

                self._reels = start_recorders(self)
            await self._built.ready()
            self.inject(*self.topology.faults)
            if self._seams.gate is not None:
                self._seams.gate.set()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        built, self._built = self._built, None
        if built is None:
            return
        if self._watcher is not None:
            await self._watcher.stop(block=False)
        if self._injector is not None:
            self._injector.close()
        if self._reels:  # before all else: how an engine ends is no part of a session
            with suppress(pykka.ActorDeadError):
                await built.root.ask(StopChild("records"), block=False)
            await asyncio.gather(*(task for reel in self._reels for task in reel.tasks), return_exceptions=True)
        # Sources first: to them, the end of their stream is a failure. Sinks then see it end in order.
        with suppress(pykka.ActorDeadError):
            await built.root.ask(StopChild("sources"), block=False)
        built.bus.end_all("the server is shutting down")
        # Ending a stream takes a few messages to each viewer; they are all on their way within some turns of the loop.
        for _ in range(limits.GOODBYE_TURNS):
            if not built.bus.reports():
                break
            await asyncio.sleep(0)
        await built.root.stop(block=False)
        await _say_farewells(built.system)
        self.events.observable.complete()

    def _console(self) -> Sequence[RouteDef]:
        def streams() -> Sequence[StreamJson]:
            renditions = self.renditions()
            return [stream_json(report, renditions) for report in self.streams()]

        return console_routes(streams, lambda: tree_json(self.tree()), self._tape_lines)

    def _tape_lines(self, key: str | None, duration_ns: int | None, *, payload: bool) -> AsyncGenerator[bytes, None]:
        from arcly_actors.script.taping import lines  # noqa: PLC0415 - for who wants one

        return lines(self.tape(key, payload=payload), duration_ns)

    @property
    def addresses(self) -> dict[str, tuple[Address, ...]]:
        """Where each endpoint listens, with the ports that were chosen."""
        return dict(self._running.bound)

    async def failed(self) -> None:
        """Wait until the engine as a whole fails, and raise why; never returns otherwise. Cancel it freely."""
        if self._failed is not None:
            await asyncio.shield(self._failed)

    async def stream(self, key: str) -> Stream:
        """The stream `key` (``"live/cam"``), as soon as it is published; a source on demand dials for it.

        Raises `Refused` for an unknown application.
        """
        running = self._running
        parsed = StreamKey.parse(key)
        await running.bus.appears(parsed, wanted=True)
        return Stream(running.system, running.bus, parsed)

    def publish(
        self,
        key: str,
        tracks: tuple[Track, ...],
        metadata: Mapping[str, str] = _NONE,
        keyframe_wanted: Callable[[bool], None] | None = None,
    ) -> PublishHandle:
        """Publish from this program: ``async with engine.publish("live/made", tracks) as publisher``.

        Entering raises `Refused` when the slot is taken. `keyframe_wanted(full_intra)` is called on the loop when a
        viewer waits for a keyframe.
        """
        running = self._running
        return PublishHandle(running.system, running.bus, StreamKey.parse(key), tuple(tracks), metadata, keyframe_wanted)

    async def start_pattern(self, key: str, shape: "PatternShape | None" = None) -> None:
        """Publish the built-in test pattern at `key`, supervised, for as long as the engine runs."""
        from arcly_actors.ingest.pattern_publisher import PatternSource  # noqa: PLC0415 - numpy: for who wants a pattern

        running = self._running
        parsed = StreamKey.parse(key)

        def start() -> Ref:
            return PatternSource.start(running.system, running.bus, parsed, shape)

        spec = ChildSpec(f"pattern {parsed}", start, on_exceeded=OnExceeded.DEGRADE)
        await running.supervisors["sources"].ask(StartChild(spec), block=False)

    async def pull(self, key: str, url: str, **options: Any) -> SourceHandle:
        """Bring a stream in from elsewhere, supervised, until the handle is stopped or the engine ends.

        `options` are those of `topology.Source`. Does not wait for the stream (`stream` does). Raises ConfigurationError
        for a URL or option that cannot work and for a key that has a source, `Refused` for an unknown application.
        """
        running = self._running
        plan = checked(Source, key=key, url=url, **options).plan()
        spec, offer = running.remotes.source(plan)
        supervisor = running.supervisors["sources"]
        handle = SourceHandle(running.remotes, running.bus, supervisor, spec, offer, str(plan.request.url))
        await supervisor.ask(StartChild(spec), block=False)
        return handle

    async def push(self, key: str, url: str, **options: Any) -> SinkHandle:
        """Push the stream `key`, whenever it is live, until the handle is stopped or the engine ends.

        `options` are those of `topology.Sink`. Raises ConfigurationError for a URL or option that cannot work, `Refused`
        for an unknown application.
        """
        running = self._running
        request = checked(Sink, key=key, url=url, **options).request()
        running.bus.check(request.key)
        spec = running.remotes.sink(request)
        supervisor = running.supervisors["sinks"]
        await supervisor.ask(StartChild(spec), block=False)
        return SinkHandle(running.remotes, supervisor, spec, request)

    def tape(
        self,
        key: str | None = None,
        path: str | PathLike[str] | None = None,
        *,
        payload: bool = True,
        size: int = limits.TAPE_SIZE,
        provenance: Mapping[str, str] = _NONE,
    ) -> "Taping":
        """Record the stream `key`, or everything: ``async with engine.tape("live/cam", "cam.jsonl") as tape``.

        Without a `path`, ``async for record in tape`` gives the records. Without `payload`, frames and what goes out are
        told by their digests. It ends by itself after `size` bytes; `tape.lost` says so. Raises `Refused` for a key that
        is none.
        """
        from arcly_actors.script.taping import Taping  # noqa: PLC0415 - for who wants one

        running = self._running
        parsed = StreamKey.parse(key) if key is not None else None
        return Taping(running, self, parsed, path, payload=payload, size=size, provenance=provenance)

    def inject(self, *faults: Fault) -> None:
        """Have things go wrong on purpose (`script.faults`); their `at` counts from now. An event tells of each."""
        if faults and self._injector is None:
            from arcly_actors.script.injector import Injector  # noqa: PLC0415 - for who wants one

            self._injector = Injector(self)
        for fault in faults:
            assert self._injector is not None
            self._injector.inject(fault)

    @property
    def drawn(self) -> tuple[bytes | float, ...]:
        """The entropy of this engine's start, which a tape begins with."""
        return tuple(self._entropy.remembered)

    def streams(self) -> tuple[StreamReport, ...]:
        """Every stream, with its state, tracks, viewers and figures as of now."""
        return self._running.bus.reports()

    def renditions(self) -> tuple[RenditionReport, ...]:
        """What streams are being made into for outputs that cannot take them as they are: tracks, users, drops."""
        return self._running.renditions.reports()

    def tree(self) -> TreeNode:
        """The supervision tree as of now: id, state, restarts and last error of every actor."""
        return tree(self._running.root)

    def end_stream(self, key: str, reason: str = "ended by the operator") -> None:
        """End a stream: its publisher is disconnected and its viewers get a proper end."""
        self._running.bus.end(StreamKey.parse(key), reason)

    @property
    def built(self) -> Build:
        """The running tree itself, for what belongs to the package; ConfigurationError outside ``async with``."""
        return self._running

    @property
    def _running(self) -> Build:
        if self._built is None:
            raise ConfigurationError("the engine is not running: use it inside `async with Engine(...)`")
        return self._built


def _steppable(clock: Clock) -> Steppable:
    return cast("Steppable", clock) if hasattr(clock, "step") else SteppedClock(clock)


async def _say_farewells(system: System) -> None:
    """Let servers elsewhere hear that their sessions are over, and sockets close."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limits.FAREWELL / NS_PER_S):
            for ref in system.actors():
                if ref.actor_class is Farewell:
                    with suppress(pykka.ActorDeadError):
                        await ref.ask(Said(), block=False)
            await system.settled()


class _RootWatcher(LoopActor):
    """Hears of the root supervisor's failure: then nothing is left that could restart anything."""

    def __init__(self, system: System, root: Ref, failed: "asyncio.Future[None]") -> None:
        super().__init__(system)
        self._root = root
        self._failed = failed

    def on_start(self) -> None:
        """Watch it."""
        self.watch(self._root)

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """Say so to whoever waits in `Engine.failed`."""
        if not self._failed.done():
            self._failed.set_exception(ArclyError(f"the engine failed: {exited.error or exited.reason}"))
            self._failed.exception()  # nobody may be waiting, which is not a second error
