"""One RTSP connection's session: what the peer asks for becomes a publisher or a subscriber; their fate, its statuses."""

from collections.abc import Callable
from dataclasses import dataclass, field

from arcly_actors import limits
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.egress.byte_subscriber import NotSeated, Seated, ViewEnded
from arcly_actors.endpoints.rtsp_house import RtspHouse, handed_to
from arcly_actors.endpoints.rtsp_view import RtspView
from arcly_actors.errors import Refusal, Refused
from arcly_actors.ingest.publisher import KeyframeNeeded, PublishAccepted, Publishing, PublishLost
from arcly_actors.ingest.rtsp import ReportsDue, RtspPublisher
from arcly_actors.media.frame import Track
from arcly_actors.protocols.rtsp.description import Description, write
from arcly_actors.protocols.rtsp.events import (
    Accept,
    AnnounceRequested,
    AnswerDescribe,
    DescribeRequested,
    End,
    PacketsReceived,
    Paused,
    PlayRequested,
    RecordStarted,
    Refuse,
    SendPackets,
    ServerCommand,
    SignOfLife,
    Stopped,
)
from arcly_actors.protocols.rtsp.transport import Lower
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.connection import Attach, Close, Command, ConnectionClosed, Divert
from arcly_actors.transport.rtp_ports import Destination
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class _Described:
    """What became of looking a stream up."""

    key: StreamKey
    tracks: tuple[Track, ...] | Refused


@dataclass(frozen=True, slots=True)
class _Farewell:
    """The BYE to a player was sent a while ago; at `over` (monotonic ns) the player has had its time."""

    view: RtspView
    ended: ViewEnded
    over: int


@dataclass(slots=True)
class _Publication:
    """What the peer publishes, and where its reports go when they do not go by the connection."""

    publisher: Ref
    accepted: bool = False
    reports_to: dict[int, Destination] = field(default_factory=dict)
    routes: list[Callable[[], None]] = field(default_factory=list)

    def stop(self) -> None:
        """Take nothing more."""
        self.publisher.stop(block=False)
        for forget in self.routes:
            forget()


