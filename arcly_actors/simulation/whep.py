"""WHEP viewers: they put frames together from packets, ask for what is lost, and report."""

from collections.abc import Sequence
from typing import Any, ClassVar

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.errors import PeerViolation
from arcly_actors.ingest.rtp_source import RtpSource
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame
from arcly_actors.media.reorder import DecodingTimes
from arcly_actors.media.timebase import to_ns
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp, rtx
from arcly_actors.protocols.rtp.extensions import Element
from arcly_actors.protocols.rtp.feedback import Nack, Pli
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.unit import AccessUnit
from arcly_actors.protocols.rtp.payload.video import VideoDepacketiser
from arcly_actors.protocols.rtp.reporting import ReceiverReport, SenderReport
from arcly_actors.protocols.rtp.sender_clock import AvSync
from arcly_actors.protocols.webrtc.agreement import AgreedMedia, Negotiation
from arcly_actors.protocols.webrtc.description import Direction
from arcly_actors.protocols.webrtc.offer import Offering
from arcly_actors.simulation.exchange import Reply
from arcly_actors.simulation.peer import ViewingPeer
from arcly_actors.simulation.rtc_peer import ELEMENTS, RtcPeer, format_of

_SSRC = 1
_PICTURES = (CodecId.H264, CodecId.H265)
_REPEAT = 500 * NS_PER_MS
"""Between two PLIs, as in browsers."""

_ANSWER = 3 * NS_PER_S
"""How long after one a cached GOP may come."""

_ECHO = 2 * NS_PER_S
"""How long after a loss what was lost may still be missed."""


class Lane(RtpSource):
    """The packets of one section. Its frames have the times of their packets, which nothing has put right."""

    def __init__(self, media: AgreedMedia, ssrc: int) -> None:
        assert media.format is not None
        self.format = media.format
        super().__init__(0, media.mid, "", media.format.codec, AvSync(), repairs="nack" in media.format.feedback)
        self.sent_as = ssrc
        # H.264 is put in order for WebRTC (`renditions.bframes`), H.265 is not: its packets tell when it is shown.
        self._order = DecodingTimes(2) if media.format.codec is CodecId.H265 else None
        self.repaired_as = media.repairs.get(ssrc, 0)

    def trust(self) -> None:
        """Nothing is lost before the first packet: a picture that nothing refers to is not hidden."""
        if isinstance(self._depacketiser, VideoDepacketiser):
            self._depacketiser.needs_keyframe = False

    @property
    def wake_at(self) -> int | None:
        """When something is due though nothing comes."""
        due = (self._jitter.wake_at, self._nack.wake_at if self._nack is not None else None)
        return min((at for at in due if at is not None), default=None)

    def _frame(self, unit: AccessUnit, elements: Sequence[Element], arrival: int) -> MediaFrame:
        del elements
        shown = to_ns(unit.timestamp, self.format.clock_rate)
        at = self._order.place(shown) if self._order is not None else shown
        return MediaFrame(self.track, shown, at, unit.payload, unit.keyframe, arrival=arrival)


