"""A WebRTC sender without a network: frames as RTP with a browser's header extensions, answers to NACKs, reports.

`Journey` carries its packets through a network that loses, doubles and reorders them by a seed.
"""

import heapq
import itertools
import random
from collections.abc import Iterable

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.ingest.rtp_receiver import RtpReceiver
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import from_ns
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp, rtx
from arcly_actors.protocols.rtp.extensions import Element
from arcly_actors.protocols.rtp.feedback import Nack
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.payload.unit import RtpChunk
from arcly_actors.protocols.rtp.reporting import SenderReport
from arcly_actors.protocols.rtp.rtcp import RtcpPacket
from arcly_actors.protocols.rtp.sender_clock import to_ntp
from arcly_actors.protocols.webrtc import extensions
from arcly_actors.protocols.webrtc.agreement import AgreedMedia

WALL = 1_700_000_000 * NS_PER_S


class Numbers:
    """The transport-wide sequence numbers of one sender."""

    def __init__(self, first: int = 65_500) -> None:
        self._numbers = itertools.count(first)

    def next(self) -> int:
        return next(self._numbers) & 0xFFFF


class SentTrack:
    """One RTP stream of a sender. `skew` (ns) is how far its RTP clock's zero is from the sender's own."""

    def __init__(
        self,
        media: AgreedMedia,
        numbers: Numbers,
        *,
        rid: str = "",
        ssrc: int = 0,
        sequence: int = 65_520,
        ticks: int = 0xFFFF_FF00,
        skew: int = 0,
    ) -> None:
        assert media.format is not None
        self.media, self.format, self.rid = media, media.format, rid
        self.kind = Kind(media.kind)
        self.ssrc = ssrc or (media.ssrcs[0] if media.ssrcs else 0xABC0 + len(rid) * 16 + sum(rid.encode()))
        self.rtx_ssrc = media.repairs.get(self.ssrc, self.ssrc + 1)
        self.rate = media.format.clock_rate
        self._numbers = numbers
        self._packetiser = FORMATS[media.format.codec].packetiser()
        self.sequence, self.ticks, self.skew = sequence, ticks, skew
        self._rtx_sequence = 7
        self._sent: dict[int, bytes] = {}
        self.packets = self.octets = 0
        self.color_space = b""

    def packetise(self, frame: MediaFrame) -> list[bytes]:
        """The packets of a frame; the last one of a keyframe tells `color_space`."""
        chunks = self._packetiser.packetise(frame)
        last = len(chunks) - 1 if frame.keyframe and self.color_space else -1
        return [self._packet(chunk, frame.pts, coloured=index == last) for index, chunk in enumerate(chunks)]

    def padding(self, at: int) -> bytes:
        """A packet of nothing but padding: a probe."""
        bare = self._packet(RtpChunk(b""), at)
        return bytes((bare[0] | 0x20,)) + bare[1:] + bytes(9) + b"\x0a"

    def time(self, at: int) -> int:
        """RTP time (32 bits) of a moment of the sender's clock."""
        return self.ticks + from_ns(at + self.skew, self.rate) & 0xFFFFFFFF

    def again(self, nack: Nack) -> list[bytes]:
        """What a NACK asks for: as retransmission where that was agreed."""
        found = [self._sent[number] for number in nack.sequences if number in self._sent and nack.media == self.ssrc]
        return [self._wrapped(packet) for packet in found] if self.format.rtx is not None else found

    def report(self, at: int) -> SenderReport:
        """What it says of itself at a moment of its clock."""
        return SenderReport(self.ssrc, to_ntp(WALL + at), self.time(at), self.packets, self.octets)

    def _packet(self, chunk: RtpChunk, at: int, *, coloured: bool = False) -> bytes:
        color_space = ((self.media.extensions[extensions.COLOR_SPACE], self.color_space),) if coloured else ()
        packet = RtpPacket(
            self.format.payload_type,
            self.sequence,
            self.time(at) + chunk.offset & 0xFFFFFFFF,
            self.ssrc,
            chunk.payload,
            chunk.marker,
            self._elements(repair=False) + color_space,
        )
        wire = self._sent[self.sequence] = rtp.build(packet)
        self.sequence = self.sequence + 1 & 0xFFFF
        self.packets += 1
        self.octets += len(chunk.payload)
        return wire

    def _elements(self, *, repair: bool) -> tuple[Element, ...]:
        ids = self.media.extensions
        made = [(ids[extensions.MID], self.media.mid.encode())]
        if self.rid:
            made.append((ids[extensions.REPAIRED_RID if repair else extensions.RID], self.rid.encode()))
        if extensions.TRANSPORT_CC in ids:
            made.append((ids[extensions.TRANSPORT_CC], self._numbers.next().to_bytes(2)))
        return tuple(made)

    def _wrapped(self, packet: bytes) -> bytes:
        assert self.format.rtx is not None
        self._rtx_sequence += 1
        wrapped = rtp.parse(rtx.wrap(packet, self.format.rtx, self.rtx_ssrc, self._rtx_sequence))
        return rtp.build(wrapped._replace(extensions=self._elements(repair=True)))


