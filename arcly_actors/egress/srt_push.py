"""SRT push: a stream as MPEG-TS to a listener that we call, to who calls us, or to whom we meet halfway."""

from dataclasses import dataclass
from functools import partial

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.clock import NS_PER_S
from arcly_actors.egress import ts
from arcly_actors.egress.byte_subscriber import Seated, ViewEnded, Viewing
from arcly_actors.egress.push import PushRequest
from arcly_actors.egress.push_subscriber import OtherTracks
from arcly_actors.egress.seated_push import SeatedPush
from arcly_actors.egress.srt import Cutter, SrtOutlet
from arcly_actors.errors import ConfigurationError
from arcly_actors.protocols.srt.events import Accept, Asked, Drained, Established, Received, Refuse
from arcly_actors.protocols.srt.reject import Reject
from arcly_actors.protocols.srt.target import SrtTarget
from arcly_actors.renditions import Renditions, Wish
from arcly_actors.runtime import Exited, System, receives
from arcly_actors.transport.connection import ConnectionClosed
from arcly_actors.transport.datagram_dial import DatagramCaller
from arcly_actors.transport.datagram_link import DatagramLink
from arcly_actors.transport.srt_ciphers import SrtCiphers


@dataclass(frozen=True, slots=True)
class _Part:
    """The stream has ended, and the peer has played it."""

    reason: str


class SrtPush(SeatedPush, DatagramCaller):
    """A push (see `egress.push`) over SRT. A listener serves the first caller who is heard; others are refused."""

    def __init__(
        self, system: System, bus: Bus, request: PushRequest, owner: Ref, renditions: Renditions | None = None
    ) -> None:
        super().__init__(system, bus, request, owner, renditions)
        self._outlet: SrtOutlet | None = None
        self._latency = 0

    def on_start(self) -> None:
        """Dial, or listen."""
        url, system = self._request.url, self.system
        try:
            target = SrtTarget.of(url.host, url.port, url.query)
        except ConfigurationError as error:
            self.unreachable(str(error))
            return
        connect = partial(target.connect, SrtCiphers(), system.entropy, system.clock)
        self.call(target.remote, target.local, connect, self._request.remote)

    def on_stop(self) -> None:
        """Leave in an orderly way."""
        if self._subscriber is not None:
            self._subscriber.stop(block=False)
        super().on_stop()

    def connected(self, link: DatagramLink) -> None:
        """Here it goes out."""
        self._outlet = SrtOutlet(link, Cutter(), self.system.loop.call_soon)

    def spare(self, link: DatagramLink) -> None:
        """One at a time."""
        link.command(Refuse(Reject.RESOURCE))

    @receives(Asked)
    def asked(self, _: Asked) -> None:
        """Let the caller in."""
        if self.link is not None:
            self.link.command(Accept())

    @receives(Established)
    def established(self, event: Established) -> None:
        """Take a seat at the stream."""
        self._latency = event.send_latency
        url = self._request.url
        viewing = Viewing(self._request.key, "push-srt", str(url), ts.FORMAT, ts.make_encoder, follows=True, wish=Wish.TS)
        self._take_seat(viewing)

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        """Send, if there is anything that MPEG-TS can carry."""
        tracks = seated.channel.tracks
        if tracks and not ts.carries(tracks):
            self._fail_to_carry("MPEG-TS", tracks)
        elif self._outlet is not None:
            self._send_by(seated, self._outlet)

    @receives(Drained)
    def drained(self, _: Drained) -> None:
        """Nothing waits to be sent."""
        if self._outlet is not None:
            self._outlet.drained()

    @receives(Received)
    def noted(self, _: Received) -> None:
        """What the target sends is for nobody."""

    def _finish(self, ended: ViewEnded) -> None:
        """The target plays it to its end first."""
        self.after(self._latency + NS_PER_S // 100, _Part(ended.detail))

    @receives(_Part)
    def part(self, message: _Part) -> None:
        """The target has had its time."""
        self._part(message.reason)

    def other_tracks(self, _: OtherTracks) -> None:
        """MPEG-TS says so in the stream."""

    @receives(ConnectionClosed)
    def closed(self, closed: ConnectionClosed) -> None:
        """Over."""
        if self._outlet is not None:
            self._outlet.drained()
        self.unreachable(closed.detail)

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """Its port, or its subscriber."""
        super().exited(exited)

    def child_gone(self, exited: Exited) -> None:
        """Its subscriber."""
        self.subscriber_gone(exited)

    def unreachable(self, detail: str) -> None:
        """The try is over."""
        self._fail(detail)
