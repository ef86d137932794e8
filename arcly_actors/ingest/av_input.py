"""A URL or file as FFmpeg's demuxers read it (PyAV). Everything here blocks; it runs in a worker."""

import itertools
import ssl
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S, Clock
from arcly_actors.errors import ArclyError
from arcly_actors.ingest.av_stream import CODECS, AvStream, StreamPacket, StreamShape
from arcly_actors.ingest.pull import PullRequest
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame, Track

_OTHER_TRACKS = 2  # the first video track is 0 and the first audio track 1, as in every other protocol


class AvFailed(ArclyError):
    """FFmpeg says no; the text is for a person. `timed_out`: it waited in vain."""

    def __init__(self, detail: str, *, timed_out: bool = False) -> None:
        super().__init__(detail)
        self.timed_out = timed_out


class AvInput:
    """An opened input. `packets` gives frames, `tracks` what they belong to; AvFailed when it cannot be opened or read.

    `paced`: it has an end, so it has to be slowed down to real time; live inputs come in real time anyway.
    """

    def __init__(self, request: PullRequest, clock: Clock) -> None:
        self._request = request
        self._clock = clock
        self._container = _open(request)
        self._streams: dict[int, AvStream | None] = {}
        self._shift = 0
        self._begun = False
        for stream in self._container.streams:
            self._add(stream)
        if not any(self._streams.values()):
            found = ", ".join(_codec_name(stream) or stream.type for stream in self._container.streams)
            self.close()
            raise AvFailed(f"nothing in it can be carried: {found or 'no streams'}")
        self.paced = request.url.scheme == "file" or (self._container.duration or 0) > 0
        self.metadata = _texts(self._container.metadata)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks whose frames can be understood, as of now; empty while others are worth waiting for."""
        streams = [stream for stream in self._streams.values() if stream is not None]
        if any(stream.undecided for stream in streams) and not self._begun:
            return ()
        tracks = tuple(sorted((stream.track for stream in streams if stream.ready), key=lambda track: track.id))
        self._begun = self._begun or bool(tracks)
        return tracks

    def frames(self) -> Iterator[MediaFrame | None]:
        """Frames, and None for a packet that is none; AvFailed when reading fails, the end when there is one.

        An input with an end that is to be looped goes on from its beginning, with times that go on rising.
        """
        while True:
            count = 0
            for packet in self._demux():
                frame = self._frame(packet)
                count += frame is not None
                yield frame
            if not (self.paced and self._request.loop and count):
                return
            self._rewind()

    def close(self) -> None:
        """Free FFmpeg's side."""
        self._container.close()

    def _demux(self) -> "Iterator[Packet[Any]]":
        packets = self._container.demux()
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                raise _explained(self._request, error) from None
            if packet is None:
                return
            if packet.size:  # FFmpeg's flush packets at the end are empty
                yield packet

    def _frame(self, packet: "Packet[Any]") -> MediaFrame | None:
        stream = self._streams.get(packet.stream_index)
        if stream is None:
            if packet.stream_index in self._streams or len(self._streams) >= limits.MAX_TRACKS:
                return None
            stream = self._add(packet.stream)
            if stream is None:
                return None
        changed = packet.has_sidedata("new_extradata")
        extradata = bytes(packet.get_sidedata("new_extradata") or b"") if changed else b""
        taken = StreamPacket(
            bytes(packet), packet.pts, packet.dts, packet.duration or None, packet.is_keyframe, extradata
        )
        return stream.take(taken, self._clock.monotonic_ns(), self._shift)

    def _add(self, stream: Stream) -> AvStream | None:
        shape = _shape(stream)
        if shape is None or len(self._streams) >= limits.MAX_TRACKS:
            self._streams[stream.index] = None
            return None
        taken = {each.track.id for each in self._streams.values() if each is not None}
        number = 0 if shape.codec.kind is Kind.VIDEO else 1
        if number in taken:
            number = next(other for other in itertools.count(_OTHER_TRACKS) if other not in taken)
        made = self._streams[stream.index] = AvStream(number, shape)
        return made

    def _rewind(self) -> None:
        """Open it anew (not every input can seek) and go on where the last frame ended."""
        ends = [stream.end for stream in self._streams.values() if stream is not None and stream.end is not None]
        self.close()
        self._container = _open(self._request)
        firsts = [stream.first for stream in self._streams.values() if stream is not None and stream.first is not None]
        if ends and firsts:
            self._shift = max(ends) - min(firsts)


def _open(request: PullRequest) -> InputContainer:
    url = request.url
    # Both are over before the source's own watchdog barks: then only what hangs for good is taken for hanging.
    waits = (limits.SOURCE_OPEN * 2 / 3 / NS_PER_S, request.stall_ns * 0.9 / NS_PER_S)
    # A file name stays one, whatever protocol of FFmpeg's it looks like.
    name = f"file:{url.path}" if url.scheme == "file" else url.text
    try:
        return av.open(name, "r", options=_options(request), timeout=waits)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _explained(request, error) from None


def _options(request: PullRequest) -> dict[str, str]:
    scheme = request.url.scheme
    options: dict[str, str] = {}
    if scheme in {"http", "https"}:
        # A playlist from elsewhere must not name files of this machine.
        options["protocol_whitelist"] = "http,https,tcp,tls,crypto,httpproxy,data"
    if scheme == "https":
        options["tls_verify"] = "1" if request.verify else "0"
        authorities = ssl.get_default_verify_paths().cafile
        if request.verify and authorities and Path(authorities).is_file():
            options["ca_file"] = authorities
    return options


def _explained(request: PullRequest, error: Exception) -> AvFailed:
    """FFmpeg's errors repeat the URL, so only what went wrong is kept."""
    if isinstance(error, av.ExitError | TimeoutError):
        return AvFailed("no answer in time", timed_out=True)
    detail = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return AvFailed(request.url.hidden_from(str(detail)))


_FASTEST = 300.0  # pictures per second; beyond it FFmpeg has taken the clock's rate for the pictures'


def _codec_name(stream: Stream) -> str:
    context: Any = stream.codec_context  # None for a codec that FFmpeg does not know
    return "" if context is None else str(context.name)


def _shape(stream: Stream) -> StreamShape | None:
    context: Any = stream.codec_context
    codec = CODECS.get(_CANONICAL.get(_codec_name(stream), _codec_name(stream)))
    if codec is None or context is None:
        return None
    base = stream.time_base or Fraction(1, 1000)
    extradata, language = bytes(context.extradata or b""), stream.metadata.get("language", "")
    language = "" if language == "und" else language
    if isinstance(stream, VideoStream):
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        rate = rate if rate <= _FASTEST else 0.0
        return StreamShape(codec, extradata, base, context.width or 0, context.height or 0, rate, language=language)
    if isinstance(stream, AudioStream):
        rate, channels = context.sample_rate or 0, context.channels or 0
        return StreamShape(codec, extradata, base, sample_rate=rate, channels=channels, language=language)
    return None


_CANONICAL = {
    "libdav1d": "av1", "libaom-av1": "av1", "mp3float": "mp3", "libopus": "opus", "libvpx-vp9": "vp9", "libvpx": "vp8",
    "g722": "g722", "adpcm_g722": "g722",
}  # fmt: skip
"""FFmpeg names a decoder where we want the codec."""


def _texts(metadata: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in metadata.items() if name in _TOLD}


_TOLD = frozenset({"title", "artist", "author", "comment", "copyright", "description"})
