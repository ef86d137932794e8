"""Protocol control and user control messages (RTMP 1.0, sections 5.4, 6.2 and 7.1.7)."""

from enum import IntEnum
from typing import NamedTuple

from arcly_actors.errors import Malformed
from arcly_actors.protocols.rtmp.message import Message, MessageType


class UserControlType(IntEnum):
    """User control event types (7.1.7)."""

    STREAM_BEGIN = 0
    STREAM_EOF = 1
    STREAM_DRY = 2
    SET_BUFFER_LENGTH = 3
    STREAM_IS_RECORDED = 4
    PING_REQUEST = 6
    PING_RESPONSE = 7


class BandwidthLimit(IntEnum):
    """How Set Peer Bandwidth is meant (5.4.5)."""

    HARD = 0
    SOFT = 1
    DYNAMIC = 2


class UserControl(NamedTuple):
    """One user control event: `value` is a stream id, or the time stamp of a ping; `extra` the buffer length (ms)."""

    type: int
    value: int
    extra: int = 0


def set_chunk_size(size: int) -> Message:
    """Chunks after this one are up to `size` bytes (5.4.1)."""
    return _control(MessageType.SET_CHUNK_SIZE, size.to_bytes(4))


def abort(csid: int) -> Message:
    """Forget the unfinished message of chunk stream `csid` (5.4.2)."""
    return _control(MessageType.ABORT, csid.to_bytes(4))


def acknowledgement(received: int) -> Message:
    """So many bytes have arrived since the start, modulo 2^32 (5.4.3)."""
    return _control(MessageType.ACKNOWLEDGEMENT, (received & 0xFFFFFFFF).to_bytes(4))


def window_size(size: int) -> Message:
    """Acknowledge after every `size` bytes (5.4.4)."""
    return _control(MessageType.WINDOW_SIZE, size.to_bytes(4))


def peer_bandwidth(size: int, limit: BandwidthLimit) -> Message:
    """Send no more than `size` bytes ahead of our acknowledgements (5.4.5)."""
    return _control(MessageType.PEER_BANDWIDTH, size.to_bytes(4) + limit.to_bytes(1))


def user_control(event: UserControl) -> Message:
    """A user control event (7.1.7)."""
    body = event.type.to_bytes(2) + (event.value & 0xFFFFFFFF).to_bytes(4)
    if event.type == UserControlType.SET_BUFFER_LENGTH:
        body += event.extra.to_bytes(4)
    return _control(MessageType.USER_CONTROL, body)


def read_user_control(body: bytes) -> UserControl:
    """The event in a user control message's body; Malformed when cut."""
    if len(body) < 6:
        raise Malformed("user control message cut")
    event = UserControl(int.from_bytes(body[:2]), int.from_bytes(body[2:6]), int.from_bytes(body[6:10]))
    if event.type == UserControlType.SET_BUFFER_LENGTH and len(body) < 10:
        raise Malformed("Set Buffer Length without a length")
    return event


def read_size(body: bytes) -> int:
    """The number that the other control messages begin with; Malformed when cut."""
    if len(body) < 4:
        raise Malformed("control message cut")
    return int.from_bytes(body[:4])


def read_peer_bandwidth(body: bytes) -> tuple[int, BandwidthLimit]:
    """Size and kind of limit; a missing or unknown kind is read as dynamic, as old servers leave it out."""
    kind = body[4] if len(body) > 4 else BandwidthLimit.DYNAMIC
    return read_size(body), BandwidthLimit(kind) if kind in set(BandwidthLimit) else BandwidthLimit.DYNAMIC


def _control(message_type: MessageType, body: bytes) -> Message:
    return Message(message_type, 0, 0, body)
