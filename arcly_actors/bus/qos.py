"""Quality of service of one stream: what a person asks first when a stream looks wrong."""

from dataclasses import dataclass

from arcly_actors.clock import NS_PER_S
from arcly_actors.media.codec import VIDEO
from arcly_actors.media.frame import MediaFrame


@dataclass(frozen=True, slots=True)
class StreamQos:
    """Measured over the last full window: bits and frames per second, GOP seconds, arrival jitter in milliseconds."""

    bit_rate: float = 0.0
    frame_rate: float = 0.0
    gop_s: float = 0.0
    gop_frames: int = 0
    jitter_ms: float = 0.0
    frames: int = 0
    size: int = 0


class QosMeter:
    """Counts frames as they arrive; `roll` closes a window. Jitter is RFC 3550's estimator, of DTS against arrival."""

    def __init__(self) -> None:
        self._opened: int | None = None
        self._size_before = 0  # at the beginning of the window
        self._pictures = 0
        self._frames = 0
        self._size = 0
        self._jitter = 0.0
        self._transit: dict[int, int] = {}
        self._key_dts: int | None = None
        self._since_key = 0
        self._gop_ns = 0
        self._gop_frames = 0
        self.current = StreamQos()

    def count(self, frame: MediaFrame) -> None:
        """Take one frame."""
        track = frame.track
        self._size += len(frame.payload)
        self._frames += 1
        if track.codec.kind is VIDEO:
            self._pictures += 1
            self._since_key += 1
            if frame.keyframe:
                if self._key_dts is not None:
                    self._gop_ns = frame.dts - self._key_dts
                    self._gop_frames = self._since_key
                self._key_dts = frame.dts
                self._since_key = 0
        if not frame.arrival:
            return
        transit = frame.arrival - frame.dts
        last = self._transit.get(track.id)
        self._transit[track.id] = transit
        if last is not None and not frame.discontinuity:
            self._jitter += (abs(transit - last) - self._jitter) / 16

    def roll(self, now: int) -> StreamQos:
        """Close the window that the last call opened (monotonic ns) and return its figures."""
        opened, self._opened = self._opened, now
        if opened is not None and now > opened:
            seconds = (now - opened) / NS_PER_S
            self.current = StreamQos(
                bit_rate=8 * (self._size - self._size_before) / seconds,
                frame_rate=self._pictures / seconds,
                gop_s=self._gop_ns / NS_PER_S,
                gop_frames=self._gop_frames,
                jitter_ms=self._jitter / 1e6,
                frames=self._frames,
                size=self._size,
            )
        self._size_before, self._pictures = self._size, 0
        return self.current