class WhepViewer(RtcPeer, ViewingPeer):
    """Takes H.264, H.265 and Opus. While something of what it is sent may be missing it is `lossy`.

    `asking` is since when it asks for a keyframe that it needs, None while it needs none.
    """

    protocol = "whep"
    kind = "whep"
    tells_tracks = True
    together = False
    sure_of_keyframes = True
    faults: ClassVar[frozenset[str]] = RtcPeer.faults | {"stall", "storm"}

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asking: int | None = None
        self._lanes: dict[int, Lane] = {}
        self._asked = self._repeats_until = 0
        self._woken_at: int | None = None
        self._whole = self._broken = False

    def start(self) -> None:
        """See `Peer`."""
        rtx = self.world.chance.happens(0.7)
        video = tuple(format_of(codec, rtx=rtx) for codec in _PICTURES)
        sound = (format_of(CodecId.OPUS, rtx=False),)
        self.offer([Offering("video", Direction.RECVONLY, video, ELEMENTS), Offering("audio", Direction.RECVONLY, sound)])

    def agreed(self, negotiation: Negotiation) -> None:
        """See `RtcPeer`."""
        self.codecs = {}
        for media in negotiation.media:
            repairs = set(media.repairs.values())
            ssrc = next((each for each in media.ssrcs if each not in repairs), 0)
            if media.format is not None and ssrc:
                lane = Lane(media, ssrc)
                self.codecs[lane.kind] = media.format.codec
                self._lanes[ssrc] = lane
                if lane.repaired_as:
                    self._lanes[lane.repaired_as] = lane

    def declined(self, reply: Reply) -> None:
        """See `RtcPeer`."""
        channel = self.world.engine.built.bus.channel(self.key)
        tracks = channel.tracks if channel is not None else ()
        if reply.status == 422 and not any(track.codec in (*_PICTURES, CodecId.OPUS) for track in tracks):
            self.excuse("the stream has nothing for it")
        super().declined(reply)

    def connected(self) -> None:
        """See `RtcPeer`."""
        self.watch()
        self.world.later(NS_PER_S, self._report)

    def received(self, data: bytes) -> None:
        """See `RtcPeer`."""
        now = self.world.now
        if rtp.is_rtcp(data):
            for one in rtcp.parse(data):
                if isinstance(one, SenderReport) and one.ssrc in self._lanes:
                    self._lanes[one.ssrc].heard(one, now)
            return
        packet = rtp.parse(data)
        lane = self._lanes.get(packet.ssrc)
        if lane is None:
            self.world.strange(f"{self} was sent a packet of {packet.ssrc:x}, which nobody told it of")
            return
        if packet.ssrc == lane.sent_as:
            if not (lane.ssrc or self.lossy or self.path.jitter):
                lane.trust()
            self._show(lane, lane.receive(packet, now))
        elif (original := _unwrapped(packet, lane)) is not None:
            self._show(lane, lane.repaired(original, now))
        self._look_after(now)

    def _show(self, lane: Lane, frames: list[MediaFrame]) -> None:
        for frame in frames:
            if self._whole and not self.seen:
                self._whole = self.lossy = False
            keyframe = lane.kind is Kind.VIDEO and frame.keyframe
            self.see(lane.kind, frame.dts, frame.payload, keyframe=frame.keyframe)
            if keyframe:
                self.asking = None
            if self.lossy and self._is_mended and (keyframe or Kind.VIDEO not in (self.codecs or {})):
                self._whole = True  # from the next look on: what it saw until now it saw with gaps

    @property
    def owed_since(self) -> int:
        """See `ViewingPeer`: nobody sends a sound again that was lost for good."""
        return self.mended

    @property
    def repeats(self) -> bool:
        """See `ViewingPeer`: where nobody makes a keyframe, it is given the cached GOP when it asks for one."""
        return self.world.now <= self._repeats_until

    @property
    def _is_mended(self) -> bool:
        return self.path.clean and self.world.now - self.mended > _ECHO

    # -- what it says -------------------------------------------------------------------------------------------------

    def _look_after(self, now: int) -> None:
        """Ask for what is missing, and come back when more is due."""
        due = None
        for ssrc, lane in self._lanes.items():
            if ssrc != lane.sent_as or not lane.ssrc:
                continue
            lost = lane.asks(now)
            if lost:
                self.path.send(rtcp.build(Nack(_SSRC, ssrc, tuple(lost))))
            if lane.needs_keyframe(now, limits.LOSS_PATIENCE) and now - self._asked >= _REPEAT:
                self.asking = self.asking if self.asking is not None else now
                self._ask(now)
            wake = lane.wake_at
            if lane.needs_keyframe(now, 0):
                wake = min(wake or now + _REPEAT, now + limits.LOSS_PATIENCE)
            if wake is not None:
                due = wake if due is None else min(due, wake)
        if due is not None and self._woken_at is None:
            self._woken_at = due
            self.world.later(max(due - now, NS_PER_MS), self._wake)

    def _wake(self) -> None:
        self._woken_at = None
        if self.lively and not self.stalled:
            now = self.world.now
            for ssrc, lane in self._lanes.items():
                if ssrc == lane.sent_as:
                    self._show(lane, lane.wake(now))
            self._look_after(now)

    def _ask(self, now: int) -> None:
        pictures = next((each for each in self._lanes.values() if each.kind is Kind.VIDEO), None)
        if pictures is not None and self.lively:
            self._asked, self._repeats_until = now, now + _ANSWER
            self.path.send(rtcp.build(Pli(_SSRC, pictures.sent_as)))

    def _report(self) -> None:
        if not self.lively:
            return
        if not self.stalled:
            now = self.world.now
            lanes = (lane for ssrc, lane in self._lanes.items() if ssrc == lane.sent_as)
            blocks = tuple(block for lane in lanes if (block := lane.block(now)) is not None)
            self.path.send(rtcp.build(ReceiverReport(_SSRC, blocks)))
        self.world.later(NS_PER_S, self._report)

    # -- what befalls it ----------------------------------------------------------------------------------------------

    def storm(self, count: int, span: int) -> None:
        """Ask that often within so many ns."""
        for number in range(count):
            self.world.later(number * span // count, self._ask_again)

    def _ask_again(self) -> None:
        if self.lively and not self.stalled:
            self._ask(self.world.now)

    def lose(self, loss: float, doubled: float) -> None:
        """See `Peer`."""
        self._break()
        super().lose(loss, doubled)

    def stall(self) -> None:
        """See `Peer`: it reads nothing and says nothing."""
        self._break()
        self.stalled = True
        self.stalls += 1
        self.path.pause()

    def resume(self) -> None:
        """See `Peer`."""
        self.stalled = False
        self.path.resume()
        self.mended = self.world.now
        self._wake()

    def crashed(self, target: str) -> None:
        """See `Peer`: who got everything that all got is sent what it missed, if its session is back soon.

        It is so after the first time; else the viewer begins again at a keyframe.
        """
        if target in ("subscriber", "whep-session") and (self.crashes > 1 or self._asked or self._broken):
            self._break()
            self.mended = self.world.now
            self._repeats_until = self.mended + 3 * _ANSWER

    def _break(self) -> None:
        self.lossy = self._broken = True
        self._whole = False

    def _closed(self, reason: str) -> None:
        life, channel = self.world.journal.current(self.key), self.world.engine.built.bus.channel(self.key)
        ours = self.codecs or {}
        there = {(each.kind, each.codec) for each in life.entries} if life is not None else set()
        there |= {(track.kind, track.codec) for track in channel.tracks} if channel is not None else set()
        if any(ours.get(kind, codec) is not codec for kind, codec in there):
            self.excuse("the stream has another codec now")
        super()._closed(reason)


def _unwrapped(packet: RtpPacket, lane: Lane) -> RtpPacket | None:
    try:
        return rtx.unwrap(packet, lane.format.payload_type, lane.sent_as)
    except PeerViolation:
        return None
