"""A listening port: tells the connections apart, and lets nobody in who has not shown to be where he says.

An induction is answered with a cookie made of the caller's address, our secret and the minute, and leaves nothing behind
(section 4.3.1). A conclusion with a good cookie becomes a connection, which waits for our decision; there is a bound for
those that are not yet through. What was refused or is over is remembered while its cookie is good, so that a replayed
handshake opens nothing.
"""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Malformed
from arcly_actors.protocols.srt.accepted import AcceptedSrt, rejection
from arcly_actors.protocols.srt.agreement import Terms, request_of
from arcly_actors.protocols.srt.engine import SrtEngine
from arcly_actors.protocols.srt.handshake import LEGACY_VERSION, MAGIC, VERSION, Handshake, HandshakeType
from arcly_actors.protocols.srt.keys import Ciphers
from arcly_actors.protocols.srt.packet import CONTROL_BIT, HEADER, HEADER_SIZE, ControlType, control
from arcly_actors.protocols.srt.reject import Reject, Rejected
from arcly_actors.protocols.srt.seed import Seed

Admit = Callable[[str], Terms]
"""On which terms a stream id is served; raises Rejected. Called before anything is kept of the caller."""

Caller = tuple[Hashable, int, int]
"""Who asked: the address, the socket id and the first sequence number."""


