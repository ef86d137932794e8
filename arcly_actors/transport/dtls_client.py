"""The client side of DTLS 1.2 for SRTP keys, for peers that insist on being the server (``a=setup:passive``).

FFmpeg's WHIP muxer does, and with GnuTLS its certificate is on P-224, which OpenSSL from version 4 on refuses in a
handshake, whatever it is told. So this handshake is made here, of `cryptography`'s primitives: ECDHE, certificates on
both sides, AES-128-GCM with SHA-256, extended master secret (RFC 7627) required, no renegotiation, no resumption.

    our hello ──▶ HELLO ──▶ CERTIFICATE ──▶ KEY ──▶ DONE ──▶ our second flight ──▶ FINISHED ──▶ connected
"""

import hashlib
import hmac
from collections.abc import Callable
from enum import Enum, IntEnum, auto
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.transport import dtls_wire as wire
from arcly_actors.transport.dtls import DtlsState, Identity, matches
from arcly_actors.transport.dtls_wire import Direction, Message, Reader, Reassembly, Record, vector
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


_SUITES = b"\xc0\x2b\xc0\x2f"  # ECDHE-ECDSA and ECDHE-RSA with AES-128-GCM and SHA-256
_X25519 = 29
_CURVES: MappingProxyType[int, ec.EllipticCurve] = MappingProxyType(
    {23: ec.SECP256R1(), 24: ec.SECP384R1(), 25: ec.SECP521R1(), 21: ec.SECP224R1()}
)
_HASHES: MappingProxyType[int, hashes.HashAlgorithm] = MappingProxyType(
    {4: hashes.SHA256(), 5: hashes.SHA384(), 6: hashes.SHA512()}
)
_RSA, _ECDSA = 1, 3
_GROUPS, _POINTS, _SIGNATURES, _SRTP, _EXTENDED_SECRET, _RENEGOTIATION = 10, 11, 13, 14, 23, 0xFF01
_SRTP_NUMBERS = MappingProxyType({"SRTP_AEAD_AES_128_GCM": 7, "SRTP_AEAD_AES_256_GCM": 8, "SRTP_AES128_CM_SHA1_80": 1})
_WARNING, _FATAL, _CLOSE_NOTIFY, _HANDSHAKE_FAILURE = 1, 2, 0, 40
_EPOCH = 1 << 48


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
        self._server_random = b""
        self._transcript = b""
        self._incoming = Reassembly()
        self._number = 0
        self._records = [0, _EPOCH]
        self._flight: list[Message | None] = []
        self._out: list[bytes] = []
        self._pause = 0
        self._requested = False
        self._server_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
        self._share: Callable[[], tuple[bytes, bytes]]
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
            opened: Record | None = record
            if record.number >= _EPOCH:
                opened = self._theirs.open(record) if self._theirs is not None else None
            elif self.state is DtlsState.CONNECTED:
                opened = None  # nothing without protection counts any more
            if opened is not None:
                self._take_in(opened, protected=record.number >= _EPOCH)

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
            self._alert(_WARNING, _CLOSE_NOTIFY)
        if self.state is not DtlsState.FAILED:
            self.state = DtlsState.CLOSED

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

    def _take_in(self, record: Record, *, protected: bool) -> None:
        try:
            if record.kind == wire.ALERT:
                self._alerted(record.body, protected=protected)
            elif record.kind == wire.HANDSHAKE:
                self._messages(record.body, protected=protected)
        except Malformed as error:
            self._fail(f"the handshake failed: {error}")

    def _messages(self, body: bytes, *, protected: bool) -> None:
        if self.state is not DtlsState.HANDSHAKING:
            return  # a last flight that was repeated
        self._incoming.add(body)
        while (message := self._incoming.next()) is not None:
            if (message.kind == _Kind.FINISHED) is not protected:
                raise Malformed("Finished without protection, or something else with it")
            self._heard(message)

    def _heard(self, message: Message) -> None:
        following = _TURNS.get((self._awaits, message.kind))
        if following is None:
            raise Malformed(f"a handshake message of type {message.kind} out of turn")
        before, self._awaits = self._transcript, following
        self._transcript += message.whole
        match message.kind:
            case _Kind.SERVER_HELLO:
                self._server_hello(message.body)
            case _Kind.VERIFY_REQUEST:
                self._verify_request(message.body)
            case _Kind.CERTIFICATE:
                self._certificate(message.body)
            case _Kind.SERVER_KEY:
                self._key(message.body)
            case _Kind.CERTIFICATE_REQUEST:
                self._requested = True
            case _Kind.SERVER_DONE:
                self._done()
            case _:
                self._finished(message.body, before)

    def _verify_request(self, body: bytes) -> None:
        """The hello again, with the cookie; neither this nor the first hello counts (RFC 6347 §4.2.1)."""
        reader = Reader(body)
        reader.take(2)
        self._transcript = b""
        self._hello(reader.vector(1))

    def _server_hello(self, body: bytes) -> None:
        reader = Reader(body)
        version, self._server_random = reader.take(2), reader.take(32)
        reader.vector(1)
        suite, compression = reader.take(2), reader.take(1)
        if version != wire.DTLS_1_2 or suite not in {_SUITES[:2], _SUITES[2:]} or compression != b"\0":
            raise Malformed("the server chose what was not offered")
        extensions: dict[int, bytes] = {}
        rest = Reader(reader.vector(2) if reader.left else b"")
        while rest.left:
            number = rest.number(2)
            extensions[number] = rest.vector(2)
        if _EXTENDED_SECRET not in extensions:
            raise Malformed("the server has no extended master secret")
        chosen = int.from_bytes(extensions.get(_SRTP, b"")[2:4], "big")
        profile = next((each for each in PROFILES if _SRTP_NUMBERS[each.name] == chosen), None)
        if profile is None:
            raise Malformed("no SRTP profile in common")
        self.profile = profile

    def _certificate(self, body: bytes) -> None:
        chain = Reader(Reader(body).vector(3))
        try:
            certificate = x509.load_der_x509_certificate(chain.vector(3))
            fits = matches(certificate, self._fingerprints)
            key = certificate.public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Malformed("the certificate cannot be read") from error
        if not fits:
            raise Malformed("the certificate is not the one whose fingerprint was signalled")
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise Malformed("the certificate has a key of another kind")
        self._server_key = key

    def _key(self, body: bytes) -> None:
        """ServerKeyExchange (RFC 8422 §5.4): the server's share, signed."""
        reader = Reader(body)
        curve_type, group, point = reader.number(1), reader.number(2), reader.vector(1)
        signed = self._random + self._server_random + body[: reader.position]
        algorithm, kind, signature = reader.number(1), reader.number(1), reader.vector(2)
        digest, key = _HASHES.get(algorithm), self._server_key
        if curve_type != 3 or digest is None:
            raise Malformed("a key exchange that was not offered")
        try:
            if isinstance(key, ec.EllipticCurvePublicKey) and kind == _ECDSA:
                key.verify(signature, signed, ec.ECDSA(digest))
            elif isinstance(key, rsa.RSAPublicKey) and kind == _RSA:
                key.verify(signature, signed, padding.PKCS1v15(), digest)
            else:
                raise Malformed("a signature of another kind than the certificate's key")
        except InvalidSignature as error:
            raise Malformed("the server does not have its certificate's key") from error
        self._share = lambda: _shared(group, point)

    def _done(self) -> None:
        """Our second flight; from here on both sides have keys."""
        ours, secret = self._share()
        flight: list[Message | None] = []
        if self._requested:
            flight.append(self._said(_Kind.CERTIFICATE, vector(3, vector(3, self._identity.der))))
        flight.append(self._said(_Kind.CLIENT_KEY, vector(1, ours)))
        seed = hashlib.sha256(self._transcript).digest()
        self._master = wire.expand(secret, b"extended master secret", seed, 48)
        if self._requested:
            signature = self._identity.sign(self._transcript)
            flight.append(self._said(_Kind.CERTIFICATE_VERIFY, bytes((4, _ECDSA)) + vector(2, signature)))
        block = wire.expand(self._master, b"key expansion", self._server_random + self._random, 40)
        self._ours, self._theirs = Direction(block[:16], block[32:36]), Direction(block[16:32], block[36:40])
        flight += [None, self._said(_Kind.FINISHED, self._proof(b"client finished", self._transcript))]
        self._fly(flight)

    def _finished(self, body: bytes, before: bytes) -> None:
        if not hmac.compare_digest(body, self._proof(b"server finished", before)):
            raise Malformed("the two sides saw different handshakes")
        seed = self._random + self._server_random
        self.material = wire.expand(self._master, b"EXTRACTOR-dtls_srtp", seed, key_length(self.profile))
        self._flight, self._transcript = [], b""
        self.state = DtlsState.CONNECTED

    def _alerted(self, body: bytes, *, protected: bool) -> None:
        if len(body) != 2 or (body[0] != _FATAL and body[1] != _CLOSE_NOTIFY):
            return
        if protected and body[1] == _CLOSE_NOTIFY:
            self.state = DtlsState.CLOSED
        elif body[0] == _FATAL:
            self.state, self.failure = DtlsState.FAILED, f"the peer gave up (alert {body[1]})"

    # --- what goes out ---

    def _hello(self, cookie: bytes) -> None:
        groups = b"".join(number.to_bytes(2, "big") for number in (_X25519, *_CURVES))
        signatures = b"".join(bytes((digest, kind)) for kind in (_ECDSA, _RSA) for digest in _HASHES)
        profiles = b"".join(_SRTP_NUMBERS[profile.name].to_bytes(2, "big") for profile in PROFILES)
        extensions = (
            (_GROUPS, vector(2, groups)),
            (_POINTS, b"\x01\x00"),
            (_SIGNATURES, vector(2, signatures)),
            (_SRTP, vector(2, profiles) + b"\0"),
            (_EXTENDED_SECRET, b""),
            (_RENEGOTIATION, b"\0"),
        )
        written = b"".join(kind.to_bytes(2, "big") + vector(2, body) for kind, body in extensions)
        head = wire.DTLS_1_2 + self._random + b"\0" + vector(1, cookie)
        body = head + vector(2, _SUITES) + b"\x01\x00" + vector(2, written)
        self._fly([self._said(_Kind.CLIENT_HELLO, body)])

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
        self._alert(_FATAL, _HANDSHAKE_FAILURE)
        self.state, self.failure = DtlsState.FAILED, reason


def _shared(group: int, point: bytes) -> tuple[bytes, bytes]:
    """Our share of the key exchange, and the secret that both have."""
    try:
        if group == _X25519:
            mine = x25519.X25519PrivateKey.generate()
            return mine.public_key().public_bytes_raw(), mine.exchange(x25519.X25519PublicKey.from_public_bytes(point))
        if group not in _CURVES:
            raise Malformed(f"a group that was not offered: {group}")
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[group], point)
    except ValueError as error:
        raise Malformed("the server's share is no point of its curve") from error
    own = ec.generate_private_key(_CURVES[group])
    form = serialization.PublicFormat.UncompressedPoint
    return own.public_key().public_bytes(serialization.Encoding.X962, form), own.exchange(ec.ECDH(), theirs)
