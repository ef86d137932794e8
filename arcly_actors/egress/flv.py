"""Frames to FLV tag bodies, for RTMP messages, HTTP-FLV and FLV files alike: they differ in the framing alone.

Metadata has timestamp 0: FFmpeg takes a script tag with a later time for a track of its own.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from arcly_actors.media import flv_audio, flv_video
from arcly_actors.media.codec import Kind
from arcly_actors.media.flv import TagType, metadata
from arcly_actors.media.flv_audio import audio_configuration, audio_frame_header
from arcly_actors.media.flv_video import video_configuration, video_frame_header
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.media.timebase import to_ms
from arcly_actors.protocols.rtmp import amf0
from arcly_actors.version import VERSION


class Framing(Protocol):
    """How a tag body travels."""

    def begin(self, tracks: Sequence[Track]) -> bytes:
        """What precedes the first tag."""
        ...

    def tag(self, kind: TagType, timestamp_ms: int, parts: Sequence[bytes]) -> bytes:
        """One tag or message; the joined `parts` are its body."""
        ...

    def end(self) -> bytes:
        """What follows the last tag."""
        ...


EITHER = frozenset({Kind.VIDEO, Kind.AUDIO})


class FlvEncoder:
    """An encoder (see `bus.encoded.Encoder`) of FLV tags in any framing.

    FLV has one video and one audio track: the first of each of the `kinds` that it can carry is
    sent, everything else left out.
    """

    def __init__(self, framing: Framing, kinds: AbstractSet[Kind] = EITHER) -> None:
        self._framing = framing
        self._kinds = kinds
        self._carried: set[int] = set()

    def opening(self, tracks: Sequence[Track], info: Mapping[str, str], dts: int) -> bytes:
        """File header, onMetaData, and the configuration of each track."""
        carried = _choose(tracks, self._kinds)
        values: dict[str, amf0.Value] = {**metadata(carried), "encoder": f"arcly_actors/{VERSION}"}
        values |= {name: value for name, value in info.items() if name not in values}
        script = amf0.encode("onMetaData", amf0.EcmaArray(values))
        parts = [self._framing.begin(carried), self._framing.tag(TagType.SCRIPT, 0, (script,))]
        return b"".join([*parts, *(self._configuration(track, dts) for track in carried)])

    def follow(self, tracks: Sequence[Track]) -> None:
        """Choose among the tracks that are in force now."""
        self._carried = {track.id for track in _choose(tracks, self._kinds)}

    def configuration(self, track: Track, dts: int) -> bytes:
        """The sequence header of a track; empty for a codec that has none and for a track that is not sent."""
        return self._configuration(track, dts) if track.id in self._carried else b""

    def _configuration(self, track: Track, dts: int) -> bytes:
        video = track.kind is Kind.VIDEO
        body = video_configuration(track) if video else audio_configuration(track)
        return self._framing.tag(TagType.VIDEO if video else TagType.AUDIO, to_ms(dts), (body,)) if body else b""

    def frame(self, frame: MediaFrame) -> bytes:
        """The tag of one frame."""
        track = frame.track
        if track.id not in self._carried:
            return b""
        timestamp = to_ms(frame.dts)
        if track.kind is Kind.VIDEO:
            composition = to_ms(frame.pts) - timestamp
            header = video_frame_header(track.codec, keyframe=frame.keyframe, composition_ms=composition)
            return self._framing.tag(TagType.VIDEO, timestamp, (header, frame.payload))
        return self._framing.tag(TagType.AUDIO, timestamp, (audio_frame_header(track), frame.payload))

    def ending(self) -> bytes:
        """What ends the stream in this framing."""
        return self._framing.end()


def _choose(tracks: Sequence[Track], kinds: AbstractSet[Kind]) -> list[Track]:
    """The first track of each of these kinds that FLV can carry."""
    chosen: dict[Kind, Track] = {}
    for track in tracks:
        if track.codec in CARRIED and track.kind in kinds:
            chosen.setdefault(track.kind, track)
    return list(chosen.values())


CARRIED = flv_video.CARRIED | flv_audio.CARRIED
