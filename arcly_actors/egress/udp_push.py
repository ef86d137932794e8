"""Push over UDP: a stream as a transport stream in datagrams, bare (``udp://``) or in RTP (``rtp://``, RFC 2250 §2)."""

from dataclasses import dataclass
from typing import Final

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.policy import Join
from arcly_actors.clock import Clock
from arcly_actors.egress import ts
from arcly_actors.egress.byte_subscriber import ByteSubscriber, Seated, ViewEnded, Viewing
from arcly_actors.egress.paced_outlet import Datagrams, PacedOutlet
from arcly_actors.egress.push import PushRequest
from arcly_actors.egress.seated_push import SeatedPush
from arcly_actors.errors import ArclyError, ConfigurationError
from arcly_actors.media.timebase import from_ns
from arcly_actors.protocols.rtp.packet import FIXED
from arcly_actors.renditions import Renditions, Wish
from arcly_actors.runtime import System, receives
from arcly_actors.transport.datagram_dial import resolve
from arcly_actors.transport.dialler import DialFailed
from arcly_actors.transport.feed_address import FeedAddress
from arcly_actors.transport.feeds import Outlet as FeedOut
from arcly_actors.transport.feeds import close_outlet, open_outlet
from arcly_actors.transport.udp_socket import Source

_MP2T: Final = 33
_RTP_ROOM: Final = 12


class RtpDatagrams:
    """Puts an RTP header in front of each datagram; its time is that of sending (RFC 2250 §2)."""

    def __init__(self, datagrams: Datagrams, clock: Clock, ssrc: int, sequence: int) -> None:
        self._datagrams = datagrams
        self._clock = clock
        self._ssrc = ssrc
        self._sequence = sequence

    def send(self, data: bytes | memoryview) -> None:
        """See `Datagrams`."""
        at = from_ns(self._clock.monotonic_ns(), 90_000) & 0xFFFFFFFF
        self._datagrams.send(FIXED.pack(0x80, _MP2T, self._sequence, at, self._ssrc) + data)
        self._sequence = self._sequence + 1 & 0xFFFF


@dataclass(frozen=True, slots=True)
class _Resolved:
    where: Source | DialFailed


class UdpPush(SeatedPush):
    """A push (see `egress.push`) to a host or a group. Nobody says whether it arrives."""

    def __init__(
        self, system: System, bus: Bus, request: PushRequest, owner: Ref, renditions: Renditions | None = None
    ) -> None:
        super().__init__(system, bus, request, owner, renditions)
        self._address: FeedAddress | None = None
        self._socket: FeedOut | None = None
        self._outlet: PacedOutlet | None = None

    def on_start(self) -> None:
        """Look the target up."""
        try:
            address = self._address = FeedAddress.parse(self._request.url.text)
        except ConfigurationError as error:
            self._fail(str(error))
            return
        self.spawn(resolve(self.system, address.host, address.port, self._request.remote), then=_Resolved)

    def on_stop(self) -> None:
        """Nothing of it outlives it."""
        self._close()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._close()

    def _close(self) -> None:
        if self._subscriber is not None:
            self._subscriber.stop(block=False)
        if self._outlet is not None:
            self._outlet.close()
        if self._socket is not None:
            close_outlet(self.system, self._socket)

    @receives(_Resolved)
    def resolved(self, resolved: _Resolved) -> None:
        """Take a seat at the stream, from the next keyframe on: a cached GOP would be a burst."""
        address, url = self._address, self._request.url
        if isinstance(resolved.where, DialFailed) or address is None:
            self._fail(resolved.where.detail if isinstance(resolved.where, DialFailed) else "")
            return
        try:
            self._socket = open_outlet(self.system, address, resolved.where, self._request.remote)
        except (ArclyError, OSError) as error:
            self._fail(str(error))
            return
        datagrams: Datagrams = self._socket
        size = address.pkt_size
        if address.scheme == "rtp":
            with self.system.seams.drawing_by(self._request.remote):
                random = self.system.entropy.random_bytes(6)
            datagrams = RtpDatagrams(
                self._socket, self.system.clock, int.from_bytes(random[:4]), int.from_bytes(random[4:])
            )
            size = size if size % 188 == 0 else size - _RTP_ROOM
        self._outlet = PacedOutlet(self.system, datagrams, size)
        viewing = Viewing(
            self._request.key,
            f"push-{url.scheme}",
            str(url),
            ts.FORMAT,
            ts.make_encoder,
            join=Join.LIVE,
            follows=True,
            wish=Wish.TS,
        )
        self._take_seat(viewing, ByteSubscriber)

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        """Send, if there is anything that MPEG-TS can carry."""
        tracks = seated.channel.tracks
        if tracks and not ts.carries(tracks):
            self._fail_to_carry("MPEG-TS", tracks)
        elif self._outlet is not None:
            self._send_by(seated, self._outlet)

    def view_ended(self, ended: ViewEnded) -> None:
        """The stream is over; what is left of it goes out."""
        if self._outlet is not None:
            self._outlet.drain()
        super().view_ended(ended)
