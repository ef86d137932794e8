"""WHIP publishers: they packetise what a camera makes, repair what got lost, make keyframes when asked, and report."""

from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import from_ns
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp, rtx
from arcly_actors.protocols.rtp.feedback import Fir, Nack, Pli
from arcly_actors.protocols.rtp.outgoing import OutgoingStream
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.reporting import Sdes, SenderReport
from arcly_actors.protocols.rtp.sender_clock import to_ntp
from arcly_actors.protocols.webrtc import extensions
from arcly_actors.protocols.webrtc.agreement import AgreedMedia, Negotiation
from arcly_actors.protocols.webrtc.description import Direction
from arcly_actors.protocols.webrtc.offer import Offering
from arcly_actors.simulation.camera import OPUS, Camera, number_of
from arcly_actors.simulation.peer import PublishingPeer
from arcly_actors.simulation.rtc_peer import ELEMENTS, RtcPeer, format_of

_HISTORY: Final = 512
"""Packets that can be asked for again."""


class Sent(NamedTuple):
    """A frame, and when it was sent (ns)."""

    number: int
    kind: Kind
    keyframe: bool
    at: int


class Lane:
    """One track on its way out."""

    def __init__(self, media: AgreedMedia, first: int, ticks: int) -> None:
        assert media.format is not None
        self.format = media.format
        mid = media.extensions.get(extensions.MID)
        elements = ((mid, media.mid.encode()),) if mid else ()
        self.stream = OutgoingStream(media.ssrcs[0], media.format.payload_type, first, elements)
        self.repaired_as = media.repairs.get(self.stream.ssrc, 0)
        self._origin = ticks
        self._packetiser = FORMATS[media.format.codec].packetiser()
        self._history: dict[int, bytes] = {}
        self._repairs = 0
        self._newest = (0, 0)

    def packets(self, frame: MediaFrame, now: int) -> Sequence[bytes]:
        """The packets of a frame that is sent at `now`."""
        self._newest = (frame.pts, now)
        chunks = self._packetiser.packetise(frame)
        first = self.stream.sequence
        made = self.stream.build(chunks, self._ticks(frame.pts))
        for index, packet in enumerate(made):
            self._history[first + index & 0xFFFF] = packet
        while len(self._history) > _HISTORY:
            del self._history[next(iter(self._history))]
        return made

    def again(self, sequences: Sequence[int]) -> Sequence[bytes]:
        """What of this is still here, as was agreed."""
        found = [self._history[number] for number in sequences if number in self._history]
        if self.format.rtx is None or not self.repaired_as:
            return found
        self._repairs += len(found)
        start = self._repairs - len(found)
        rtx_type = self.format.rtx
        return [rtx.wrap(each, rtx_type, self.repaired_as, start + index) for index, each in enumerate(found)]

    def report(self, wall: int, now: int) -> SenderReport:
        """What it sent."""
        pts, at = self._newest
        ticks = self._ticks(pts + now - at) & 0xFFFFFFFF
        return SenderReport(self.stream.ssrc, to_ntp(wall), ticks, self.stream.packets, self.stream.octets)

    def _ticks(self, pts: int) -> int:
        return from_ns(pts, self.format.clock_rate) + self._origin


class WhipPublisher(RtcPeer, PublishingPeer):
    """Sends one codec for pictures, whose resolution may change, and Opus. `sent` is what it sent since that was seen."""

    protocol = "whip"
    kind = "whip"
    answers = True
    outlives = frozenset({"publisher", "whip-session"})
    nonsense = (b"\x00", b"\x80\xc9", b"\x81\xcd", b"\x81\xce", b"\x80\x01")
    faults: ClassVar[frozenset[str]] = RtcPeer.faults | {"silence", "picture", "time", "keyframes"}

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        if self.camera.sound is not None:
            self.camera.sound = OPUS
        self.answers_within = self.world.chance.whole(1, 400) * NS_PER_MS
        self.sent: deque[Sent] = deque()
        self._lanes: dict[Kind, Lane] = {}
        self._fir: int | None = None

    def start(self) -> None:
        """See `Peer`."""
        chance = self.world.chance
        repaired = chance.happens(0.7)
        offerings = []
        for track in self.camera.tracks:
            picture = track.kind is Kind.VIDEO
            form = format_of(track.codec, rtx=picture and repaired)
            ssrc = int.from_bytes(chance.data(3)) << 1 | 1
            repairs = ssrc + 1 if picture and repaired else 0
            offerings.append(Offering(track.kind.value, Direction.SENDONLY, (form,), ELEMENTS, ssrc, repairs))
        self.offer(offerings)

    def agreed(self, negotiation: Negotiation) -> None:
        """See `RtcPeer`."""
        chance = self.world.chance
        for media in negotiation.media:
            if media.format is not None:
                lane = Lane(media, chance.whole(0, 0xFFFF), int.from_bytes(chance.data(4)))
                self._lanes[Kind(media.kind)] = lane

    def connected(self) -> None:
        """See `RtcPeer`."""
        self.publish()
        self.world.later(NS_PER_S, self._report)

    def send(self, camera: Camera) -> None:
        """See `PublishingPeer`."""
        for frame in camera.shoot():
            number = number_of(frame.payload)
            if number is not None:
                self.sent.append(Sent(number, frame.track.kind, frame.keyframe, self.world.now))
            for packet in self._lanes[frame.track.kind].packets(frame, self.world.now):
                self.path.send(packet)

    def change(self, picture: Track) -> None:
        """See `PublishingPeer`: another codec would need another offer."""
        present = self.camera.picture
        if present is not None and present.codec is picture.codec:
            super().change(picture)

    def received(self, data: bytes) -> None:
        """See `RtcPeer`."""
        if not rtp.is_rtcp(data):
            self.world.strange(f"{self} was sent media")
            return
        for one in rtcp.parse(data):
            match one:
                case Nack():
                    self._repair(one)
                case Pli() if self._is_of_pictures(one.media):
                    self.world.later(self.answers_within, self.camera.ask)
                case Fir():
                    for ssrc, number in one.requests:
                        if self._is_of_pictures(ssrc) and number != self._fir:
                            self._fir = number
                            self.world.later(self.answers_within, self.camera.ask)

    def _repair(self, nack: Nack) -> None:
        for lane in self._lanes.values():
            if lane.stream.ssrc == nack.media:
                for packet in lane.again(nack.sequences):
                    self.path.send(packet)

    def _is_of_pictures(self, ssrc: int) -> bool:
        lane = self._lanes.get(Kind.VIDEO)
        return lane is not None and lane.stream.ssrc == ssrc

    def _report(self) -> None:
        if not self.lively:
            return
        now = self.world.now
        if not self.path.clean:
            self.trouble = now  # what is asked for may take longer
        reports = [lane.report(self.world.clock.wall_ns(), now) for lane in self._lanes.values() if lane.stream.packets]
        if reports:
            names = Sdes(tuple((each.ssrc, self.name) for each in reports))
            self.path.send(rtcp.build(*reports, names))
        self.world.later(NS_PER_S, self._report)

    # -- what befalls it ----------------------------------------------------------------------------------------------

    def stall(self) -> None:
        """See `Peer`: its machine is down."""
        self.path.pause()

    def _closed(self, reason: str) -> None:
        holder = self.world.holders.get(self.key)
        if self.crashes and holder not in (None, str(self.address)):
            self.excuse("its session crashed, and another took its slot")
        super()._closed(reason)
