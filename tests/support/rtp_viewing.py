"""Viewers of an RTP feed, without actors: a channel fed by hand, transports that watch over what they are sent."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from arcly_actors.bus.channel import Channel
from arcly_actors.bus.gop import GopCache
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.policy import ApplicationPolicy, Join
from arcly_actors.clock import NS_PER_MS
from arcly_actors.egress.rtp_feed import RtpFeed
from arcly_actors.egress.rtp_slice import Layout
from arcly_actors.egress.rtp_viewer import Carried, RtpViewer
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.protocols.rtp import packet as rtp
from arcly_actors.protocols.rtp import rtcp
from arcly_actors.protocols.rtp.extensions import Element
from arcly_actors.protocols.rtp.feedback import Nack
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.rtp.payload.unit import AccessUnit
from arcly_actors.protocols.rtp.reporting import ReceiverReport, ReportBlock
from arcly_actors.protocols.rtp.rtcp import RtcpPacket
from arcly_actors.protocols.webrtc.formats import CODECS
from arcly_actors.runtime import System
from arcly_actors.transport.srtp_batch import SharedPackets
from tests.support.scripted_transport import ScriptedTransport
from tests.support.virtual import pass_time

KEY = StreamKey("live", "cam")
VIDEO_TYPE, AUDIO_TYPE, RTX_TYPE = 102, 111, 103
MID, SEND_TIME, COLOUR = 9, 2, 8
TICKS_PER_MS = 90
CONFIGURATION = bytes.fromhex("0142c01effe1000a6742c01ed900b0b0cb2001000468cb83cb20")
PICTURES = Track(0, CodecId.H264, CONFIGURATION, width=640, height=360)
SOUND = Track(1, CodecId.OPUS, sample_rate=48_000, channels=2)


def picture(ms: float, *, key: bool = False, size: int = 100, track: Track = PICTURES) -> MediaFrame:
    """A picture of about `size` bytes that says when it is: one NAL unit with a real slice header's first bytes."""
    at = round(ms * NS_PER_MS)
    unit = bytes((0x65 if key else 0x41, 0x88)) + b"%s@%g;" % (b"K" if key else b"p", ms)
    unit = unit.ljust(size, b"\x55")
    return MediaFrame(track, at, at, len(unit).to_bytes(4) + unit, key)


def sound(ms: float, *, size: int = 60) -> MediaFrame:
    """20 ms of Opus (one SILK-less CELT frame) that says when it is."""
    at = round(ms * NS_PER_MS)
    return MediaFrame(SOUND, at, at, (b"\xf8@%g;" % ms).ljust(size, b"\x33"), keyframe=True)


class Nonces:
    """What SRTP would have encrypted for one viewer: libsrtp tells a packet's full number by the 16 bits it has, as the
    nearest to the highest so far. The same number with other bytes breaks AES-GCM; one far behind is refused.
    """

    def __init__(self) -> None:
        self._used: dict[int, dict[int, bytes]] = {}
        self._highest: dict[int, int] = {}

    def note(self, packet: bytes) -> int:
        """A packet is encrypted; its full number."""
        ssrc, sequence = int.from_bytes(packet[8:12]), int.from_bytes(packet[2:4])
        used = self._used.setdefault(ssrc, {})
        highest = self._highest.get(ssrc, sequence)
        full = highest + ((sequence - highest + 0x8000 & 0xFFFF) - 0x8000)
        before = used.setdefault(full, packet)
        assert before == packet, f"number {full} of {ssrc:x} was used for two packets"
        assert full > highest - 16_384, "too old for the window of SRTP"
        self._highest[ssrc] = max(highest, full)
        return full

    def gaps(self, ssrc: int) -> list[tuple[int, int]]:
        """Where numbers are missing between the first and the last."""
        return [(left, right) for left, right in pairwise(sorted(self._used.get(ssrc, {}))) if right != left + 1]


class WatchedTransport(ScriptedTransport):
    """A scripted transport that fails the test when a nonce is used twice."""

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self.nonces = Nonces()

    def send_shared(self, packets: SharedPackets) -> bool:
        if self.connected:
            for packet in packets.packets:
                self.nonces.note(packet)
        return super().send_shared(packets)


