"""Rendezvous (section 4.3.2): both ends call each other at once, so that holes open in both firewalls.

Each waves until it hears the other wave. The larger cookie makes the initiator, who asks as a caller does; the other one
answers as a listener does. Whichever packet is lost is sent again, by who waits for its answer.
"""

from collections.abc import Hashable
from dataclasses import replace

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.protocols.srt import agreement
from arcly_actors.protocols.srt.agreement import Terms
from arcly_actors.protocols.srt.engine import SrtEngine
from arcly_actors.protocols.srt.handshake import VERSION, ExtensionType, Handshake, HandshakeType
from arcly_actors.protocols.srt.keys import Ciphers
from arcly_actors.protocols.srt.packet import ControlType
from arcly_actors.protocols.srt.reject import Reject, Rejected
from arcly_actors.protocols.srt.seed import Seed
from arcly_actors.protocols.srt.states import State


class SrtRendezvous(SrtEngine):
    """See the module; it begins at once. It hangs up with Rejected when the other end refuses, or is not there in time.
    `patience` is how long it waits for the other end (ns).
    """

    def __init__(
        self,
        terms: Terms,
        peer: Hashable,
        ciphers: Ciphers,
        seed: Seed,
        now: int,
        *,
        stream_id: str = "",
        patience: int = limits.SRT_CONNECT_TIMEOUT,
    ) -> None:
        super().__init__(seed.number(30), peer, now)
        self._terms = terms
        self._stream_id = stream_id
        self._secret = terms.keys(ciphers, seed)
        self._shake = Handshake(
            VERSION,
            HandshakeType.WAVE,
            seed.number(31) & 0x7FFF_FFFF,
            self.socket_id,
            cookie=seed.number(32),
            encryption=terms.key_size // 8 if self._secret is not None else 0,
        )
        self._initiates: bool | None = None
        self._deadline = now + patience
        self._say(now)

    def _say(self, now: int) -> None:
        self._line.control(ControlType.HANDSHAKE, 0, now, self._shake.encode())
        if self.state is State.SHAKING_HANDS:
            self._wake(min(now + limits.SRT_HANDSHAKE_REPEAT, self._deadline))

    def _urge(self, now: int) -> None:
        if now >= self._deadline:
            self._over("there was no answer", Rejected(Reject.TIMEOUT))
        else:
            self._say(now)

    def _greet(self, shake: Handshake, timestamp: int, now: int) -> None:
        if self.state is State.ESTABLISHED:
            if shake.kind == HandshakeType.CONCLUSION:  # the other end has not heard our last word
                self._say(now)
            return
        if shake.rejection is not None:
            self._over("refused", Rejected(shake.rejection))
            return
        try:
            if self._initiates is None and not self._meet(shake):
                return
            if shake.kind == HandshakeType.WAVE:
                self._say(now)
            elif shake.kind == HandshakeType.CONCLUSION:
                self._conclude(shake, timestamp, now)
        except (Rejected, Malformed) as error:
            code = error.code if isinstance(error, Rejected) and isinstance(error.code, int) else Reject.ROGUE
            answer = self._shake.answered(1000 + code, self.socket_id)
            self._line.control(ControlType.HANDSHAKE, 0, now, answer.encode())
            self._over("the other end's handshake is none that we can accept", error)

    def _meet(self, shake: Handshake) -> bool:
        """The first of the other end: who of us asks."""
        if shake.kind not in (HandshakeType.WAVE, HandshakeType.CONCLUSION) or shake.version != VERSION:
            return False
        ahead = self._shake.cookie - shake.cookie & 0xFFFF_FFFF
        if not ahead:
            raise Rejected(Reject.RENDEZVOUS_COOKIE)
        self._initiates = not ahead & 0x8000_0000
        self._line.peer_id = shake.socket_id
        flags, blocks = agreement.offer(self._terms, self._secret, self._stream_id) if self._initiates else (0, ())
        self._shake = replace(self._shake, kind=HandshakeType.CONCLUSION, extension=flags, blocks=blocks)
        return True

    def _conclude(self, shake: Handshake, timestamp: int, now: int) -> None:
        if self._initiates:
            if shake.block(ExtensionType.HSRSP) is None:
                self._say(now)
                return
            capabilities = agreement.answered(shake, self._secret)
            self._protect(agreement.protection(shake, self._terms))
            self._shake = replace(self._shake, kind=HandshakeType.AGREEMENT, extension=0, blocks=())
        else:
            if shake.block(ExtensionType.HSREQ) is None:
                return
            capabilities, _ = agreement.request_of(shake)
            agreement.take_keys(shake, self._secret)
            found = agreement.protection(shake, self._terms)
            self._protect(found)
            flags, blocks = agreement.answer(shake, agreement.latencies(self._terms, capabilities), found)
            self._shake = replace(self._shake, extension=flags, blocks=blocks)
        self._line.keys = self._secret
        agreed = agreement.latencies(self._terms, capabilities)
        self._establish(self._shake.sequence, shake.sequence, capabilities, agreed, timestamp, now)
        self._say(now)
