"""What a camera films as a transport stream in datagrams: over SRT, UDP and RTP the same."""

from arcly_actors.egress.ts import DATAGRAM, make_encoder
from arcly_actors.media.frame import Track
from arcly_actors.simulation.camera import Camera


class FilmedStream:
    """One transport stream."""

    def __init__(self) -> None:
        self._encoder = make_encoder()
        self._sent: tuple[Track, ...] = ()

    def shoot(self, camera: Camera) -> tuple[bytes, ...]:
        """What the camera shoots, in payloads of datagrams."""
        frames = camera.shoot()
        if camera.tracks != self._sent:
            self._encoder.follow(camera.tracks)
            self._sent = camera.tracks
        data = b"".join(self._encoder.frame(frame) for frame in frames)
        return tuple(data[start : start + DATAGRAM] for start in range(0, len(data), DATAGRAM))
