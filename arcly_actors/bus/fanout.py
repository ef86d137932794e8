"""Fan-out: one format's buffers to all of its viewers, with one write per viewer and flush.

Viewers stand in cohorts. Those of a cohort that are up to date ("steady") share one position, so a flush joins the new
entries once and writes the same buffer to each; only viewers that fell behind are looked at one by one. With few viewers
a flush follows each frame at once; as they grow, flushes are spaced out up to the application's `flush_interval_ns`,
because a write costs about the same whatever it carries. Cohorts flush in turn, so that a flush never blocks the loop
for all viewers' writes at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from arcly_actors import limits
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.encoded import EncodedFeed
from arcly_actors.bus.place import Outlet, Place, SeatQos
from arcly_actors.bus.policy import Join
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.errors import Refusal
from arcly_actors.runtime.system import System

WriteAll = Callable[[Sequence[Outlet], bytes], Sequence[Outlet]]
"""Writes a buffer to each outlet and returns those that did not take all of it at once, or are closed."""

COHORTS = 8
"""Turns that the viewers of one format are divided into: at 1000 viewers a turn writes to 125, in 2 ms. Twice as many
cost a tenth more, since each turn wakes up to cold caches."""

SPREAD_NS = 350_000
"""Flush interval per viewer: 1000 viewers reach 350 ms if the application allows that much."""

IMMEDIATE_NS = 5 * NS_PER_MS
"""Below this interval (14 viewers) every frame is flushed as it comes: the saving would not be worth the latency."""

TURN_NS = 6 * NS_PER_MS
"""The least distance of two turns: waking up has a price, too."""

TURN_VIEWERS = 100
"""The least number of viewers in a turn: fewer are written to in too short a time to be worth a wake-up of their own."""


class _Cohort:
    """Some of the viewers: the steady ones, all at `position`, and the rest.

    `size` and `frames` count what the steady ones have been sent; a place takes the difference when it leaves them.
    """

    __slots__ = ("frames", "position", "size", "slow", "steady", "timer")

    def __init__(self) -> None:
        self.size = 0
        self.frames = 0
        self.position = 0
        self.steady: list[Outlet] = []
        self.slow: dict[Place, None] = {}
        self.timer: asyncio.TimerHandle | None = None


class Fanout:
    """The viewers of one encoded feed. On the loop only; `attach` and `detach` are O(1) but for the steady list."""

    def __init__(self, system: System, channel: Channel, feed: EncodedFeed, write_all: WriteAll) -> None:
        self._system = system
        self._channel = channel
        self._feed = feed
        self._write_all = write_all
        self._cohorts = [_Cohort() for _ in range(COHORTS)]
        self._homes: dict[Place, _Cohort] = {}
        self._by_outlet: dict[Outlet, Place] = {}
        self._bursts: deque[Place] = deque()
        self._soon: asyncio.Handle | None = None
        self._bursting: asyncio.Handle | None = None
        self._next_home = 0
        feed.on_appended = self._appended

    def __len__(self) -> int:
        return len(self._homes)

    @property
    def interval_ns(self) -> int:
        """Nanoseconds between two flushes to one viewer, as of now; 0 when frames are flushed as they come."""
        spread = min(len(self._homes) * SPREAD_NS, self._channel.policy.flush_interval_ns)
        return 0 if spread < IMMEDIATE_NS else spread

    def attach(self, place: Place) -> None:
        """Give a viewer its place: at the cached GOP if its join policy and the cache allow, else at the next keyframe.

        A place that already has a position (its actor was restarted) goes on there.
        """
        if self._feed.failed is not None:
            self._refuse(place, self._feed.failed)
            return
        home = self._cohorts[self._next_home % COHORTS]
        self._next_home += 1
        self._homes[place] = home
        self._by_outlet[place.outlet] = place
        place.channel, place.draining = self._channel, False
        home.slow[place] = None
        if place.position is None:
            if self._feed.head > self._feed.tail:
                place.joined = self._feed.moment(self._feed.head - 1)
            # Any cached keyframe will do for an instant joiner, one that the cache has yet to look at, too.
            place.waits_from = self._feed.tail if place.join is Join.INSTANT else self._feed.head
            place.position = self._usable(self._channel.start(place.join))
        elif place.position < self._feed.tail:
            self._skip(place)
        if place.position is not None:
            self._burst(place, limits.FIRST_WRITE)

    def prospect(self, join: Join) -> tuple[int, Iterator[bytes]] | None:
        """Where a viewer would start now, and the entries from there on that there are; None if it had to wait."""
        position = self._usable(self._channel.start(join))
        if position is None:
            return None
        return position, (self._feed.joined(at, at + 1) for at in range(position, self._feed.head))

    def detach(self, place: Place) -> None:
        """Take a viewer out; nothing is written to it from now on. Its place keeps its position."""
        home = self._homes.pop(place, None)
        if home is None:
            return
        self._by_outlet.pop(place.outlet, None)
        if place in home.slow:
            del home.slow[place]
        else:
            self._unsettle(place, home)

    def drain(self, place: Place) -> None:
        """Write everything up to the head, then detach: the viewer's proper end."""
        home = self._homes.get(place)
        if home is not None:
            self._flush(home)
            if place.position is not None and place in home.slow:
                self._write(place, self._feed.head)
            self.detach(place)

    def ending(self) -> bytes:
        """What closes the stream in this format."""
        return self._feed.encoder.ending()

    def release(self) -> None:
        """Give the fan-out back; the last user's release ends the encoding."""
        self._feed.release()

    def lag_ns(self, place: Place) -> int:
        """How far behind the head a viewer is, both in what it has not got and in time."""
        if place.drained is None or self._feed.head == self._feed.tail:
            return 0
        home = self._homes.get(place)
        if home is not None and place not in home.slow:
            return 0
        newest = self._feed.moment(self._feed.head - 1)
        lag = place.drained.until(newest)
        return max(0, lag if place.joined is None else min(lag, place.joined.until(newest)))

    def qos(self, place: Place) -> SeatQos:
        """What the viewer of `place` has got."""
        home = self._homes.get(place)
        steady = home is not None and place not in home.slow
        size = place.size + (home.size if steady and home else 0)
        frames = place.frames + (home.frames if steady and home else 0)
        return SeatQos(size, frames, place.skipped, self.lag_ns(place), place.outlet.pending, place.loss)

    # -- when ---------------------------------------------------------------------------------------------------------

    def _appended(self) -> None:
        if self._feed.failed is not None:
            self._fail(self._feed.failed)
            return
        interval = self.interval_ns
        if interval == 0:
            if self._soon is None:
                self._soon = self._system.loop.call_soon(self._flush_now)
            return
        now = self._system.clock.monotonic_ns()
        turns = max(1, min(COHORTS, interval // TURN_NS, len(self._homes) // TURN_VIEWERS))
        for index, cohort in enumerate(self._cohorts):
            if cohort.timer is None and (cohort.steady or cohort.slow):
                phase = (index % turns) * interval // turns
                wait = interval - (now - phase) % interval
                cohort.timer = self._system.timers.call_later(wait / NS_PER_S, self._flush_turn, cohort)

    def _flush_now(self) -> None:
        self._soon = None
        for cohort in self._cohorts:
            if cohort.steady or cohort.slow:
                self._flush(cohort)

    def _flush_turn(self, cohort: _Cohort) -> None:
        cohort.timer = None
        self._flush(cohort)

    # -- what ---------------------------------------------------------------------------------------------------------

    def _flush(self, cohort: _Cohort) -> None:
        head = self._feed.head
        if cohort.position < self._feed.tail:
            self._scatter(cohort)
        if cohort.steady and cohort.position < head:
            data = self._feed.joined(cohort.position, head)
            short = self._write_all(cohort.steady, data) if data else ()
            start, cohort.position = cohort.position, head
            cohort.size += len(data)
            cohort.frames += head - start
            for outlet in short:
                place = self._by_outlet[outlet]
                self._unsettle(place, cohort)
                place.drained = self._feed.moment(start)
                cohort.slow[place] = None
        cohort.position = head
        for place in list(cohort.slow):
            self._advance(place, cohort)

    def _scatter(self, cohort: _Cohort) -> None:
        """The log forgot what the steady ones have not had: more came between two flushes than it holds."""
        for outlet in tuple(cohort.steady):
            place = self._by_outlet[outlet]
            self._unsettle(place, cohort)
            cohort.slow[place] = None

    def _advance(self, place: Place, cohort: _Cohort) -> None:
        """Bring a viewer that is not steady as far as its socket lets it."""
        if place.outlet.closed:
            return
        if place.outlet.pending > 0:
            self._judge(place)
            self._go_on_when_drained(place)
            return
        start = self._stand(place)
        if start is not None and start < self._feed.head:
            self._write(place, self._feed.reach(start, limits.MAX_WRITE))
        if place.outlet.pending > 0:
            self._go_on_when_drained(place)
        elif place.position == cohort.position:
            self._settle(place, cohort)
        elif place.position is not None and place.position < self._feed.head and not place.draining:
            place.draining = True  # more than one write's worth is left: let the others have their turn first
            self._system.loop.call_soon(self._drained, place)

    def _go_on_when_drained(self, place: Place) -> None:
        """Not only at the next frame: a publisher that pauses, or is gone, sends none."""
        if not place.draining:
            place.draining = True
            place.outlet.when_writable(partial(self._drained, place))

    def _drained(self, place: Place) -> None:
        place.draining = False
        home = self._homes.get(place)
        if home is not None and place in home.slow:
            self._advance(place, home)

    def _stand(self, place: Place) -> int | None:
        """Where the viewer goes on: where it was if that is still here, else at a keyframe; None while there is none."""
        if place.position is None:
            self._await_keyframe(place)
        elif place.position < self._feed.tail:
            self._skip(place)
        return place.position

    def _settle(self, place: Place, cohort: _Cohort) -> None:
        del cohort.slow[place]
        cohort.steady.append(place.outlet)
        place.size -= cohort.size
        place.frames -= cohort.frames

    def _unsettle(self, place: Place, cohort: _Cohort) -> None:
        cohort.steady.remove(place.outlet)
        place.position = cohort.position
        place.size += cohort.size
        place.frames += cohort.frames

    def _write(self, place: Place, end: int) -> None:
        """Write the entries from the place's position to `end`, after the opening if it has not had one."""
        start = place.position
        if start is None or start >= end:
            return
        data = self._feed.joined(start, end)
        place.drained = self._feed.moment(start)
        if place.with_opening or place.resync:
            try:
                data = self._head_of(place, start) + data
            except Exception as error:  # noqa: BLE001 - a format's defect is for its own viewers, who may be being walked over
                if self._feed.failed is None:
                    self._feed.failed = error
                    self._system.loop.call_soon(self._fail, error)
                return
        if data:
            place.outlet.write(data)
        place.size += len(data)
        place.frames += end - start
        place.position = end

    def _head_of(self, place: Place, start: int) -> bytes:
        """What has to be said before the entry at `start` can be understood."""
        place.resync = False
        if not place.with_opening:
            return self._feed.configurations(start)
        place.with_opening = False
        if place.started is not None:
            place.started()
        return self._feed.opening(start, self._channel.metadata, place.opening)

    # -- joining ------------------------------------------------------------------------------------------------------

    def _burst(self, place: Place, size: int) -> None:
        """Write a first part of the cached GOP now and queue the rest, so that joiners take turns."""
        if place.position is None:
            return
        self._write(place, self._feed.reach(place.position, size))
        if place.position < self._feed.head:
            self._bursts.append(place)
            if self._bursting is None:
                self._bursting = self._system.loop.call_soon(self._burst_next)

    def _burst_next(self) -> None:
        self._bursting = None
        place = self._bursts.popleft()
        home = self._homes.get(place)
        if home is not None and place in home.slow:
            if place.outlet.pending:
                self._go_on_when_drained(place)
            elif not place.outlet.closed:
                self._burst(place, limits.FIRST_WRITE)
        if self._bursts and self._bursting is None:
            self._bursting = self._system.loop.call_soon(self._burst_next)

    def _await_keyframe(self, place: Place) -> None:
        """Start a waiting place at the newest keyframe that came after it began to wait."""
        anchor = self._usable(self._channel.anchor)
        if anchor is not None and anchor >= place.waits_from:
            place.position = anchor
            if place.resync and anchor > place.waits_from:  # it lost its place, and these while it waited
                self._skipped(place, anchor - place.waits_from)

    # -- lagging ------------------------------------------------------------------------------------------------------

    def _judge(self, place: Place) -> None:
        """Decide about a viewer whose socket does not drain: let it be, skip to the newest keyframe, or evict it."""
        lag = self.lag_ns(place)
        max_lag = self._channel.policy.max_lag_ns
        if lag > max_lag:
            self.detach(place)
            place.viewer.evicted(Refusal.LAGGED, f"{lag / NS_PER_S:.1f} s behind, more than {max_lag / NS_PER_S:g} s")
        elif lag > max_lag // 2 or (place.position is not None and place.position < self._feed.tail):
            self._skip(place)

    def _skip(self, place: Place) -> None:
        """Jump to the newest cached keyframe, or wait for the next one if what comes next is already forgotten."""
        anchor = self._usable(self._channel.anchor)
        was = place.position
        if was is None:
            return
        if anchor is not None and anchor > was:
            place.position = anchor
            self._skipped(place, anchor - was)
        elif was < self._feed.tail:
            place.position = None
            place.waits_from = self._feed.head
            self._skipped(place, self._feed.head - was)

    def _skipped(self, place: Place, frames: int) -> None:
        place.resync = True
        place.skipped += frames
        place.viewer.lagged(frames)

    def _fail(self, error: Exception) -> None:
        """The encoder broke: every viewer of this format loses its place, and may ask for a new one."""
        for place in list(self._homes):
            self.detach(place)
            self._refuse(place, error)

    def _refuse(self, place: Place, error: Exception) -> None:
        place.viewer.evicted(Refusal.FAILED, f"this output format failed: {error}")

    def _usable(self, position: int | None) -> int | None:
        return position if position is not None and position >= self._feed.tail else None
