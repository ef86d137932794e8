"""The client side of DTLS 1.2 for SRTP keys, for peers that insist on being the server (``a=setup:passive``).

FFmpeg's WHIP muxer does, and with GnuTLS its certificate is on P-224, which OpenSSL from version 4 on refuses in a
handshake, whatever it is told. So this handshake is made here, of `cryptography`'s primitives: ECDHE, certificates on
both sides, AES-128-GCM with SHA-256, extended master secret (RFC 7627) required, no renegotiation, no resumption.
What of the server's messages is believed is in `dtls_trust`, what they look like in `dtls_wire`.

    our hello ──▶ HELLO ──▶ CERTIFICATE ──▶ KEY ──▶ DONE ──▶ our second flight ──▶ FINISHED ──▶ connected
"""

import hashlib
import hmac
from enum import Enum, IntEnum, auto
from types import MappingProxyType

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.transport import dtls_trust as trust
from arcly_actors.transport import dtls_wire as wire
from arcly_actors.transport.dtls import DtlsState, Identity
from arcly_actors.transport.dtls_wire import (
    CLOSE_NOTIFY,
    FATAL,
    WARNING,
    Direction,
    Message,
    Reassembly,
    Record,
    vector,
)
from arcly_actors.transport.srtp import PROFILES, Profile, key_length


class _Kind(IntEnum):
    """Handshake messages (RFC 5246 §7.4, RFC 6347 §4.3.2)."""

    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    VERIFY_REQUEST = 3
    CERTIFICATE = 11
    SERVER_KEY = 12
    CERTIFICATE_REQUEST = 13
    SERVER_DONE = 14
    CERTIFICATE_VERIFY = 15
    CLIENT_KEY = 16
    FINISHED = 20


_HANDSHAKE_FAILURE = 40
_EPOCH = 1 << 48  # of the first protected record: records of both epochs are counted from 0


class Await(Enum):
    """What the server has to send next."""

    HELLO = auto()
    HELLO_FOR_COOKIE = auto()
    CERTIFICATE = auto()
    KEY = auto()
    DONE = auto()
    DONE_AFTER_REQUEST = auto()
    FINISHED = auto()


# What may come when, and what is awaited then.
_TURNS: MappingProxyType[tuple[Await, int], Await] = MappingProxyType(
    {
        (Await.HELLO, _Kind.VERIFY_REQUEST): Await.HELLO_FOR_COOKIE,
        (Await.HELLO, _Kind.SERVER_HELLO): Await.CERTIFICATE,
        (Await.HELLO_FOR_COOKIE, _Kind.SERVER_HELLO): Await.CERTIFICATE,
        (Await.CERTIFICATE, _Kind.CERTIFICATE): Await.KEY,
        (Await.KEY, _Kind.SERVER_KEY): Await.DONE,
        (Await.DONE, _Kind.CERTIFICATE_REQUEST): Await.DONE_AFTER_REQUEST,
        (Await.DONE, _Kind.SERVER_DONE): Await.FINISHED,
        (Await.DONE_AFTER_REQUEST, _Kind.SERVER_DONE): Await.FINISHED,
        (Await.FINISHED, _Kind.FINISHED): Await.FINISHED,
    }
)


