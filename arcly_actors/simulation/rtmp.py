"""RTMP peers."""

from typing import Any

from arcly_actors.clock import NS_PER_MS
from arcly_actors.egress.flv import FlvEncoder
from arcly_actors.egress.rtmp import PublishFraming
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import Track
from arcly_actors.media.timebase import Unwrap
from arcly_actors.protocols.rtmp.client import (
    Connect,
    ConnectAccepted,
    Play,
    PlayEnded,
    PlayStarted,
    Publish,
    Published,
    RtmpClient,
    StatusReceived,
    Stop,
)
from arcly_actors.protocols.rtmp.events import MediaReceived
from arcly_actors.simulation.camera import Camera
from arcly_actors.simulation.engine_peer import Driven, DrivenPublisher, LinkedViewer


def _connect(peer: Driven) -> None:
    peer.drive(RtmpClient(peer.world.chance.data(32)))
    if not peer.over:
        peer.command(Connect(peer.key.application, f"rtmp://127.0.0.1/{peer.key.application}"))


class RtmpPublisher(DrivenPublisher):
    """Publishes like an encoder: metadata, configurations, tags."""

    protocol = "rtmp"
    door = "rtmp"

    def start(self) -> None:
        """See `Peer`."""
        self._encoder: FlvEncoder | None = None
        self._sent: tuple[Track, ...] = ()
        _connect(self)

    def told(self, event: Any) -> None:
        """See `Driven`."""
        if self.over:
            return
        if isinstance(event, ConnectAccepted):
            self.command(Publish(self.key.name))
        elif isinstance(event, Published):
            self._encoder = FlvEncoder(PublishFraming(event.stream_id))
            self.publish()
        elif isinstance(event, StatusReceived) and event.level == "error" and self.began is not None:
            self.end("engine", event.code)

    def send(self, camera: Camera) -> None:
        """See `PublishingPeer`."""
        encoder = self._encoder
        if encoder is None:
            return
        parts = []
        frames = camera.shoot()
        first = frames[0].dts if frames else 0
        if camera.tracks != self._sent:
            encoder.follow(camera.tracks)
            if self._sent:
                parts += [encoder.configuration(track, first) for track in camera.tracks if track not in self._sent]
            else:
                parts.append(encoder.opening(camera.tracks, {}, first))
            self._sent = camera.tracks
        parts += [encoder.frame(frame) for frame in frames]
        self.link.send(b"".join(parts))

    def leave(self) -> None:
        """See `Peer`."""
        self.end("us", "left")
        self.command(Stop())


class RtmpViewer(Driven, LinkedViewer):
    """Plays."""

    protocol = "rtmp"
    door = "rtmp"

    def start(self) -> None:
        """See `Peer`."""
        self._clock = Unwrap(32)
        _connect(self)

    def told(self, event: Any) -> None:
        """See `Driven`."""
        if self.over:
            return
        if isinstance(event, MediaReceived):
            if event.kind != "data" and event.body:
                video = event.kind == "video"
                keyframe = not video or event.body[0] >> 4 & 7 == 1
                dts = self._clock(event.timestamp_ms) * NS_PER_MS
                self.see(Kind.VIDEO if video else Kind.AUDIO, dts, event.body, keyframe=keyframe)
        elif isinstance(event, ConnectAccepted):
            self.command(Play(self.key.name))
        elif isinstance(event, PlayStarted):
            self.watch()
        elif isinstance(event, PlayEnded):
            self.link.close()
            self.end("engine", "the stream ended")

    def leave(self) -> None:
        """See `Peer`."""
        self.end("us", "left")
        self.command(Stop())
