"""WHIP: the publisher actor of one WebRTC sender.

It claims the publish slot, has the offer answered, and makes frames of what its transport brings. What has to outlive its
crash (transport, agreement) is in its `Contribution`: restarted, it claims the slot again and asks for a keyframe.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import KeyframeWanted, Ref
from arcly_actors.errors import ArclyError, PeerLimit, Refusal, Refused
from arcly_actors.ingest.in_process import InProcessPublisher, Tracks
from arcly_actors.ingest.publisher import Granted, KeyframeNeeded, PublishAccepted, Publisher, Publishing
from arcly_actors.ingest.rtp_receiver import Received, RtpReceiver
from arcly_actors.ingest.rtp_source import RtpSource
from arcly_actors.ingest.simulcast import BestLayer
from arcly_actors.ingest.track_gathering import TrackGathering, TracksGathered
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.webrtc.agreement import Negotiation, Publish
from arcly_actors.runtime import LoopFuture, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.dtls_srtp import (
    DtlsSrtpTransport,
    RtcpArrived,
    RtpArrived,
    TransportClosed,
    TransportConnected,
)

Linked = tuple[DtlsSrtpTransport, Negotiation]
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(eq=False, slots=True)
class Contribution:
    """One sender. `link` opens a transport for an owner and answers the offer; `answered` is settled with that.

    `over` is called when nothing is left of it.
    """

    key: StreamKey
    peer: str
    link: Callable[[Ref, Publish], Awaitable[Linked]]
    over: Callable[[], None]
    parameters: Mapping[str, str] = field(default_factory=lambda: _NONE)
    answered: LoopFuture[Linked] = field(default_factory=LoopFuture)
    linked: Linked | None = None

    def close(self, reason: str) -> None:
        """Give everything back; more than once does no harm."""
        if self.linked is not None:
            self.linked[0].close(reason)
        if not self.answered.settled:
            self.answered.fail(Refused(Refusal.FAILED, reason))
        self.over()


@dataclass(frozen=True, slots=True)
class _Linked:
    linked: Linked


@dataclass(frozen=True, slots=True)
class _Declined:
    error: ArclyError


@dataclass(frozen=True, slots=True)
class _Tick:
    """Look for what is due."""


@dataclass(frozen=True, slots=True)
class _LayerKeyframe:
    """Viewers of one simulcast layer need a keyframe."""

    rid: str
    full_intra: bool


@dataclass(frozen=True, slots=True)
class _LayerLost:
    """References of this simulcast layer are lost."""


class LayerPublisher(InProcessPublisher):
    """The publisher of one simulcast layer, under a key of its own. Whatever becomes of it, the plain stream goes on."""

    def __init__(self, system: System, bus: Bus, publishing: Publishing, owner: Ref, rid: str) -> None:
        super().__init__(system, bus, publishing, owner)
        self._rid = rid

    @receives(Granted)
    def granted(self, granted: Granted) -> None:
        """Its owner has a slot of its own and needs no word of this one."""
        self._accepted = True
        super().granted(granted)

    def lose(self, refusal: Refusal, detail: str) -> None:
        """Its key is somebody else's."""
        del refusal
        self._give_back(detail)
        self.stop_self(detail)

    @receives(_LayerLost)
    def layer_lost(self, _: _LayerLost) -> None:
        """Its stream says when to ask."""
        self.lost_references()

    @receives(KeyframeWanted)
    def keyframe_wanted(self, wanted: KeyframeWanted) -> None:
        """Ask for one of this layer."""
        notify(self._owner, _LayerKeyframe(self._rid, wanted.full_intra))