class FedViewer:
    """One viewer of a `Fed` stream."""

    def __init__(
        self,
        fed: "Fed",
        *,
        rtx: bool = False,
        send_time: bool = False,
        sound: bool = True,
        color_space: bool = False,
        mixed: bool = False,
    ) -> None:
        self.fed = fed
        self.transport = WatchedTransport(fed.system)
        self.transport.connect()
        elements: tuple[Element, ...] = ((MID, b"0"),)
        kinds = {Kind.VIDEO: VIDEO_TYPE, Kind.AUDIO: AUDIO_TYPE}
        further = SEND_TIME if send_time else 0, COLOUR if color_space else 0, mixed
        carried = [
            Carried(
                Layout(track.codec, fed.feed.tracks[kind].ssrc, number, elements, *further),
                kind,
                RTX_TYPE if rtx and kind is Kind.VIDEO else None,
            )
            for kind, number in kinds.items()
            if (track := fed.feed.tracks[kind].track) is not None and (sound or kind is Kind.VIDEO)
        ]
        self.viewer = RtpViewer(fed.feed, self.transport, carried, "arcly")
        self._parsed: list[RtpPacket] = []
        self._told = self._lost = 0

    def join(self, join: Join = Join.INSTANT) -> bool:
        return self.viewer.start(join)

    @property
    def ssrc(self) -> int:
        """Of its pictures."""
        return self.fed.feed.tracks[Kind.VIDEO].ssrc

    def packets(self, kind: Kind = Kind.VIDEO) -> list[RtpPacket]:
        """What it was sent, in that order, retransmissions included."""
        self._parsed += [rtp.parse(sent.data) for sent in self.transport.rtp[len(self._parsed) :]]
        ssrc = self.fed.feed.tracks[kind].ssrc
        return [packet for packet in self._parsed if packet.ssrc == ssrc]

    def times(self, kind: Kind = Kind.VIDEO) -> list[int]:
        """When (ns) each of `packets` was sent."""
        ssrc = self.fed.feed.tracks[kind].ssrc
        return [sent.at for sent in self.transport.rtp if rtp.parse(sent.data).ssrc == ssrc]

    def units(self, kind: Kind = Kind.VIDEO) -> list[AccessUnit]:
        """The frames that a receiver makes of it; every number must follow the one before."""
        codec = self.fed.feed.tracks[kind].track
        assert codec is not None
        depacketiser = FORMATS[codec.codec].depacketiser()
        packets = self.packets(kind)
        for before, after in pairwise(packets):
            assert after.sequence == before.sequence + 1 & 0xFFFF, "a gap"
        found = [unit for packet in packets for unit in depacketiser.push(packet)]
        assert not depacketiser.dropped, depacketiser.dropped
        return found

    def names(self, kind: Kind = Kind.VIDEO) -> list[str]:
        """Which pictures these were."""
        return [name(unit.payload) for unit in self.units(kind)]

    def tell(self, *packets: RtcpPacket) -> bool:
        """RTCP from it; whether it wants a keyframe."""
        clock = self.fed.system.clock
        return self.viewer.heard(rtcp.build(*packets), clock.monotonic_ns(), clock.wall_ns())

    def nack(self, *sequences: int, kind: Kind = Kind.VIDEO) -> list[bytes]:
        """Ask for packets again; what comes."""
        before = len(self.transport.rtp)
        self.tell(Nack(1, self.fed.feed.tracks[kind].ssrc, tuple(sequences)))
        return [sent.data for sent in self.transport.rtp[before:]]

    def miss(self) -> None:
        """Ask for a packet that there is none of: something is lost."""
        self.nack(self.packets()[-1].sequence + 1000 & 0xFFFF)

    def lose(self, fraction: float) -> None:
        """Report loss."""
        self._told += 100
        self._lost += round(fraction * 100)
        self.tell(ReceiverReport(1, (ReportBlock(self.ssrc, round(fraction * 256), self._lost, self._told),)))


class Fed:
    """A stream whose frames are put in by hand, with its feed."""

    def __init__(
        self,
        system: System,
        tracks: tuple[Track, ...] = (PICTURES, SOUND),
        *,
        policy: ApplicationPolicy | None = None,
        start: int | None = None,
        before: Iterable[MediaFrame] = (),
    ) -> None:
        self.system = system
        policy = policy or ApplicationPolicy()
        self.channel = Channel(KEY, policy)
        self.channel.tracks = tracks
        self.cache = GopCache(policy.gop)
        self.clock = 0
        for frame in before:
            self.push(frame)
        self.feed = RtpFeed(system, self.channel, CODECS)
        if start is not None:
            video = self.feed.tracks[Kind.VIDEO]
            video.next = video.sent = start

    def push(self, *frames: MediaFrame) -> None:
        """Frames come, and the GOP cache follows."""
        for frame in frames:
            placed = self.channel.timeline.place(frame)
            position = self.channel.append(placed, self.system.clock.monotonic_ns())
            self.cache.add(position, placed, with_video=self.channel.has_video)
            self.channel.anchor_at(self.cache.anchor)

    async def play(self, count: int, *, gop: int = 10, size: int = 100, key_size: int | None = None) -> list[str]:
        """Pictures, one each 40 ms, each `gop`-th a keyframe, and two sounds with each; the pictures' names."""
        sent = []
        for _ in range(count):
            key = self.clock % gop == 0
            made = picture(self.clock * 40, key=key, size=key_size or size if key else size)
            sent.append(name(made.payload))
            self.push(made, sound(self.clock * 40), sound(self.clock * 40 + 20))
            self.clock += 1
            await pass_time(40 * NS_PER_MS)
        return sent


def name(payload: bytes) -> str:
    """Which frame this payload is of: what `picture` wrote into it."""
    end = payload.rindex(b";")
    return payload[payload.rindex(b"@", 0, end) - 1 : end].decode("latin-1")


def counted(names: Sequence[str]) -> list[str]:
    """Those that occur more than once."""
    return [each for each, times in Counter(names).items() if times > 1]
