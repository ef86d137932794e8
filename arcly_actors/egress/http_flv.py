"""HTTP-FLV: the framing of tag bodies as a FLV file that goes on, each tag ready as one HTTP chunk (RFC 9112 §7.1)."""

from collections.abc import Sequence

from arcly_actors.egress.flv import FlvEncoder
from arcly_actors.media.codec import Kind
from arcly_actors.media.flv import TagType, file_header, tag_header, tag_trailer
from arcly_actors.media.frame import Track

FORMAT = "http-flv"
CONTENT_TYPE = "video/x-flv"


class FileFraming:
    """Tags as a FLV file has them (FLV 10.1, annex E)."""

    def begin(self, tracks: Sequence[Track]) -> bytes:
        """The file header, which says what kinds of tags follow."""
        kinds = {track.kind for track in tracks}
        return file_header(video=Kind.VIDEO in kinds, audio=Kind.AUDIO in kinds)

    def tag(self, kind: TagType, timestamp_ms: int, parts: Sequence[bytes]) -> bytes:
        """One tag with its header and the size that follows it."""
        size = sum(map(len, parts))
        return b"".join((tag_header(kind, size, timestamp_ms & 0xFFFFFFFF), *parts, tag_trailer(size)))

    def end(self) -> bytes:
        """A file just ends."""
        return b""


class ChunkFraming:
    """A file's pieces as HTTP chunks: made once for all viewers, so that none needs a chunk header of its own."""

    def __init__(self) -> None:
        self._file = FileFraming()

    def begin(self, tracks: Sequence[Track]) -> bytes:
        """See `FileFraming.begin`."""
        return _chunk(self._file.begin(tracks))

    def tag(self, kind: TagType, timestamp_ms: int, parts: Sequence[bytes]) -> bytes:
        """See `FileFraming.tag`."""
        return _chunk(self._file.tag(kind, timestamp_ms, parts))

    def end(self) -> bytes:
        """The last chunk, which ends the response."""
        return b"0\r\n\r\n"


def make_chunked_encoder() -> FlvEncoder:
    """The encoder for HTTP/1.1 viewers."""
    return FlvEncoder(ChunkFraming())


def make_file_encoder() -> FlvEncoder:
    """The encoder for HTTP/1.0 viewers, to whom the end of the connection is the end of the file."""
    return FlvEncoder(FileFraming())


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
