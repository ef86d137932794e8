"""RTMP messages (RTMP 1.0, section 4 of the message formats; 7.1 types) as they leave the chunk layer."""

from enum import IntEnum
from typing import NamedTuple

from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.limits import MAX_AGGREGATE_PARTS


class MessageType(IntEnum):
    """Message type ids (5.4, 7.1)."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_SIZE = 5
    PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA_AMF3 = 15
    SHARED_OBJECT_AMF3 = 16
    COMMAND_AMF3 = 17
    DATA = 18
    SHARED_OBJECT = 19
    COMMAND = 20
    AGGREGATE = 22


CONTROL_CHUNK_STREAM = 2
COMMAND_CHUNK_STREAM = 3
AUDIO_CHUNK_STREAM = 4
DATA_CHUNK_STREAM = 5
VIDEO_CHUNK_STREAM = 6

CHUNK_STREAMS: dict[int, int] = {
    MessageType.AUDIO: AUDIO_CHUNK_STREAM,
    MessageType.VIDEO: VIDEO_CHUNK_STREAM,
    MessageType.DATA: DATA_CHUNK_STREAM,
    MessageType.COMMAND: COMMAND_CHUNK_STREAM,
}
"""The chunk stream that each type travels on; every other type is protocol control and takes 2."""


class Message(NamedTuple):
    """One whole message; `timestamp_ms` is the raw 32-bit clock, which wraps every 49.7 days."""

    type: int
    stream_id: int
    timestamp_ms: int
    body: bytes


def split_aggregate(message: Message) -> list[Message]:
    """The messages inside an aggregate (7.1.6), on the aggregate's clock.

    Malformed when one is cut, PeerLimit when there are too many. Each is laid out as an FLV tag with its back
    pointer. The first one's timestamp is the zero of the others.
    """
    body = message.body
    parts: list[Message] = []
    position = 0
    first: int | None = None
    while position < len(body):
        if len(parts) == MAX_AGGREGATE_PARTS:
            raise PeerLimit(f"an aggregate of more than {MAX_AGGREGATE_PARTS} messages")
        header = body[position : position + 11]
        if len(header) < 11:
            raise Malformed("aggregate message cut inside a sub-message header")
        length = int.from_bytes(header[1:4])
        timestamp = int.from_bytes(header[4:7]) | header[7] << 24
        first = timestamp if first is None else first
        payload = body[position + 11 : position + 11 + length]
        if len(payload) < length:
            raise Malformed("aggregate message cut inside a sub-message")
        parts.append(
            Message(header[0], message.stream_id, (message.timestamp_ms + timestamp - first) & 0xFFFFFFFF, payload)
        )
        position += 11 + length + 4  # the back pointer repeats the size; the last one is sometimes left out
    return parts
