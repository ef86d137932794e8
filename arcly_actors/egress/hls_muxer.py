"""Segments into bytes: fragmented MP4 (CMAF) or MPEG-TS, by FFmpeg's muxers through PyAV.

A muxer is opened for each segment (about 1 ms) with the stream's absolute timestamps, so nothing of a segment stays
inside FFmpeg when it is done, and a crash loses that segment only. What has to go on from one segment to the next is
kept here: the sample grid of the sound, and the continuity counters of MPEG-TS (ISO/IEC 13818-1 §2.4.3.3).
"""

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from types import MappingProxyType

import av
from av.container import OutputContainer
from av.stream import Stream

from arcly_actors.egress.av_template import Template
from arcly_actors.egress.hls_policy import Container
from arcly_actors.errors import Malformed
from arcly_actors.media import aac, ac3, flac, mp3, opus
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import from_ns

VIDEO_RATE = 90_000
"""Ticks per second of video: what MPEG-TS has, and a multiple of the usual frame rates."""

ORIGIN_NS = 1_000_000_000
"""Added to every timestamp: encoder delay must not make the first ones negative, which MP4 cannot say."""

# frag_discont: the fragment's decode time (tfdt) is the packets' own, not counted from the first one.
# delay_moov: the header waits for packets, since AC-3 and VP9 describe themselves only there.
_FMP4 = {
    "movflags": "+empty_moov+delay_moov+default_base_moof+frag_custom+frag_discont+skip_trailer",
    "use_editlist": "0",
    "write_btrt": "0",
    "avoid_negative_ts": "disabled",
    "fflags": "bitexact",
}
# One sound frame per PES packet: nothing waits for the next segment. The tables stand once, at the segment's start.
_MPEGTS = {"mpegts_copyts": "1", "avoid_negative_ts": "disabled", "pes_payload_size": "0", "pat_period": "3600"}
_PACKET = 188
_FRAGMENTS = 0x7FFF_FFFF  # FFmpeg numbers them by a signed integer; players look at the decode times, not at it


class SegmentMuxer:
    """Muxes the segments of one epoch, in order. Raises ConfigurationError when the tracks cannot be described.

    `init` is the initialisation segment: known after the first segment, always empty for MPEG-TS.
    """

    def __init__(self, container: Container, tracks: Sequence[Track]) -> None:
        self.init = b""
        self._container = container
        self._tracks = tuple(tracks)
        self._template = Template(tracks)
        self._grids = {track.id: Grid(track) for track in tracks}
        self._counters: dict[int, int] = {}

    def mux(self, frames: Sequence[MediaFrame], sequence: int) -> bytes:
        """The segment's bytes; `sequence` numbers its fragment. av.FFmpegError when FFmpeg refuses a frame."""
        output = io.BytesIO()
        fmp4 = self._container is Container.FMP4
        options = {**_FMP4, "fragment_index": str(sequence % _FRAGMENTS + 1)} if fmp4 else _MPEGTS
        muxer = av.open(output, "w", format="mp4" if fmp4 else "mpegts", options=dict(options))
        try:
            if not fmp4:
                muxer.metadata.update(service_provider="arcly", service_name="stream")
            streams = {track.id: self._add(muxer, track) for track in self._tracks}
            for frame in frames:
                muxer.mux_one(self._packet(frame, streams[frame.track.id]))
        finally:
            muxer.close()
        if not fmp4:
            return continue_counters(output.getvalue(), self._counters)
        init, media = divide(output.getvalue())
        self.init = self.init or init
        return media

    def close(self) -> None:
        """Free FFmpeg's side."""
        self._template.close()

    def _add(self, muxer: OutputContainer, track: Track) -> Stream:
        stream = muxer.add_stream_from_template(self._template.stream(track.id), opaque=True)
        stream.time_base = Fraction(1, self._grids[track.id].rate)
        if track.codec is CodecId.H265:
            stream.codec_context.codec_tag = "hvc1"  # parameter sets in the header only: what Apple's players ask for
        return stream

    def _packet(self, frame: MediaFrame, stream: Stream) -> "av.Packet[Stream]":
        grid = self._grids[frame.track.id]
        packet: av.Packet[Stream] = av.Packet(frame.payload)
        packet.stream = stream
        packet.time_base = Fraction(1, grid.rate)
        packet.dts, packet.pts, packet.duration = grid.place(frame)
        packet.is_keyframe = frame.keyframe
        return packet


