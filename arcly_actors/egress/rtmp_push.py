"""RTMP push: our own client publishes a stream at another server, with the very bytes that our own players get."""

from dataclasses import dataclass

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.egress.byte_subscriber import Seated, Viewing
from arcly_actors.egress.flv import CARRIED, EITHER
from arcly_actors.egress.push import PushRequest
from arcly_actors.egress.rtmp import format_name, make_encoder, publish_opening
from arcly_actors.egress.seated_push import SeatedPush
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
from arcly_actors.runtime import System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.connection import Attach, Command, Connection, ConnectionClosed
from arcly_actors.transport.dialler import Destination, Dial, DialFailed, dial
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class _Dialled:
    outcome: Wire | DialFailed


class RtmpPush(SeatedPush):
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
        super().__init__(system, bus, request, owner, renditions)
        self._dial = dialler
        self._wire: Wire | None = None
        self._connection: Ref | None = None
        self._application = self._name = ""

    def on_start(self) -> None:
        """Dial."""
        url = self._request.url
        try:
            self._application, self._name = client_address(url.path, url.query)
        except Refused as refused:
            self._fail(refused.detail)
            return
        verify, remote = self._request.verify, self._request.remote
        destination = Destination.of(url, PORTS, secure="rtmps", verify=verify, remote=remote)
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
        with self.system.seams.drawing_by(self._request.remote):
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
        self._take_seat(viewing)

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        """Send, if there is anything that RTMP can carry."""
        tracks = seated.channel.tracks
        if tracks and not any(track.codec in CARRIED for track in tracks):
            self._fail_to_carry("RTMP", tracks)
        elif self._wire is not None:
            self._send_by(seated, self._wire.outlet)

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
