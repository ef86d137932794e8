"""Feeds: encoders that send a transport stream to a port, bare or in RTP, and hear nothing back."""

from typing import TYPE_CHECKING, ClassVar

from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_MS
from arcly_actors.endpoints.mpegts import TsFeed
from arcly_actors.protocols.rtp import packet
from arcly_actors.protocols.rtp.packet import RtpPacket
from arcly_actors.simulation.camera import Camera
from arcly_actors.simulation.datagram_path import DatagramPath
from arcly_actors.simulation.peer import PublishingPeer
from arcly_actors.simulation.transport_stream import FilmedStream

if TYPE_CHECKING:
    from arcly_actors.simulation.world import World

_MP2T = 33


def _feed_of(world: "World", key: StreamKey) -> TsFeed | None:
    return next((feed for feed in world.engine.topology.endpoints.feeds() if feed.key == str(key)), None)


class FeedPublisher(PublishingPeer):
    """Sends to the port of its key's feed, whether that takes it or not. It has begun when the stream is its own."""

    protocol = "mpegts"
    door = "mpegts"
    port = "feed"
    faults: ClassVar[frozenset[str]] = frozenset(
        {"cut", "jitter", "loss", "garbage", "silence", "picture", "time", "keyframes"}
    )

    @classmethod
    def serves(cls, world: "World", key: StreamKey) -> bool:
        """See `PublishingPeer`: keys that have a feed."""
        return _feed_of(world, key) is not None

    def start(self) -> None:
        """See `Peer`."""
        feed = _feed_of(self.world, self.key)
        assert feed is not None, "see `serves`"
        self.patience = feed.silence_ns
        self._source = f"{feed.address.scheme}://{self.address.host}"
        self._in_rtp = feed.address.scheme == "rtp"
        self._made = FilmedStream()
        self._sequence, self._ssrc = self.world.chance.whole(0, 0xFFFF), self.world.chance.whole(1, 0xFFFFFFFF)
        self._path = DatagramPath(self.world, feed.name, self.address, lambda _data: None)
        self._path.begin()
        self._film()

    def send(self, camera: Camera) -> None:
        """See `PublishingPeer`."""
        self.began = (self.began or self.world.now) if self.lingers else None
        for payload in self._made.shoot(camera):
            self._path.send(self._wrapped(payload) if self._in_rtp else payload)

    def _wrapped(self, payload: bytes) -> bytes:
        self._sequence = self._sequence + 1 & 0xFFFF
        ticks = self.world.now // NS_PER_MS * 90 & 0xFFFFFFFF
        return packet.build(RtpPacket(_MP2T, self._sequence, ticks, self._ssrc, payload))

    @property
    def lingers(self) -> bool:
        """See `Peer`."""
        return self.world.holders.get(self.key) == self._source

    def leave(self) -> None:
        """See `Peer`: it just ends."""
        self._path.close()
        self.end("us", "left")

    def cut(self) -> None:
        """See `Peer`: no different."""
        self.leave()

    def babble(self, data: bytes) -> None:
        """See `Peer`."""
        self._path.send(data)

    def slow_down(self, latency: int, jitter: int) -> None:
        """See `Peer`: what is not in RTP comes as it comes."""
        self.lost()
        self._path.latency, self._path.jitter = latency, jitter

    def lose(self, loss: float, doubled: float) -> None:
        """See `Peer`: only RTP has numbers by which a datagram that comes twice is told."""
        self.lost()
        self._path.loss, self._path.doubled = loss, doubled if self._in_rtp else 0

    def lost(self) -> None:
        """See `Peer`: what needs a lost keyframe goes on."""
        super().lost()
        self.world.lossy.add(self.name)
