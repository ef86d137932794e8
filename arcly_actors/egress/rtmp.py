"""RTMP play: the framing of tag bodies as messages.

Nearly every player plays on message stream 1 and wants picture and sound, so nearly all share every byte; another
message stream, or a player that has turned one kind off (`receiveAudio`, `receiveVideo`), is a format of its own.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from arcly_actors.bus.place import Opening
from arcly_actors.egress.flv import FlvEncoder
from arcly_actors.media.codec import Kind
from arcly_actors.media.flv import TagType
from arcly_actors.media.frame import Track
from arcly_actors.protocols.rtmp import amf0
from arcly_actors.protocols.rtmp.chunk import encode_message
from arcly_actors.protocols.rtmp.message import CHUNK_STREAMS


class MessageFraming:
    """FLV tags as RTMP messages (RTMP 1.0, 7.1) on one message stream: the type ids are the same numbers."""

    def __init__(self, stream_id: int) -> None:
        self._stream_id = stream_id

    def begin(self, tracks: Sequence[Track]) -> bytes:
        """Nothing: the engine's statuses precede the messages."""
        del tracks
        return b""

    def tag(self, kind: TagType, timestamp_ms: int, parts: Sequence[bytes]) -> bytes:
        """One message with a full header, so that it is good at any point of any connection."""
        return encode_message(CHUNK_STREAMS[kind], kind, self._stream_id, timestamp_ms, parts)

    def end(self) -> bytes:
        """Nothing: the engine's statuses follow the messages."""
        return b""


class PublishFraming(MessageFraming):
    """The same towards a server: metadata is an order to it (``@setDataFrame``), which it passes on without that word."""

    def tag(self, kind: TagType, timestamp_ms: int, parts: Sequence[bytes]) -> bytes:
        """One message; see `MessageFraming.tag`."""
        return super().tag(kind, timestamp_ms, (_SET_DATA_FRAME, *parts) if kind is TagType.SCRIPT else parts)


_SET_DATA_FRAME = amf0.encode("@setDataFrame")


def publish_opening(stream_id: int) -> Opening:
    """What a publisher says first on `stream_id`; its frames are those of `make_encoder`, shared with all players."""
    return FlvEncoder(PublishFraming(stream_id)).opening


def format_name(stream_id: int, kinds: AbstractSet[Kind]) -> str:
    """The name of the format that a player on `stream_id` shares with others who want the same `kinds`."""
    return f"rtmp/{stream_id}/{'+'.join(sorted(kinds))}"


def make_encoder(stream_id: int, kinds: AbstractSet[Kind]) -> FlvEncoder:
    """The encoder of that format."""
    return FlvEncoder(MessageFraming(stream_id), kinds)