class Grid:
    """One track's timestamps in ticks. Sound is laid on its sample grid: a frame begins where the one before ended.

    Clocks of milliseconds put AAC frames up to half a millisecond off, which players hear as gaps and overlaps. A frame
    that is more than one and a half frames off its place on the grid is really elsewhere and moves the grid.
    """

    __slots__ = ("_last", "_next", "_samples", "_step", "rate")

    def __init__(self, track: Track) -> None:
        video = track.kind is Kind.VIDEO
        self.rate = VIDEO_RATE if video else track.sample_rate or 48_000
        counted = _SAMPLES.get(track.codec)
        self._samples = None if video else counted(track) if counted else _constant(0)
        self._next: int | None = None
        self._last: int | None = None
        self._step = round(VIDEO_RATE / (track.frame_rate or 30.0))

    def place(self, frame: MediaFrame) -> tuple[int, int, int]:
        """DTS, PTS and duration of the frame, in ticks."""
        dts = from_ns(frame.dts + ORIGIN_NS, self.rate)
        return self._place_picture(dts, frame) if self._samples is None else self._place_sound(dts, frame)

    def _place_picture(self, dts: int, frame: MediaFrame) -> tuple[int, int, int]:
        if self._last is not None:
            dts = max(dts, self._last + 1)
            self._step = min(dts - self._last, VIDEO_RATE)
        self._last = dts
        return dts, max(dts, from_ns(frame.pts + ORIGIN_NS, self.rate)), self._step

    def _place_sound(self, dts: int, frame: MediaFrame) -> tuple[int, int, int]:
        assert self._samples is not None
        try:
            samples = self._samples(frame.payload)
        except Malformed:  # the decoder's to conceal; here it only has no known length
            samples = 0
        if self._next is not None:
            near = abs(dts - self._next) <= samples + samples // 2
            dts = self._next if near else max(dts, self._next)
        self._next = dts + max(samples, 1)
        return dts, dts, samples


def divide(data: bytes) -> tuple[bytes, bytes]:
    """An MP4 file as (initialisation segment, media segment): the boxes up to and with moov, and the rest."""
    position = 0
    while position + 8 <= len(data):
        size, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        position += size
        if size < 8 or position > len(data):  # FFmpeg leaves the size of a box at 0 that it could not finish
            break
        if kind == b"moov":
            return data[:position], data[position:]
    raise Malformed("the muxer wrote no whole moov box")


def continue_counters(data: bytes, counters: dict[int, int]) -> bytes:
    """MPEG-TS packets with their continuity counters going on from `counters` (PID → last), which is brought forward."""
    packets = bytearray(data)
    for at in range(0, len(packets) - _PACKET + 1, _PACKET):
        pid = (packets[at + 1] & 0x1F) << 8 | packets[at + 2]
        last = counters.get(pid, 15)
        if packets[at + 3] & 0x10:  # only packets with payload count
            last = counters[pid] = (last + 1) & 15
        packets[at + 3] = packets[at + 3] & 0xF0 | last
    return bytes(packets)


def _constant(samples: int) -> Callable[[bytes], int]:
    return lambda _: samples


def _aac_samples(track: Track) -> Callable[[bytes], int]:
    if not track.configuration:
        return _constant(1024)
    configuration = aac.read_configuration(track.configuration)
    rate = track.sample_rate or configuration.sample_rate
    return _constant(configuration.frame_length * rate // configuration.core_rate)


# How many samples (of the track's own rate) a packet holds.
_SAMPLES: MappingProxyType[CodecId, Callable[[Track], Callable[[bytes], int]]] = MappingProxyType(
    {
        CodecId.AAC: _aac_samples,
        CodecId.OPUS: lambda track: lambda data: from_ns(opus.packet_duration(data), track.sample_rate or 48_000),
        CodecId.AC3: lambda _: lambda data: ac3.read_frame(data).samples,
        CodecId.EAC3: lambda _: lambda data: ac3.read_frame(data).samples,
        CodecId.MP3: lambda _: lambda data: mp3.read_frame(data).samples,
        CodecId.FLAC: lambda track: _constant(
            flac.read_stream_info(flac.bare_configuration(track.configuration)).block_size
        ),
    }
)
