"""SRT push: a stream as MPEG-TS to a listener that we call, to who calls us, or to whom we meet halfway."""

from dataclasses import dataclass

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.clock import NS_PER_S
from arcly_actors.egress import ts
from arcly_actors.egress.byte_subscriber import Begin, NotSeated, Seated, ViewEnded, Viewing
from arcly_actors.egress.push import PushEnded, PushFailed, PushRequest, PushStarted
from arcly_actors.egress.push_subscriber import OtherTracks, PushSubscriber
from arcly_actors.egress.srt import Cutter, SrtOutlet
from arcly_actors.errors import ConfigurationError
from arcly_actors.protocols.srt.events import Accept, Asked, Drained, Established, Received, Refuse
from arcly_actors.protocols.srt.reject import Reject
from arcly_actors.protocols.srt.target import Mode, SrtTarget
from arcly_actors.renditions import Renditions, Wish
from arcly_actors.runtime import Exited, LoopActor, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.connection import ConnectionClosed
from arcly_actors.transport.datagram_dial import local_address, resolve
from arcly_actors.transport.datagram_link import DatagramLink
from arcly_actors.transport.datagram_port import DatagramPort
from arcly_actors.transport.dialler import DialFailed
from arcly_actors.transport.srt_ciphers import SrtCiphers
from arcly_actors.transport.udp_socket import Source


@dataclass(frozen=True, slots=True)
class _Resolved:
    where: Source | DialFailed


@dataclass(frozen=True, slots=True)
class _Linked:
    link: DatagramLink


@dataclass(frozen=True, slots=True)
class _Part:
    """The stream has ended, and the peer has played it."""

    reason: str


class SrtPush(LoopActor):
    """A push (see `egress.push`) over SRT. A listener serves the first caller who is heard; others are refused."""

    def __init__(
        self, system: System, bus: Bus, request: PushRequest, owner: Ref, renditions: Renditions | None = None
    ) -> None:
        super().__init__(system)
        self._bus = bus
        self._request = request
        self._owner = owner
        self._renditions = renditions
        self._target: SrtTarget | None = None
        self._port: Ref | None = None
        self._link: DatagramLink | None = None
        self._outlet: SrtOutlet | None = None
        self._subscriber: Ref | None = None
        self._latency = 0

    def on_start(self) -> None:
        """Dial, or listen."""
        url = self._request.url
        try:
            target = self._target = SrtTarget.of(url.host, url.port, url.query)
        except ConfigurationError as error:
            self._fail(str(error))
            return
        if target.mode is Mode.LISTENER:
            self._open(target, None)
        else:
            self.spawn(resolve(self.system, target.host, target.port), then=_Resolved)

    def on_stop(self) -> None:
        """Leave in an orderly way: the port says good-bye."""
        for actor in (self._subscriber, self._port):
            if actor is not None:
                actor.stop(block=False)

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self.on_stop()

    def figures(self) -> dict[str, int | float]:
        """What the tree shows: libsrt's statistics."""
        if self._link is None:
            return {}
        found: dict[str, int | float] = self._link.engine.statistics(self.system.clock.monotonic_ns()).values()
        return found

    @receives(_Resolved)
    def resolved(self, resolved: _Resolved) -> None:
        """Call it."""
        if isinstance(resolved.where, DialFailed):
            self._fail(resolved.where.detail)
        elif self._target is not None:
            self._open(self._target, resolved.where)

    def _open(self, target: SrtTarget, peer: Source | None) -> None:
        secret, now = self.system.entropy.random_bytes(32), self.system.clock.monotonic_ns()
        switchboard, engine = target.connect(peer, SrtCiphers(), secret, now)
        call = (engine, peer) if engine is not None and peer is not None else None
        local = local_address(*target.local, peer)
        ours = self.actor_ref
        self._port = DatagramPort.start(
            self.system, local, switchboard, lambda link: notify(ours, _Linked(link)), call=call
        )
        self.watch(self._port)

    @receives(_Linked)
    def linked(self, linked: _Linked) -> None:
        """Somebody called, or we did."""
        if self._link is None:
            self._link = linked.link
            self._outlet = SrtOutlet(linked.link, Cutter(), self.system.loop.call_soon)
            linked.link.attach(self.actor_ref)
        else:
            linked.link.command(Refuse(Reject.RESOURCE))

    @receives(Asked)
    def asked(self, _: Asked) -> None:
        """Let the caller in."""
        if self._link is not None:
            self._link.command(Accept())

    @receives(Established)
    def established(self, event: Established) -> None:
        """Take a seat at the stream."""
        self._latency = event.send_latency
        url = self._request.url
        viewing = Viewing(self._request.key, "push-srt", str(url), ts.FORMAT, ts.make_encoder, follows=True, wish=Wish.TS)
        self._subscriber = PushSubscriber.start(
            self.system, self._bus, viewing, self.actor_ref, renditions=self._renditions
        )
        self.watch(self._subscriber)

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        """Send, if there is anything that MPEG-TS can carry."""
        tracks = next((each.tracks for each in self._bus.reports() if each.key == self._request.key), ())
        if tracks and not ts.carries(tracks):
            self._fail(f"MPEG-TS carries none of its tracks: {', '.join(track.codec for track in tracks)}")
        elif self._outlet is not None:
            notify(seated.subscriber, Begin(self._outlet))
            notify(self._owner, PushStarted())

    @receives(Drained)
    def drained(self, _: Drained) -> None:
        """Nothing waits to be sent."""
        if self._outlet is not None:
            self._outlet.drained()

    @receives(Received)
    def noted(self, _: Received) -> None:
        """What the target sends is for nobody."""

    @receives(NotSeated)
    def not_seated(self, answer: NotSeated) -> None:
        """The stream went away meanwhile."""
        self._part(answer.detail)

    @receives(ViewEnded)
    def view_ended(self, ended: ViewEnded) -> None:
        """The stream is over, once the target has played it; or the target is too slow."""
        if ended.refusal is None:
            self.after(self._latency + NS_PER_S // 100, _Part(ended.detail))
        else:
            self._fail(ended.detail)

    @receives(_Part)
    def part(self, message: _Part) -> None:
        """The target has had its time."""
        self._part(message.reason)

    @receives(OtherTracks)
    def other_tracks(self, _: OtherTracks) -> None:
        """MPEG-TS says so in the stream."""

    @receives(ConnectionClosed)
    def closed(self, closed: ConnectionClosed) -> None:
        """Over."""
        if self._outlet is not None:
            self._outlet.drained()
        self._fail(closed.detail)

    @receives(Exited)
    def child_gone(self, exited: Exited) -> None:
        """The port could not be opened or failed, or a subscriber crashed; the others have said why before."""
        if self._port is not None and exited.urn == self._port.actor_urn:
            self._fail(str(exited.error) if exited.error is not None else "the port was closed")
        elif exited.error is not None:
            self._fail(f"{type(exited.error).__name__} in its subscriber")

    def _part(self, reason: str) -> None:
        notify(self._owner, PushEnded(reason))
        self.stop_self(reason)

    def _fail(self, detail: str) -> None:
        notify(self._owner, PushFailed(self._request.url.hidden_from(detail)))
        self.stop_self(detail)
