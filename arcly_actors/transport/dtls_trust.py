"""What `dtls_client` offers its server, and what it believes of the answers: each is read to its last byte.

Nothing is taken that was not offered: suite, compression, extension, SRTP profile, group, signature (RFC 5246 §7.4).
All of it ends in a value or in `Malformed`.
"""

from types import MappingProxyType
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519

from arcly_actors.errors import Malformed
from arcly_actors.transport.dtls import matches
from arcly_actors.transport.dtls_wire import DTLS_1_2, Reader, vector
from arcly_actors.transport.srtp import PROFILES, Profile

ServerKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

# ECDHE with AES-128-GCM and SHA-256, and the keys that servers sign with under them (RFC 8422 §2).
_SUITES: MappingProxyType[bytes, type[ServerKey]] = MappingProxyType(
    {b"\xc0\x2b": ec.EllipticCurvePublicKey, b"\xc0\x2f": rsa.RSAPublicKey}
)
_X25519 = 29
_CURVES: MappingProxyType[int, ec.EllipticCurve] = MappingProxyType(
    {23: ec.SECP256R1(), 24: ec.SECP384R1(), 25: ec.SECP521R1(), 21: ec.SECP224R1()}
)
_HASHES: MappingProxyType[int, hashes.HashAlgorithm] = MappingProxyType(
    {4: hashes.SHA256(), 5: hashes.SHA384(), 6: hashes.SHA512()}
)
_RSA, _ECDSA = 1, 3
_ECDSA_CERTIFICATE = 64
_RSA_BITS = range(2048, 8193)  # as strong as the weakest curve, and no work without end
_NAMED_CURVE, _UNCOMPRESSED = 3, b"\x04"
_GROUPS, _POINTS, _SIGNATURES, _SRTP, _EXTENDED_SECRET, _RENEGOTIATION = 10, 11, 13, 14, 23, 0xFF01
_SRTP_NUMBERS = MappingProxyType({"SRTP_AEAD_AES_128_GCM": 7, "SRTP_AEAD_AES_256_GCM": 8, "SRTP_AES128_CM_SHA1_80": 1})
_SESSION_ID = 32

OUR_SIGNATURE = bytes((4, _ECDSA))
"""What `Identity.sign` makes: ECDSA with SHA-256 (RFC 5246 §7.4.1.4.1)."""


class Chosen(NamedTuple):
    """What a server hello chose: the kind of key to sign with, the profile for SRTP; and its random bytes."""

    random: bytes
    key: type[ServerKey]
    profile: Profile


def _numbers(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(2, "big") for number in numbers)


# The extensions of our hello; servers may answer with these and no others.
_OFFERED: MappingProxyType[int, bytes] = MappingProxyType(
    {
        _GROUPS: vector(2, _numbers(_X25519, *_CURVES)),
        _POINTS: b"\x01\x00",
        _SIGNATURES: vector(2, b"".join(bytes((digest, kind)) for kind in (_ECDSA, _RSA) for digest in _HASHES)),
        _SRTP: vector(2, _numbers(*(_SRTP_NUMBERS[profile.name] for profile in PROFILES))) + b"\0",
        _EXTENDED_SECRET: b"",
        _RENEGOTIATION: b"\0",
    }
)
# Those whose answer can only be one: RFC 7627 §5.1, RFC 5746 §3.4.
_ANSWERS: MappingProxyType[int, bytes] = MappingProxyType({_EXTENDED_SECRET: b"", _RENEGOTIATION: b"\0"})


def hello(random: bytes, cookie: bytes) -> bytes:
    """The body of a ClientHello."""
    extensions = b"".join(kind.to_bytes(2, "big") + vector(2, body) for kind, body in _OFFERED.items())
    head = DTLS_1_2 + random + b"\0" + vector(1, cookie)
    return head + vector(2, b"".join(_SUITES)) + b"\x01\x00" + vector(2, extensions)


def cookie(body: bytes) -> bytes:
    """That of a HelloVerifyRequest (RFC 6347 §4.2.1); its version says nothing."""
    reader = Reader(body)
    reader.take(2)
    found = reader.vector(1)
    reader.end()
    return found