class Journey:
    """Frames through a network into a receiver, one millisecond at a time, with everything that is said back."""

    def __init__(self, receiver: RtpReceiver, *, seed: int = 0, loss: float = 0.0, jitter_ms: int = 0) -> None:
        self.receiver = receiver
        self.loss, self.jitter_ms, self.doubled, self.repairs = loss, jitter_ms, 0.0, True
        self.dice = random.Random(seed)
        self.now = NS_PER_S
        self.frames: list[MediaFrame] = []
        self.said: list[tuple[int, bytes]] = []
        self.tracks: list[SentTrack] = []
        self._order = itertools.count()
        self._flying: list[tuple[int, int, bytes, bool]] = []

    def send(self, wire: bytes, *, report: bool = False) -> None:
        """A packet leaves; it arrives 20 ms later or so, once, twice or never."""
        copies = 1 + (self.dice.random() < self.doubled)
        for _ in range(copies if report or self.dice.random() >= self.loss else 0):
            at = self.now + (20 + self.dice.randint(0, self.jitter_ms)) * NS_PER_MS
            heapq.heappush(self._flying, (at, next(self._order), wire, report))

    def run(self, ms: int) -> None:
        """Time passes."""
        for _ in range(ms):
            self.now += NS_PER_MS
            while self._flying and self._flying[0][0] <= self.now:
                _, _, wire, report = heapq.heappop(self._flying)
                if report:
                    self.receiver.heard(wire, self.now)
                    continue
                received = self.receiver.receive(wire, self.now)
                self.frames += received.frames if received else ()
                self.say(self.receiver.asks(self.now))
            if self.now % limits.RTP_TICK == 0:
                for received in self.receiver.wake(self.now):
                    self.frames += received.frames
                self.say(self.receiver.asks(self.now))
                self.say(self.receiver.arrivals())
            if self.now % limits.RTCP_INTERVAL == 0:
                self.say(self.receiver.report(self.now))

    def say(self, data: bytes) -> None:
        """The receiver says something; a NACK is heeded at once."""
        if not data:
            return
        self.said.append((self.now, data))
        for packet in rtcp.parse(data) if self.repairs else ():
            if isinstance(packet, Nack):
                for track in self.tracks:
                    for wire in track.again(packet):
                        self.send(wire)

    def play(self, frames: Iterable[tuple[SentTrack, MediaFrame]]) -> None:
        """Frames in real time, each on its track; a report of each track once a second."""
        reported = -NS_PER_S
        start = self.now
        for track, frame in frames:
            if track not in self.tracks:
                self.tracks.append(track)
            self.run(max(0, (start + frame.pts - self.now) // NS_PER_MS))
            for wire in track.packetise(frame):
                self.send(wire)
            if frame.pts - reported >= NS_PER_S:
                reported = frame.pts
                for each in self.tracks:
                    self.send(rtcp.build(each.report(frame.pts)), report=True)

    def heard(self, *kinds: type[RtcpPacket]) -> list[RtcpPacket]:
        """What the receiver said, of these types."""
        return [packet for _, data in self.said for packet in rtcp.parse(data) if isinstance(packet, kinds)]


def vp8(ms: int, *, key: bool = False, width: int = 640, tag: str = "", size: int = 300) -> MediaFrame:
    """A VP8 frame as far as its header goes (RFC 6386 §9.1); says when it is."""
    at = ms * NS_PER_MS
    head = b"\x10\x02\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + (width * 9 // 16).to_bytes(2, "little")
    body = (head if key else b"\x11\x02\x00") + f"{tag}@{ms};".encode()
    return MediaFrame(Track(0, CodecId.VP8), at, at, body.ljust(size, b"\x42"), keyframe=key)
