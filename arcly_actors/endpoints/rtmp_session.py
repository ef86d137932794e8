"""One RTMP connection's session: what the peer asks for becomes a publisher or subscribers; their fate, its statuses."""

from dataclasses import dataclass

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.place import Outlet
from arcly_actors.egress.byte_subscriber import Begin, NotSeated, Seated, ViewEnded, Viewing
from arcly_actors.egress.flv import EITHER
from arcly_actors.egress.rtmp import format_name, make_encoder
from arcly_actors.egress.view import View
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
from arcly_actors.renditions import Renditions, Wish
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.connection import Attach, Close, Command, ConnectionClosed, Divert


@dataclass(slots=True)
class _Play:
    """One stream that the peer plays, and which kinds of it."""

    stream_id: int
    view: View
    kinds: frozenset[Kind] = frozenset({Kind.VIDEO, Kind.AUDIO})


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
        self,
        system: System,
        bus: Bus,
        connection: Ref,
        outlet: Outlet,
        peer: str,
        complaints: ComplaintLog,
        refused: Refused | None = None,
        renditions: Renditions | None = None,
    ) -> None:
        super().__init__(system)
        self._refused = refused
        self._renditions = renditions
        self._complaints = complaints
        self._bus = bus
        self._connection = connection
        self._outlet = outlet
        self._peer = peer
        self._application = ""
        self._publication: _Publication | None = None
        self._plays: dict[int, _Play] = {}

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
        for stream_id in tuple(self._plays):
            self._drop(stream_id)

    def _command(self, command: ServerCommand) -> None:
        notify(self._connection, Command(command))

    # -- the connection -----------------------------------------------------------------------------------------------

    @receives(Connected)
    def connected(self, event: Connected) -> None:
        """Let everyone in whose application exists; a path may be split differently by publish or play later."""
        if self._refused is not None:
            self._command(RefuseConnect(self._refused.refusal, self._refused.detail))
            return
        known = self._bus.policies
        first = event.application.partition("/")[0]
        if event.application and not any(name.partition("/")[0] == first for name in known):
            detail = f"no application {event.application[:64]!r} here; there is {', '.join(sorted(known))}"
            self._complaints.refused("rtmp", self._peer, Refused(Refusal.UNKNOWN_APPLICATION, detail))
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
        play = self._play_of(event.ref)
        if play is not None and event.error is not None:
            restarted = play.view.restart(event.error)
            if restarted is not None:
                self.watch(restarted)
            else:
                self._end_play(play, Refusal.FAILED, "internal error")

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
        notify(self._connection, Divert((MediaReceived, MetadataReceived), publisher))

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
        """Pass it on: it was told before the connection knew whose it is."""
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
        self._drop(stream_id)
        viewing = self._viewing(stream_id, key, EITHER)
        view = View(self.system, self._bus, self.actor_ref, viewing, self._renditions)
        self._plays[stream_id] = _Play(stream_id, view)
        self.watch(view.start())

    @receives(ReceiveChanged)
    def receive_changed(self, event: ReceiveChanged) -> None:
        """The peer wants picture or sound no longer, or again: go on at the same place in another format."""
        play = self._plays.get(event.stream_id)
        if play is None:
            return
        kind = Kind.VIDEO if event.kind == "video" else Kind.AUDIO
        play.kinds = play.kinds | {kind} if event.wanted else play.kinds - {kind}
        self.watch(play.view.change(self._viewing(play.stream_id, play.view.viewing.key, play.kinds)))

    def _viewing(self, stream_id: int, key: StreamKey, kinds: frozenset[Kind]) -> Viewing:
        name = format_name(stream_id, kinds)
        return Viewing(key, "rtmp", self._peer, name, lambda: make_encoder(stream_id, kinds), wish=Wish.FLV)

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        """There is a seat: tell the peer, then let the messages flow. Both go the same way, so they stay in order."""
        play = self._play_of(seated.subscriber)
        if play is not None:
            self._command(AcceptPlay(play.stream_id))
            notify(seated.subscriber, Begin(self._outlet))

    @receives(NotSeated)
    def not_seated(self, answer: NotSeated) -> None:
        """There is no such stream."""
        play = self._play_of(answer.subscriber)
        if play is not None:
            del self._plays[play.stream_id]
            self._command(RefusePlay(play.stream_id, answer.refusal, answer.detail))

    @receives(ViewEnded)
    def view_ended(self, ended: ViewEnded) -> None:
        """The stream is over, or this viewer was too slow for it."""
        play = self._play_of(ended.subscriber)
        if play is not None:
            self._end_play(play, ended.refusal, ended.detail)

    @receives(PlayStopped)
    def play_stopped(self, event: PlayStopped) -> None:
        """The peer has seen enough."""
        self._drop(event.stream_id)

    def _end_play(self, play: _Play, refusal: Refusal | None, detail: str) -> None:
        del self._plays[play.stream_id]
        self._command(EndPlay(play.stream_id, refusal, detail))
        if refusal is not None:
            notify(self._connection, Close(detail))

    def _drop(self, stream_id: int) -> None:
        play = self._plays.pop(stream_id, None)
        if play is not None:
            play.view.stop()

    def _play_of(self, subscriber: Ref) -> _Play | None:
        return next((play for play in self._plays.values() if play.view.is_of(subscriber)), None)
