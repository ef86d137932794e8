"""The FLV file: header, tags and trailers (Adobe FLV 10.1 §E.2-E.4), and the metadata that describes its tracks."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.cursor import Inlet
from arcly_actors.media.flv_audio import LEGACY
from arcly_actors.media.flv_body import FOURCC
from arcly_actors.media.frame import Track

TAG_HEADER_BYTES = 11
TRAILER_BYTES = 4
_FILE_HEADER_BYTES = 9
_FILTERED = 0x20


class TagType(IntEnum):
    """What a tag holds; the same numbers are RTMP message types."""

    AUDIO = 8
    VIDEO = 9
    SCRIPT = 18


_TAG_TYPES = MappingProxyType({member.value: member for member in TagType})


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag; `timestamp_ms` is the DTS, unsigned 32 bits that wrap."""

    type: TagType
    timestamp_ms: int
    body: bytes


def file_header(*, video: bool, audio: bool) -> bytes:
    """The start of a file: signature, flags, and the trailer of the tag that is not there."""
    return b"FLV\x01" + bytes((video | audio << 2,)) + _FILE_HEADER_BYTES.to_bytes(4) + bytes(TRAILER_BYTES)


def tag_header(tag_type: TagType, size: int, timestamp_ms: int) -> bytes:
    """The 11 bytes before a body of `size` bytes; the timestamp wraps at 32 bits."""
    time = timestamp_ms & 0xFFFFFFFF
    return bytes((tag_type,)) + size.to_bytes(3) + (time & 0xFFFFFF).to_bytes(3) + bytes((time >> 24, 0, 0, 0))


def tag_trailer(size: int) -> bytes:
    """The 4 bytes after a body of `size` bytes: the size of the whole tag."""
    return (TAG_HEADER_BYTES + size).to_bytes(4)


class FlvReader:
    """FLV in any cuts, out as tags.

    Tags of an unknown type are skipped and counted in `skipped`. A body beyond `limits.FRAME_BYTES` is `PeerLimit`, as is
    a single `feed` beyond twice that; a wrong signature or an encrypted tag is `Malformed`. Trailers are not compared:
    writers of live FLV are known to leave them 0. A reader that raised must not be fed again.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._inlet = Inlet(3 * limits.FRAME_BYTES, "FLV")
        self._begun = False
        self._header: tuple[int, int, int] | None = None

    def feed(self, data: bytes) -> list[Tag]:
        """Take what arrived; the tags that it completes, in order."""
        self._inlet.feed(data)
        tags: list[Tag] = []
        if not self._begun and not self._begin():
            return tags
        while (header := self._header or self._read_header()) is not None:
            self._header = header
            number, size, timestamp_ms = header
            body = self._inlet.take(size + TRAILER_BYTES)
            if body is None:
                break
            self._header = None
            if (tag_type := _TAG_TYPES.get(number)) is None:
                self.skipped += 1
            else:
                tags.append(Tag(tag_type, timestamp_ms, body[:size]))
        return tags

    def _begin(self) -> bool:
        head = self._inlet.peek(_FILE_HEADER_BYTES)
        if head is None:
            return False
        length = int.from_bytes(head[5:])
        if head[:3] != b"FLV" or head[3] != 1:
            raise Malformed("no FLV signature of version 1")
        if not _FILE_HEADER_BYTES <= length <= 1024:
            raise Malformed(f"FLV header of {length} bytes")
        self._begun = self._inlet.take(length + TRAILER_BYTES) is not None
        return self._begun

    def _read_header(self) -> tuple[int, int, int] | None:
        head = self._inlet.take(TAG_HEADER_BYTES)
        if head is None:
            return None
        if head[0] & _FILTERED:
            raise Malformed("encrypted FLV tag")
        size = int.from_bytes(head[1:4])
        if size > limits.FRAME_BYTES:
            raise PeerLimit(f"FLV tag of {size} bytes, {limits.FRAME_BYTES} is the most")
        return head[0] & 0x1F, size, head[7] << 24 | int.from_bytes(head[4:7])


_H264_NUMBER = 7


def metadata(tracks: Iterable[Track]) -> dict[str, float | str | bool]:
    """The fields of onMetaData that these tracks give; of each kind the first track counts, as FLV has one of each.

    Numbers are floats because AMF0 has no other; enhanced codecs are their FourCC as a number (Enhanced RTMP v2).
    """
    fields: dict[str, float | str | bool] = {}
    kinds: set[Kind] = set()
    for track in tracks:
        if track.kind in kinds or (track.codec not in FOURCC and track.codec not in LEGACY):
            continue
        kinds.add(track.kind)
        fields |= _video_fields(track) if track.kind is Kind.VIDEO else _audio_fields(track)
    return fields


def _video_fields(track: Track) -> dict[str, float | str | bool]:
    known = {"width": float(track.width), "height": float(track.height), "framerate": float(track.frame_rate)}
    fields: dict[str, float | str | bool] = {name: value for name, value in known.items() if value}
    number = _H264_NUMBER if track.codec is CodecId.H264 else int.from_bytes(FOURCC[track.codec])
    return fields | {"hasVideo": True, "videocodecid": float(number)}


def _audio_fields(track: Track) -> dict[str, float | str | bool]:
    number = LEGACY.get(track.codec) or int.from_bytes(FOURCC[track.codec])
    fields: dict[str, float | str | bool] = {"hasAudio": True, "audiocodecid": float(number)}
    if track.sample_rate:
        fields["audiosamplerate"] = float(track.sample_rate)
    if track.channels:
        fields |= {"audiochannels": float(track.channels), "stereo": track.channels == 2}
    return fields
