"""One RTMP connection's session: what the peer asks for becomes a publisher or subscribers; their fate, its statuses."""

from dataclasses import dataclass, field

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import ActorRestarted, Failed
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.place import Outlet, Place
from arcly_actors.egress.byte_subscriber import Begin, ByteSubscriber, NotSeated, Seated, ViewEnded, Viewing
from arcly_actors.egress.rtmp import format_name, make_encoder
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.errors import Refusal, Refused
from arcly_actors.ingest.publisher import KeyframeNeeded, PublishAccepted, Publishing, PublishLost
from arcly_actors.ingest.rtmp import RtmpPublisher
from arcly_actors.media.codec import Kind
from arcly_actors.protocols.rtmp.events import (
    AcceptConnect,
    AcceptPlay,
    AcceptPublish,
    BufferLengthSet,
    Connected,
    EndPlay,
    EndPublish,
    MediaReceived,
    MetadataReceived,
    PauseRequested,
    PlayRequested,
    PlayStopped,
    PublishRequested,
    PublishStopped,
    ReceiveChanged,
    RefuseConnect,
    RefusePlay,
    RefusePublish,
    ServerCommand,
)
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.runtime.policy import Intensity, RestartWindow
from arcly_actors.transport.connection import Attach, Close, Command, ConnectionClosed


@dataclass(slots=True)
class _View:
    """One stream that the peer plays."""

    stream_id: int
    key: StreamKey
    subscriber: Ref | None = None
    place: Place | None = None
    kinds: frozenset[Kind] = frozenset({Kind.VIDEO, Kind.AUDIO})
    restarts: RestartWindow = field(default_factory=lambda: RestartWindow(Intensity()))
    restarted: int = 0

    def take_place(self, place: Place) -> None:
        """Keep the place for a subscriber that takes over."""
        self.place = place


@dataclass(slots=True)
class _Publication:
    """The stream that the peer publishes."""

    stream_id: int
    publisher: Ref
    accepted: bool = False


