"""Sound from any codec into Opus or AAC, in time with the stream. Blocks; for a worker's thread.

Samples are laid end to end, so what comes out has no gaps and no overlaps; the source's timestamps move the whole only
slowly (a clock of milliseconds jitters, and encoders' clocks drift). Where source and samples are further apart than
`_TOLERANCE_NS`, and at every discontinuity, a new *stretch* begins: the encoder is emptied and another one opened at the
new place. Encoder delay is taken out: a sample is heard when its source was.

One second of 48 kHz stereo costs 15 ms of CPU from AAC to Opus and 18 ms back (measured; more in
specs/protocols/renditions.md), FFmpeg's share of it without the interpreter's lock.
"""

from collections.abc import Callable
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.packet import Packet

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS
from arcly_actors.errors import ConfigurationError
from arcly_actors.media import flac
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import MICROSECOND, to_ns
from arcly_actors.renditions import contexts

_TOLERANCE_NS = 50 * NS_PER_MS
"""How far the samples may be from their timestamps: two frames of AAC, more than any jitter and less than one notices."""

_PULL = 64
"""A frame's timestamp moves the whole by this part of the difference: drift is followed, jitter is averaged away."""

# FFmpeg's decoders, by the names that this build has them under.
_DECODERS = MappingProxyType(
    {
        CodecId.AAC: "aac",
        CodecId.OPUS: "libopus",
        CodecId.MP3: "mp3float",
        CodecId.AC3: "ac3",
        CodecId.EAC3: "eac3",
        CodecId.FLAC: "flac",
        CodecId.PCMA: "pcm_alaw",
        CodecId.PCMU: "pcm_mulaw",
        CodecId.G722: "g722",
    }
)
# Per encoder: its name, sample format, bits per second and channel, options. 96 kb/s and 128 kb/s in stereo are where
# listeners stop hearing a difference for these codecs; restricted low delay keeps libopus's look-ahead at 2.5 ms.
_ENCODERS = MappingProxyType(
    {
        CodecId.OPUS: ("libopus", "flt", 48_000, {"application": "lowdelay", "frame_duration": "20"}),
        CodecId.AAC: ("aac", "fltp", 64_000, {"aac_coder": "fast"}),
    }
)
_LAYOUTS = MappingProxyType({1: "mono", 2: "stereo"})


class AudioTranscoder:
    """Takes the frames of `source` in order and makes those of `target`. `damaged` counts packets that did not decode.

    Raises av.FFmpegError when the codec's configuration is refused, and the decoder's error after
    `limits.TRANSCODE_DAMAGED` packets in a row that were no use.
    """

    def __init__(self, source: Track, target: Track) -> None:
        self._target = target
        self._decoder = _decoder(source)
        self._stretch: _Stretch | None = None
        self._in_a_row = 0
        self.damaged = 0

    def transcode(self, frame: MediaFrame) -> list[MediaFrame]:
        """What is ready after this frame."""
        made = self.finish() if frame.discontinuity else []
        mark = frame.discontinuity
        for samples in self._decode(frame):
            at = samples.pts * MICROSECOND if samples.pts is not None else frame.pts
            if self._stretch is not None and not self._stretch.continues(samples, at):
                made += self._stretch.finish()
                self._stretch = None
            if self._stretch is None:
                self._stretch = _Stretch(self._target, samples, at, discontinuity=mark)
                mark = False
            made += self._stretch.push(samples, at, frame)
        return made

    def finish(self) -> list[MediaFrame]:
        """What was still held back; the next frame begins anew."""
        stretch, self._stretch = self._stretch, None
        return stretch.finish() if stretch is not None else []

    def _decode(self, frame: MediaFrame) -> list[AudioFrame]:
        packet: Packet[Any] = av.Packet(frame.payload)
        packet.pts = packet.dts = frame.pts // MICROSECOND
        packet.time_base = Fraction(1, 1_000_000)
        try:
            decoded = self._decoder.decode(packet)
        except av.FFmpegError:
            self.damaged += 1
            self._in_a_row += 1
            if self._in_a_row >= limits.TRANSCODE_DAMAGED:
                raise
            return []
        if decoded:
            self._in_a_row = 0
        return decoded