class WhipPublisher(Publisher):
    """See the module. It is its own owner: what becomes of the slot concerns nobody else."""

    media_types = (RtpArrived,)
    media_bound = limits.RTP_LANE

    def __init__(self, system: System, bus: Bus, contribution: Contribution) -> None:
        publishing = Publishing(
            contribution.key, "whip", contribution.peer, contribution.parameters, answers_keyframes=True
        )
        super().__init__(system, bus, publishing, None)
        self._contribution = contribution
        self._transport: DtlsSrtpTransport | None = None
        self._receiver: RtpReceiver | None = None
        self._gathering = TrackGathering(0)
        self._best = BestLayer()
        self._layers: dict[str, tuple[TrackGathering, Ref]] = {}
        self._reported_at = 0

    def on_stop(self) -> None:
        """It is over for good."""
        self._stop_layers()
        self._give_back(self._reason or "the publisher left")
        super().on_stop()
        self._contribution.close(self._reason or "the publisher left")

    def on_failure(self, *_: object) -> None:
        """The successor starts layers of its own."""
        self._stop_layers()
        if self._contribution.linked is None:
            self._contribution.close("the session failed before it was answered")

    # -- the slot -----------------------------------------------------------------------------------------------------

    @receives(PublishAccepted)
    def accepted(self, _: PublishAccepted) -> None:
        """The slot is ours: answer the offer, or go on with the transport that is there."""
        contribution = self._contribution
        if contribution.linked is not None:
            self.linked(_Linked(contribution.linked))
            contribution.linked[0].attach(self.actor_ref)
            return

        async def link() -> object:
            try:
                return _Linked(await contribution.link(self.actor_ref, Publish()))
            except ArclyError as error:
                return _Declined(error)

        self.spawn(link(), then=lambda message: message)

    @receives(_Declined)
    def declined(self, declined: _Declined) -> None:
        """The offer cannot be answered."""
        self._decline(declined.error)

    def lose(self, refusal: Refusal, detail: str) -> None:
        """The slot is not, or no longer, ours."""
        self._decline(Refused(refusal, detail))

    def _decline(self, error: ArclyError) -> None:
        if not self._contribution.answered.settled:
            self._contribution.answered.fail(error)
        self.stop_self(str(error))

    @receives(_Linked)
    def linked(self, message: _Linked) -> None:
        """Answered: now its peer may connect."""
        contribution = self._contribution
        self._transport, negotiation = contribution.linked = message.linked
        with self.system.seams.drawing_for(contribution.key):
            ssrc = int.from_bytes(self.system.entropy.random_bytes(4)) | 1
        try:
            receiver = self._receiver = RtpReceiver(negotiation.media, ssrc)
        except PeerLimit as limit:
            self._decline(limit)
            return
        sound = sum(source.kind is not Kind.VIDEO for source in receiver.sources)
        pictures = {source.mid for source in receiver.sources if source.kind is Kind.VIDEO}
        self._gathering = TrackGathering(sound + len(pictures))
        for source in receiver.sources:
            if source.rid:
                self._layers[source.rid] = (TrackGathering(sound + 1), self._start_layer(source.rid))
        if not contribution.answered.settled:
            contribution.answered.set(message.linked)

    @receives(KeyframeNeeded)
    def keyframe_needed(self, needed: KeyframeNeeded) -> None:
        """Ask the sender."""
        sources = self._receiver.sources if self._receiver is not None else ()
        pictures = [source for source in sources if source.kind is Kind.VIDEO]
        chosen = [source for source in pictures if not source.rid or source is self._best.chosen]
        self._ask_keyframe(chosen or pictures, full_intra=needed.full_intra)

    @receives(_LayerKeyframe)
    def layer_keyframe(self, needed: _LayerKeyframe) -> None:
        """Ask for one of this layer."""
        sources = self._receiver.sources if self._receiver is not None else ()
        self._ask_keyframe([each for each in sources if each.rid == needed.rid], full_intra=needed.full_intra)

    # -- the transport ------------------------------------------------------------------------------------------------

    @receives(TransportConnected)
    def connected(self, _: TransportConnected) -> None:
        """Packets come from now on; after a restart in the middle of a GOP."""
        if self._receiver is not None:
            self._ask_keyframe(self._receiver.sources, full_intra=False)
            self.tick(_Tick())

    @receives(RtpArrived)
    def rtp_arrived(self, arrived: RtpArrived) -> None:
        """A packet."""
        receiver = self._receiver
        if receiver is None:
            return
        received = receiver.receive(arrived.data, arrived.at)
        if received is not None:
            self._publish(received, arrived.at)
        self._send(receiver.asks(arrived.at))

    @receives(RtcpArrived)
    def rtcp_arrived(self, arrived: RtcpArrived) -> None:
        """Reports of the sender."""
        if self._receiver is not None:
            self._receiver.heard(arrived.data, arrived.at)

    @receives(TransportClosed)
    def closed(self, closed: TransportClosed) -> None:
        """The sender is gone; the stream is held."""
        if self._contribution.linked is not None:  # else the offer cannot be answered, and why comes next
            self.stop_self(closed.detail)

    @receives(_Tick)
    def tick(self, _: _Tick) -> None:
        """What time alone brings: packets given up, packets asked for again, feedback, reports."""
        receiver, now = self._receiver, self.system.clock.monotonic_ns()
        if receiver is None:
            return
        for received in receiver.wake(now):
            self._publish(received, now)
        self._pass_on(self._gathering.wake(now))
        self._send(receiver.asks(now))
        self._send(receiver.arrivals())
        if now - self._reported_at >= limits.RTCP_INTERVAL:
            self._reported_at = now
            self._send(receiver.report(now))
            wanted = self._best.wanted(receiver.sources, now) if self._layers else None
            if wanted is not None:
                self._ask_keyframe((wanted,), full_intra=False)
        for source in receiver.sources:
            if source.needs_keyframe(now, limits.LOSS_PATIENCE):
                self._lost_references_of(source)
        self.after(limits.RTP_TICK, _Tick())

    def _lost_references_of(self, source: RtpSource) -> None:
        """The stream that shows it says when to ask: the layer's own, else the plain one if it is what that shows."""
        layer = self._layers.get(source.rid)
        if layer is not None and notify(layer[1], _LayerLost()):
            return
        if not source.rid or self._best.chosen in {None, source}:
            self.lost_references()

    # -- frames -------------------------------------------------------------------------------------------------------

    def _publish(self, received: Received, now: int) -> None:
        source, frames = received.source, received.frames
        if not self._layers:
            self._pass_on(self._gathering.add(frames, now))
            return
        for rid, (gathering, layer) in self._layers.items():
            if source.kind is not Kind.VIDEO or source.rid == rid:
                for item in gathering.add(frames, now):
                    notify(layer, Tracks(item.tracks) if isinstance(item, TracksGathered) else item)
        if source.kind is Kind.VIDEO:
            frames = [_as_plain(frame) for frame in self._best.pick(source, frames, now)]
        self._pass_on(self._gathering.add(frames, now))

    def _pass_on(self, items: Iterable[TracksGathered | MediaFrame]) -> None:
        for item in items:
            if isinstance(item, TracksGathered):
                self.announce(item.tracks)
            else:
                self.push(item)

    def _start_layer(self, rid: str) -> Ref:
        plain = self._contribution.key
        key = StreamKey(plain.application, f"{plain.name}~{rid}")
        publishing = Publishing(key, "whip", self._contribution.peer, answers_keyframes=True)
        return LayerPublisher.start(self.system, self._bus, publishing, self.actor_ref, rid)

    def _stop_layers(self) -> None:
        for _, layer in self._layers.values():
            layer.stop(block=False)

    def _ask_keyframe(self, sources: Sequence[RtpSource], *, full_intra: bool) -> None:
        if self._receiver is not None:
            self._send(self._receiver.keyframe_request(sources, full_intra=full_intra))

    def _send(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.send_rtcp(data)


_PLAIN_VIDEO = -1
"""The track id of the plain stream's picture, whichever layer it comes from: to viewers it is one track."""


def _as_plain(frame: MediaFrame) -> MediaFrame:
    return replace(frame, track=replace(frame.track, id=_PLAIN_VIDEO))
