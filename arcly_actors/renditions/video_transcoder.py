"""H.264 with B-frames into H.264 without, picture by picture. Blocks; for a worker's thread.

Every source keyframe becomes a keyframe, and every picture keeps its presentation time, which is its decoding time, too.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from arcly_actors import limits
from arcly_actors.media import avc, nal
from arcly_actors.media.codec import CodecId
from arcly_actors.media.describe import describe
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import MICROSECOND
from arcly_actors.renditions import contexts

_TICKS = Fraction(1, 1_000_000)
_PENDING = 64
"""Pictures inside decoder and encoder: H.264 reorders 16 at most, and there is one access unit per picture or field."""


_FAIR = 1.5
"""Bits per bit of the source: a baseline stream at a fast preset needs more than one with B-frames to look the same."""

_BITS_PER_PIXEL = 0.1
"""Where the source's rate is not known: 1080p at 30 fps gets 6 Mb/s."""


@dataclass(frozen=True, slots=True)
class PictureShape:
    """What the encoder is opened for: pixels, frames per second, bits per second."""

    width: int
    height: int
    frame_rate: float
    bit_rate: int


def shape_of(track: Track, bit_rate: int) -> PictureShape:
    """The shape for a source track whose pictures take `bit_rate` bits per second (0: not known)."""
    rate = track.frame_rate or 30.0
    guess = int(bit_rate * _FAIR) or int(track.width * track.height * rate * _BITS_PER_PIXEL)
    bounded = min(max(guess, limits.TRANSCODE_LEAST_BITS), limits.TRANSCODE_MOST_BITS)
    return PictureShape(track.width, track.height, rate, bounded)


def made_without_bframes(source: Track, shape: PictureShape) -> Track:
    """The track that comes out, with its configuration where the size is known. Opens an encoder: some milliseconds."""
    target = replace(source, configuration=b"", version=source.version + 1)
    return _described(target, _encoder(shape)) if shape.width and shape.height else target


class VideoTranscoder:
    """Takes the access units of `source` in decoding order, beginning with a keyframe.

    Pictures up to `muted_until` (PTS, ns) are decoded only: viewers have them, and what follows refers to them.
    `damaged` counts access units that did not decode. Raises the decoder's error after too many in a row.
    """

    def __init__(self, source: Track, target: Track, shape: PictureShape, muted_until: int | None = None) -> None:
        self._source = source
        self._target = target
        self._shape = shape
        self._muted_until = muted_until
        self._decoder = _decoder(source)
        self._encoder: VideoCodecContext | None = None
        self._pending: dict[int, MediaFrame] = {}
        self._discontinuity = False
        self._in_a_row = 0
        self.damaged = 0

    def transcode(self, frame: MediaFrame) -> list[MediaFrame]:
        """What is ready after this access unit."""
        made: list[MediaFrame] = []
        if frame.discontinuity:
            made = self.finish()
            self._discontinuity = True
        ticks = frame.pts // MICROSECOND
        self._pending[ticks] = frame
        if len(self._pending) > _PENDING:  # those that were damaged
            del self._pending[min(self._pending)]
        packet: Packet[Any] = av.Packet(self._payload(frame))
        packet.pts, packet.dts, packet.time_base = ticks, frame.dts // MICROSECOND, _TICKS
        try:
            pictures = self._decoder.decode(packet)
        except av.FFmpegError:
            self.damaged += 1
            self._in_a_row += 1
            if self._in_a_row >= limits.TRANSCODE_DAMAGED:
                raise
            return made
        self._in_a_row = 0
        return made + [encoded for picture in pictures for encoded in self._encode(picture)]

    def finish(self) -> list[MediaFrame]:
        """What was still held back; the next access unit begins anew."""
        made = [encoded for picture in self._decoder.decode(None) for encoded in self._encode(picture)]
        self._decoder.flush_buffers()
        self._pending.clear()
        return made

    def _payload(self, frame: MediaFrame) -> bytes:
        return frame.payload if self._source.configuration else nal.to_annex_b(frame.payload)

    def _encode(self, picture: VideoFrame) -> list[MediaFrame]:
        source = self._pending.pop(picture.pts, None) if picture.pts is not None else None
        if source is None or (self._muted_until is not None and source.pts <= self._muted_until):
            return []
        if self._encoder is None or (picture.width, picture.height) != (self._shape.width, self._shape.height):
            self._open(picture)
        assert self._encoder is not None
        plain = picture.reformat(format="yuv420p")
        plain.pts, plain.time_base = source.pts // MICROSECOND, _TICKS
        plain.pict_type = PictureType.I if source.keyframe else PictureType.NONE
        return [self._made(packet, source) for packet in self._encoder.encode(plain)]

    def _open(self, picture: VideoFrame) -> None:
        self._shape = replace(self._shape, width=picture.width, height=picture.height)
        self._encoder = _encoder(self._shape)
        self._target = _described(self._target, self._encoder)

    def _made(self, packet: "Packet[av.VideoStream]", source: MediaFrame) -> MediaFrame:
        mark, self._discontinuity = self._discontinuity, False
        return MediaFrame(
            self._target,
            source.pts,
            source.pts,
            nal.from_annex_b(bytes(packet)),
            packet.is_keyframe,
            mark,
            source.arrival,
            source.captured,
        )


def _decoder(track: Track) -> VideoCodecContext:
    decoder = contexts.made(VideoCodecContext, "h264", "r")
    if track.configuration:
        decoder.extradata = track.configuration
    decoder.thread_count = 1  # threads of FFmpeg's decoder hold back a picture each
    return decoder


def _encoder(shape: PictureShape) -> VideoCodecContext:
    encoder = contexts.made(VideoCodecContext, "libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = shape.width, shape.height, "yuv420p"
    encoder.time_base, encoder.framerate = _TICKS, Fraction(shape.frame_rate).limit_denominator(1001)
    encoder.bit_rate, encoder.gop_size = shape.bit_rate, limits.TRANSCODE_GOP
    rate = str(shape.bit_rate)
    # Constrained baseline is what every WebRTC receiver decodes (RFC 7742 §6.2).
    encoder.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "profile": "baseline",
        "sc_threshold": "0",
        "forced-idr": "1",
        "maxrate": rate,
        "bufsize": rate,
    }
    encoder.flags |= Flags.global_header
    encoder.thread_count = limits.TRANSCODE_THREADS
    encoder.open()
    return encoder


def _described(track: Track, encoder: VideoCodecContext) -> Track:
    units = nal.from_annex_b(bytes(encoder.extradata or b""))
    described = describe(replace(track, codec=CodecId.H264, configuration=avc.configuration_in(units)))
    return replace(described, frame_rate=track.frame_rate)