class _Stretch:
    """Sound without a break: one resampler, one encoder, one origin.

    `_origin` is the time (ns) of sample 0; it follows the source's timestamps slowly.
    """

    def __init__(self, target: Track, first: AudioFrame, at: int, *, discontinuity: bool) -> None:
        name, sample_format, bit_rate, options = _ENCODERS[target.codec]
        self._target = target
        self._encoder = encoder = _opened(name, target, sample_format, bit_rate * target.channels, options)
        self._resampler = AudioResampler(
            sample_format, _LAYOUTS[target.channels], target.sample_rate, frame_size=encoder.frame_size
        )
        self._shape = _shape(first)
        self._origin = at
        self._taken = 0  # samples, at the source's rate
        self._given = 0  # samples, at the target's rate
        self._discontinuity = discontinuity
        self._latest: MediaFrame | None = None

    def continues(self, samples: AudioFrame, at: int) -> bool:
        """Whether samples for the time `at` (ns) follow on what was taken."""
        return _shape(samples) == self._shape and abs(at - self._expected()) <= _TOLERANCE_NS

    def push(self, samples: AudioFrame, at: int, source: MediaFrame) -> list[MediaFrame]:
        """Take decoded samples of `source`; what that makes ready."""
        self._origin += (at - self._expected()) // _PULL
        self._taken += samples.samples
        self._latest = source
        samples.pts = None
        return self._encode(self._resampler.resample(samples))

    def finish(self) -> list[MediaFrame]:
        """Everything that is left; the encoder is of no use afterwards."""
        made = self._encode(self._resampler.resample(None))
        return made + self._packets(self._encoder.encode(None))

    def _expected(self) -> int:
        return self._origin + to_ns(self._taken, self._shape[0])

    def _encode(self, frames: list[AudioFrame]) -> list[MediaFrame]:
        made: list[MediaFrame] = []
        for frame in frames:
            frame.pts, frame.time_base = self._given, Fraction(1, self._target.sample_rate)
            self._given += frame.samples
            made += self._packets(self._encoder.encode(frame))
        return made

    def _packets(self, packets: "list[Packet[av.AudioStream]]") -> list[MediaFrame]:
        made = []
        for packet in packets:
            start = packet.pts or 0
            if start + (packet.duration or 0) <= 0:
                continue  # the encoder's run-up: nothing of the source is in it
            made.append(self._made(bytes(packet), max(0, self._origin + to_ns(start, self._target.sample_rate))))
        return made

    def _made(self, payload: bytes, at: int) -> MediaFrame:
        source, mark = self._latest, self._discontinuity
        self._discontinuity = False
        captured = source.captured + at - source.pts if source is not None and source.captured else 0
        arrival = source.arrival if source is not None else 0
        return MediaFrame(self._target, at, at, payload, True, mark, arrival, captured)


def _decoder(track: Track) -> AudioCodecContext:
    name = _DECODERS.get(track.codec)
    if name is None:
        raise ConfigurationError(f"{track.codec} cannot be transcoded")
    decoder = contexts.made(AudioCodecContext, name, "r")
    adapt = _EXTRADATA.get(track.codec, bytes)
    if track.configuration:
        decoder.extradata = adapt(track.configuration)
    if track.codec in _SHAPED_BY_TRACK:
        decoder.sample_rate = track.sample_rate or _SHAPED_BY_TRACK[track.codec]
        decoder.layout = _LAYOUTS.get(track.channels, "mono")
    return decoder


def _opened(name: str, target: Track, sample_format: str, bit_rate: int, options: dict[str, str]) -> AudioCodecContext:
    encoder = contexts.made(AudioCodecContext, name, "w")
    encoder.sample_rate, encoder.layout, encoder.format = target.sample_rate, _LAYOUTS[target.channels], sample_format
    encoder.bit_rate, encoder.options = bit_rate, dict(options)
    encoder.time_base = Fraction(1, target.sample_rate)
    encoder.open()
    return encoder


def _shape(samples: AudioFrame) -> tuple[int, str, str]:
    return samples.sample_rate, samples.layout.name, samples.format.name


# What of a configuration the decoder wants, where that is not all of it.
_EXTRADATA: MappingProxyType[CodecId, Callable[[bytes], bytes]] = MappingProxyType(
    {CodecId.FLAC: flac.bare_configuration}
)
# Codecs that say nothing of themselves, with their usual rate.
_SHAPED_BY_TRACK = MappingProxyType({CodecId.PCMA: 8_000, CodecId.PCMU: 8_000, CodecId.G722: 16_000})