class SrtListener:
    """See the module. `secret` has 32 unpredictable bytes or more, and so has what `draw` gives for each connection;
    without it that is made of the secret. `on_refused` hears of who is not let in, and why.
    """

    def __init__(
        self,
        admit: Admit,
        ciphers: Ciphers,
        secret: bytes,
        *,
        sessions: int = limits.SRT_SESSIONS,
        half_open: int = limits.SRT_HALF_OPEN,
        on_refused: Callable[[Hashable, Rejected], None] | None = None,
        draw: Callable[[], bytes] | None = None,
    ) -> None:
        self._admit = admit
        self._ciphers = ciphers
        self._secret = secret
        self._seed = Seed(secret)
        self._draw = draw
        self._most = sessions
        self._most_half_open = half_open
        self._on_refused = on_refused
        self._by_id: dict[bytes, AcceptedSrt] = {}  # as it lies on the wire
        self._by_caller: dict[Caller, AcceptedSrt] = {}
        self._half_open: set[AcceptedSrt] = set()
        self._tombs: OrderedDict[Caller, tuple[int, bytes | None]] = OrderedDict()
        self._second = self._derived = 0
        self.dropped: Counter[str] = Counter()
        """Datagrams that reached no connection, by reason."""

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def half_open(self) -> int:
        """Connections whose caller has sent nothing since it was accepted, or that wait for our decision."""
        return len(self._half_open)

    def engine_of(self, data: bytes | memoryview, peer: Hashable) -> SrtEngine | None:
        """The connection that a datagram is for, and whose engine is to take it; None: it is for `receive`."""
        engine = self._by_id.get(bytes(data[12:16]))
        if engine is None or engine.peer != peer:
            return None
        if self._half_open:
            self._half_open.discard(engine)
        return engine

    def receive(self, data: bytes, peer: Hashable, now: int) -> SrtEngine | bytes | None:
        """Take a datagram: the connection whose outputs have to be looked at, or an answer for `peer`, or nothing."""
        if len(data) < HEADER_SIZE:
            self.dropped["short"] += 1
            return None
        first, _, timestamp, socket_id = HEADER.unpack_from(data)
        if socket_id:
            engine = self.engine_of(data, peer)
            if engine is None:
                self.dropped["foreign-address" if data[12:16] in self._by_id else "unknown-connection"] += 1
                return None
            engine.receive(data, now)
            return engine
        if first >> 16 & 0x7FFF != ControlType.HANDSHAKE or first < CONTROL_BIT:
            self.dropped["no-handshake"] += 1
            return None
        try:
            shake = Handshake.read(data[HEADER_SIZE:])
        except Malformed:
            self.dropped["malformed-handshake"] += 1
            return None
        return self._shake(shake, data, timestamp, peer, now)

    def forget(self, engine: SrtEngine, now: int) -> None:
        """A connection is over."""
        if self._by_id.pop(_name(engine.socket_id), None) is None or not isinstance(engine, AcceptedSrt):
            return
        self._half_open.discard(engine)
        caller = engine.caller
        del self._by_caller[caller]
        self._tombs[caller] = (now, engine.rejection)
        self._bury(now)

    def _shake(self, shake: Handshake, data: bytes, timestamp: int, peer: Hashable, now: int) -> SrtEngine | bytes | None:
        stamp = now // 1000
        if shake.kind == HandshakeType.INDUCTION:
            return self._induce(shake, peer, now)
        if shake.kind != HandshakeType.CONCLUSION:
            self.dropped["no-handshake"] += 1
            return None
        if shake.cookie not in (self._cookie(peer, now), self._cookie(peer, now - limits.SRT_COOKIE_PERIOD)):
            self.dropped["bad-cookie"] += 1
            return None
        caller = (peer, shake.socket_id, shake.sequence)
        known = self._by_caller.get(caller)
        if known is not None:
            known.receive(data, now)
            return known
        if caller in self._tombs:
            self.dropped["replayed-handshake"] += 1
            return self._tombs[caller][1]
        try:
            return self._open(shake, caller, timestamp, now)
        except Malformed:
            self.dropped["malformed-handshake"] += 1
            return rejection(shake, Reject.ROGUE, stamp)
        except Rejected as refused:
            self.dropped["refused"] += 1
            if self._on_refused is not None:
                self._on_refused(peer, refused)
            return rejection(shake, int(refused.code or 0), stamp)

    def _induce(self, shake: Handshake, peer: Hashable, now: int) -> bytes:
        answer = Handshake(
            VERSION,
            HandshakeType.INDUCTION,
            shake.sequence,
            shake.socket_id,
            self._cookie(peer, now),
            0,
            MAGIC,
            min(shake.mtu, limits.SRT_MTU),
            limits.SRT_WINDOW,
            shake.address,
        )
        return control(ControlType.HANDSHAKE, 0, now // 1000, shake.socket_id, answer.encode())

    def _open(self, shake: Handshake, caller: Caller, timestamp: int, now: int) -> AcceptedSrt:
        if shake.version <= LEGACY_VERSION or shake.version > VERSION:
            raise Rejected(Reject.VERSION)
        if len(self._by_id) >= self._most:
            raise Rejected(Reject.RESOURCE)
        if len(self._half_open) >= self._most_half_open:
            raise Rejected(Reject.BACKLOG)
        _, stream_id = request_of(shake)
        terms = self._admit(stream_id)
        if terms.passphrase:
            self._afford_derivation(now)
        seed = Seed(self._draw()) if self._draw is not None else self._seed
        socket_id = seed.number(30)
        while _name(socket_id) in self._by_id:
            socket_id = seed.number(30)
        keys = terms.keys(self._ciphers, Seed(seed.take(32)))
        engine = AcceptedSrt(socket_id, caller[0], shake, timestamp, terms, keys, now)
        self._by_id[_name(socket_id)] = self._by_caller[caller] = engine
        self._half_open.add(engine)
        return engine

    def _afford_derivation(self, now: int) -> None:
        """A passphrase costs a millisecond of work to check: Rejected when too many were in this second."""
        second = now // NS_PER_S
        if second != self._second:
            self._second, self._derived = second, 0
        self._derived += 1
        if self._derived > limits.SRT_KEY_DERIVATIONS:
            raise Rejected(Reject.BACKLOG)

    def _cookie(self, peer: Hashable, now: int) -> int:
        minute = now // limits.SRT_COOKIE_PERIOD
        digest = hashlib.blake2b(repr((peer, minute)).encode(), digest_size=4, key=self._secret).digest()
        return int.from_bytes(digest) or 1

    def _bury(self, now: int) -> None:
        while self._tombs:
            at, _ = next(iter(self._tombs.values()))
            if now - at <= 2 * limits.SRT_COOKIE_PERIOD and len(self._tombs) <= limits.SRT_TOMBS:
                return
            self._tombs.popitem(last=False)


def _name(socket_id: int) -> bytes:
    return socket_id.to_bytes(4)
