"""FLV tag bodies to frames: what RTMP and HTTP-FLV publishers have in common. Pure.

FLV has one video and one audio track; they get the track ids 0 and 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from arcly_actors.errors import Malformed, Refusal, Refused
from arcly_actors.media import nal
from arcly_actors.media.codec import VIDEO, CodecId, Kind
from arcly_actors.media.describe import evolve, learn
from arcly_actors.media.flv_audio import read_audio
from arcly_actors.media.flv_body import CodedFrame, Configuration, Unsupported
from arcly_actors.media.flv_video import read_video
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import MILLISECOND, Unwrap, from_ms

VIDEO_TRACK = 0
AUDIO_TRACK = 1

_NEEDS_CONFIGURATION = frozenset({CodecId.H264, CodecId.H265, CodecId.AAC, CodecId.AV1, CodecId.FLAC})


@dataclass(frozen=True, slots=True)
class TracksLearnt:
    """The publisher's tracks are these from here on."""

    tracks: tuple[Track, ...]


class FlvTracks:
    """Turns (kind, timestamp, body) into `TracksLearnt` and frames on the publisher's own clock.

    Tracks are told together where the metadata names both: a track that is expected and has not come yet is waited for,
    until the other has sent `_PATIENCE` frames. Frames that come before their configuration are counted and dropped.
    """

    def __init__(self) -> None:
        self._tracks: dict[int, Track] = {}
        self._told: tuple[Track, ...] = ()
        self._clock = Unwrap(32)  # of the connection: both tracks wrap together
        self._expected: set[int] = set()
        self._length_sizes: dict[int, int] = {}
        self._early: list[MediaFrame] = []
        self.dropped = 0

    def hint(self, metadata: Mapping[str, object]) -> None:
        """Take onMetaData: which tracks to expect. It decides nothing else, because encoders get it wrong."""
        for track, names in ((VIDEO_TRACK, _VIDEO_HINTS), (AUDIO_TRACK, _AUDIO_HINTS)):
            if any(metadata.get(name) for name in names):
                self._expected.add(track)

    def receive(self, kind: Kind, timestamp_ms: int, body: bytes, arrival: int) -> "list[TracksLearnt | MediaFrame]":
        """Take one tag body. Raises `Malformed`, `PeerLimit`, and `Refused` for a codec that is not carried."""
        number, value = (VIDEO_TRACK, read_video(body)) if kind is VIDEO else (AUDIO_TRACK, read_audio(body))
        if isinstance(value, CodedFrame):
            return self._frame(number, self._clock(timestamp_ms) * MILLISECOND, value, arrival)
        if isinstance(value, Configuration):
            return self._configure(number, value)
        if isinstance(value, Unsupported):
            raise Refused(Refusal.UNSUPPORTED, f"{value.what} is not supported")
        return []

    def _configure(self, number: int, value: Configuration) -> "list[TracksLearnt | MediaFrame]":
        self._length_sizes[number] = nal.length_size(value.codec, value.configuration)
        configuration = nal.with_wide_lengths(value.codec, value.configuration)
        self._tracks[number] = evolve(self._known(number, value.codec), configuration)
        return self._tell_all() if self._complete() or self._told else []

    def _frame(self, number: int, dts: int, value: CodedFrame, arrival: int) -> "list[TracksLearnt | MediaFrame]":
        known = self._tracks.get(number)
        track = known if known is not None and known.codec is value.codec else self._known(number, value.codec)
        if not track.configuration and track.codec in _NEEDS_CONFIGURATION:
            self.dropped += 1
            return []
        if not value.payload:
            return []
        size = self._length_sizes.get(number, 4)
        payload = value.payload if size == 4 else nal.widen(value.payload, size)
        if value.sample_rate and not track.sample_rate:
            track = replace(track, sample_rate=value.sample_rate, channels=value.channels)
        elif value.keyframe and (track.codec in _SELF_DESCRIBED or not track.configuration):
            track = _learnt(track, payload)
        self._tracks[number] = track
        dts += value.nano_offset
        pts = dts + from_ms(value.composition_ms) if value.composition_ms else dts
        frame = MediaFrame(track, pts, dts, payload, value.keyframe, arrival=arrival)
        if self._told:
            return [frame] if track is known else [*self._tell(), frame]
        self._early.append(frame)
        if self._complete() or len(self._early) >= _PATIENCE:
            return self._tell_all()
        return []

    def _known(self, number: int, codec: CodecId) -> Track:
        track = self._tracks.get(number)
        if track is None or track.codec is not codec:
            version = 0 if track is None else track.version + 1
            return Track(number, codec, version=version)
        return track

    def _complete(self) -> bool:
        return bool(self._expected) and self._expected <= self._tracks.keys()

    def _tell_all(self) -> "list[TracksLearnt | MediaFrame]":
        """The tracks, and the frames that waited for them."""
        early, self._early = self._early, []
        return [*self._tell(), *early]

    def _tell(self) -> "list[TracksLearnt | MediaFrame]":
        tracks = tuple(track for _, track in sorted(self._tracks.items()))
        if all(new is old for new, old in zip(tracks, self._told, strict=False)) and len(tracks) == len(self._told):
            return []
        self._told = tracks
        return [TracksLearnt(tracks)]


def _learnt(track: Track, payload: bytes) -> Track:
    """What a frame tells of its track; nothing if it is damaged, which its decoder will notice."""
    try:
        return learn(track, payload)
    except Malformed:
        return track


_SELF_DESCRIBED = frozenset({CodecId.VP8, CodecId.VP9, CodecId.AC3, CodecId.EAC3, CodecId.MP3})
"""Codecs whose frames tell the size or rate, which no configuration of theirs does. Where there is a sequence
header, its configuration counts: what is repeated in-band may be spelt differently without meaning a change."""

_PATIENCE = 16
"""Frames of one track after which the other is no longer waited for: a third of a second of sound, half of pictures."""

_VIDEO_HINTS = ("videocodecid", "width", "hasVideo")
_AUDIO_HINTS = ("audiocodecid", "audiosamplerate", "hasAudio")
