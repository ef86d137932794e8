"""A caller (section 4.3.1): asks for a cookie, then asks to connect with it, each until there is an answer."""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.protocols.srt import agreement
from arcly_actors.protocols.srt.agreement import Terms
from arcly_actors.protocols.srt.engine import SrtEngine
from arcly_actors.protocols.srt.handshake import DATAGRAM, LEGACY_VERSION, MAGIC, VERSION, Handshake, HandshakeType
from arcly_actors.protocols.srt.keys import Ciphers
from arcly_actors.protocols.srt.packet import HEADER_SIZE, ControlType
from arcly_actors.protocols.srt.reject import Reject, Rejected
from arcly_actors.protocols.srt.seed import Seed
from arcly_actors.protocols.srt.states import State


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller wants."""

    stream_id: str = ""
    terms: Terms = field(default_factory=Terms)


class SrtCaller(SrtEngine):
    """See the module; it begins at once. It hangs up with Rejected when it is refused, or nobody answers in time."""

    def __init__(self, call: Call, peer: Hashable, ciphers: Ciphers, seed: Seed, now: int) -> None:
        super().__init__(seed.number(30), peer, now)
        self._call = call
        self._secret = call.terms.keys(ciphers, seed)
        self._shake = Handshake(
            LEGACY_VERSION, HandshakeType.INDUCTION, seed.number(31) & 0x7FFF_FFFF, self.socket_id, extension=DATAGRAM
        )
        self._deadline = now + limits.SRT_CONNECT_TIMEOUT
        self._ask(now)

    def _ask(self, now: int) -> None:
        self._line.control(ControlType.HANDSHAKE, 0, now, self._shake.encode())
        self._wake(min(now + limits.SRT_HANDSHAKE_REPEAT, self._deadline))

    def _urge(self, now: int) -> None:
        if now >= self._deadline:
            self._over("there was no answer", Rejected(Reject.TIMEOUT))
        else:
            self._ask(now)

    def _greet(self, shake: Handshake, timestamp: int, now: int) -> None:
        if self.state is not State.SHAKING_HANDS:
            return
        if shake.rejection is not None:
            self._over("refused", Rejected(shake.rejection))
        elif shake.kind == HandshakeType.INDUCTION and self._shake.kind == HandshakeType.INDUCTION:
            self._conclude(shake, now)
        elif shake.kind == HandshakeType.CONCLUSION and self._shake.kind == HandshakeType.CONCLUSION:
            self._agree(shake, timestamp, now)

    def _conclude(self, shake: Handshake, now: int) -> None:
        if shake.version < VERSION or shake.extension != MAGIC:
            self._over("refused", Rejected(Reject.VERSION, "the listener does not speak handshake version 5"))
            return
        flags, blocks = agreement.offer(self._call.terms, self._secret, self._call.stream_id)
        self._shake = replace(
            self._shake,
            version=VERSION,
            kind=HandshakeType.CONCLUSION,
            cookie=shake.cookie,
            encryption=self._call.terms.key_size // 8 if self._secret is not None else 0,
            extension=flags,
            blocks=blocks,
        )
        self._ask(now)

    def _agree(self, shake: Handshake, timestamp: int, now: int) -> None:
        try:
            capabilities = agreement.answered(shake, self._secret)
            self._protect(agreement.protection(shake, self._call.terms))
        except (Rejected, Malformed) as error:
            self._line.peer_id = shake.socket_id
            self._line.control(ControlType.SHUTDOWN, 0, now)
            self._over("the answer is none that we can accept", error)
            return
        self._line.peer_id = shake.socket_id
        self._line.keys = self._secret
        agreed = agreement.latencies(self._call.terms, capabilities)
        self._establish(self._shake.sequence, shake.sequence, capabilities, agreed, timestamp, now)


class SingleConnection:
    """The switchboard of a socket with one connection: what comes from elsewhere, or is for another, is ignored."""

    def __init__(self, engine: SrtEngine) -> None:
        self._engine = engine

    def engine_of(self, data: bytes | memoryview, peer: Hashable) -> SrtEngine | None:
        """See `SrtListener.engine_of`."""
        engine = self._engine
        named = int.from_bytes(data[12:16])
        return engine if peer == engine.peer and (named in (0, engine.socket_id) or len(data) < HEADER_SIZE) else None

    def receive(self, data: bytes, peer: Hashable, now: int) -> SrtEngine | bytes | None:
        """See `SrtListener.receive`: there is nobody else here."""

    def forget(self, engine: SrtEngine, now: int) -> None:
        """See `SrtListener.forget`."""
