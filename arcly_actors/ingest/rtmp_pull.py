"""RTMP pull: our own client plays a stream of another server."""

from collections.abc import Mapping
from dataclasses import dataclass

from arcly_actors.bus.messages import Ref
from arcly_actors.errors import PeerViolation, Refused
from arcly_actors.ingest.flv_tracks import FlvTracks, TracksLearnt
from arcly_actors.ingest.publisher import KeyframeNeeded
from arcly_actors.ingest.pull import PullFailed, PullFrames, PullRequest, PullTracks
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtmp.address import PORTS, client_address
from arcly_actors.protocols.rtmp.client import (
    Connect,
    ConnectAccepted,
    Play,
    PlayEnded,
    PlayStarted,
    RtmpClient,
    StatusReceived,
    Stop,
)
from arcly_actors.protocols.rtmp.events import MediaReceived, MetadataReceived
from arcly_actors.runtime import LoopActor, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.connection import Attach, Command, Connection, ConnectionClosed
from arcly_actors.transport.dialler import Destination, Dial, DialFailed, dial
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class _Dialled:
    outcome: Wire | DialFailed


class RtmpPull(LoopActor):
    """A pull (see `ingest.pull`) over RTMP or RTMPS."""

    def __init__(self, system: System, request: PullRequest, owner: Ref, dialler: Dial = dial) -> None:
        super().__init__(system)
        self._request = request
        self._owner = owner
        self._dial = dialler
        self._connection: Ref | None = None
        self._tracks = FlvTracks()
        self._metadata: Mapping[str, str] = {}
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

    @receives(_Dialled)
    def dialled(self, dialled: _Dialled) -> None:
        """Shake hands and ask to connect."""
        wire = dialled.outcome
        if isinstance(wire, DialFailed):
            self._fail(wire.detail)
            return
        url = self._request.url
        with self.system.seams.drawing_by(self._request.remote):
            engine = RtmpClient(self.system.entropy.random_bytes(32))
        self._connection = Connection.start(self.system, wire, engine)
        notify(self._connection, Attach(self.actor_ref))
        tc_url = f"{url.scheme}://{url.place}/{self._application}"
        notify(self._connection, Command(Connect(self._application, tc_url)))

    @receives(ConnectAccepted)
    def connect_accepted(self, _: ConnectAccepted) -> None:
        """Ask for the stream."""
        self._command(Play(self._name))

    @receives(MetadataReceived)
    def metadata(self, event: MetadataReceived) -> None:
        """Take what to expect, and the texts that viewers may want."""
        self._tracks.hint(event.values)
        self._metadata = {name: value for name, value in event.values.items() if isinstance(value, str)}

    @receives(MediaReceived)
    def media(self, event: MediaReceived) -> None:
        """Pass one message on as a frame."""
        if event.kind == "data":
            return
        kind = Kind.VIDEO if event.kind == "video" else Kind.AUDIO
        try:
            items = self._tracks.receive(kind, event.timestamp_ms, event.body, self.system.clock.monotonic_ns())
        except (Refused, PeerViolation) as error:
            self._fail(str(error))
            return
        frames: list[MediaFrame] = []
        for item in items:
            if isinstance(item, TracksLearnt):
                notify(self._owner, PullTracks(item.tracks, self._metadata))
            else:
                frames.append(item)
        if frames:
            notify(self._owner, PullFrames(tuple(frames)))

    @receives(PlayEnded)
    def play_ended(self, _: PlayEnded) -> None:
        """The server's stream is over; it may come back."""
        self._fail("the server ended the stream")

    @receives(PlayStarted, StatusReceived, KeyframeNeeded)
    def noted(self, _: object) -> None:
        """Media follows by itself; RTMP has no way to ask for a keyframe."""

    @receives(ConnectionClosed)
    def closed(self, closed: ConnectionClosed) -> None:
        """Over."""
        self._fail(closed.detail)

    def on_stop(self) -> None:
        """Leave in an orderly way; a connection whose owner stops closes by itself."""
        self._command(Stop())

    def _command(self, command: Play | Stop) -> None:
        if self._connection is not None:
            notify(self._connection, Command(command))

    def _fail(self, detail: str) -> None:
        notify(self._owner, PullFailed(self._request.url.hidden_from(detail)))
        self.stop_self(detail)
