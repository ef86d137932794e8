"""A DTLS server that says whatever a test wants, and keeps its keys and transcript in step with what it said.

So a lie is found by the check that is meant to find it, not by a Finished that does not fit.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519

from arcly_actors.transport import dtls_wire as wire
from arcly_actors.transport.dtls_client import DtlsClient
from arcly_actors.transport.dtls_wire import Direction, Message, Reader, Reassembly, Record, vector

HELLO, CERTIFICATE, KEY, REQUEST, DONE, FINISHED = 2, 11, 12, 13, 14, 20
REQUEST_BODY = b"\x01\x40" + b"\x00\x02\x04\x03" + b"\x00\x00"
EXTENSIONS = {23: b"", 14: b"\x00\x02\x00\x07\x00", 0xFF01: b"\0", 11: b"\x01\x00"}
CURVES = {21: ec.SECP224R1(), 23: ec.SECP256R1(), 24: ec.SECP384R1(), 25: ec.SECP521R1()}
P256 = ec.generate_private_key(ec.SECP256R1())

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Change = Callable[[bytes], bytes]


def hello(
    extensions: dict[int, bytes] | list[tuple[int, bytes]] = EXTENSIONS,
    suite: bytes = b"\xc0\x2b",
    compression: bytes = b"\0",
    version: bytes = wire.DTLS_1_2,
    session: bytes = b"",
) -> bytes:
    """The body of a ServerHello."""
    pairs = extensions.items() if isinstance(extensions, dict) else extensions
    written = b"".join(kind.to_bytes(2, "big") + vector(2, body) for kind, body in pairs)
    return version + b"s" * 32 + vector(1, session) + suite + compression + vector(2, written)


def certified(key: SigningKey) -> x509.Certificate:
    """A certificate with this key, signed by another."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    day = datetime(2026, 1, 1, tzinfo=UTC)
    return builder.serial_number(5).not_valid_before(day).not_valid_after(day).sign(P256, hashes.SHA256())


class ScriptedServer:
    """`changes` are made to the bodies of messages after they were signed and before they are hashed and sent."""

    def __init__(
        self,
        key: SigningKey = P256,
        *,
        said: bytes | None = None,
        group: int = 23,
        share: bytes | None = None,
        digest: tuple[int, hashes.HashAlgorithm] = (4, hashes.SHA256()),
        request: bytes | None = REQUEST_BODY,
        changes: dict[int, Change] | None = None,
    ) -> None:
        self.certificate = certified(key)
        self.der = self.certificate.public_bytes(serialization.Encoding.DER)
        self.prints = (("sha-256", self.certificate.fingerprint(hashes.SHA256()).hex(":")),)
        self._key = key
        suite = b"\xc0\x2f" if isinstance(key, rsa.RSAPrivateKey) else b"\xc0\x2b"
        self.said = hello(suite=suite) if said is None else said
        self._group, self._share, self._digest = group, share, digest
        self._request, self._changes = request, changes or {}
        self.transcript = b""
        self.master = b""
        self._random = b""
        self._incoming = Reassembly()
        self.number = 0
        self.records = 0
        self.theirs: Direction
        self.ours: Direction

    def say(self, kind: int, body: bytes) -> Message:
        """A message, counted and hashed."""
        message = Message(kind, self.number, self._changes.get(kind, bytes)(body))
        self.number += 1
        self.transcript += message.whole
        return message

    def answer(self, datagrams: list[bytes]) -> list[Message]:
        """The first flight, to a hello."""
        heard = self._heard(datagrams)[0]
        self.transcript += heard.whole
        self._random = heard.body[2:34]
        flight = [self.say(HELLO, self.said), self.say(CERTIFICATE, vector(3, vector(3, self.der)))]
        flight.append(self.say(KEY, self._exchange()))
        if self._request is not None:
            flight.append(self.say(REQUEST, self._request))
        return [*flight, self.say(DONE, b"")]

    def finish(self, datagrams: list[bytes]) -> Message:
        """Our Finished, to the second flight."""
        point = b""
        for message in self._heard(datagrams):
            self.transcript += message.whole
            if message.kind == 16:
                point = Reader(message.body).vector(1)
                seed = hashlib.sha256(self.transcript).digest()
                self.master = wire.expand(self._secret(point), b"extended master secret", seed, 48)
        block = wire.expand(self.master, b"key expansion", b"s" * 32 + self._random, 40)
        self.theirs, self.ours = Direction(block[:16], block[32:36]), Direction(block[16:32], block[36:40])
        sealed = [one for data in datagrams for one in wire.records(data) if one.epoch == 1]
        opened = self.theirs.open(sealed[0])
        assert opened is not None
        self.transcript += opened.body
        proof = wire.expand(self.master, b"server finished", hashlib.sha256(self.transcript).digest(), 12)
        return self.say(FINISHED, proof)

    def plain(self, message: Message) -> bytes:
        """In a record of its own."""
        self.records += 1
        return wire.write_record(Record(wire.HANDSHAKE, self.records, message.whole))

    def sealed(self, body: bytes, kind: int = wire.HANDSHAKE, epoch: int = 1) -> bytes:
        """In a protected record."""
        self.records += 1
        return wire.write_record(self.ours.seal(Record(kind, (epoch << 48) + self.records, body)))

    def _heard(self, datagrams: list[bytes]) -> list[Message]:
        """What came without protection."""
        found = []
        for record in (record for datagram in datagrams for record in wire.records(datagram)):
            if record.kind == wire.HANDSHAKE and record.epoch == 0:
                self._incoming.add(record.body)
                while (message := self._incoming.next()) is not None:
                    found.append(message)
        return found

    def _exchange(self) -> bytes:
        if self._group == 29:
            self._own_x = x25519.X25519PrivateKey.generate()
            point = self._own_x.public_key().public_bytes_raw()
        else:
            self._own = ec.generate_private_key(CURVES.get(self._group, ec.SECP256R1()))
            form = serialization.PublicFormat.UncompressedPoint
            point = self._own.public_key().public_bytes(serialization.Encoding.X962, form)
        params = b"\x03" + self._group.to_bytes(2, "big") + vector(1, point if self._share is None else self._share)
        signed, (number, digest) = self._random + self.said[2:34] + params, self._digest
        if isinstance(self._key, rsa.RSAPrivateKey):
            signature, kind = self._key.sign(signed, padding.PKCS1v15(), digest), 1
        else:
            signature, kind = self._key.sign(signed, ec.ECDSA(digest)), 3
        return params + bytes((number, kind)) + vector(2, signature)

    def _secret(self, point: bytes) -> bytes:
        if self._group == 29:
            return self._own_x.exchange(x25519.X25519PublicKey.from_public_bytes(point))
        return self._own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(self._own.curve, point))


def handshake(made: DtlsClient, server: ScriptedServer) -> None:
    """All of it, as far as the client comes."""
    made.start()
    for message in server.answer(made.take()):
        made.receive(server.plain(message))
    if made.wake_in() is not None:
        made.receive(server.sealed(server.finish(made.take()).whole))
