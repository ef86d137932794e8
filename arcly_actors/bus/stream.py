"""The stream actor: one live stream. Publishers push to it, subscribers hold seats, frames go to its channel."""

from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.events import (
    Events,
    KeyframeRequested,
    PublishEnded,
    PublishHeld,
    PublishResumed,
    PublishStarted,
    SubscriberEvicted,
    SubscriberJoined,
    SubscriberLagged,
    SubscriberLeft,
)
from arcly_actors.bus.keyframes import KeyframeBroker
from arcly_actors.bus.messages import (
    Announce,
    Claim,
    Displaced,
    KeyframeUnavailable,
    KeyframeWanted,
    Lease,
    Push,
    ReferencesLost,
    Release,
    RequestKeyframe,
    SeatEvicted,
    SeatLagged,
    StreamEnded,
    StreamHeld,
    StreamResumed,
    Subscribe,
    SubscriberNotice,
    Subscription,
    TracksChanged,
    Unsubscribe,
)
from arcly_actors.bus.qos import QosMeter
from arcly_actors.bus.report import SeatReport, StreamReport
from arcly_actors.bus.slot import Holder, PublishSlot
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Refusal
from arcly_actors.media.codec import VIDEO, Kind
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class Tick:
    """Close the figures' window and look at the publisher."""


@dataclass(frozen=True, slots=True)
class HoldOver:
    """The hold that began at this time (monotonic ns) is over, unless somebody came."""

    since: int
    hold_ns: int


@dataclass(frozen=True, slots=True)
class OfferWithdrawn:
    """The configured source of this stream is gone for good: the hold begins to run."""


@dataclass(frozen=True, slots=True)
class AskForKeyframe:
    """Look at the keyframe broker."""


@dataclass(frozen=True, slots=True)
class End:
    """End the stream now: its publisher and its viewers are told why."""

    detail: str


@dataclass(slots=True)
class Seat:
    """One subscriber."""

    request: Subscribe
    number: int
    joined: int
    lagged: int = 0


