"""`Recorder`: what `record:` of a topology asks for, as a supervised actor that starts and ends tapes.

A tape that begins with the engine waits for its stream: `for` counts from the stream's beginning. What has to outlast a
restart (how many tapes were made, which are still being written) is in the `Reel`.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reactivex import abc

from arcly_actors import limits
from arcly_actors.bus.events import Event, PublishEnded, PublishResumed, PublishStarted, TapeFailed
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import ArclyError
from arcly_actors.runtime import ChildSpec, LoopActor, OnExceeded, System, receives
from arcly_actors.topology.recordings import Recording
from arcly_actors.topology.values import duration_text

if TYPE_CHECKING:
    from arcly_actors.engine import Engine
    from arcly_actors.script.taping import Taping


class RecordingBroke(ArclyError):
    """A tape could not be written; the text says why."""


@dataclass(eq=False, slots=True)
class Reel:
    """An entry of `record:`, how many tapes it has made, and those that are being made."""

    entry: Recording
    made: int = 0
    tasks: set["asyncio.Task[Any]"] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Begin:
    """A tape begins: of this stream, or with the engine (None)."""

    key: str | None


@dataclass(frozen=True, slots=True)
class _Over:
    """The tape of this stream is over."""

    key: str | None


class Recorder(LoopActor):
    """See the module."""

    expected_failures = (RecordingBroke,)

    def __init__(self, system: System, engine: "Engine", reel: Reel) -> None:
        super().__init__(system)
        self._engine = engine
        self._reel = reel
        self._entry = reel.entry
        self._tapings: dict[str | None, Taping] = {}
        self._live = asyncio.Event()
        self._seat: abc.DisposableBase | None = None

    def on_start(self) -> None:
        """Record what is live already, and hear of what comes."""
        self._seat = self._engine.events.observable.subscribe(self._happened)
        if not self._entry.by_stream:
            self.begin(_Begin(None))
        for report in self._engine.streams():
            if self._entry.takes(report.key):
                self._live.set()
                if self._entry.by_stream:
                    self.begin(_Begin(str(report.key)))

    def on_stop(self) -> None:
        """End its tapes in order."""
        self._end_all("the engine stops")

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._end_all("its recorder failed")

    def figures(self) -> Mapping[str, int | float]:
        """How many tapes it has made, for the tree."""
        return {"tapes": self._reel.made}

    @receives(_Begin)
    def begin(self, begin: _Begin) -> None:
        """Start a tape, if there may be another."""
        if begin.key in self._tapings:
            return
        if self._reel.made >= self._entry.tapes:
            self._fail(begin.key, f"this entry of record: has made its {self._entry.tapes} tapes")
            return
        self._reel.made += 1
        task = self.spawn(self._record(begin.key), then=lambda _: _Over(begin.key))
        self._reel.tasks.add(task)
        task.add_done_callback(self._reel.tasks.discard)

    @receives(_Over)
    def over(self, over: _Over) -> None:
        """A tape of one stream may be followed by another when that begins again; one of the engine is not."""
        if over.key is not None:
            self._tapings.pop(over.key, None)

    def _happened(self, event: Event) -> None:
        if isinstance(event, PublishStarted | PublishResumed) and self._entry.takes(event.key):
            self._live.set()
            if self._entry.by_stream:
                self.begin(_Begin(str(event.key)))
        elif isinstance(event, PublishEnded):
            taping = self._tapings.pop(str(event.key), None)
            if taping is not None:
                taping.stop("the stream ended")

    async def _record(self, key: str | None) -> None:
        while await self._one(key):
            pass

    async def _one(self, key: str | None) -> bool:
        """Make one tape; whether it has to be begun anew, since nothing came of its stream."""
        entry = self._entry
        path: Path | None = None
        try:
            path = entry.path(key or _name(entry.key), self._time())
            told = {"recorded_for": "record: of the topology"}
            one = key or entry.one
            taping = self._engine.tape(one, path, payload=entry.payload, size=entry.max, provenance=told)
            async with taping:
                self._tapings[key] = taping
                again = await self._until_over(taping)
                if again:
                    taping.stop(f"nothing came in {duration_text(limits.RECORDING_RENEWAL)}: begun anew")
        except OSError as error:
            problem = error.strerror or str(error)
            self._fail(key, problem, path)
            raise RecordingBroke(f"{path or entry.to}: {problem}") from None
        if again:
            with suppress(OSError):
                path.unlink()
        return again

    async def _until_over(self, taping: "Taping") -> bool:
        clock = self.system.clock
        began = clock.monotonic_ns()
        if not self._live.is_set():
            waits = [asyncio.ensure_future(each.wait()) for each in (self._live, taping.ended)]
            await asyncio.wait(waits, timeout=limits.RECORDING_RENEWAL / NS_PER_S, return_when=asyncio.FIRST_COMPLETED)
            for each in waits:
                each.cancel()
            if not (self._live.is_set() or taping.ended.is_set()):
                return True
        left = limits.SCRIPT_SPAN - (clock.monotonic_ns() - began)
        length = self._entry.length
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, length or left) / NS_PER_S):
                await taping.ended.wait()
        taping.stop(f"recorded for {duration_text(length)}" if length else "a script is a day at most")
        return False

    def _time(self) -> str:
        return datetime.fromtimestamp(self.system.clock.wall_ns() // NS_PER_S, UTC).strftime("%Y%m%dT%H%M%SZ")

    def _fail(self, key: str | None, problem: str, path: Path | None = None) -> None:
        self._engine.events.emit(TapeFailed(key or self._entry.key, str(path or self._entry.to), problem))

    def _end_all(self, why: str) -> None:
        if self._seat is not None:
            self._seat.dispose()
        for taping in self._tapings.values():
            taping.stop(why)


def start_recorders(engine: "Engine") -> list[Reel]:
    """A recorder for each entry of `record:`, under the supervisor of records."""
    roster, system = engine.built.rosters["records"], engine.built.system
    reels = [Reel(entry) for entry in engine.topology.record]
    for number, reel in enumerate(reels, 1):
        start = partial(Recorder.start, system, engine, reel)
        spec = ChildSpec(f"{number}: {reel.entry.told()}", start, on_exceeded=OnExceeded.DEGRADE)
        roster.tell(spec)
    system.run_queue.drain()
    return reels


def _name(pattern: str) -> str:
    """What stands for the key in the name of a tape that has more than one stream."""
    return "all" if "*" in pattern else pattern