class DtlsClient:
    """One association, with the face of `dtls.DtlsServer`."""

    active = True

    def __init__(self, identity: Identity, fingerprints: tuple[tuple[str, str], ...]) -> None:
        self.state = DtlsState.HANDSHAKING
        self.failure = ""
        self.profile: Profile = PROFILES[0]
        self.material = b""
        self._identity = identity
        self._fingerprints = fingerprints
        self._awaits = Await.HELLO
        self._random = AESGCM.generate_key(256)  # 32 bytes of the library's generator
        self._chosen: trust.Chosen
        self._transcript = b""
        self._incoming = Reassembly()
        self._number = 0
        self._records = [0, _EPOCH]
        self._flight: list[Message | None] = []
        self._out: list[bytes] = []
        self._pause = 0
        self._requested = False
        self._server_key: trust.ServerKey
        self._share = self._secret = b""
        self._master = b""
        self._ours: Direction
        self._theirs: Direction | None = None

    # --- the face of an association ---

    def start(self) -> None:
        """Say hello, once."""
        if self.state is DtlsState.HANDSHAKING and not self._flight:
            self._hello(b"")

    def receive(self, datagram: bytes) -> None:
        """Take a datagram from the peer; never raises on its contents."""
        for record in wire.records(datagram):
            if self.state not in {DtlsState.HANDSHAKING, DtlsState.CONNECTED}:
                return
            opened = self._opened(record)
            if opened is not None:
                self._take_in(opened, protected=record.epoch == 1)

    def wake(self) -> None:
        """The time that `wake_in` gave is over: the flight or its answer is lost, so repeat it."""
        if self.state is DtlsState.HANDSHAKING and self._flight:
            self._pause = min(2 * self._pause, limits.DTLS_LONGEST_PAUSE)
            self._send_flight()

    def wake_in(self) -> int | None:
        """When to call `wake`, in ns from now; None when there is nothing to repeat."""
        return self._pause if self.state is DtlsState.HANDSHAKING and self._flight else None

    def close(self) -> None:
        """Say close_notify, if there is anybody to say it to."""
        if self.state is DtlsState.CONNECTED:
            self._alert(WARNING, CLOSE_NOTIFY)
        if self.state is not DtlsState.FAILED:
            self.state = DtlsState.CLOSED
        self._forget()

    def take(self) -> list[bytes]:
        """The datagrams to send now: as many records as fit share one."""
        datagrams: list[bytes] = []
        for record in self._out:
            if datagrams and len(datagrams[-1]) + len(record) <= limits.DTLS_MTU:
                datagrams[-1] += record
            else:
                datagrams.append(record)
        self._out = []
        return datagrams

    # --- what comes in ---

    def _opened(self, record: Record) -> Record | None:
        """A record that counts: before our hello none, plain ones while shaking hands, then only authentic ones.

        Replayed ones are not looked for (RFC 6347 §4.1.2.6: optional): a Finished counts once, a goodbye too.
        """
        if record.epoch == 0:
            return record if self.state is DtlsState.HANDSHAKING and self._flight else None
        return self._theirs.open(record) if record.epoch == 1 and self._theirs is not None else None

    def _take_in(self, record: Record, *, protected: bool) -> None:
        try:
            if record.kind == wire.ALERT:
                self._alerted(record.body, protected=protected)
            elif record.kind == wire.HANDSHAKE:
                self._messages(record.body, protected=protected)
        except Malformed as error:
            self._fail(f"the handshake failed: {error}")

    def _messages(self, body: bytes, *, protected: bool) -> None:
        # What was repeated is left out; and once there are keys, whatever does not use them. That is why a Finished needs
        # no ChangeCipherSpec before it: the epoch says the same, and is authenticated.
        if self.state is not DtlsState.HANDSHAKING or protected is not (self._awaits is Await.FINISHED):
            return
        self._incoming.add(body)
        while (message := self._incoming.next()) is not None:
            self._heard(message)

    def _heard(self, message: Message) -> None:
        following = _TURNS.get((self._awaits, message.kind))
        if following is None:
            raise Malformed(f"a handshake message of type {message.kind} out of turn")
        before, self._awaits = self._transcript, following
        self._transcript += message.whole
        match message.kind:
            case _Kind.VERIFY_REQUEST:
                self._transcript = b""  # neither this nor the first hello counts (RFC 6347 §4.2.1)
                self._hello(trust.cookie(message.body))
            case _Kind.SERVER_HELLO:
                self._chosen = trust.chosen(message.body)
            case _Kind.CERTIFICATE:
                self._server_key = trust.server_key(message.body, self._fingerprints, self._chosen.key)
            case _Kind.SERVER_KEY:
                signed = trust.server_share(message.body, self._random + self._chosen.random, self._server_key)
                self._share, self._secret = trust.exchange(*signed)
            case _Kind.CERTIFICATE_REQUEST:
                trust.check_request(message.body)
                self._requested = True
            case _Kind.SERVER_DONE:
                self._done(message.body)
            case _:
                self._finished(message.body, before)

    def _done(self, body: bytes) -> None:
        """Our second flight; from here on both sides have keys."""
        if body:
            raise Malformed("a ServerHelloDone with contents")
        self._incoming.forget()
        flight: list[Message | None] = []
        if self._requested:
            flight.append(self._said(_Kind.CERTIFICATE, vector(3, vector(3, self._identity.der))))
        flight.append(self._said(_Kind.CLIENT_KEY, vector(1, self._share)))
        seed = hashlib.sha256(self._transcript).digest()
        self._master = wire.expand(self._secret, b"extended master secret", seed, 48)
        if self._requested:
            signature = self._identity.sign(self._transcript)
            flight.append(self._said(_Kind.CERTIFICATE_VERIFY, trust.OUR_SIGNATURE + vector(2, signature)))
        block = wire.expand(self._master, b"key expansion", self._chosen.random + self._random, 40)
        self._ours, self._theirs = Direction(block[:16], block[32:36]), Direction(block[16:32], block[36:40])
        flight += [None, self._said(_Kind.FINISHED, self._proof(b"client finished", self._transcript))]
        self._fly(flight)

    def _finished(self, body: bytes, before: bytes) -> None:
        if not hmac.compare_digest(body, self._proof(b"server finished", before)):
            raise Malformed("the two sides saw different handshakes")
        seed = self._random + self._chosen.random
        self.profile = self._chosen.profile
        self.material = wire.expand(self._master, b"EXTRACTOR-dtls_srtp", seed, key_length(self.profile))
        self.state = DtlsState.CONNECTED
        self._forget()

    def _alerted(self, body: bytes, *, protected: bool) -> None:
        if len(body) != 2 or (body[0] != FATAL and body[1] != CLOSE_NOTIFY):
            return
        if protected and body[1] == CLOSE_NOTIFY:
            self._alert(WARNING, CLOSE_NOTIFY)  # RFC 5246 §7.2.1: answered in kind
            self.state = DtlsState.CLOSED
            self._forget()
        elif body[0] == FATAL:
            self.state, self.failure = DtlsState.FAILED, f"the peer gave up (alert {body[1]})"
            self._forget()

    # --- what goes out ---

    def _hello(self, cookie: bytes) -> None:
        self._fly([self._said(_Kind.CLIENT_HELLO, trust.hello(self._random, cookie))])

    def _said(self, kind: int, body: bytes) -> Message:
        """A message of ours, counted and noted."""
        message = Message(kind, self._number, body)
        self._number += 1
        self._transcript += message.whole
        return message

    def _fly(self, flight: list[Message | None]) -> None:
        self._flight, self._pause = flight, limits.DTLS_FIRST_PAUSE
        self._send_flight()

    def _send_flight(self) -> None:
        """Each message in records of new numbers; None stands for the change of ciphers."""
        epoch = 0
        for message in self._flight:
            if message is None:
                self._write(wire.CHANGE_CIPHER, b"\x01", 0)
                epoch = 1
                continue
            for piece in wire.fragments(message, limits.DTLS_MTU - 64):
                self._write(wire.HANDSHAKE, piece, epoch)

    def _write(self, kind: int, body: bytes, epoch: int) -> None:
        record = Record(kind, self._records[epoch], body)
        self._records[epoch] += 1
        self._out.append(wire.write_record(self._ours.seal(record) if epoch else record))

    def _alert(self, level: int, reason: int) -> None:
        self._write(wire.ALERT, bytes((level, reason)), int(self._theirs is not None))

    def _proof(self, label: bytes, transcript: bytes) -> bytes:
        return wire.expand(self._master, label, hashlib.sha256(transcript).digest(), 12)

    def _fail(self, reason: str) -> None:
        self._alert(FATAL, _HANDSHAKE_FAILURE)
        self.state, self.failure = DtlsState.FAILED, reason
        self._forget()

    def _forget(self) -> None:
        """The handshake is over: what it was made of goes, secrets above all."""
        self._share = self._secret = self._master = self._transcript = b""
        self._flight = []
        self._incoming.forget()