class StreamActor(LoopActor):
    """Everything that changes about one stream happens here, one message at a time; reading happens on its channel."""

    media_types = (Push,)
    media_bound = limits.STREAM_LANE

    def __init__(self, system: System, channel: Channel, events: Events) -> None:
        super().__init__(system)
        self._channel = channel
        self._events = events
        self._now = system.clock.monotonic_ns
        self._key = channel.key
        self._policy = channel.policy
        channel.slot = channel.slot or PublishSlot(channel.policy.on_conflict, system.clock.monotonic_ns())
        self._slot = channel.slot
        self._seats: dict[int, Seat] = {}
        self._numbers: dict[str, int] = {}  # a subscriber's urn to its seat
        self._broker = KeyframeBroker()
        self._asking = False
        self._qos = QosMeter()
        self._started = system.clock.monotonic_ns()
        self._undecodable: set[int] = set()  # video tracks whose keyframe has not come yet
        self._overdue: HoldOver | None = None  # a hold that ran out while viewers of a configured source waited
        self.dropped_frames = 0

    def on_start(self) -> None:
        """Begin to look at the clock."""
        self._channel.report = self.report
        if self._channel.seats == 0:  # after a crash those who had a seat come back for it
            self._channel.watched = False
        self._count_viewers()
        self._qos.roll(self._started)
        self.after(limits.QOS_WINDOW, Tick())
        holder = self._slot.keep(self._started)
        if holder is not None:  # he claims it again, or is gone meanwhile
            self.watch(holder.claim.publisher)
        # Whoever made this stream is about to claim it; one that was held, and is restarted, is held as long again.
        self._limit_hold(max(self._policy.hold_ns, limits.REATTACH_PATIENCE))

    # -- publishing ---------------------------------------------------------------------------------------------------

    @receives(Claim)
    def claim(self, claim: Claim) -> Lease:
        """Grant the publish slot; raises `Refused` when it is taken and the policy is to reject."""
        now = self.system.clock.monotonic_ns()
        channel = self._channel
        lease = channel.generation + 1
        displaced = self._slot.claim(claim, lease, now)
        channel.generation = lease
        if displaced is not None:
            detail = f"another publisher took {self._key} over"
            notify(displaced.claim.publisher, Displaced(self._key, Refusal.BUSY, detail))
        again = channel.log.head > 0
        channel.timeline.begin()
        channel.offer = claim.offer
        self._overdue = None
        self._count_viewers()
        self.watch(claim.publisher)
        if again:
            self._events.emit(PublishResumed(self._key, claim.protocol, claim.peer))
            self._tell_seats(StreamResumed(self._key))
        else:
            self._events.emit(PublishStarted(self._key, claim.protocol, claim.peer))
        return Lease(self._key, lease, self.actor_ref)

    @receives(Announce)
    def announce(self, announce: Announce) -> None:
        """Take the tracks of the publisher that has the slot."""
        holder = self._slot.holder
        if holder is None or holder.lease != announce.lease:
            return
        channel = self._channel
        tracks = announce.tracks[: limits.MAX_TRACKS]
        channel.metadata = announce.metadata
        video = {track.id for track in tracks if track.kind is Kind.VIDEO}
        known = set() if holder.frames == 0 else {track.id for track in channel.tracks}
        self._undecodable = (self._undecodable & video) | (video - known)
        if tracks != channel.tracks:
            channel.tracks = tracks
            self._tell_seats(TracksChanged(self._key, tracks))

    @receives(Push)
    def push(self, push: Push) -> None:
        """Put one frame on the stream's timeline and into its channel."""
        holder = self._slot.holder
        if holder is None or holder.lease != push.lease:
            self.dropped_frames += 1
            return
        frame = push.frame
        now = holder.last_frame = self._now()
        holder.frames += 1
        track = frame.track
        if track.codec.kind is VIDEO:
            if frame.keyframe:
                self._undecodable.discard(track.id)
                self._broker.arrived()
            elif track.id in self._undecodable:
                # A viewer that is shown a picture whose references it never had shows rubbish: wait for a keyframe.
                self.dropped_frames += 1
                self._want_keyframe()
                return
        channel = self._channel
        frame = channel.timeline.place(frame)
        self._qos.count(frame)
        channel.append(frame, now)

    @receives(Release)
    def release(self, release: Release) -> None:
        """The publisher is done: hold the stream."""
        self._vacate(release.lease, release.reason)

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """A publisher or a subscriber is gone without a word."""
        number = self._numbers.get(exited.urn)
        if number is not None:
            self._leave(number, "gone" if exited.error is None else f"failed: {exited.error}")
        holder = self._slot.holder
        if holder is not None and holder.claim.publisher.actor_urn == exited.urn:
            self._vacate(holder.lease, "gone" if exited.error is None else f"failed: {exited.error}")

    def _vacate(self, lease: int, reason: str) -> None:
        holder = self._slot.vacate(lease, self.system.clock.monotonic_ns())
        if holder is not None:
            self._hold(reason)

    def _hold(self, reason: str) -> None:
        self._events.emit(PublishHeld(self._key, reason, self._policy.hold_ns))
        self._tell_seats(StreamHeld(self._key))
        if self._policy.hold_ns == 0:
            self.end(End(reason))
        else:
            self._limit_hold(self._policy.hold_ns)

    @receives(End)
    def end(self, end: End) -> None:
        """Tell everyone and stop."""
        holder = self._slot.holder
        if holder is not None:
            notify(holder.claim.publisher, Displaced(self._key, Refusal.ENDED, end.detail))
        self._tell_seats(StreamEnded(self._key, end.detail))
        if self._channel.offer is not None:
            self._channel.offer.seated(0)
        self._channel.feed.complete()
        self._events.emit(PublishEnded(self._key, end.detail))
        self.stop_self(end.detail)

    # -- subscribing --------------------------------------------------------------------------------------------------

    @receives(Subscribe)
    def subscribe(self, request: Subscribe) -> Subscription:
        """Give a seat."""
        channel = self._channel
        channel.seats += 1
        number = channel.seats
        self._seats[number] = Seat(request, number, self.system.clock.monotonic_ns())
        channel.watched = True
        self._numbers[request.subscriber.actor_urn] = number
        self.watch(request.subscriber)
        self._count_viewers()
        self._events.emit(SubscriberJoined(self._key, number, request.protocol, request.peer))
        join = request.join or self._policy.join
        if channel.has_video and channel.start(join) is None:
            self._want_keyframe()
        return Subscription(self._key, number, self.actor_ref, channel, join)

    @receives(Unsubscribe)
    def unsubscribe(self, message: Unsubscribe) -> None:
        """Take a seat back."""
        self._leave(message.number, message.reason)

    @receives(RequestKeyframe)
    def request_keyframe(self, message: RequestKeyframe) -> None:
        """A viewer lost its references, or has none yet."""
        seat = self._seats.get(message.number)
        if seat is None:
            return
        self._want_keyframe()
        holder = self._slot.holder
        if holder is not None and not holder.claim.answers_keyframes:
            notify(seat.request.subscriber, KeyframeUnavailable(self._key))

    @receives(ReferencesLost)
    def references_lost(self, message: ReferencesLost) -> None:
        """The publisher's own path lost packets."""
        holder = self._slot.holder
        if holder is not None and holder.lease == message.lease:
            self._want_keyframe()

    @receives(SeatLagged)
    def seat_lagged(self, message: SeatLagged) -> None:
        """Count a skip."""
        seat = self._seats.get(message.number)
        if seat is not None:
            seat.lagged += message.frames
            self._events.emit(SubscriberLagged(self._key, message.number, message.frames))

    @receives(SeatEvicted)
    def seat_evicted(self, message: SeatEvicted) -> None:
        """Say why a viewer was put out, and take its seat."""
        if message.number in self._seats:
            self._events.emit(SubscriberEvicted(self._key, message.number, message.refusal, message.detail))
            self._leave(message.number, message.detail)

    def _leave(self, number: int, reason: str) -> None:
        seat = self._seats.pop(number, None)
        if seat is None:
            return
        self._numbers.pop(seat.request.subscriber.actor_urn, None)
        self._channel.watched = bool(self._seats)
        self.unwatch(seat.request.subscriber)
        self._events.emit(SubscriberLeft(self._key, number, reason))
        self._count_viewers()
        if self._overdue is not None:
            self.hold_over(self._overdue)

    def _count_viewers(self) -> None:
        if self._channel.offer is not None:
            self._channel.offer.seated(sum(not seat.request.follows for seat in self._seats.values()))

    def _tell_seats(self, notice: SubscriberNotice) -> None:
        for seat in self._seats.values():
            notify(seat.request.subscriber, notice)

    # -- keyframes ----------------------------------------------------------------------------------------------------

    def _want_keyframe(self) -> None:
        self._broker.request(self.system.clock.monotonic_ns())
        if not self._asking:
            self.ask_for_keyframe(AskForKeyframe())

    @receives(AskForKeyframe)
    def ask_for_keyframe(self, _: AskForKeyframe) -> None:
        """Ask the publisher if it is time, and come back as long as viewers wait."""
        now = self.system.clock.monotonic_ns()
        holder = self._slot.holder
        self._asking = False
        if holder is None or not holder.claim.answers_keyframes:
            return
        full_intra = self._broker.due(now)
        if full_intra is not None:
            notify(holder.claim.publisher, KeyframeWanted(self._key, full_intra))
            self._events.emit(KeyframeRequested(self._key, full_intra))
        wait = self._broker.wake_in(now)
        if wait is not None:
            self._asking = True
            self.after(wait, AskForKeyframe())

    # -- looking ------------------------------------------------------------------------------------------------------

    @receives(Tick)
    def tick(self, _: Tick) -> None:
        """Close the figures' window; displace a publisher that sends nothing."""
        now = self.system.clock.monotonic_ns()
        self._qos.roll(now)
        self._reap(now)
        self.after(limits.QOS_WINDOW, Tick())

    def _limit_hold(self, hold_ns: int) -> None:
        since = self._slot.empty_since
        if since is not None:
            self.after(hold_ns, HoldOver(since, hold_ns))

    @receives(HoldOver)
    def hold_over(self, over: HoldOver) -> None:
        """End the stream if the slot has been empty ever since; under a configured source, only when nobody watches."""
        if self._slot.empty_since != over.since:
            return
        offer = self._channel.offer
        if offer is not None and offer.keeps_viewers:
            self._overdue = over
        else:
            self._overdue = None
            self.end(End(f"no publisher for {over.hold_ns / NS_PER_S:g} s"))

    @receives(OfferWithdrawn)
    def offer_withdrawn(self, _: OfferWithdrawn) -> None:
        """From here on this is a stream like any other."""
        self._channel.offer = self._overdue = None
        self._limit_hold(self._policy.hold_ns)

    def _reap(self, now: int) -> None:
        holder = self._slot.holder
        if holder is None or holder.claim.offer is not None:  # a source has a watchdog of its own
            return
        if now - holder.last_frame < self._policy.idle_ns:
            return
        detail = f"no frame for {self._policy.idle_ns / NS_PER_S:g} s"
        notify(holder.claim.publisher, Displaced(self._key, Refusal.ENDED, detail))
        self._vacate(holder.lease, detail)

    def report(self) -> StreamReport:
        """The stream as a value. Read on the loop by whoever holds the actor; changes nothing."""
        now = self.system.clock.monotonic_ns()
        holder: Holder | None = self._slot.holder
        return StreamReport(
            key=self._key,
            state="held" if holder is None else "live",
            protocol=holder.claim.protocol if holder else "",
            peer=holder.claim.peer if holder else "",
            age_ns=now - self._started,
            tracks=self._channel.tracks,
            qos=self._qos.current,
            seats=tuple(
                SeatReport(
                    seat.number,
                    seat.request.protocol,
                    seat.request.peer,
                    now - seat.joined,
                    seat.lagged,
                    seat.request.qos() if seat.request.qos else None,
                )
                for seat in self._seats.values()
            ),
            dropped_frames=self.dropped_frames + self.dropped,
            formats=self._channel.formats(),
        )
