"""A connection whose caller a listener knows to be where it says: it waits for our decision, answers, and is established.

The answer is repeated as often as the caller repeats its conclusion, since either may be lost.
"""

from collections.abc import Hashable

from arcly_actors import limits
from arcly_actors.protocols.outputs import Emit, Transmit
from arcly_actors.protocols.srt import agreement
from arcly_actors.protocols.srt.agreement import Terms
from arcly_actors.protocols.srt.engine import SrtEngine
from arcly_actors.protocols.srt.events import Accept, Asked, Refuse
from arcly_actors.protocols.srt.handshake import Handshake, HandshakeType
from arcly_actors.protocols.srt.keys import Keys
from arcly_actors.protocols.srt.packet import SEQUENCE_MASK, ControlType, control
from arcly_actors.protocols.srt.reject import FAILURES, Reject, Rejected
from arcly_actors.protocols.srt.states import Move, State, moved


class AcceptedSrt(SrtEngine):
    """See the module. Rejected when what is asked for cannot be had, whoever asks."""

    def __init__(
        self, socket_id: int, peer: Hashable, shake: Handshake, timestamp: int, terms: Terms, keys: Keys | None, now: int
    ) -> None:
        super().__init__(socket_id, peer, now)
        self._shake = shake
        self._terms = terms
        self._stamp, self._arrived = timestamp, now
        self._line.peer_id = shake.socket_id
        self._capabilities, self.stream_id = agreement.request_of(shake)
        self._filter = agreement.protection(shake, terms)
        agreement.take_keys(shake, keys)
        self._line.keys = keys
        self._answer: Handshake | None = None
        self.rejection: bytes | None = None
        self.caller: tuple[Hashable, int, int] = (peer, shake.socket_id, shake.sequence)
        self.state = moved(self.state, Move.ASKED)
        self._outputs.append(Emit(Asked(self.stream_id)))
        self._wake(now + limits.SRT_DECISION_TIMEOUT)

    def _decide(self, command: Accept | Refuse, now: int) -> None:
        if self.state is not State.DECIDING:
            raise ValueError("this connection was decided on before")
        shake = self._shake
        if isinstance(command, Refuse):
            self._refuse(int(command.reason), now)
            return
        agreed = agreement.latencies(self._terms, self._capabilities)
        flags, blocks = agreement.answer(shake, agreed, self._filter)
        self._answer = Handshake(
            shake.version,
            HandshakeType.CONCLUSION,
            shake.sequence,
            self.socket_id,
            shake.cookie,
            shake.encryption,
            flags,
            min(shake.mtu, limits.SRT_MTU),
            limits.SRT_WINDOW,
            shake.address,
            blocks,
        )
        self._respond(now)
        first = shake.sequence & SEQUENCE_MASK
        self._protect(self._filter)
        self._establish(first, first, self._capabilities, agreed, self._stamp, self._arrived)

    def _refuse(self, reason: int, now: int) -> None:
        self.rejection = rejection(self._shake, reason, self._line.stamp(now))
        self._outputs.append(Transmit(self.rejection))
        self._over(f"refused (SRT reason {reason})", None)

    def _disconnect(self, reason: str, now: int) -> None:
        if self.state is State.DECIDING:
            self._refuse(int(Reject.CLOSE), now)
        else:
            super()._disconnect(reason, now)

    def _greet(self, shake: Handshake, timestamp: int, now: int) -> None:
        if self._answer is not None and shake.kind == HandshakeType.CONCLUSION and shake.cookie == self._shake.cookie:
            self._respond(now)

    def _urge(self, now: int) -> None:
        self._over("nobody decided in time", Rejected(Reject.TIMEOUT))

    def _respond(self, now: int) -> None:
        assert self._answer is not None
        self._line.control(ControlType.HANDSHAKE, 0, now, self._answer.encode())


def rejection(shake: Handshake, reason: int, stamp: int) -> bytes:
    """The packet that refuses a handshake."""
    answer = shake.answered(FAILURES + reason, shake.socket_id)
    return control(ControlType.HANDSHAKE, 0, stamp, shake.socket_id, answer.encode())
