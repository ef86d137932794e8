"""Reading in Python code: a stream's frames as an async iterator, joined at the GOP, bounded by the stream's own log."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import (
    Ref,
    SeatLagged,
    StreamEnded,
    StreamHeld,
    StreamResumed,
    Subscribe,
    Subscription,
    TracksChanged,
    Unsubscribe,
)
from arcly_actors.bus.policy import Join
from arcly_actors.errors import Refused
from arcly_actors.media.frame import MediaFrame
from arcly_actors.runtime import Exited, LoopActor, LoopFuture, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.runtime.policy import Intensity, RestartWindow


@dataclass(frozen=True, slots=True)
class _Asked:
    """What became of a request for a seat."""

    outcome: Subscription | Refused


@dataclass(frozen=True, slots=True)
class _AskAgain:
    """Ask for a seat."""


@dataclass(frozen=True, slots=True)
class _Skipped:
    """The reader has skipped frames."""


@dataclass(frozen=True, slots=True)
class _First:
    """Ask for the first seat's outcome."""


class FrameSubscriber(LoopActor):
    """Holds a program's seat, at the restarted stream too, and says by `changed` when there is something to look at."""

    def __init__(self, system: System, bus: Bus, key: StreamKey, join: Join | None, reader: "FrameReader") -> None:
        super().__init__(system)
        self._bus = bus
        self._key = key
        self._join = join
        self._reader = reader
        self._seat: Subscription | None = None
        self._first: LoopFuture[Subscription] = LoopFuture()

    def on_start(self) -> None:
        """Ask for a seat."""
        self._ask(_AskAgain())

    def on_stop(self) -> None:
        """Give it back."""
        if self._seat is not None:
            notify(self._seat.stream, Unsubscribe(self._seat.number, "left"))

    def on_failure(self, *_: object) -> None:
        """Have the reader start another."""
        self._reader.look()

    @receives(_First)
    def first(self, _: _First) -> LoopFuture[Subscription]:
        """Answered with the seat, or with the refusal."""
        return self._first

    @receives(_AskAgain)
    def _ask(self, _: _AskAgain) -> None:
        request = Subscribe(self._key, self.actor_ref, "python", "in-process", self._join)

        async def ask() -> _Asked:
            try:
                return _Asked(await self._bus.subscribe(request))
            except Refused as refused:
                return _Asked(refused)

        self.errand(ask())

    @receives(_Asked)
    def asked(self, asked: _Asked) -> None:
        """A seat, or the end."""
        outcome = asked.outcome
        if isinstance(outcome, Subscription):
            if self._reader.reads_another(outcome.channel):
                notify(outcome.stream, Unsubscribe(outcome.number, "this is not the stream it was"))
                self._reader.finish()
                return
            self._seat = outcome
            self.watch(outcome.stream)
            self.skipped(_Skipped())
            if not self._first.settled:
                self._first.set(outcome)
        elif self._first.settled:
            self._reader.finish()
        else:
            self._first.fail(outcome)

    @receives(_Skipped)
    def skipped(self, _: _Skipped) -> None:
        """Say under this seat's number how many frames the reader skipped; without a seat, when there is one again."""
        seat, frames = self._seat, self._reader.untold
        if seat is not None and frames and notify(seat.stream, SeatLagged(seat.number, frames)):
            self._reader.untold = 0

    @receives(StreamEnded)
    def ended(self, _: StreamEnded) -> None:
        """No frame follows."""
        self._reader.finish()

    @receives(StreamHeld, StreamResumed, TracksChanged)
    def unchanged(self, _: object) -> None:
        """The log tells it all."""

    @receives(Exited)
    def stream_gone(self, exited: Exited) -> None:
        """Restarted: take a seat there. Ended in order: over."""
        if exited.error is None:
            self._reader.finish()
        else:
            self.after(limits.REATTACH_DELAY, _AskAgain())


class FrameReader:
    """A cursor over a channel's log.

    A reader that is more than half of the application's `max_lag_ns` behind, or that fell out of the log, goes on at the
    newest cached keyframe; a publisher never waits for it. If the actor that holds its seat fails, it starts another.
    """

    def __init__(self) -> None:
        self._ready = asyncio.Event()
        self._finished = False
        self._position: int | None = None
        self._waits_from = 0
        self._lost = False
        self._channel: Channel | None = None
        self._subscriber: Ref | None = None
        self._window = RestartWindow(Intensity())
        self.skipped = 0
        self.untold = 0
        """Of those skipped, how many the stream has not been told of yet."""

    def look(self) -> None:
        """Something has changed."""
        self._ready.set()

    def reads_another(self, channel: Channel) -> bool:
        """Whether the positions of this reader are not those of `channel`."""
        return self._channel is not None and self._channel is not channel

    def finish(self) -> None:
        """No frame follows those in the log."""
        self._finished = True
        self._ready.set()

    async def frames(
        self, system: System, bus: Bus, key: StreamKey, join: Join | None = None
    ) -> AsyncGenerator[MediaFrame, None]:
        """Frames from the join on, until the stream ends. Raises `Refused` when there is no such stream."""

        def start() -> Ref:
            return FrameSubscriber.start(system, bus, key, join, self)

        self._subscriber = start()
        try:
            seat: Subscription = await self._subscriber.ask(_First(), block=False)
            channel = self._channel = seat.channel
            self._position = channel.start(seat.join)
            self._waits_from = channel.log.tail if seat.join is Join.INSTANT else channel.log.head
            observing = channel.feed.subscribe(lambda _: self._ready.set(), None, self.finish)
            try:
                while (frame := await self._next(channel, system, start)) is not None:
                    yield frame
            finally:
                observing.dispose()
        finally:
            await self._subscriber.stop(block=False)

    async def _next(self, channel: Channel, system: System, start: Callable[[], Ref]) -> MediaFrame | None:
        while True:
            self._hold_seat(system, start)
            skipped = self._find(channel)
            if skipped and self._subscriber is not None:
                self.skipped += skipped
                self.untold += skipped
                notify(self._subscriber, _Skipped())
            position = self._position
            if position is not None and position < channel.log.head:
                self._position = position + 1
                return channel.log[position].frame
            if self._finished:
                return None
            self._ready.clear()
            await self._ready.wait()

    def _hold_seat(self, system: System, start: Callable[[], Ref]) -> None:
        """Start another subscriber for one that failed, unless that happens too often."""
        if self._finished or self._subscriber is None or self._subscriber.is_alive():
            return
        if self._window.admit(system.clock.monotonic_ns()):
            self._subscriber = start()
        else:
            self.finish()

    def _find(self, channel: Channel) -> int:
        """Put the position where it can be read from; returns how many frames that skips."""
        log, position, anchor = channel.log, self._position, channel.anchor
        if position is None:
            if anchor is None or anchor < self._waits_from:
                return 0
            self._position = anchor
            lost, self._lost = self._lost, False
            return anchor - self._waits_from if lost else 0
        if position >= log.head:
            return 0
        lost = position < log.tail
        late = lost or log.moment(position).until(log.moment(log.head - 1)) > channel.policy.max_lag_ns // 2
        if late and anchor is not None and anchor > position:
            self._position = anchor
            return anchor - position
        if lost:
            self._position, self._waits_from, self._lost = None, log.head, True
            return log.head - position
        return 0
