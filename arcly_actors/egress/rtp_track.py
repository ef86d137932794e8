"""One kind of a stream's media as RTP: numbered once, remembered for who joins and for who asks again."""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from operator import attrgetter

from arcly_actors import limits
from arcly_actors.egress.rtp_slice import Layout, Slice
from arcly_actors.errors import PeerViolation
from arcly_actors.media.codec import VIDEO, Kind
from arcly_actors.media.frame import COLOR_SPACE, MediaFrame, Track
from arcly_actors.media.timebase import from_ns
from arcly_actors.protocols.rtp.extensions import color_space
from arcly_actors.protocols.rtp.pacing import spread
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.payload.unit import Packetiser


class RtpTrack:
    """The packets of one kind. Its numbers and times go on whatever publisher, codec or configuration comes.

    `start` is random: the first packet's number (15 bits, RFC 3550 A.1) and what is added to RTP times (32 bits).
    """

    def __init__(self, kind: Kind, ssrc: int, rtx_ssrc: int, start: int) -> None:
        self.kind = kind
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self.track: Track | None = None
        self.rate = 0
        self.next = start & 0x7FFF
        self.sent = self.next
        self.packets = 0
        self.octets = 0
        self.malformed = 0
        self._origin = start >> 16
        self._packetiser: Packetiser | None = None
        self._dts: int | None = None
        self._color_space = ""
        self._log: deque[Slice] = deque()
        self._warm: deque[Slice] = deque()
        self._warm_packets = 0

    def follow(self, track: Track | None) -> None:
        """Frames are this track's from now on; None while the stream has none that RTP can carry."""
        codec = self.track.codec if self.track else None
        self.track = track
        if track is None or track.codec is codec:
            return
        self._log.clear()  # nobody can begin with another codec's pictures
        form = FORMATS[track.codec]
        self._packetiser = form.packetiser()
        self.rate = form.rate or track.sample_rate

    def ticks(self, moment: int) -> int:
        """RTP time (not wrapped) of a moment of the feed (ns)."""
        return from_ns(moment, self.rate) + self._origin

    def cut(self, frame: MediaFrame, position: int, held: int = 0) -> list[Slice]:
        """Packetise and number a frame: the parts that are to leave `limits.PACER_STEP` apart.

        `held` is what lies between the stream's timeline and the feed's moments (ns).
        """
        codec = frame.track.codec
        if self._packetiser is None or self.track is None or codec is not self.track.codec:
            return []
        try:
            chunks = self._packetiser.packetise(frame)
        except PeerViolation:
            chunks = []
        if not chunks or max([len(payload) for payload, _, _ in chunks]) > _LARGEST:
            self.malformed += 1
            return []
        until_next = limits.PACER_DELAY if self._dts is None else max(0, frame.dts - self._dts)
        self._dts = frame.dts
        ticks, is_video = self.ticks(frame.pts + held), self.kind is VIDEO
        keyframe = frame.keyframe and is_video
        made: list[Slice] = []
        for part in spread(chunks, until_next) if is_video else (chunks,):
            made.append(Slice(codec, position, self.next, ticks, part, opens=not made, keyframe=keyframe))
            self.next += len(part)
        made[-1].color_space = self._told(frame)
        return made

    def _told(self, frame: MediaFrame) -> bytes:
        """The colour space that goes with a frame: with every keyframe, and where it changes."""
        before, self._color_space = self._color_space, frame.track.metadata.get(COLOR_SPACE, "")
        told = self._color_space and self.kind is VIDEO and (frame.keyframe or self._color_space != before)
        return color_space(self._color_space) if told else b""

    def leaves(self, one: Slice, now: int, wall: int) -> None:
        """A slice is sent now; in order of numbers."""
        one.sent, one.wall = now, wall
        self.remember(one)
        self._warm.append(one)
        self._warm_packets += len(one.chunks)
        self.packets += len(one.chunks)
        self.octets += one.octets

    def remember(self, one: Slice) -> None:
        """It counts as sent, though nobody was there: a joiner begins with it."""
        self._log.append(one)
        self.sent = one.end

    def trim(self, now: int, anchor: int | None) -> None:
        """Forget what is too old to be asked for again, and what is before the GOP that a joiner gets."""
        oldest = now - limits.HISTORY_TIME
        while self._warm and (self._warm[0].sent < oldest or self._warm_packets > limits.HISTORY_PACKETS):
            cold = self._warm.popleft()
            cold.cool()
            self._warm_packets -= len(cold.chunks)
        while self._log and self._log[0].sent < oldest and (anchor is None or self._log[0].position < anchor):
            self._log.popleft()

    def since(self, position: int) -> Sequence[Slice]:
        """What was sent from the frame at `position` on; empty when its beginning is forgotten."""
        found = [one for one in self._log if one.position >= position]
        return found if found and found[0].position == position and found[0].opens else ()

    def from_number(self, number: int) -> Sequence[Slice]:
        """What was sent from the packet with this full number on, a slice's first; empty when that is forgotten."""
        if self._with(number) is None:
            return ()
        return [one for one in self._warm if one.sequence >= number]

    def find(self, number: int, layout: Layout) -> bytes | None:
        """The packet with this full number as viewers of a layout got it; None when it is too old or not for them."""
        one = self._with(number)
        if one is None or one.codec is not layout.codec:
            return None
        return one.packets(layout).packets[number - one.sequence]

    def _with(self, number: int) -> Slice | None:
        """The slice that has the packet of a full number, if it can still be asked for."""
        index = bisect_right(self._warm, number, key=_first_number) - 1
        one = self._warm[index] if index >= 0 else None
        return one if one is not None and number < one.end else None

    def full(self, sequence: int) -> int:
        """The full number of 16 bits that a viewer names: the newest that they can be."""
        return self.sent - 1 - (self.sent - 1 - sequence & 0xFFFF)


_first_number = attrgetter("sequence")
_LARGEST = limits.RTP_BYTES - 156
"""What of a packet is left to its payload: 12 bytes are its header, 144 are room for the longest mid and a send time.
Pictures are cut to `limits.RTP_PAYLOAD`, which leaves room for a colour space, too."""
