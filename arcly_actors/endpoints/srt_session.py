"""One SRT connection's session: its stream id says what it wants, and it becomes a publisher or a subscriber.

The caller is answered when the bus has decided, so that a busy key or a missing stream is a refusal of the handshake.
"""

from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.egress import ts
from arcly_actors.egress.byte_subscriber import Begin, NotSeated, Seated, ViewEnded, Viewing
from arcly_actors.egress.srt import Cutter, SrtOutlet
from arcly_actors.egress.view import View
from arcly_actors.endpoints.complaint_log import ComplaintLog
from arcly_actors.errors import Refusal, Refused
from arcly_actors.ingest.publisher import KeyframeNeeded, PublishAccepted, Publishing, PublishLost
from arcly_actors.ingest.srt import SrtPublisher
from arcly_actors.protocols.srt.events import Accept, Asked, Disconnect, Drained, Established, Received, Refuse
from arcly_actors.protocols.srt.reject import OF_REFUSAL, Reject, Rejected
from arcly_actors.protocols.srt.states import State
from arcly_actors.protocols.srt.stream_id import read_stream_id
from arcly_actors.renditions import Renditions, Wish
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.connection import ConnectionClosed
from arcly_actors.transport.datagram_link import DatagramLink


@dataclass(frozen=True, slots=True)
class _Leave:
    """The stream has ended, and the peer has played it."""

    reason: str


class SrtSession(LoopActor):
    """Owns a connection, which ends with it. A subscriber that crashes is restarted on the live connection; a publisher
    that crashes ends it, and its stream is held.
    """

    media_types = (Received,)

    def __init__(
        self,
        system: System,
        bus: Bus,
        link: DatagramLink,
        cutter: Cutter,
        complaints: ComplaintLog,
        renditions: Renditions | None = None,
    ) -> None:
        super().__init__(system)
        self._bus = bus
        self._link = link
        self._peer = str(link.peer)
        self._complaints = complaints
        self._renditions = renditions
        self._outlet = SrtOutlet(link, cutter, system.loop.call_soon)
        self._publisher: Ref | None = None
        self._view: View | None = None
        self._subscriber: Ref | None = None
        self._send_latency = 0

    def on_start(self) -> None:
        """Take the connection's events."""
        self._link.attach(self.actor_ref)

    def on_stop(self) -> None:
        """Nothing of the session outlives it."""
        self._end_children()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._end_children()

    def figures(self) -> dict[str, int | float]:
        """What the tree shows: libsrt's statistics."""
        found: dict[str, int | float] = self._link.engine.statistics(self.system.clock.monotonic_ns()).values()
        return found

    def _end_children(self) -> None:
        if self._publisher is not None:
            self._publisher.stop(block=False)
        if self._view is not None:
            self._view.stop()

    @receives(Asked)
    def asked(self, event: Asked) -> None:
        """Start what the caller wants. The port has read the stream id before, for the passphrase."""
        try:
            wanted = read_stream_id(event.stream_id)
            key = StreamKey.parse(wanted.path)
        except Rejected as rejected:
            self._link.command(Refuse(rejected.reason))
            return
        except Refused as refused:
            self._refuse(refused.refusal)
            return
        if wanted.publishes:
            publishing = Publishing(key, "srt", self._peer, wanted.parameters)
            self._publisher = SrtPublisher.start(self.system, self._bus, publishing, self.actor_ref)
            self.watch(self._publisher)
        else:
            viewing = Viewing(key, "srt", self._peer, ts.FORMAT, ts.make_encoder, wish=Wish.TS)
            self._view = View(self.system, self._bus, self.actor_ref, viewing, self._renditions)
            self.watch(self._view.start())

    def _refuse(self, refusal: Refusal) -> None:
        self._link.command(Refuse(OF_REFUSAL.get(refusal, Reject.UNKNOWN)))

    def _leave(self, reason: str) -> None:
        self._link.command(Disconnect(reason))
        self.stop_self(reason)

    # -- publishing ---------------------------------------------------------------------------------------------------

    @receives(PublishAccepted)
    def publish_accepted(self, _: PublishAccepted) -> None:
        """The slot is ours: let the peer send."""
        self._link.command(Accept())

    @receives(PublishLost)
    def publish_lost(self, lost: PublishLost) -> None:
        """The slot is not, or no longer, ours."""
        self._publisher = None
        if self._link.engine.state is State.DECIDING:
            self._refuse(lost.refusal)
        else:
            self._complaints.say("srt", self._peer, str(lost.refusal), lost.detail)
            self._leave(lost.detail)

    @receives(Received)
    def received(self, event: Received) -> None:
        """Pass it on; what a viewer sends is for nobody."""
        if self._publisher is not None:
            notify(self._publisher, event)

    @receives(KeyframeNeeded)
    def noted(self, _: object) -> None:
        """SRT has no way to ask a publisher for a keyframe."""

    # -- playing ------------------------------------------------------------------------------------------------------

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        """There is a seat: let the peer in; it flows once it is."""
        self._subscriber = seated.subscriber
        if self._link.engine.state is State.DECIDING:
            self._link.command(Accept())
        else:  # the one before crashed before it began
            notify(seated.subscriber, Begin(self._outlet))

    @receives(Established)
    def established(self, event: Established) -> None:
        """Both sides are ready."""
        self._send_latency = event.send_latency
        if self._subscriber is not None:
            notify(self._subscriber, Begin(self._outlet))

    @receives(NotSeated)
    def not_seated(self, answer: NotSeated) -> None:
        """There is no such stream."""
        self._refuse(answer.refusal)

    @receives(ViewEnded)
    def view_ended(self, ended: ViewEnded) -> None:
        """The stream is over, or this viewer was too slow for it. What waits to be sent, and what the peer has yet to
        play, is given its time.
        """
        if ended.refusal is None:
            self.after(self._send_latency + limits.SRT_TICK, _Leave(ended.detail))
        else:
            self._complaints.say("srt", self._peer, str(ended.refusal), ended.detail)
            self._leave(ended.detail)

    @receives(_Leave)
    def leave(self, message: _Leave) -> None:
        """The peer has had its time."""
        self._leave(message.reason)

    @receives(Drained)
    def drained(self, _: Drained) -> None:
        """Nothing waits to be sent."""
        self._outlet.drained()

    # -- the end ------------------------------------------------------------------------------------------------------

    @receives(ConnectionClosed)
    def closed(self, event: ConnectionClosed) -> None:
        """The connection ended."""
        self._complaints.closed("srt", self._peer, event.error)
        self._outlet.drained()
        self.stop_self(event.reason)

    @receives(Exited)
    def exited(self, event: Exited) -> None:
        """One of the session's actors ended."""
        if event.error is None:
            return
        view = self._view
        if view is not None and view.is_of(event.ref):
            restarted = view.restart(event.error)
            if restarted is not None:
                self.watch(restarted)
                return
        self._leave("internal error")