class RtmpSession(LoopActor):
    """Owns a connection.

    Subscriber actors that crash are restarted here, on the live connection. A publisher that crashes ends the connection,
    because its peer's decoder configuration came only once.
    """

    def __init__(
        self, system: System, bus: Bus, connection: Ref, outlet: Outlet, peer: str, complaints: ComplaintLog
    ) -> None:
        super().__init__(system)
        self._complaints = complaints
        self._bus = bus
        self._connection = connection
        self._outlet = outlet
        self._peer = peer
        self._application = ""
        self._publication: _Publication | None = None
        self._views: dict[int, _View] = {}

    def on_start(self) -> None:
        """Take the connection's events."""
        self.watch(self._connection)
        notify(self._connection, Attach(self.actor_ref))

    def on_stop(self) -> None:
        """Nothing of the session outlives it."""
        self._end_children()

    def on_failure(self, *_: object) -> None:
        """As `on_stop`; the connection closes when no other session attaches."""
        self._end_children()

    def _end_children(self) -> None:
        if self._publication is not None:
            self._publication.publisher.stop(block=False)
        for stream_id in tuple(self._views):
            self._drop_view(stream_id)

    def _command(self, command: ServerCommand) -> None:
        notify(self._connection, Command(command))

    # -- the connection -----------------------------------------------------------------------------------------------

    @receives(Connected)
    def connected(self, event: Connected) -> None:
        """Let everyone in whose application exists; a path may be split differently by publish or play later."""
        known = self._bus.policies
        first = event.application.partition("/")[0]
        if event.application and not any(name.partition("/")[0] == first for name in known):
            detail = f"no application {event.application[:64]!r} here; there is {', '.join(sorted(known))}"
            self._command(RefuseConnect(Refusal.UNKNOWN_APPLICATION, detail))
            return
        self._application = event.application
        self._command(AcceptConnect())

    @receives(ConnectionClosed, Exited)
    def over(self, event: ConnectionClosed | Exited) -> None:
        """The connection ended, or one of the session's actors did."""
        if isinstance(event, ConnectionClosed):
            self._complaints.closed("rtmp", self._peer, event.error)
        if isinstance(event, ConnectionClosed) or event.urn == self._connection.actor_urn:
            self.stop_self("the connection ended")
            return
        if self._publication is not None and event.urn == self._publication.publisher.actor_urn:
            stream_id, self._publication = self._publication.stream_id, None
            if event.error is not None:
                self._command(EndPublish(stream_id, Refusal.FAILED, "internal error"))
            return
        view = self._view_of(event.ref)
        if view is not None:
            self._subscriber_exited(view, event)

    # -- publishing ---------------------------------------------------------------------------------------------------

    @receives(PublishRequested)
    def publish(self, event: PublishRequested) -> None:
        """Start a publisher for what the peer wants to publish."""
        if self._publication is not None:
            detail = "this connection publishes already"
            self._command(RefusePublish(event.stream_id, Refusal.BUSY, detail))
            return
        try:
            key = StreamKey.parse(event.path)
        except Refused as refused:
            self._command(RefusePublish(event.stream_id, refused.refusal, refused.detail))
            return
        publishing = Publishing(key, "rtmp", self._peer, event.parameters)
        publisher = RtmpPublisher.start(self.system, self._bus, publishing, self.actor_ref)
        self.watch(publisher)
        self._publication = _Publication(event.stream_id, publisher)

    @receives(PublishAccepted)
    def publish_accepted(self, _: PublishAccepted) -> None:
        """The slot is ours: let the peer send."""
        if self._publication is not None:
            self._publication.accepted = True
            self._command(AcceptPublish(self._publication.stream_id))

    @receives(PublishLost)
    def publish_lost(self, lost: PublishLost) -> None:
        """The slot is not, or no longer, ours."""
        publication, self._publication = self._publication, None
        if publication is None:
            return
        refuse = EndPublish if publication.accepted else RefusePublish
        self._command(refuse(publication.stream_id, lost.refusal, lost.detail))

    @receives(MediaReceived, MetadataReceived)
    def media(self, event: MediaReceived | MetadataReceived) -> None:
        """Pass it on."""
        if self._publication is not None:
            notify(self._publication.publisher, event)

    @receives(PublishStopped)
    def publish_stopped(self, _: PublishStopped) -> None:
        """The peer is done."""
        publication, self._publication = self._publication, None
        if publication is not None:
            publication.publisher.stop(block=False)

    @receives(KeyframeNeeded, BufferLengthSet, PauseRequested)
    def noted(self, _: object) -> None:
        """RTMP has no way to ask a publisher for a keyframe, and live play neither buffers nor pauses."""

    # -- playing ------------------------------------------------------------------------------------------------------

    @receives(PlayRequested)
    def play(self, event: PlayRequested) -> None:
        """Start a subscriber for what the peer wants to see."""
        stream_id = event.stream_id
        try:
            key = StreamKey.parse(event.path)
        except Refused as refused:
            self._command(RefusePlay(stream_id, refused.refusal, refused.detail))
            return
        self._drop_view(stream_id)
        self._views[stream_id] = view = _View(stream_id, key)
        self._start_subscriber(view)

    @receives(ReceiveChanged)
    def receive_changed(self, event: ReceiveChanged) -> None:
        """The peer wants picture or sound no longer, or again: go on at the same place in another format."""
        view = self._views.get(event.stream_id)
        if view is None:
            return
        kind = Kind.VIDEO if event.kind == "video" else Kind.AUDIO
        view.kinds = view.kinds | {kind} if event.wanted else view.kinds - {kind}
        if view.place is not None and view.subscriber is not None:
            view.subscriber.stop(block=False)
            self._start_subscriber(view)

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        """There is a seat: tell the peer, then let the messages flow. Both go the same way, so they stay in order."""
        view = self._view_of(seated.subscriber)
        if view is not None:
            self._command(AcceptPlay(view.stream_id))
            notify(seated.subscriber, Begin())

    @receives(NotSeated)
    def not_seated(self, answer: NotSeated) -> None:
        """There is no such stream."""
        view = self._view_of(answer.subscriber)
        if view is not None:
            del self._views[view.stream_id]
            self._command(RefusePlay(view.stream_id, answer.refusal, answer.detail))

    @receives(ViewEnded)
    def view_ended(self, ended: ViewEnded) -> None:
        """The stream is over, or this viewer was too slow for it."""
        view = self._view_of(ended.subscriber)
        if view is None:
            return
        del self._views[view.stream_id]
        self._command(EndPlay(view.stream_id, ended.refusal, ended.detail))
        if ended.refusal is not None:
            notify(self._connection, Close(ended.detail))

    @receives(PlayStopped)
    def play_stopped(self, event: PlayStopped) -> None:
        """The peer has seen enough."""
        self._drop_view(event.stream_id)

    def _start_subscriber(self, view: _View) -> None:
        stream_id, kinds = view.stream_id, frozenset(view.kinds)
        viewing = Viewing(
            view.key,
            "rtmp",
            self._peer,
            format_name(stream_id, kinds),
            lambda: make_encoder(stream_id, kinds),
        )
        view.subscriber = ByteSubscriber.start(
            self.system, self._bus, viewing, self._outlet, self.actor_ref, resume=view.place, keep=view.take_place
        )
        self.watch(view.subscriber)

    def _drop_view(self, stream_id: int) -> None:
        view = self._views.pop(stream_id, None)
        if view is not None and view.subscriber is not None:
            view.subscriber.stop(block=False)

    def _view_of(self, subscriber: Ref) -> _View | None:
        for view in self._views.values():
            if view.subscriber is not None and view.subscriber.actor_urn == subscriber.actor_urn:
                return view
        return None

    def _subscriber_exited(self, view: _View, exited: Exited) -> None:
        """A crash is repaired on the live connection, as long as it does not happen too often."""
        if exited.error is None:
            return
        if not view.restarts.admit(self.system.clock.monotonic_ns()):
            del self._views[view.stream_id]
            self._command(EndPlay(view.stream_id, Refusal.FAILED, "internal error"))
            notify(self._connection, Close("its subscriber failed too often"))
            return
        view.restarted += 1
        name = f"subscriber of {view.key} at {self._peer}"
        self._bus.events.emit(Failed(name, repr(exited.error)))
        self._bus.events.emit(ActorRestarted(name, view.restarted))
        self._start_subscriber(view)
