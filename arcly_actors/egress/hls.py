"""The HLS packager of one stream: an actor that lives while somebody asks for its playlists or segments.

It takes one seat at the bus, however many players there are, and reads the channel's log from the oldest keyframe that
still fits into the playlist: the first playlist has several segments at once when the log has them. Closed segments go to
a worker, muxed ones onto the shelf. It stops by itself: idle, or a while after the stream's end.
"""

from collections import Counter, deque
from dataclasses import dataclass

import pykka
from reactivex.abc import DisposableBase

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.events import PublishStarted
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import (
    KeyframeUnavailable,
    RequestKeyframe,
    StreamEnded,
    StreamHeld,
    StreamResumed,
    Subscribe,
    Subscription,
    TracksChanged,
    Unsubscribe,
)
from arcly_actors.egress.hls_policy import HlsPolicy
from arcly_actors.egress.hls_resources import (
    CountViewers,
    GetInit,
    GetMaster,
    GetMedia,
    GetSegment,
    Resource,
    init,
    playlist,
    segment,
)
from arcly_actors.egress.hls_segmenter import Segment, Segmenter, SegmentRule
from arcly_actors.egress.hls_shelf import Shelf
from arcly_actors.egress.hls_start import beginning
from arcly_actors.egress.hls_waiting import Waiting
from arcly_actors.egress.hls_worker import MuxSegment, MuxWorker, SegmentMuxed
from arcly_actors.errors import Refusal, Refused
from arcly_actors.media.frame import MediaFrame
from arcly_actors.renditions import Renditions, Wish
from arcly_actors.runtime import Exited, LoopActor, LoopFuture, System, Timer, receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class _Seated:
    subscription: Subscription


@dataclass(frozen=True, slots=True)
class _NotSeated:
    refused: Refused


@dataclass(frozen=True, slots=True)
class _TakeSeat:
    """Ask the bus (again)."""


@dataclass(frozen=True, slots=True)
class _FramesLogged:
    """The log has more."""


@dataclass(frozen=True, slots=True)
class _LookAtClock:
    """See who waited long enough, and whether anybody asks any more."""


@dataclass(frozen=True, slots=True)
class _Expire:
    """The ended playlist was served for long enough."""


_FRAMES_LOGGED = _FramesLogged()


