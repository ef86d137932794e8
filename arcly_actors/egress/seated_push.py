"""What pushes over a stream of bytes have in common: the seat that they take at the stream, and their last words."""

from collections.abc import Iterable

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.place import Outlet
from arcly_actors.egress.byte_subscriber import Begin, ByteSubscriber, NotSeated, Seated, ViewEnded, Viewing
from arcly_actors.egress.push import PushEnded, PushFailed, PushRequest, PushStarted
from arcly_actors.egress.push_subscriber import OtherTracks, PushSubscriber
from arcly_actors.media.frame import Track
from arcly_actors.renditions import Renditions
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify


class SeatedPush(LoopActor):
    """A push (see `egress.push`): a subclass opens the way to the target, then takes a seat, and sends when it has it."""

    def __init__(
        self, system: System, bus: Bus, request: PushRequest, owner: Ref, renditions: Renditions | None = None
    ) -> None:
        super().__init__(system)
        self._bus = bus
        self._request = request
        self._owner = owner
        self._renditions = renditions
        self._subscriber: Ref | None = None

    def _take_seat(self, viewing: Viewing, subscriber: type[ByteSubscriber] = PushSubscriber) -> None:
        self._subscriber = subscriber.start(self.system, self._bus, viewing, self.actor_ref, renditions=self._renditions)
        self.watch(self._subscriber)

    def _send_by(self, seated: Seated, outlet: Outlet) -> None:
        notify(seated.subscriber, Begin(outlet))
        notify(self._owner, PushStarted())

    @receives(NotSeated)
    def not_seated(self, answer: NotSeated) -> None:
        """The stream went away meanwhile."""
        self._part(answer.detail)

    @receives(ViewEnded)
    def view_ended(self, ended: ViewEnded) -> None:
        """The stream is over, or the target too slow for it."""
        if ended.refusal is None:
            self._finish(ended)
        else:
            self._fail(ended.detail)

    @receives(OtherTracks)
    def other_tracks(self, _: OtherTracks) -> None:
        """Begin anew with them."""
        self._part("its tracks changed")

    @receives(Exited)
    def subscriber_gone(self, exited: Exited) -> None:
        """A subscriber that crashed; otherwise it has said why before."""
        if exited.error is not None:
            self._fail(f"{type(exited.error).__name__} in its subscriber")

    def _finish(self, ended: ViewEnded) -> None:
        """The stream is over."""
        self._part(ended.detail)

    def _part(self, reason: str) -> None:
        notify(self._owner, PushEnded(reason))
        self.stop_self(reason)

    def _fail(self, detail: str) -> None:
        notify(self._owner, PushFailed(self._request.url.hidden_from(detail)))
        self.stop_self(detail)

    def _fail_to_carry(self, form: str, tracks: Iterable[Track]) -> None:
        codecs = ", ".join(track.codec for track in tracks)
        self._fail(f"{form} carries none of its tracks: {codecs or 'it has none yet'}")
