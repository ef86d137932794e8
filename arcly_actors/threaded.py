"""The engine for programs without an event loop: the same server in a thread of its own, behind blocking calls.

``with Engine.run_in_thread(topology) as engine`` starts a thread with a loop and the engine; leaving ends both. Every
call may come from any thread but the engine's own. What a call raises on the loop, it raises in the caller.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from arcly_actors.bus.events import Event
from arcly_actors.bus.policy import Join
from arcly_actors.bus.report import StreamReport
from arcly_actors.clock import Clock, Entropy
from arcly_actors.engine import Engine
from arcly_actors.errors import ArclyError, ConfigurationError
from arcly_actors.ingest.in_process import PublishHandle
from arcly_actors.loop import run
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.pulled import Pulled
from arcly_actors.renditions import RenditionReport
from arcly_actors.runtime import TreeNode
from arcly_actors.stream import Stream
from arcly_actors.topology import Topology
from arcly_actors.topology.remotes import SinkHandle, SourceHandle
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.ingest.pattern import PatternShape

T = TypeVar("T")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class ThreadedEngine:
    """An `Engine` in a thread. A context manager; entering raises what `Engine` raises there."""

    def __init__(
        self, topology: Topology | None = None, *, clock: Clock | None = None, entropy: Entropy | None = None
    ) -> None:
        self._engine = Engine(topology, clock=clock, entropy=entropy)
        self._lock = threading.RLock()  # the collector may close a forgotten iterator in the middle of anything
        self._open = False
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started: Future[None] = Future()
        self._error: BaseException | None = None
        # A daemon, so that a program that is interrupted again while it waits for the end still ends.
        self._thread = threading.Thread(target=self._run, name="arcly-engine", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the engine in order, and wait until its thread is gone. Calls that wait elsewhere raise `ArclyError`."""
        self._check_thread()
        with self._lock:
            self._open, self._stopping = False, True
            if self._loop is not None and self._stop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread.ident is not None:
            self._thread.join()

    # -- what an engine does

    @property
    def topology(self) -> Topology:
        """What it runs."""
        return self._engine.topology

    @property
    def addresses(self) -> dict[str, tuple[Address, ...]]:
        """See `Engine.addresses`."""
        return self._now(lambda engine: engine.addresses)

    def streams(self) -> tuple[StreamReport, ...]:
        """See `Engine.streams`."""
        return self._now(Engine.streams)

    def renditions(self) -> tuple[RenditionReport, ...]:
        """See `Engine.renditions`."""
        return self._now(Engine.renditions)

    def tree(self) -> TreeNode:
        """See `Engine.tree`."""
        return self._now(Engine.tree)

    def stream(self, key: str, timeout: float | None = None) -> "ThreadedStream":
        """The stream `key`, as soon as it is published. Raises `Refused` for an unknown application.

        TimeoutError when it is not there in `timeout` seconds (None: wait for as long as it takes).
        """
        return ThreadedStream(self, self.call(self._engine.stream(key), timeout))

    def publish(self, key: str, tracks: tuple[Track, ...], metadata: Mapping[str, str] = _NONE) -> "ThreadedPublisher":
        """See `Engine.publish`: ``with engine.publish("live/made", tracks) as publisher: publisher.send(frame)``."""
        return ThreadedPublisher(self, self._now(lambda engine: engine.publish(key, tracks, metadata)))

    def start_pattern(self, key: str, shape: "PatternShape | None" = None) -> None:
        """See `Engine.start_pattern`."""
        self.call(self._engine.start_pattern(key, shape))

    def pull(self, key: str, url: str, **options: Any) -> "ThreadedHandle":
        """See `Engine.pull`."""
        return ThreadedHandle(self, self.call(self._engine.pull(key, url, **options)))

    def push(self, key: str, url: str, **options: Any) -> "ThreadedHandle":
        """See `Engine.push`."""
        return ThreadedHandle(self, self.call(self._engine.push(key, url, **options)))

    def end_stream(self, key: str, reason: str = "ended by the program") -> None:
        """See `Engine.end_stream`."""
        self._now(lambda engine: engine.end_stream(key, reason))

    @property
    def events(self) -> Pulled[Event]:
        """The engine's events from now on: ``for event in engine.events``, until the engine stops."""
        return self.items(self._engine.events.__aiter__)

    # -- how

    def call(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine on the engine's loop and return or raise what it does; TimeoutError after `timeout` seconds."""
        future = self.submit(coroutine)
        try:
            return self.result(future, timeout)
        except BaseException:
            future.cancel()
            raise

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start a coroutine on the engine's loop. Raises `ArclyError` when the engine does not run (any more)."""
        with self._lock:
            if self._open and self._loop is not None:
                return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        coroutine.close()
        raise self._not_running()

    def result(self, future: "Future[T]", timeout: float | None = None) -> T:
        """Wait for what `submit` started."""
        self._check_thread()
        try:
            return future.result(timeout)
        except CancelledError:
            raise self._not_running() from None

    def items(self, source: Callable[[], AsyncIterator[T]], timeout: float | None = None) -> Pulled[T]:
        """The items of an asynchronous iterator, one after the other; see `Pulled`."""
        return Pulled(self, source, timeout)

    def _now(self, ask: Callable[[Engine], T]) -> T:
        async def answer() -> T:
            return ask(self._engine)

        return self.call(answer())

    def _check_thread(self) -> None:
        if threading.get_ident() == self._thread.ident:
            raise ConfigurationError("this call waits for the engine's thread, so it cannot come from it")

    def _not_running(self) -> ArclyError:
        if isinstance(self._error, ArclyError):
            return self._error
        return ConfigurationError("the engine is not running: use it inside `with Engine.run_in_thread(...)`")

    def _run(self) -> None:
        try:
            run(self._main())
        except BaseException as error:  # noqa: BLE001 - it is told to whoever waits or calls, on their threads
            self._error = error
            if not self._started.done():
                self._started.set_exception(error)

    async def _main(self) -> None:
        stop = asyncio.Event()
        with self._lock:
            self._loop, self._stop = asyncio.get_running_loop(), stop
        try:
            async with self._engine as engine:
                with self._lock:
                    self._open = not self._stopping
                self._started.set_result(None)
                if not self._stopping:
                    await self._until_over(engine, stop)
        finally:
            with self._lock:
                self._open, self._loop = False, None

    async def _until_over(self, engine: Engine, stop: asyncio.Event) -> None:
        stopped = asyncio.ensure_future(stop.wait())
        failed = asyncio.ensure_future(engine.failed())
        try:
            await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                failed.result()
        finally:
            # From here on nothing new is accepted, and what was is cancelled with the loop's other tasks.
            with self._lock:
                self._open = False
            stopped.cancel()
            failed.cancel()


class ThreadedStream:
    """A `Stream` for blocking code."""

    def __init__(self, engine: ThreadedEngine, stream: Stream) -> None:
        self._engine = engine
        self._stream = stream
        self.key = stream.key

    @property
    def report(self) -> StreamReport | None:
        """See `Stream.report`."""
        return self._engine.call(self._ask(lambda stream: stream.report))

    @property
    def tracks(self) -> tuple[Track, ...]:
        """See `Stream.tracks`."""
        return self._engine.call(self._ask(lambda stream: stream.tracks))

    def frames(self, join: Join | None = None, *, timeout: float | None = None) -> Pulled[MediaFrame]:
        """Encoded frames, as `Stream.frames` has them: ``for frame in stream.frames(timeout=5)``.

        TimeoutError when no frame comes for `timeout` seconds; the iteration can be resumed.
        """
        return self._engine.items(lambda: self._stream.frames(join), timeout)

    async def _ask(self, ask: Callable[[Stream], T]) -> T:
        return ask(self._stream)


class ThreadedHandle:
    """A `SourceHandle` or `SinkHandle` for blocking code; `url` is masked."""

    def __init__(self, engine: ThreadedEngine, handle: SourceHandle | SinkHandle) -> None:
        self._engine = engine
        self._handle = handle
        self.key = handle.key
        self.url = handle.url

    def stop(self) -> None:
        """End it; a second call does nothing."""
        self._engine.call(self._handle.stop())


class ThreadedPublisher:
    """A `PublishHandle` for blocking code; entering raises `Refused` when the slot is taken."""

    def __init__(self, engine: ThreadedEngine, handle: PublishHandle) -> None:
        self._engine = engine
        self._handle = handle

    def __enter__(self) -> Self:
        self._engine.call(self._handle.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ArclyError):  # an engine that has stopped has ended it
            self._engine.call(self._handle.__aexit__(None, None, None))

    @property
    def alive(self) -> bool:
        """See `PublishHandle.alive`."""
        return self._handle.alive

    def announce(self, tracks: tuple[Track, ...], metadata: Mapping[str, str] = _NONE) -> None:
        """See `PublishHandle.announce`."""
        self._handle.announce(tracks, metadata)

    def send(self, frame: MediaFrame) -> None:
        """Send one frame; never waits. Raises `Refused` (ended) once the slot is lost."""
        self._handle.send(frame)
