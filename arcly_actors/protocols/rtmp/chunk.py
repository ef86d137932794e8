"""Writing the chunk stream (RTMP 1.0, section 5.3)."""

from collections.abc import Sequence

from arcly_actors.protocols.rtmp.limits import OUTGOING_CHUNK_SIZE
from arcly_actors.protocols.rtmp.message import CHUNK_STREAMS, CONTROL_CHUNK_STREAM, Message

EXTENDED = 0xFFFFFF
"""The 24-bit timestamp that says: the real one follows in 32 bits (5.3.1.3)."""


def encode_message(
    csid: int,
    message_type: int,
    stream_id: int,
    timestamp_ms: int,
    parts: Sequence[bytes | memoryview],
    chunk_size: int = OUTGOING_CHUNK_SIZE,
) -> bytes:
    """One whole message, with a full (type 0) header, cut into chunks: ready for any peer at any moment.

    `parts` joined are the body, so that a tag header and a shared payload need no join of their own. The timestamp
    wraps to 32 bits.
    """
    length = sum(map(len, parts))
    timestamp = timestamp_ms & 0xFFFFFFFF
    extended = timestamp.to_bytes(4) if timestamp >= EXTENDED else b""
    header = b"".join(
        (
            basic_header(0, csid),
            min(timestamp, EXTENDED).to_bytes(3),
            length.to_bytes(3),
            message_type.to_bytes(1),
            stream_id.to_bytes(4, "little"),
            extended,
        )
    )
    if length <= chunk_size:
        return b"".join((header, *parts))
    body = memoryview(b"".join(parts))
    again = basic_header(3, csid) + extended
    pieces: list[bytes | memoryview] = [header, body[:chunk_size]]
    for start in range(chunk_size, length, chunk_size):
        pieces += (again, body[start : start + chunk_size])
    return b"".join(pieces)


def encode(message: Message, chunk_size: int = OUTGOING_CHUNK_SIZE) -> bytes:
    """`message` on the chunk stream that its type travels on."""
    csid = CHUNK_STREAMS.get(message.type, CONTROL_CHUNK_STREAM)
    return encode_message(csid, message.type, message.stream_id, message.timestamp_ms, (message.body,), chunk_size)


def basic_header(fmt: int, csid: int) -> bytes:
    """Chunk type and chunk stream id in one, two or three bytes (5.3.1.1); csid 2..65599."""
    if csid < 64:
        return bytes((fmt << 6 | csid,))
    if csid < 320:
        return bytes((fmt << 6, csid - 64))
    return bytes((fmt << 6 | 1, (csid - 64) & 0xFF, (csid - 64) >> 8))