class HlsStream(LoopActor):
    """Answers `GetMaster`, `GetMedia`, `GetInit` and `GetSegment` (by `ask`) with a `Resource`, or raises `Refused`.

    Playlists wait until there is something to play. `lost` counts segments by the reason that they never came out.
    """

    def __init__(
        self, system: System, bus: Bus, key: StreamKey, policy: HlsPolicy, renditions: Renditions | None = None
    ) -> None:
        super().__init__(system)
        self._renditions = renditions
        self._base: Channel | None = None
        self._bus = bus
        self._key = key
        self._policy = policy
        self._shelf = Shelf(policy)
        self._waiting: Waiting = Waiting(policy.wait_ns)
        self._segmenter: Segmenter | None = None
        self._subscription: Subscription | None = None
        self._channel: Channel | None = None
        self._feed: DisposableBase | None = None
        self._next = 0
        self._filling: int | None = None
        self._passed: int | None = None  # the DTS up to which the frames were read in another channel
        self._notified = False
        self._asked_ns = 0
        self._worker: pykka.ActorRef[MuxWorker] | None = None
        self._in_flight: deque[int] = deque()
        self._failures = 0
        self._begun = False
        self._over = ""
        self._last_request = system.clock.monotonic_ns()
        self._timer: Timer | None = None
        self._viewers: dict[str, int] = {}
        self.lost: Counter[str] = Counter()

    def on_start(self) -> None:
        """Ask for a seat, and begin to look at the clock."""
        self.take_seat(_TakeSeat())
        self._arm()

    def on_stop(self) -> None:
        """Give everything back; whoever still waits is told."""
        self._leave("nobody watches" if not self._over else self._over)

    def on_failure(self, *_: object) -> None:
        """Give everything back; the next request starts another packager."""
        self._leave("failed")

    # -- requests -----------------------------------------------------------------------------------------------------

    @receives(GetMaster, GetMedia)
    def get_playlist(self, request: GetMaster | GetMedia) -> "Resource | LoopFuture[Resource]":
        """A playlist, when there is one to play."""
        self._asked(request.viewer)
        if self._playable():
            return self._render(request)
        future = self._waiting.add(request, self.system.clock.monotonic_ns())
        self._arm()
        return future

    @receives(GetInit)
    def get_init(self, request: GetInit) -> Resource:
        """An initialisation segment."""
        self._asked(request.viewer)
        data = self._shelf.init(request.epoch)
        if data is None:
            raise Refused(Refusal.NOT_FOUND, f"no initialisation segment {request.epoch} (any more)")
        return init(data)

    @receives(GetSegment)
    def get_segment(self, request: GetSegment) -> Resource:
        """A media segment."""
        self._asked(request.viewer)
        data = self._shelf.segment(request.number) if request.container is self._policy.container else None
        if data is None:
            raise Refused(Refusal.NOT_FOUND, f"no segment {request.number} (any more)")
        return segment(data, request.container)

    @receives(CountViewers)
    def count_viewers(self, _: CountViewers) -> int:
        """Players that asked for something within the last window: told apart by address and user agent, so a guess."""
        horizon = self.system.clock.monotonic_ns() - self._policy.window * self._policy.segment_ns
        return sum(at >= horizon for at in self._viewers.values())

    def _playable(self) -> bool:
        """Whether playlists can be served: the first one waits for all that the log gave, so that it is a long one."""
        self._begun = self._begun or (self._shelf.ready and not self._in_flight)
        return self._begun

    def _asked(self, viewer: str) -> None:
        self._last_request = self.system.clock.monotonic_ns()
        if viewer and (viewer in self._viewers or len(self._viewers) < limits.HLS_CENSUS):
            self._viewers[viewer] = self._last_request

    def _render(self, request: GetMaster | GetMedia) -> Resource:
        return playlist(self._shelf.master() if isinstance(request, GetMaster) else self._shelf.media())

    @receives(_LookAtClock)
    def look_at_clock(self, _: _LookAtClock) -> None:
        """Turn away who waited too long; stop when idle."""
        now = self.system.clock.monotonic_ns()
        idle = now - self._last_request
        if idle >= self._policy.idle_ns:
            self.stop_self("nobody watches")
            return
        horizon = now - self._policy.idle_ns
        self._viewers = {viewer: at for viewer, at in self._viewers.items() if at > horizon}
        self._waiting.expire(now, self._key)
        self._arm()

    def _arm(self) -> None:
        """One timer for both: the end of the first wait, and of idleness."""
        now = self.system.clock.monotonic_ns()
        at = self._last_request + self._policy.idle_ns
        if self._waiting.deadline is not None:
            at = min(at, self._waiting.deadline)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.after(at - now, _LookAtClock())

    # -- seat ---------------------------------------------------------------------------------------------------------

    @receives(_TakeSeat)
    def take_seat(self, _: _TakeSeat) -> None:
        """Ask the bus for a seat."""
        request = Subscribe(self._key, self.actor_ref, "hls", "packager")

        async def ask() -> object:
            try:
                return _Seated(await self._bus.subscribe(request))
            except Refused as refused:
                return _NotSeated(refused)

        self.errand(ask())

    @receives(_Seated)
    def seated(self, message: _Seated) -> None:
        """Read the log, then follow the feed. After a crash of the stream actor the channel is the same: go on in it."""
        subscription = self._subscription = message.subscription
        if self._base is not None and subscription.channel is not self._base:
            self.stop_self("the stream was started anew")  # its players need a packager of their own
            return
        self.watch(subscription.stream)
        if self._base is None:
            self._follow(self._rendered(subscription.channel))
        self._read_log()

    @receives(_NotSeated)
    def not_seated(self, message: _NotSeated) -> None:
        """There is no such stream, or none any more."""
        if self._segmenter is not None:
            self._wind_up(message.refused.detail)
            return
        self._waiting.refuse(message.refused)
        self._over = message.refused.detail
        self.stop_self(self._over)

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """The stream actor crashed: take a seat at its successor. The worker crashed: go on with the next segment."""
        if self._worker is not None and exited.urn == self._worker.actor_urn:
            self._worker = None
            self._worker_failed(exited)
        elif self._subscription is not None and exited.urn == self._subscription.stream.actor_urn and not self._over:
            self._subscription = None
            self.after(limits.REATTACH_DELAY, _TakeSeat())

    def _rendered(self, base: Channel) -> Channel:
        """The stream as HLS players want it."""
        self._give_back()
        self._base = base
        return base if self._renditions is None else self._renditions.acquire(base, Wish.HLS)

    def _give_back(self) -> None:
        base, self._base = self._base, None
        if base is not None and self._renditions is not None:
            self._renditions.release(base, Wish.HLS)

    def _follow(self, channel: Channel) -> None:
        if self._feed is not None:
            self._feed.dispose()
        policy, clock = self._policy, self.system.clock
        rule = SegmentRule(policy.segment_ns, policy.longest_ns, policy.largest, policy.container.codecs)
        offset = clock.wall_ns() - clock.monotonic_ns()
        self._channel = channel
        now, span = (clock.wall_ns(), offset), policy.window * policy.segment_ns
        self._next, number = beginning(channel, span, now, policy.segment_ns)
        self._segmenter = Segmenter(rule, first_number=number, wall_offset_ns=offset)
        self._feed = channel.feed.subscribe(self._logged)

    def _leave(self, reason: str) -> None:
        if self._feed is not None:
            self._feed.dispose()
        self._give_back()
        if self._subscription is not None:
            notify(self._subscription.stream, Unsubscribe(self._subscription.number, reason))
        if self._worker is not None and self._worker.is_alive():
            self._worker.stop(block=False)
        self._waiting.refuse(Refused(Refusal.FAILED, f"packaging of {self._key} stopped: {reason}"))

    # -- frames -------------------------------------------------------------------------------------------------------

    def _logged(self, _: MediaFrame) -> None:
        if not self._notified:
            self._notified = True
            self.actor_ref.tell(_FRAMES_LOGGED)

    @receives(_FramesLogged)
    def frames_logged(self, _: _FramesLogged) -> None:
        """Cut what came since."""
        self._read_log()

    def _read_log(self) -> None:
        channel, segmenter = self._channel, self._segmenter
        self._notified = False
        if channel is None or segmenter is None:
            return
        log = channel.log
        if self._next < log.tail:  # never in practice: the log holds seconds, and this runs in the same turn of the loop
            self._mux(segmenter.seam())
            self.lost["log overrun"] += 1
            self._next = log.tail
        for position in range(self._next, log.head):
            logged = log[position]
            if self._passed is None or logged.frame.dts > self._passed:
                self._mux(segmenter.push(logged.frame, logged.tracks))
                self._note_cut(channel, position, segmenter.filling)
        self._next = log.head
        self._want_keyframe(segmenter)

    def _note_cut(self, channel: Channel, position: int, number: int | None) -> None:
        """Where a segment begins is kept with the stream, for a packager that takes over."""
        if number is not None and number != self._filling:
            self._filling = number
            cuts = channel.segments
            cuts[position] = number
            while len(cuts) > 1 and next(iter(cuts)) < channel.log.tail:
                del cuts[next(iter(cuts))]

    def _want_keyframe(self, segmenter: Segmenter) -> None:
        """Publishers that send keyframes on request only (WebRTC) would never end a segment."""
        now = self.system.clock.monotonic_ns()
        if segmenter.open_ns < self._policy.segment_ns or now - self._asked_ns < self._policy.segment_ns:
            return
        if self._subscription is not None:
            self._asked_ns = now
            notify(self._subscription.stream, RequestKeyframe(self._subscription.number))

    @receives(StreamHeld)
    def held(self, _: StreamHeld) -> None:
        """Publish what the publisher left; the playlist then stands still."""
        self._finish_segment()

    @receives(KeyframeUnavailable)
    def keyframe_unavailable(self, _: KeyframeUnavailable) -> None:
        """The segment ends at the next one that the encoder makes by itself."""

    @receives(StreamResumed)
    def unchanged(self, _: StreamResumed) -> None:
        """It is seen in the frames themselves."""

    @receives(TracksChanged)
    def tracks_changed(self, _: TracksChanged) -> None:
        """So is this. But what would do as it was may have to be transcoded now: go on in the rendition."""
        base, was = self._base, self._channel
        if base is None or was is not base or self._feed is None:
            return
        self._read_log()
        channel = self._rendered(base)
        if channel is not was:
            self._feed.dispose()
            self._passed = base.log.dts(base.log.head - 1) if len(base.log) else None
            self._channel, self._next = channel, channel.log.tail
            self._feed = channel.feed.subscribe(self._logged)
            self._read_log()

    @receives(StreamEnded)
    def stream_ended(self, ended: StreamEnded) -> None:
        """Finish the playlist, and keep it for those who are still playing."""
        self._wind_up(ended.detail)

    def _finish_segment(self) -> None:
        self._read_log()
        if self._segmenter is not None:
            self._mux(self._segmenter.seam())

    def _wind_up(self, detail: str) -> None:
        if self._over:
            return
        self._finish_segment()
        self._over = detail or "the stream ended"
        self.after(limits.HLS_ENDED, _Expire())
        self._settle()

    @receives(_Expire)
    def expire(self, _: _Expire) -> None:
        """The stream is over for good."""
        self.stop_self(self._over)

    @receives(PublishStarted)
    def published_anew(self, _: PublishStarted) -> None:
        """Another stream under the same key: its viewers need a packager of their own."""
        if self._over:
            self.stop_self(self._over)

    # -- muxing -------------------------------------------------------------------------------------------------------

    def _mux(self, closed: Segment | None) -> None:
        if closed is None or self._segmenter is None:
            return
        if len(self._in_flight) >= limits.HLS_IN_FLIGHT + self._policy.window:
            self.lost["muxer behind"] += 1
            self._segmenter.renew()
            return
        if self._worker is None:
            self._worker = MuxWorker.start(self.system, self._policy.container)
            self.watch(self._worker)
        self._in_flight.append(closed.number)
        notify(self._worker, MuxSegment(closed, self.actor_ref))

    @receives(SegmentMuxed)
    def muxed(self, message: SegmentMuxed) -> None:
        """Put it up, and answer who waited for it."""
        if not self._in_flight or message.shelved.number != self._in_flight[0]:
            return  # from a worker that failed meanwhile
        self._in_flight.popleft()
        self._failures = 0
        self._shelf.add(message.shelved, message.init)
        self._settle()

    def _worker_failed(self, exited: Exited) -> None:
        self.lost["muxer failed"] += len(self._in_flight)
        self._in_flight.clear()
        self._failures += 1
        if self._failures >= limits.HLS_MUXER_FAILURES:
            self._waiting.refuse(Refused(Refusal.FAILED, f"{self._key} cannot be packaged: {exited.error}"))
            self._over = f"the muxer failed {self._failures} times: {exited.error}"
            self.stop_self(self._over)
            return
        if self._segmenter is not None:
            self._segmenter.renew()
        self._settle()

    def _settle(self) -> None:
        """Answer the waiting requests if they can be answered now."""
        if self._over and not self._in_flight:
            self._shelf.ended = True
        if self._playable():
            self._waiting.answer(self._render)
        elif self._shelf.ended:
            self._waiting.refuse(Refused(Refusal.NOT_FOUND, f"{self._key} ended before it had a segment"))
            self.stop_self(self._over)