def chosen(body: bytes) -> Chosen:
    """What a ServerHello says (RFC 5246 §7.4.1.3). The extended master secret and an SRTP profile must be in it."""
    reader = Reader(body)
    version, random, session = reader.take(2), reader.take(32), reader.vector(1)
    key, compression = _SUITES.get(reader.take(2)), reader.take(1)
    if version != DTLS_1_2 or key is None or compression != b"\0" or len(session) > _SESSION_ID:
        raise Malformed("the server chose what was not offered")
    extensions = _extensions(reader.vector(2) if reader.left else b"")
    reader.end()
    if _EXTENDED_SECRET not in extensions:
        raise Malformed("the server has no extended master secret")
    # One profile, and no MKI, as ours has none (RFC 5764 §4.1.3).
    answer = extensions.get(_SRTP)
    for profile in PROFILES:
        if answer == vector(2, _numbers(_SRTP_NUMBERS[profile.name])) + b"\0":
            return Chosen(random, key, profile)
    raise Malformed("no SRTP profile in common")


def _extensions(written: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    reader = Reader(written)
    while reader.left:
        number, body = reader.number(2), reader.vector(2)
        if number in found or number not in _OFFERED:
            raise Malformed(f"an extension that was not offered, or twice: {number}")
        if body != _ANSWERS.get(number, body):
            raise Malformed(f"an extension that cannot say this: {number}")
        found[number] = body
    return found


def server_key(body: bytes, fingerprints: tuple[tuple[str, str], ...], kind: type[ServerKey]) -> ServerKey:
    """The key of the first certificate of a Certificate message, if it is the one that was signalled."""
    reader = Reader(body)
    chain = Reader(reader.vector(3))
    reader.end()
    try:
        certificate = x509.load_der_x509_certificate(chain.vector(3))
        if not matches(certificate, fingerprints):
            raise Malformed("the certificate is not the one whose fingerprint was signalled")
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise Malformed("the certificate cannot be read") from error
    if not isinstance(key, kind) or not _strong(key):
        raise Malformed("the certificate has a key of another kind")
    return key


def _strong(key: ServerKey) -> bool:
    """On a curve that was offered (RFC 8422 §5.3), or RSA within bounds."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size in _RSA_BITS
    return key.curve.name in {curve.name for curve in _CURVES.values()}


def server_share(body: bytes, randoms: bytes, key: ServerKey) -> tuple[int, bytes]:
    """ServerKeyExchange (RFC 8422 §5.4): group and point, if they are signed together with both sides' `randoms`."""
    reader = Reader(body)
    curve_type, group, point = reader.number(1), reader.number(2), reader.vector(1)
    signed = randoms + body[: reader.position]
    digest, kind, signature = _HASHES.get(reader.number(1)), reader.number(1), reader.vector(2)
    reader.end()
    if curve_type != _NAMED_CURVE or digest is None:
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
    return group, point


def exchange(group: int, point: bytes) -> tuple[bytes, bytes]:
    """Our share of the key exchange, and the secret that both have (RFC 8422 §5.10, §5.11)."""
    try:
        if group == _X25519:
            mine = x25519.X25519PrivateKey.generate()
            return mine.public_key().public_bytes_raw(), mine.exchange(x25519.X25519PublicKey.from_public_bytes(point))
        if group not in _CURVES or point[:1] != _UNCOMPRESSED:
            raise Malformed(f"a group or form of point that was not offered: {group}")
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[group], point)
        own = ec.generate_private_key(_CURVES[group])
        form = serialization.PublicFormat.UncompressedPoint
        return own.public_key().public_bytes(serialization.Encoding.X962, form), own.exchange(ec.ECDH(), theirs)
    except ValueError as error:
        raise Malformed("the server's share is no point of its curve") from error


def check_request(body: bytes) -> None:
    """CertificateRequest (RFC 5246 §7.4.4): it must leave room for the certificate that we have."""
    reader = Reader(body)
    kinds, signatures = reader.vector(1), reader.vector(2)
    reader.vector(2)
    reader.end()
    pairs = {signatures[at : at + 2] for at in range(0, len(signatures), 2)}
    if _ECDSA_CERTIFICATE not in kinds or OUR_SIGNATURE not in pairs:
        raise Malformed("the server wants a certificate of another kind than ours")