class RtspSession(LoopActor):
    """Owns a connection.

    A subscriber that crashes is restarted here, on the live connection. A publisher that crashes ends the connection,
    because what its peer described came only once.
    """

    def __init__(
        self, system: System, house: RtspHouse, connection: Ref, wire: Wire, refused: Refused | None = None
    ) -> None:
        super().__init__(system)
        self._house = house
        self._bus = house.bus
        self._connection = connection
        self._wire = wire
        self._peer = str(wire.peer)
        self._refused = refused
        self._key: StreamKey | None = None
        self._description: Description | None = None
        self._publication: _Publication | None = None
        self._view: RtspView | None = None

    def on_start(self) -> None:
        """Take the connection's events."""
        self.watch(self._connection)
        notify(self._connection, Attach(self.actor_ref))

    def on_stop(self) -> None:
        """Nothing of the session outlives it."""
        self._end_both()

    def on_failure(self, *_: object) -> None:
        """As `on_stop`; the connection closes when no other session attaches."""
        self._end_both()

    def _end_both(self) -> None:
        view, self._view = self._view, None
        publication, self._publication = self._publication, None
        if view is not None:
            view.stop()
        if publication is not None:
            publication.stop()

    def _command(self, command: ServerCommand) -> None:
        notify(self._connection, Command(command))

    def _turned_away(self) -> bool:
        """Whether this connection is only here to be told that there is no room; if so it has been."""
        if self._refused is None:
            return False
        self._command(Refuse(self._refused.refusal, self._refused.detail))
        notify(self._connection, Close(self._refused.detail))
        return True

    def _asked_for(self, path: str) -> StreamKey | None:
        """The stream that a request is about; None when the peer has been told why there is none."""
        if self._turned_away():
            return None
        try:
            return StreamKey.parse(path)
        except Refused as refused:
            self._command(Refuse(refused.refusal, refused.detail))
            return None

    # -- the connection -----------------------------------------------------------------------------------------------

    @receives(ConnectionClosed, Exited)
    def over(self, event: ConnectionClosed | Exited) -> None:
        """The connection ended, or one of the session's actors did."""
        if isinstance(event, ConnectionClosed):
            self._house.complaints.closed("rtsp", self._peer, event.error)
        if isinstance(event, ConnectionClosed) or event.urn == self._connection.actor_urn:
            self.stop_self("the connection ended")
        elif self._publication is not None and event.urn == self._publication.publisher.actor_urn:
            publication, self._publication = self._publication, None
            publication.stop()
            if event.error is not None:
                self._command(End(Refusal.FAILED, "internal error"))
        elif self._view is not None and self._view.subscriber.is_of(event.ref) and event.error is not None:
            restarted = self._view.subscriber.restart(event.error)
            if restarted is not None:
                self.watch(restarted)
            else:
                self._end_play(Refusal.FAILED, "internal error")

    @receives(Stopped)
    def stopped(self, _: Stopped) -> None:
        """The peer is done."""
        self._end_both()

    @receives(Paused)
    def paused(self, _: Paused) -> None:
        """A player wants nothing for now: it begins anew at the live picture. A publisher keeps its slot."""
        view, self._view = self._view, None
        if view is not None:
            view.stop()

    @receives(PacketsReceived)
    def packets_received(self, received: PacketsReceived) -> None:
        """A publisher's media, or a player's reports."""
        if self._publication is not None:
            notify(self._publication.publisher, received)
        elif self._view is not None:
            self._view.hear(received.packets)
            if self._view.over_udp:
                self._command(SignOfLife())

    # -- publishing ---------------------------------------------------------------------------------------------------

    @receives(AnnounceRequested)
    def announce(self, event: AnnounceRequested) -> None:
        """Start a publisher for what the peer wants to publish; the answer waits for the slot."""
        key = self._asked_for(event.path)
        if key is None:
            return
        publishing = Publishing(key, "rtsp", self._peer, event.parameters)
        publisher = RtspPublisher.start(self.system, self._bus, publishing, self.actor_ref, event.description)
        self.watch(publisher)
        self._publication = _Publication(publisher)

    @receives(PublishAccepted)
    def publish_accepted(self, _: PublishAccepted) -> None:
        """The slot is ours: let the peer set its media up."""
        if self._publication is not None:
            self._publication.accepted = True
            self._command(Accept())

    @receives(PublishLost)
    def publish_lost(self, lost: PublishLost) -> None:
        """The slot is not, or no longer, ours."""
        publication, self._publication = self._publication, None
        if publication is None:
            return
        publication.stop()
        ended = publication.accepted
        self._command(End(lost.refusal, lost.detail) if ended else Refuse(lost.refusal, lost.detail))

    @receives(RecordStarted)
    def record_started(self, event: RecordStarted) -> None:
        """The media are on their way; those over UDP come to the publisher by themselves."""
        publication, ports = self._publication, self._house.ports
        if publication is None:
            return
        for setup in event.setups:
            client = setup.transport.client_ports
            if setup.transport.lower is Lower.UDP and client is not None and ports is not None:
                take = handed_to(publication.publisher)
                peer = self._wire.peer
                publication.routes.append(ports.register(peer.host, client, setup.medium, take, owner=peer))
                back = self._house.destination(self._wire, client[1], rtcp=True)
                if back is not None:
                    publication.reports_to[setup.medium] = back
        notify(publication.publisher, event)
        notify(self._connection, Divert((PacketsReceived,), publication.publisher))

    @receives(ReportsDue)
    def reports_due(self, due: ReportsDue) -> None:
        """Tell the publisher how it is received."""
        publication, ports = self._publication, self._house.ports
        if publication is None:
            return
        if not publication.reports_to or ports is None:
            self._command(SendPackets(due.packets))
            return
        for packet in due.packets:
            destination = publication.reports_to.get(packet.medium)
            if destination is not None:
                ports.send(packet.data, destination)

    @receives(KeyframeNeeded)
    def noted(self, _: KeyframeNeeded) -> None:
        """RTSP has no way to ask a publisher for a keyframe."""

    # -- playing ------------------------------------------------------------------------------------------------------

    @receives(DescribeRequested)
    def describe(self, event: DescribeRequested) -> None:
        """Look the stream up."""
        key = self._asked_for(event.path)
        if key is None:
            return

        async def look() -> _Described:
            try:
                return _Described(key, await self._bus.tracks(key))
            except Refused as refused:
                return _Described(key, refused)

        self.errand(look())

    @receives(_Described)
    def described(self, found: _Described) -> None:
        """Say what is in it."""
        if isinstance(found.tracks, Refused):
            self._command(Refuse(found.tracks.refusal, found.tracks.detail))
            return
        body, description = write(found.tracks, str(found.key))
        if not description.media:
            codecs = ", ".join(str(track.codec) for track in found.tracks) or "nothing yet"
            self._command(Refuse(Refusal.UNSUPPORTED, f"{found.key} has {codecs}, of which RTP carries nothing"))
            return
        if self._view is None:
            self._key, self._description = found.key, description
        self._command(AnswerDescribe(body, description))

    @receives(PlayRequested)
    def play(self, event: PlayRequested) -> None:
        """Start a subscriber for what the peer wants to see."""
        key, description = self._key, self._description
        if key is None or description is None:
            self._command(Refuse(Refusal.FAILED, "the stream was not described"))
            return
        house, wire = self._house, self._wire
        self._view = RtspView(self.system, house, self.actor_ref, wire, key, description, event.setups)
        self.watch(self._view.subscriber.start())

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        """There is a seat: tell the peer, then let the packets flow. Both go the same way, so they stay in order."""
        view = self._view
        if view is not None and view.subscriber.is_of(seated.subscriber):
            self._command(Accept(view.prepare(seated)))
            view.begin(seated)

    @receives(NotSeated)
    def not_seated(self, answer: NotSeated) -> None:
        """The stream is gone since it was described."""
        view = self._view
        if view is not None and view.subscriber.is_of(answer.subscriber):
            self._view = None
            view.stop()
            self._command(Refuse(answer.refusal, answer.detail))

    @receives(ViewEnded)
    def view_ended(self, ended: ViewEnded) -> None:
        """The stream is over, or this viewer was too slow for it."""
        view = self._view
        if view is not None and view.subscriber.is_of(ended.subscriber):
            view.finish(ended)
            if ended.refusal is None:
                over = self.system.clock.monotonic_ns() + limits.RTSP_FAREWELL
                self.after(limits.RTSP_BYE_INTERVAL, _Farewell(view, ended, over))
            else:
                self._end_play(ended.refusal, ended.detail)

    @receives(_Farewell)
    def farewell(self, farewell: _Farewell) -> None:
        """Say it again, until the player leaves by itself or has had its time to."""
        if self._view is not farewell.view:
            return
        farewell.view.finish(farewell.ended)
        if self.system.clock.monotonic_ns() >= farewell.over:
            self._end_play(None, farewell.ended.detail)
        else:
            self.after(limits.RTSP_BYE_INTERVAL, farewell)

    def _end_play(self, refusal: Refusal | None, detail: str) -> None:
        view, self._view = self._view, None
        if view is not None:
            view.stop()
        self._command(End(refusal, detail))
