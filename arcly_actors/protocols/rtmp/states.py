"""The state machines of an RTMP connection and its message streams, as tables: ``{state: {move: state}}``.

A server's connection shakes hands, waits for connect, waits for our own decision on it, and is then ready until it is
closed. While it waits for a decision (on connect, publish or play) it reads no further: bytes that come meanwhile are
held, so that a client that does not wait for answers sees the same as one that does.

Each message stream that createStream made is idle until publish or play is asked for and granted; it is idle again when
either side ends that, and the client may ask again. A client's own connection goes the same way from the other end.

A move that is missing from a table is illegal. From the peer it earns an error status, from our own session it
raises ValueError.
"""

from enum import Enum, auto
from typing import TypeVar


class ConnectionState(Enum):
    """Where a connection stands."""

    SHAKING_HANDS = auto()
    CONNECTING = auto()
    DECIDING = auto()
    READY = auto()
    CLOSED = auto()


class ConnectionMove(Enum):
    """What moves a connection."""

    SHOOK_HANDS = auto()
    ASKED = auto()
    ACCEPTED = auto()
    CLOSED = auto()


class StreamState(Enum):
    """Where a message stream stands."""

    IDLE = auto()
    PUBLISH_ASKED = auto()
    PUBLISHING = auto()
    PLAY_ASKED = auto()
    PLAYING = auto()


class StreamMove(Enum):
    """What moves a message stream."""

    PUBLISH = auto()
    PLAY = auto()
    ACCEPTED = auto()
    REFUSED = auto()
    ENDED = auto()


CONNECTION: dict[ConnectionState, dict[ConnectionMove, ConnectionState]] = {
    ConnectionState.SHAKING_HANDS: {
        ConnectionMove.SHOOK_HANDS: ConnectionState.CONNECTING,
        ConnectionMove.CLOSED: ConnectionState.CLOSED,
    },
    ConnectionState.CONNECTING: {
        ConnectionMove.ASKED: ConnectionState.DECIDING,
        ConnectionMove.CLOSED: ConnectionState.CLOSED,
    },
    ConnectionState.DECIDING: {
        ConnectionMove.ACCEPTED: ConnectionState.READY,
        ConnectionMove.CLOSED: ConnectionState.CLOSED,
    },
    ConnectionState.READY: {ConnectionMove.CLOSED: ConnectionState.CLOSED},
    ConnectionState.CLOSED: {},
}

STREAM: dict[StreamState, dict[StreamMove, StreamState]] = {
    StreamState.IDLE: {
        StreamMove.PUBLISH: StreamState.PUBLISH_ASKED,
        StreamMove.PLAY: StreamState.PLAY_ASKED,
    },
    StreamState.PUBLISH_ASKED: {
        StreamMove.ACCEPTED: StreamState.PUBLISHING,
        StreamMove.REFUSED: StreamState.IDLE,
        StreamMove.ENDED: StreamState.IDLE,
    },
    StreamState.PUBLISHING: {StreamMove.ENDED: StreamState.IDLE},
    StreamState.PLAY_ASKED: {
        StreamMove.ACCEPTED: StreamState.PLAYING,
        StreamMove.REFUSED: StreamState.IDLE,
        StreamMove.ENDED: StreamState.IDLE,
    },
    StreamState.PLAYING: {StreamMove.ENDED: StreamState.IDLE},
}

StateT = TypeVar("StateT", ConnectionState, StreamState)
MoveT = TypeVar("MoveT", ConnectionMove, StreamMove)


def moved(table: dict[StateT, dict[MoveT, StateT]], state: StateT, move: MoveT) -> StateT:
    """The state after `move`; ValueError when the table does not have it."""
    try:
        return table[state][move]
    except KeyError:
        raise ValueError(f"{move.name} is not possible while {state.name}") from None
