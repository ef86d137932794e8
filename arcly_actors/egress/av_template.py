"""Tell PyAV a decoder configuration: codec parameters from a `Track`, without an encoder.

PyAV gives a muxer's stream its codec parameters either by opening an encoder or by copying an input stream. We have
neither, so a Matroska header is written into memory (RFC 9559; codec mappings: RFC 9559's registry, "Matroska Codec
Specifications") and opened: of the formats FFmpeg reads, it alone carries every codec here with its configuration.
"""

import io
import struct
from collections.abc import Sequence

import av
from av.container import InputContainer
from av.stream import Stream

from arcly_actors.errors import ConfigurationError
from arcly_actors.media import flac, opus
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import Track

# CodecID strings of the Matroska codec registry.
_NAMES = {
    CodecId.H264: "V_MPEG4/ISO/AVC",
    CodecId.H265: "V_MPEGH/ISO/HEVC",
    CodecId.AV1: "V_AV1",
    CodecId.VP8: "V_VP8",
    CodecId.VP9: "V_VP9",
    CodecId.AAC: "A_AAC",
    CodecId.OPUS: "A_OPUS",
    CodecId.AC3: "A_AC3",
    CodecId.EAC3: "A_EAC3",
    CodecId.MP3: "A_MPEG/L3",
    CodecId.FLAC: "A_FLAC",
}
# Codecs whose configuration FFmpeg finds in the packets; what ISO-BMFF keeps for VP9 (vpcC) is not what Matroska keeps.
_NO_PRIVATE = frozenset({CodecId.VP8, CodecId.VP9, CodecId.AC3, CodecId.EAC3, CodecId.MP3})


class Template:
    """Input streams that only describe: `stream(track_id)` is what `add_stream_from_template` wants.

    Raises ConfigurationError for a codec that cannot be described, or a configuration that FFmpeg does not accept.
    """

    __slots__ = ("_container", "_streams")

    def __init__(self, tracks: Sequence[Track]) -> None:
        try:
            container = av.open(io.BytesIO(_header(tracks)), "r", format="matroska")
        except av.FFmpegError as error:
            raise ConfigurationError(f"the decoder configuration was not understood: {error}") from error
        self._container: InputContainer = container
        self._streams: dict[int, Stream] = {
            track.id: stream for track, stream in zip(tracks, container.streams, strict=True)
        }

    def stream(self, track_id: int) -> Stream:
        """The stream that describes the track; KeyError when it is not one of them."""
        return self._streams[track_id]

    def close(self) -> None:
        """Free FFmpeg's side; the streams are not usable any more."""
        self._container.close()


def _header(tracks: Sequence[Track]) -> bytes:
    entries = b"".join(_entry(number, track) for number, track in enumerate(tracks, 1))
    ebml = _element(0x1A45DFA3, _element(0x4282, b"matroska") + _uint(0x4287, 4) + _uint(0x4285, 2))
    info = _element(0x1549A966, _uint(0x2AD7B1, 1_000_000) + _element(0x4D80, b"-") + _element(0x5741, b"-"))
    cluster = _element(0x1F43B675, _uint(0xE7, 0))
    return ebml + _element(0x18538067, info + _element(0x1654AE6B, entries) + cluster)


def _entry(number: int, track: Track) -> bytes:
    name = _NAMES.get(track.codec)
    if name is None:
        raise ConfigurationError(f"{track.codec} cannot be muxed")
    video = track.kind is Kind.VIDEO
    body = _uint(0xD7, number) + _uint(0x73C5, number) + _uint(0x83, 1 if video else 2) + _element(0x86, name.encode())
    private = b"" if track.codec in _NO_PRIVATE else _private(track)
    if private:
        body += _element(0x63A2, private)
    if video:
        return _element(0xAE, body + _element(0xE0, _uint(0xB0, track.width or 16) + _uint(0xBA, track.height or 16)))
    rate = _element(0xB5, struct.pack(">d", float(track.sample_rate or 48000)))
    return _element(0xAE, body + _element(0xE1, rate + _uint(0x9F, track.channels or 2)))


def _private(track: Track) -> bytes:
    """CodecPrivate: the configuration as it is; FLAC wants its native header around it, and Opus has one over RTP too."""
    if track.codec is CodecId.OPUS and not track.configuration:
        return opus.write_head(opus.OpusHead(min(track.channels or 2, 2), pre_skip=0))
    if track.codec is CodecId.FLAC and track.configuration:
        return flac.native_header(flac.bare_configuration(track.configuration))
    return track.configuration


def _element(identity: int, body: bytes) -> bytes:
    size = len(body) | 0x0100_0000_0000_0000
    return identity.to_bytes((identity.bit_length() + 7) // 8, "big") + size.to_bytes(8, "big") + body


def _uint(identity: int, value: int) -> bytes:
    return _element(identity, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))
