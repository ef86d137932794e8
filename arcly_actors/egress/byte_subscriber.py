"""The subscriber actor of every viewer that is sent one byte stream: RTMP play, HTTP-FLV.

It takes a seat, gives its outlet a place in the format's fan-out, and from then on only hears what changes. Frames do
not pass through it: the fan-out writes them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.encoded import Encoder
from arcly_actors.bus.fanout import Fanout
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import (
    Ref,
    SeatEvicted,
    SeatLagged,
    StreamEnded,
    StreamHeld,
    StreamResumed,
    Subscribe,
    Subscription,
    TracksChanged,
    Unsubscribe,
)
from arcly_actors.bus.place import Opening, Outlet, Place, SeatQos
from arcly_actors.bus.policy import Join
from arcly_actors.errors import Refusal, Refused
from arcly_actors.renditions import Renditions, Wish
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class Viewing:
    """What a viewer asked for: which stream, in which format, from where; `wish`: of what class its player is.

    `opening` stands in for what the format begins with; `follows` is as in `Subscribe`.
    """

    key: StreamKey
    protocol: str
    peer: str
    format: str
    make_encoder: Callable[[], Encoder]
    join: Join | None = None
    wish: Wish | None = None
    opening: Opening | None = None
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Seated:
    """To the owner: there is a seat at `channel`. Answer with `Begin` when the viewer has been told."""

    subscriber: Ref
    channel: Channel
    join: Join


@dataclass(frozen=True, slots=True)
class NotSeated:
    """To the owner: there is none."""

    subscriber: Ref
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class Begin:
    """Start to send, to this outlet; from `position`, if the owner has found out where that is."""

    outlet: Outlet
    position: int | None = None


@dataclass(frozen=True, slots=True)
class ViewEnded:
    """To the owner: nothing more is sent. `refusal` is None when the stream ended properly."""

    subscriber: Ref
    refusal: Refusal | None
    detail: str
    ending: bytes = b""


@dataclass(frozen=True, slots=True)
class _Attached:
    subscription: Subscription


@dataclass(frozen=True, slots=True)
class _Refused:
    refused: Refused


@dataclass(frozen=True, slots=True)
class _Reattach:
    """The stream actor was restarted: take a seat again."""


class ByteSubscriber(LoopActor):
    """One viewer. `resume` is the place that a predecessor left behind when it crashed: the viewer goes on there.

    With `renditions` and a wish it reads the stream as that wish wants it; positions are those of that channel.
    """

    def __init__(
        self,
        system: System,
        bus: Bus,
        viewing: Viewing,
        owner: Ref,
        resume: Place | None = None,
        keep: Callable[[Place], None] | None = None,
        renditions: Renditions | None = None,
    ) -> None:
        super().__init__(system)
        self._bus = bus
        self._viewing = viewing
        self._owner = owner
        self._place = resume
        self._resumed = resume is not None
        self._keep = keep
        self._renditions = renditions
        self._base: Channel | None = None
        self._channel: Channel | None = None
        self._subscription: Subscription | None = None
        self._fanout: Fanout | None = None
        self._ended = False
        self._untold = 0

    def on_start(self) -> None:
        """Ask for a seat."""
        self._take_seat()

    def on_stop(self) -> None:
        """Give everything back."""
        self._leave("left")

    def on_failure(self, *_: object) -> None:
        """Leave the place to whoever restarts this actor."""
        self._leave("failed")

    # -- seat ---------------------------------------------------------------------------------------------------------

    def _take_seat(self) -> None:
        viewing = self._viewing
        request = Subscribe(
            viewing.key,
            self.actor_ref,
            viewing.protocol,
            viewing.peer,
            viewing.join,
            qos=self.qos,
            follows=viewing.follows,
        )

        async def ask() -> object:
            try:
                return _Attached(await self._bus.subscribe(request))
            except Refused as refused:
                return _Refused(refused)

        self.errand(ask())

    @receives(_Attached)
    def attached(self, message: _Attached) -> None:
        """A seat: begin at once when the viewer has begun before, else when the owner has told it."""
        first = self._subscription is None
        self._subscription = message.subscription
        self.watch(message.subscription.stream)
        self.lagged(0)
        channel = self._render(message.subscription.channel)
        if self._place is not None and self._place.channel is self._base is not channel:
            self._relocate(self._place)  # its sound changed while nobody held the place
        elif self._place is not None and self._place.channel is not channel:
            detail = "the stream was started anew"  # its positions and times have nothing to do with this place
            self._finish(None, detail)
            self.stop_self(detail)
            return
        if self._resumed and self._place is not None:
            self._resumed = False
            self.begin(Begin(self._place.outlet))
        elif first:
            notify(self._owner, Seated(self.actor_ref, message.subscription.channel, message.subscription.join))

    @receives(_Refused)
    def refused(self, message: _Refused) -> None:
        """No seat, or none any more."""
        refused = message.refused
        if self._place is None:
            notify(self._owner, NotSeated(self.actor_ref, refused.refusal, refused.detail))
        else:
            self._finish(None, refused.detail)
        self.stop_self(refused.detail)

    @receives(Begin)
    def begin(self, begin: Begin) -> None:
        """Take a place in the fan-out: the one that a predecessor left, or a new one."""
        if self._channel is None or self._subscription is None or self._fanout is not None:
            return
        if self._place is None:
            opening = self._viewing.opening
            self._place = Place(begin.outlet, self, self._subscription.join, position=begin.position, opening=opening)
        self._place.viewer = self
        if self._keep is not None:
            self._keep(self._place)
        self._attach(self._place, self._channel)

    def _attach(self, place: Place, channel: Channel) -> None:
        viewing = self._viewing
        self._fanout = self._bus.fanout(channel, viewing.format, viewing.make_encoder)
        self._fanout.attach(place)

    def _render(self, base: Channel) -> Channel:
        """The channel to read: a stream actor that was restarted has the base that it had, and nothing changes."""
        if self._channel is None or base is not self._base:
            self._give_back()
            self._base = base
            renditions, wish = self._renditions, self._viewing.wish
            self._channel = base if renditions is None or wish is None else renditions.acquire(base, wish)
        return self._channel

    def _give_back(self) -> None:
        base, self._base, self._channel = self._base, None, None
        if base is not None and self._renditions is not None and self._viewing.wish is not None:
            self._renditions.release(base, self._viewing.wish)

    def _leave(self, reason: str) -> None:
        fanout, self._fanout = self._fanout, None
        if fanout is not None and self._place is not None:
            fanout.detach(self._place)
            fanout.release()
        self._give_back()
        if self._subscription is not None:
            notify(self._subscription.stream, Unsubscribe(self._subscription.number, reason))

    # -- the stream's notices -----------------------------------------------------------------------------------------

    @receives(StreamHeld, StreamResumed)
    def unchanged(self, _: object) -> None:
        """The place stays as it is."""

    @receives(TracksChanged)
    def tracks_changed(self, _: TracksChanged) -> None:
        """Configurations travel among the frames. But what would do as it was may have to be transcoded now."""
        base, place, fanout = self._base, self._place, self._fanout
        if base is None or self._channel is not base:
            return
        self._give_back()
        channel = self._render(base)
        if channel is base or place is None or fanout is None:
            return
        fanout.detach(place)
        fanout.release()
        self._relocate(place)
        self._attach(place, channel)

    def _relocate(self, place: Place) -> None:
        """Positions in a rendition are others than the stream's, times the same: go on at its next keyframe."""
        place.channel, place.position = None, None
        if not place.with_opening:
            place.join, place.resync = Join.LIVE, True

    @receives(StreamEnded)
    def stream_ended(self, ended: StreamEnded) -> None:
        """The proper end."""
        self._finish(None, ended.detail)
        self.stop_self(ended.detail)

    @receives(Exited)
    def stream_gone(self, exited: Exited) -> None:
        """The stream actor crashed; its channel lives, and so does the place: take a seat at its successor."""
        if self._subscription is not None and exited.urn == self._subscription.stream.actor_urn:
            self.after(limits.REATTACH_DELAY, _Reattach())

    @receives(_Reattach)
    def reattach(self, _: _Reattach) -> None:
        """Ask again."""
        self._take_seat()

    # -- the fan-out's notices (called on the loop) -------------------------------------------------------------------

    def lagged(self, frames: int) -> None:
        """See `bus.place.Viewer`; a stream that is down hears of it when the seat is there again."""
        self._untold += frames
        seat = self._subscription
        if seat is not None and self._untold and notify(seat.stream, SeatLagged(seat.number, self._untold)):
            self._untold = 0

    def evicted(self, refusal: Refusal, detail: str) -> None:
        """See `bus.place.Viewer`."""
        if self._subscription is not None:
            notify(self._subscription.stream, SeatEvicted(self._subscription.number, refusal, detail))
        self._ended = True
        notify(self._owner, ViewEnded(self.actor_ref, refusal, detail))
        self.stop_self(detail)

    def qos(self) -> SeatQos:
        """How the viewer is doing."""
        if self._fanout is None or self._place is None:
            return SeatQos(0, 0, 0, 0, 0)
        return self._fanout.qos(self._place)

    def _finish(self, refusal: Refusal | None, detail: str) -> None:
        ending = b""
        if self._fanout is not None and self._place is not None:
            self._fanout.drain(self._place)
            ending = self._fanout.ending()
        elif self._place is not None:
            ending = self._viewing.make_encoder().ending()
        if not self._ended:  # draining may find that this viewer lags too far
            self._ended = True
            notify(self._owner, ViewEnded(self.actor_ref, refusal, detail, ending))
