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
from arcly_actors.bus.place import Outlet, Place, SeatQos
from arcly_actors.bus.policy import Join
from arcly_actors.errors import Refusal, Refused
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class Viewing:
    """What a viewer asked for: which stream, in which format, from where."""

    key: StreamKey
    protocol: str
    peer: str
    format: str
    make_encoder: Callable[[], Encoder]
    join: Join | None = None


@dataclass(frozen=True, slots=True)
class Seated:
    """To the owner: there is a seat at `channel`. Answer with `Begin` when the viewer has been told."""

    subscriber: Ref
    channel: Channel


@dataclass(frozen=True, slots=True)
class NotSeated:
    """To the owner: there is none."""

    subscriber: Ref
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class Begin:
    """Start to send, to this outlet."""

    outlet: Outlet


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
    """One viewer. `resume` is the place that a predecessor left behind when it crashed: the viewer goes on there."""

    def __init__(
        self,
        system: System,
        bus: Bus,
        viewing: Viewing,
        owner: Ref,
        resume: Place | None = None,
        keep: Callable[[Place], None] | None = None,
    ) -> None:
        super().__init__(system)
        self._bus = bus
        self._viewing = viewing
        self._owner = owner
        self._place = resume
        self._resumed = resume is not None
        self._keep = keep
        self._subscription: Subscription | None = None
        self._fanout: Fanout | None = None
        self._ended = False

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
        request = Subscribe(viewing.key, self.actor_ref, viewing.protocol, viewing.peer, viewing.join, qos=self.qos)

        async def ask() -> object:
            try:
                return _Attached(await self._bus.subscribe(request))
            except Refused as refused:
                return _Refused(refused)

        self.spawn(ask(), then=lambda message: message)

    @receives(_Attached)
    def attached(self, message: _Attached) -> None:
        """A seat: begin at once when the viewer has begun before, else when the owner has told it."""
        first = self._subscription is None
        self._subscription = message.subscription
        self.watch(message.subscription.stream)
        if self._place is not None and self._place.channel is not message.subscription.channel:
            detail = "the stream was started anew"  # its positions and times have nothing to do with this place
            self._finish(None, detail)
            self.stop_self(detail)
        elif self._resumed and self._place is not None:
            self._resumed = False
            self.begin(Begin(self._place.outlet))
        elif first:
            notify(self._owner, Seated(self.actor_ref, message.subscription.channel))

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
        if self._subscription is None or self._fanout is not None:
            return
        if self._place is None:
            self._place = Place(begin.outlet, self, self._subscription.join)
        self._place.viewer = self
        viewing = self._viewing
        self._fanout = self._bus.fanout(self._subscription.channel, viewing.format, viewing.make_encoder)
        if self._keep is not None:
            self._keep(self._place)
        self._fanout.attach(self._place)

    def _leave(self, reason: str) -> None:
        fanout, self._fanout = self._fanout, None
        if fanout is not None and self._place is not None:
            fanout.detach(self._place)
            fanout.release()
        if self._subscription is not None:
            notify(self._subscription.stream, Unsubscribe(self._subscription.number, reason))

    # -- the stream's notices -----------------------------------------------------------------------------------------

    @receives(StreamHeld, StreamResumed, TracksChanged)
    def unchanged(self, _: object) -> None:
        """The place stays as it is: configurations travel among the frames."""

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
        """See `bus.place.Viewer`."""
        if self._subscription is not None:
            notify(self._subscription.stream, SeatLagged(self._subscription.number, frames))

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
