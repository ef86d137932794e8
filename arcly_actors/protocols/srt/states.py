"""The state machine of an SRT connection, as a table: ``{state: {move: state}}``.

::

    SHAKING_HANDS ───agreed──▶ ESTABLISHED ──over──▶ CLOSED
          │                        ▲
          └──asked──▶ DECIDING ──agreed

A caller and both ends of a rendezvous shake hands and then agree. A listener's connection begins where the caller's
cookie has been found good: it waits for our own decision (DECIDING), and agrees or is over. It may be over in any state,
and stays so. A move that is missing is illegal: from the session it raises ValueError; the peer's packets make none.
"""

from enum import Enum, auto


class State(Enum):
    """Where a connection stands."""

    SHAKING_HANDS = auto()
    DECIDING = auto()
    ESTABLISHED = auto()
    CLOSED = auto()


class Move(Enum):
    """What moves it."""

    ASKED = auto()
    AGREED = auto()
    OVER = auto()


CONNECTION = {
    State.SHAKING_HANDS: {Move.ASKED: State.DECIDING, Move.AGREED: State.ESTABLISHED, Move.OVER: State.CLOSED},
    State.DECIDING: {Move.AGREED: State.ESTABLISHED, Move.OVER: State.CLOSED},
    State.ESTABLISHED: {Move.OVER: State.CLOSED},
    State.CLOSED: {},
}


def moved(state: State, move: Move) -> State:
    """The next state; ValueError for a move that the state does not have."""
    try:
        return CONNECTION[state][move]
    except KeyError:
        raise ValueError(f"{move.name} is no move of {state.name}") from None
