"""A live stream in the hands of a program: frames to iterate over or to observe."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import reactivex
from reactivex import abc
from reactivex.disposable import Disposable

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.policy import Join
from arcly_actors.bus.report import StreamReport
from arcly_actors.egress.in_process import FrameReader
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime import System


class Stream:
    """One stream of an engine. It may be held, resumed and restarted while this object is used."""

    def __init__(self, system: System, bus: Bus, key: StreamKey) -> None:
        self._system = system
        self._bus = bus
        self._tasks: set[asyncio.Task[None]] = set()
        self.key = key

    @property
    def report(self) -> StreamReport | None:
        """State, tracks and figures as of now; None when the stream is over."""
        return next((report for report in self._bus.reports() if report.key == self.key), None)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks as of now; empty when the stream is over."""
        report = self.report
        return report.tracks if report is not None else ()

    def frames(self, join: Join | None = None) -> AsyncGenerator[MediaFrame, None]:
        """Encoded frames, from the cached GOP on (or as `join` says) until the stream ends.

        Each call is a viewer of its own. One that is too slow skips to a keyframe; it never slows anyone down. Raises
        `Refused` when the stream is over.
        """
        return FrameReader().frames(self._system, self._bus, self.key, join)

    @property
    def observable(self) -> reactivex.Observable[MediaFrame]:
        """The same as `frames`, as a reactivex Observable; subscribe on the engine's loop."""

        def subscribe(
            observer: abc.ObserverBase[MediaFrame], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            del scheduler  # frames come on the engine's loop; `ops.observe_on` moves them elsewhere
            task = self._system.loop.create_task(self._feed(observer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

            def cancel() -> None:
                task.cancel()

            return Disposable(cancel)

        return reactivex.create(subscribe)

    async def _feed(self, observer: abc.ObserverBase[MediaFrame]) -> None:
        try:
            async with aclosing(self.frames()) as frames:
                async for frame in frames:
                    observer.on_next(frame)
        except Exception as error:  # noqa: BLE001 - an observable's errors go to its observer
            observer.on_error(error)
        else:
            observer.on_completed()
