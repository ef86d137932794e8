"""RTMP play: the framing of tag bodies as messages. All players have message stream 1, so they share every byte."""

from collections.abc import Sequence

from arcly_actors.egress.flv import FlvEncoder
from arcly_actors.media.flv import TagType
from arcly_actors.media.frame import Track
from arcly_actors.protocols.rtmp.chunk import encode_message
from arcly_actors.protocols.rtmp.message import CHUNK_STREAMS

FORMAT = "rtmp"
PLAY_STREAM = 1
"""The message stream id that the server gives to the first `createStream` of a connection."""


class MessageFraming:
    """FLV tags as RTMP messages (RTMP 1.0, 7.1): the type ids are the same numbers."""

    def begin(self, tracks: Sequence[Track]) -> bytes:
        """Nothing: the engine's statuses precede the messages."""
        del tracks
        return b""

    def tag(self, kind: TagType, timestamp_ms: int, parts: Sequence[bytes]) -> bytes:
        """One message with a full header, so that it is good at any point of any connection."""
        return encode_message(CHUNK_STREAMS[kind], kind, PLAY_STREAM, timestamp_ms, parts)

    def end(self) -> bytes:
        """Nothing: the engine's statuses follow the messages."""
        return b""


def make_encoder() -> FlvEncoder:
    """The encoder of `FORMAT`."""
    return FlvEncoder(MessageFraming())
