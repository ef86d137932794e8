"""WHEP: the session actor of one WebRTC viewer.

It takes a seat, has the offer answered, and joins its transport to the stream's RTP feed; media does not pass through it.
What has to outlive its crash (transport, agreement, place) is in its `Player`: restarted, it goes on with that.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from reactivex.abc import DisposableBase
from reactivex.disposable import Disposable

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.events import SubscriberDegraded, SubscriberRecovered
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import (
    KeyframeUnavailable,
    Ref,
    RequestKeyframe,
    StreamEnded,
    StreamHeld,
    StreamResumed,
    Subscribe,
    Subscription,
    TracksChanged,
    Unsubscribe,
)
from arcly_actors.bus.place import SeatQos
from arcly_actors.bus.policy import Join
from arcly_actors.egress.rtp_feed import RtpFeed, RtpFeeds
from arcly_actors.egress.rtp_slice import Layout
from arcly_actors.egress.rtp_viewer import Carried, RtpViewer
from arcly_actors.errors import ArclyError, Refusal, Refused
from arcly_actors.media.codec import Kind
from arcly_actors.protocols.rtp.bandwidth import Delivery
from arcly_actors.protocols.rtp.extensions import Element
from arcly_actors.protocols.webrtc import extensions
from arcly_actors.protocols.webrtc.agreement import AgreedMedia, Negotiation, Outgoing, Play
from arcly_actors.renditions import Renditions, Wish
from arcly_actors.runtime import Exited, LoopActor, LoopFuture, System, Timer, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.dtls_srtp import (
    DtlsSrtpTransport,
    RtcpArrived,
    RtpArrived,
    TransportClosed,
    TransportConnected,
)

Linked = tuple[DtlsSrtpTransport, Negotiation]
_NONE: Mapping[str, str] = MappingProxyType({})
CNAME = "arcly"
_FIRST_REPORTS, _SETTLED = 5, 4
"""Sender reports go out once a second at first, when clocks are learnt, then every fourth second: each costs 40 µs."""

FEEDBACK = ("goog-remb", "ccm fir", "nack", "nack pli")
"""What is heeded. Not transport-cc: its numbers differ for each viewer, and packets are made once for all; REMB and
reports tell what is needed."""


@dataclass(frozen=True, slots=True)
class WhepPlaces:
    """What all WHEP sessions of an engine share."""

    bus: Bus
    feeds: RtpFeeds
    renditions: Renditions


@dataclass(eq=False, slots=True)
class Player:
    """One viewer. `link` opens a transport for an owner and answers the offer; `answered` is settled with that.

    `over` is called once, when nothing is left of it.
    """

    key: StreamKey
    peer: str
    link: Callable[[Ref, Play], Awaitable[Linked]]
    over: Callable[[], None]
    join: Join | None = None
    parameters: Mapping[str, str] = field(default_factory=lambda: _NONE)
    protocol: str = "whep"
    follows: bool = False
    answered: LoopFuture[Linked] = field(default_factory=LoopFuture)
    linked: Linked | None = None
    viewer: RtpViewer | None = None
    feed: RtpFeed | None = None
    base: Channel | None = None

    def close(self, places: WhepPlaces, reason: str) -> None:
        """Give everything back; more than once does no harm."""
        base, self.base = self.base, None
        if self.viewer is not None:
            self.viewer.pause()
        if self.feed is not None:
            places.feeds.release(self.feed)
            self.feed = None
        if base is not None:
            places.renditions.release(base, Wish.WEBRTC)
        if self.linked is not None:
            self.linked[0].close(reason)
        if not self.answered.settled:
            self.answered.fail(Refused(Refusal.FAILED, reason))
        self.over()


@dataclass(frozen=True, slots=True)
class _TakeSeat:
    """Ask the bus."""


@dataclass(frozen=True, slots=True)
class _Seated:
    subscription: Subscription


@dataclass(frozen=True, slots=True)
class _Linked:
    linked: Linked


@dataclass(frozen=True, slots=True)
class _Declined:
    error: ArclyError


@dataclass(frozen=True, slots=True)
class _Unfit:
    """The rendition ended."""

    error: Exception


@dataclass(frozen=True, slots=True)
class _NoTracks:
    """Nothing was announced for too long."""


@dataclass(frozen=True, slots=True)
class _Report:
    """A second is over."""


class WhepSession(LoopActor):
    """See the module."""

    media_types = (RtcpArrived,)

    def __init__(self, system: System, places: WhepPlaces, player: Player) -> None:
        super().__init__(system)
        self._places = places
        self._player = player
        self._seat: Subscription | None = None
        self._timer: Timer | None = None
        self._ending: DisposableBase = Disposable()
        self._degraded = False
        self._reports = 0
        self._linking = False

    def on_start(self) -> None:
        """Take a seat."""
        self.take_seat(_TakeSeat())

    def on_stop(self) -> None:
        """It is over for good."""
        self._leave(self._reason or "the viewer left")
        self._player.close(self._places, self._reason or "the session ended")

    def on_failure(self, *_: object) -> None:
        """Keep for the successor what it needs; if nobody has been answered yet, there is none."""
        if self._player.viewer is not None:
            self._player.viewer.pause()
        self._leave("failed")

    # -- a seat -------------------------------------------------------------------------------------------------------

    @receives(_TakeSeat)
    def take_seat(self, _: _TakeSeat) -> None:
        """Ask for one."""
        player = self._player
        request = Subscribe(
            player.key,
            self.actor_ref,
            player.protocol,
            player.peer,
            player.join,
            parameters=player.parameters,
            qos=self.qos,
            follows=player.follows,
        )

        async def ask() -> object:
            try:
                return _Seated(await self._places.bus.subscribe(request))
            except Refused as refused:
                return _Declined(refused)

        self.errand(ask())

    @receives(_Seated)
    def seated(self, seated: _Seated) -> None:
        """A seat: answer the offer, or go on where the predecessor was."""
        player, subscription = self._player, seated.subscription
        again = self._seat is not None
        self._seat = subscription
        self.watch(subscription.stream)
        if player.base is not None and player.base is not subscription.channel:
            self._part("the stream was started anew")  # its numbers and times have nothing to do with this viewer's
        elif player.linked is not None and player.feed is not None:
            if not again:
                self._watch_rendition(player.feed.channel)
                player.linked[0].attach(self.actor_ref)
        elif subscription.channel.tracks:
            self._link()
        else:
            self.after(limits.TRACKS_PATIENCE, _NoTracks())

    @receives(_Declined)
    def declined(self, declined: _Declined) -> None:
        """No seat, or no answer."""
        if not self._player.answered.settled:
            self._player.answered.fail(declined.error)
        self._fail(str(declined.error))

    @receives(_NoTracks)
    def no_tracks(self, _: _NoTracks) -> None:
        """Without tracks there is nothing to answer an offer with."""
        if self._player.base is None:
            self.declined(_Declined(Refused(Refusal.NOT_FOUND, f"{self._player.key} has no media yet")))

    def _link(self) -> None:
        """Open the transport and answer the offer."""
        player, seat = self._player, self._seat
        assert seat is not None
        if self._linking:
            return
        self._linking = True
        if player.feed is None:  # else it is the predecessor's
            try:
                channel = self._places.renditions.acquire(seat.channel, Wish.WEBRTC)
            except Refused as refused:
                self.declined(_Declined(refused))
                return
            player.base = seat.channel
            player.feed = self._places.feeds.acquire(channel)
        feed = player.feed
        self._watch_rendition(feed.channel)
        feed.follow()
        tracks = [rtp for rtp in feed.tracks.values() if rtp.track is not None]
        wants = Play(
            tuple(Outgoing(rtp.track, rtp.ssrc, rtp.rtx_ssrc) for rtp in tracks if rtp.track is not None),
            stream_id=player.key.name.replace("/", "-"),
            feedback=FEEDBACK,
        )

        async def link() -> object:
            try:
                return _Linked(await player.link(self.actor_ref, wants))
            except ArclyError as error:
                return _Declined(error)

        self.spawn(link(), then=lambda message: message)

    def _watch_rendition(self, channel: Channel) -> None:
        """It ends with an error where the stream cannot be made fit any more."""
        me = self.actor_ref

        def failed(error: Exception) -> None:
            notify(me, _Unfit(error))

        self._ending = channel.feed.subscribe(None, failed)

    @receives(_Unfit)
    def unfit(self, unfit: _Unfit) -> None:
        """The stream has become what WebRTC cannot carry."""
        error = unfit.error
        self.declined(_Declined(error if isinstance(error, ArclyError) else Refused(Refusal.FAILED, str(error))))

    @receives(_Linked)
    def linked(self, message: _Linked) -> None:
        """Answered: now its peer may connect."""
        player = self._player
        transport, negotiation = player.linked = message.linked
        assert player.feed is not None
        player.viewer = RtpViewer(player.feed, transport, carried(negotiation.media), CNAME)
        player.answered.set(message.linked)

    # -- the transport ------------------------------------------------------------------------------------------------

    @receives(TransportConnected)
    def connected(self, _: TransportConnected) -> None:
        """Begin to send."""
        viewer, seat = self._player.viewer, self._seat
        if viewer is None or seat is None:
            return
        if not viewer.start(seat.join):
            notify(seat.stream, RequestKeyframe(seat.number))
        self.report(_Report())

    @receives(RtcpArrived)
    def rtcp_arrived(self, arrived: RtcpArrived) -> None:
        """What the viewer reports and asks for."""
        viewer, seat = self._player.viewer, self._seat
        if viewer is None:
            return
        wants = viewer.heard(arrived.data, arrived.at, self.system.clock.wall_ns())
        self._tell_degraded(viewer)
        if wants and seat is not None:
            notify(seat.stream, RequestKeyframe(seat.number))

    @receives(RtpArrived)
    def rtp_arrived(self, _: RtpArrived) -> None:
        """A viewer has nothing to send."""

    @receives(TransportClosed)
    def closed(self, closed: TransportClosed) -> None:
        """The viewer is gone."""
        if self._player.linked is not None:  # else the offer cannot be answered, and why comes next
            self._fail(closed.detail)

    @receives(_Report)
    def report(self, _: _Report) -> None:
        """Tell times, and have a keyframe made for a viewer that waits for one."""
        viewer, seat = self._player.viewer, self._seat
        if viewer is None:
            return
        if viewer.feed.failed is not None:
            self._fail(f"the stream could not be made into packets: {viewer.feed.failed}")
            return
        clock = self.system.clock
        viewer.report(clock.wall_ns(), clock.monotonic_ns())
        self._check_codecs()
        self._tell_degraded(viewer)
        if seat is not None and (viewer.waiting or viewer.bandwidth.state is Delivery.RECOVERING):
            notify(seat.stream, RequestKeyframe(seat.number))
        self._reports += 1
        settled = self._reports > _FIRST_REPORTS and not (viewer.waiting or viewer.degraded)
        self._report_in(limits.RTCP_INTERVAL * (_SETTLED if settled else 1))

    def _report_in(self, delay: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        feed = self._player.feed
        if feed is not None and feed.crowd >= limits.REPORTING_CROWD:
            delay += -(self.system.clock.monotonic_ns() + delay) % limits.REPORTING_TURN
        self._timer = self.after(delay, _Report())

    # -- the stream's notices -----------------------------------------------------------------------------------------

    @receives(TracksChanged)
    def tracks_changed(self, changed: TracksChanged) -> None:
        """Something to answer the offer with, at last; later, perhaps what cannot be sent any more."""
        if self._player.linked is not None:
            self._check_codecs()
            self._report_in(limits.RTCP_INTERVAL)  # a rendition changes with the first frame that is another
        elif self._seat is not None and changed.tracks:
            self._link()

    def _check_codecs(self) -> None:
        """Another codec than was agreed cannot be sent: there is no way to offer it to a WHEP player."""
        player = self._player
        if player.linked is None or player.feed is None:
            return
        player.feed.follow()
        for media in player.linked[1].media:
            track = player.feed.tracks[Kind(media.kind)].track if media.format and media.outgoing else None
            if media.format is not None and track is not None and track.codec is not media.format.codec:
                self._part(f"the stream's {media.kind} is {track.codec} now: join again")

    @receives(KeyframeUnavailable)
    def keyframe_unavailable(self, _: KeyframeUnavailable) -> None:
        """Nobody can make one: the cached GOP will do."""
        if self._player.viewer is not None and not self._player.viewer.degraded:
            self._player.viewer.replay(self.system.clock.monotonic_ns())

    @receives(StreamHeld, StreamResumed)
    def unchanged(self, _: object) -> None:
        """The peer stays connected; numbers and times go on with the next publisher."""

    @receives(StreamEnded)
    def stream_ended(self, ended: StreamEnded) -> None:
        """The proper end."""
        self._part(ended.detail)

    @receives(Exited)
    def stream_gone(self, exited: Exited) -> None:
        """The stream actor crashed; its channel lives: take a seat at its successor."""
        if self._seat is not None and exited.urn == self._seat.stream.actor_urn:
            self.after(limits.REATTACH_DELAY, _TakeSeat())

    def qos(self) -> SeatQos:
        """How the viewer is doing."""
        viewer = self._player.viewer
        return viewer.qos() if viewer is not None else SeatQos(0, 0, 0, 0, 0)

    def _tell_degraded(self, viewer: RtpViewer) -> None:
        seat = self._seat
        if viewer.degraded == self._degraded or seat is None:
            return
        self._degraded = viewer.degraded
        path = viewer.bandwidth
        event = (
            SubscriberDegraded(seat.key, seat.number, path.found)
            if viewer.degraded
            else SubscriberRecovered(seat.key, seat.number, path.estimate)
        )
        self._places.bus.events.emit(event)

    def _part(self, reason: str) -> None:
        """The end, in order; who waits for an answer is told that there is no such stream (any more)."""
        if not self._player.answered.settled:
            self._player.answered.fail(Refused(Refusal.NOT_FOUND, f"{self._player.key} is not live: {reason}"))
        self.stop_self(reason)

    def _fail(self, reason: str) -> None:
        """The end, because something went wrong."""
        self.stop_self(reason)

    def _leave(self, reason: str) -> None:
        self._ending.dispose()
        if self._seat is not None:
            notify(self._seat.stream, Unsubscribe(self._seat.number, reason))


def carried(media: tuple[AgreedMedia, ...]) -> list[Carried]:
    """What a viewer's agreement says about its packets."""
    found = []
    for each in media:
        if each.format is None or each.outgoing is None:
            continue
        mid = each.extensions.get(extensions.MID)
        elements: tuple[Element, ...] = ((mid, each.mid.encode()),) if mid and each.mid else ()
        send_time = each.extensions.get(extensions.ABS_SEND_TIME, 0)
        ssrc, form = each.outgoing.ssrc, each.format
        color_space = each.extensions.get(extensions.COLOR_SPACE, 0)
        layout = Layout(
            form.codec, ssrc, form.payload_type, elements, send_time, color_space, bool(color_space) and each.mixed
        )
        found.append(Carried(layout, Kind(each.kind), form.rtx if each.repairs else None))
    return found
