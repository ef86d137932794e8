"""The states of an RTSP session, as a table: ``{state: {move: state}}`` (RFC 2326 appendix A).

A connection has at most one session, and a session lives no longer than its connection. It is INIT until the first SETUP
has given it a transport, READY until PLAY or RECORD is granted, and READY again after PAUSE; TEARDOWN leads back to INIT.
While a server's engine waits for the session actor to decide (on DESCRIBE, ANNOUNCE, PLAY), it reads no further: bytes
that come meanwhile are held, so that a client that pipelines its requests sees the same as one that does not.

A move that is missing is illegal: the peer is answered 455, our own session raises ValueError.
"""

from enum import Enum, auto


class State(Enum):
    """Where a session stands."""

    INIT = auto()
    READY = auto()
    PLAYING = auto()
    RECORDING = auto()
    CLOSED = auto()


class Move(Enum):
    """What moves it."""

    SET_UP = auto()
    PLAY = auto()
    RECORD = auto()
    PAUSE = auto()
    TEAR_DOWN = auto()
    CLOSE = auto()


SESSION: dict[State, dict[Move, State]] = {
    State.INIT: {Move.SET_UP: State.READY, Move.TEAR_DOWN: State.INIT, Move.CLOSE: State.CLOSED},
    State.READY: {
        Move.SET_UP: State.READY,
        Move.PLAY: State.PLAYING,
        Move.RECORD: State.RECORDING,
        Move.PAUSE: State.READY,
        Move.TEAR_DOWN: State.INIT,
        Move.CLOSE: State.CLOSED,
    },
    State.PLAYING: {
        Move.PLAY: State.PLAYING,
        Move.PAUSE: State.READY,
        Move.TEAR_DOWN: State.INIT,
        Move.CLOSE: State.CLOSED,
    },
    State.RECORDING: {
        Move.RECORD: State.RECORDING,
        Move.PAUSE: State.READY,
        Move.TEAR_DOWN: State.INIT,
        Move.CLOSE: State.CLOSED,
    },
    State.CLOSED: {},
}


def moved(state: State, move: Move) -> State:
    """The state after `move`; ValueError when the table does not have it."""
    try:
        return SESSION[state][move]
    except KeyError:
        raise ValueError(f"{move.name} is not possible while {state.name}") from None
