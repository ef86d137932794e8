"""RTMP push: our own client publishes a stream at another server, with the very bytes that our own players get."""

from dataclasses import dataclass

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.egress.byte_subscriber import Begin, NotSeated, Seated, ViewEnded, Viewing
from arcly_actors.egress.flv import CARRIED, EITHER
from arcly_actors.egress.push import PushEnded, PushFailed, PushRequest, PushStarted
from arcly_actors.egress.push_subscriber import OtherTracks, PushSubscriber
from arcly_actors.egress.rtmp import format_name, make_encoder, publish_opening
from arcly_actors.errors import Refused
from arcly_actors.protocols.rtmp.address import PORTS, client_address
from arcly_actors.protocols.rtmp.client import (
    Connect,
    ConnectAccepted,
    Publish,
    Published,
    RtmpClient,
    StatusReceived,
    Stop,
)
from arcly_actors.renditions import Renditions, Wish
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.connection import Attach, Command, Connection, ConnectionClosed
from arcly_actors.transport.dialler import Destination, Dial, DialFailed, dial
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class _Dialled:
    outcome: Wire | DialFailed


class RtmpPush(LoopActor):
    """A push (see `egress.push`) over RTMP or RTMPS."""

    def __init__(
        self,
        system: System,
        bus: Bus,
        request: PushRequest,
        owner: Ref,
        dialler: Dial = dial,
        renditions: Renditions | None = None,
    ) -> None:
        super().__init__(system)
        self._renditions = renditions
        self._bus = bus
        self._request = request
        self._owner = owner
        self._dial = dialler
        self._wire: Wire | None = None
        self._connection: Ref | None = None
        self._subscriber: Ref | None = None
        self._application = self._name = ""

    def on_start(self) -> None:
        """Dial."""
        url = self._request.url
        try:
            self._application, self._name = client_address(url.path, url.query)
        except Refused as refused:
            self._fail(refused.detail)
            return
        destination = Destination.of(url, PORTS, secure="rtmps", verify=self._request.verify)
        self.spawn(self._dial(self.system, destination), then=_Dialled)

    def on_stop(self) -> None:
        """Leave in an orderly way; a connection whose owner stops closes by itself."""
        self._leave()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._leave()

    def _leave(self) -> None:
        if self._subscriber is not None:
            self._subscriber.stop(block=False)
        self._command(Stop())

    @receives(_Dialled)
    def dialled(self, dialled: _Dialled) -> None:
        """Shake hands and ask to connect."""
        if isinstance(dialled.outcome, DialFailed):
            self._fail(dialled.outcome.detail)
            return
        self._wire = dialled.outcome
        url = self._request.url
        engine = RtmpClient(self.system.entropy.random_bytes(32))
        self._connection = Connection.start(self.system, self._wire, engine)
        notify(self._connection, Attach(self.actor_ref))
        self._command(Connect(self._application, f"{url.scheme}://{url.place}/{self._application}"))

    @receives(ConnectAccepted)
    def connect_accepted(self, _: ConnectAccepted) -> None:
        """Ask to publish."""
        self._command(Publish(self._name))

    @receives(Published)
    def published(self, published: Published) -> None:
        """Take a seat at the stream."""
        number, url = published.stream_id, self._request.url
        viewing = Viewing(
            self._request.key,
            f"push-{url.scheme}",
            str(url),
            format_name(number, EITHER),
            lambda: make_encoder(number, EITHER),
            opening=publish_opening(number),
            follows=True,
            wish=Wish.FLV,
        )
        self._subscriber = PushSubscriber.start(
            self.system, self._bus, viewing, self.actor_ref, renditions=self._renditions
        )
        self.watch(self._subscriber)

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        """Send, if there is anything that RTMP can carry."""
        tracks = seated.channel.tracks
        if tracks and not any(track.codec in CARRIED for track in tracks):
            self._fail(f"RTMP carries none of its tracks: {', '.join(track.codec for track in tracks)}")
        elif self._wire is not None:
            notify(seated.subscriber, Begin(self._wire.outlet))
            notify(self._owner, PushStarted())

    @receives(NotSeated)
    def not_seated(self, answer: NotSeated) -> None:
        """The stream went away meanwhile."""
        self._part(answer.detail)

    @receives(ViewEnded)
    def view_ended(self, ended: ViewEnded) -> None:
        """The stream is over, or the target too slow for it."""
        if ended.refusal is None:
            self._part(ended.detail)
        else:
            self._fail(ended.detail)

    @receives(OtherTracks)
    def other_tracks(self, _: OtherTracks) -> None:
        """Begin anew with them."""
        self._part("its tracks changed")

    @receives(Exited)
    def subscriber_failed(self, exited: Exited) -> None:
        """A subscriber that crashed; the others have said why before."""
        if exited.error is not None:
            self._fail(f"{type(exited.error).__name__} in its subscriber")

    @receives(StatusReceived)
    def noted(self, _: StatusReceived) -> None:
        """The engine draws the conclusions."""

    @receives(ConnectionClosed)
    def closed(self, closed: ConnectionClosed) -> None:
        """Over."""
        self._fail(closed.detail)

    def _command(self, command: Connect | Publish | Stop) -> None:
        if self._connection is not None:
            notify(self._connection, Command(command))

    def _part(self, reason: str) -> None:
        notify(self._owner, PushEnded(reason))
        self.stop_self(reason)

    def _fail(self, detail: str) -> None:
        notify(self._owner, PushFailed(self._request.url.hidden_from(detail)))
        self.stop_self(detail)
