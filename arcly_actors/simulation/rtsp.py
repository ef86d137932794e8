"""RTSP peers whose packets go within the connection."""

from typing import Any, ClassVar

from arcly_actors.egress.rtsp import Line, RtspEncoder
from arcly_actors.ingest.flv_tracks import TracksLearnt
from arcly_actors.ingest.rtp_tracks import Learnt, RtpTracks
from arcly_actors.media.frame import Track
from arcly_actors.protocols.rtsp.address import RtspUrl
from arcly_actors.protocols.rtsp.client import Described, RtspClient, SetUp, Started, Stop
from arcly_actors.protocols.rtsp.description import Description, announcement
from arcly_actors.protocols.rtsp.events import PacketsReceived
from arcly_actors.protocols.rtsp.transport import Lower, Transport
from arcly_actors.simulation.camera import Camera
from arcly_actors.simulation.engine_peer import Driven, DrivenPublisher, LinkedViewer


def _channels(index: int) -> tuple[int, int]:
    return 2 * index, 2 * index + 1


def _interleaved(media: list[int]) -> SetUp:
    return SetUp({index: Transport(Lower.TCP, channels=_channels(at)) for at, index in enumerate(media)})


class RtspPublisher(DrivenPublisher):
    """ANNOUNCEs, RECORDs. Another codec would need another ANNOUNCE, so it changes the resolution only."""

    protocol = "rtsp"
    door = "rtsp"
    needs_picture = True

    def start(self) -> None:
        """See `Peer`."""
        at = self.world.address(self.door)
        host = at.host if at is not None else ""
        text, self._description = announcement(self.camera.tracks, host)
        self._encoder: RtspEncoder | None = None
        self._sent: tuple[Track, ...] = ()
        url = RtspUrl.parse(f"rtsp://{at}/{self.key}")
        self.drive(RtspClient(url, self.world.chance.data(16), announce=(text, self._description)))

    def told(self, event: Any) -> None:
        """See `Driven`."""
        if self.over:
            return
        if isinstance(event, Described):
            self.command(self.set_up([medium.index for medium in self._description.media]))
        elif isinstance(event, Started):
            lines = [Line(medium, _channels(medium.index)) for medium in self._description.media]
            seed, first = self.world.chance.data(16), self.world.chance.whole(0, 0x7FFF)
            self._encoder = RtspEncoder(lines, seed, first, self.world.clock)
            self.publish()

    def change(self, picture: Track) -> None:
        """See `PublishingPeer`."""
        present = self.camera.picture
        if present is not None and present.codec is picture.codec:
            super().change(picture)

    def send(self, camera: Camera) -> None:
        """See `PublishingPeer`."""
        encoder = self._encoder
        if encoder is not None:
            self.carry(b"".join(encoder.frame(frame) for frame in camera.shoot()))

    def set_up(self, media: list[int]) -> SetUp:
        """How the packets of these media are to go."""
        return _interleaved(media)

    def carry(self, data: bytes) -> None:
        """Send interleaved frames."""
        self.link.send(data)

    def leave(self) -> None:
        """See `Peer`."""
        self.end("us", "left")
        self.command(Stop())


class RtspViewer(Driven, LinkedViewer):
    """DESCRIBEs, PLAYs."""

    protocol = "rtsp"
    door = "rtsp"
    tells_tracks = True
    reorder: ClassVar[bool] = False
    """Whether its packets may come out of order."""

    def start(self) -> None:
        """See `Peer`."""
        self._description = Description(())
        self._tracks: RtpTracks | None = None
        url = RtspUrl.parse(f"rtsp://{self.world.address(self.door)}/{self.key}")
        self.drive(RtspClient(url, self.world.chance.data(16)))

    def told(self, event: Any) -> None:
        """See `Driven`."""
        if self.over:
            return
        if isinstance(event, PacketsReceived):
            self.take(event)
        elif isinstance(event, Described):
            self._description = event.description
            self.codecs = {track.kind: track.codec for track in event.description.tracks}
            self._tracks = RtpTracks(event.description.media, 1, "viewer", reorder=self.reorder)
            self.command(self.set_up([medium.index for medium in event.description.media]))
        elif isinstance(event, Started):
            self.watch()

    def set_up(self, media: list[int]) -> SetUp:
        """How the packets of these media are to come."""
        return _interleaved(media)

    def take(self, received: PacketsReceived) -> None:
        """Packets have come."""
        if self._tracks is not None:
            self.show(self._tracks.receive(received.packets, self.world.now))

    def show(self, learnt: Learnt) -> None:
        """What they complete is seen."""
        for item in learnt:
            if not isinstance(item, TracksLearnt):
                self.see(item.track.kind, item.dts, item.payload, keyframe=item.keyframe)

    def leave(self) -> None:
        """See `Peer`."""
        self.end("us", "left")
        self.command(Stop())
