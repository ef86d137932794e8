"""The server side of DTLS 1.2 for SRTP keys (RFC 5764, RFC 8827), without sockets or tasks: OpenSSL over memory.

The client side, for the few peers that want to be the server, is `dtls_client`.

Not `aiortc.RTCDtlsTransport`: that keeps a task, a queue and an SSL context for each peer, cannot be closed while it
shakes hands, and sends at most 1500 bytes of a flight. What it is made of, pyOpenSSL, is used here directly.

Measured: 0.24 ms CPU of ours per handshake (0.75 ms with ICE checks, sockets and SRTP), 74 kB per association (95 kB
without SSL_MODE_RELEASE_BUFFERS), most of it the handshake's buffers: `dtls_settled` takes its place soon after.
OpenSSL keeps the retransmission timer (1 s, doubling); its owner asks for it and calls `wake`.
"""

from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S, Clock
from arcly_actors.transport.srtp import PROFILES, Profile, key_length

_DTLS_1_2 = 0xFEFD
_RELEASE_BUFFERS = 0x10  # SSL_MODE_RELEASE_BUFFERS
_SETTLING = "ECDHE-ECDSA-AES128-GCM-SHA256"
_CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384"
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha-512": hashes.SHA512,
    "sha-384": hashes.SHA384,
    "sha-256": hashes.SHA256,
}
_VALIDITY = timedelta(days=365)
_RECORD_HEADER = 13


class Identity:
    """A port's certificate (ECDSA P-256, self-signed, made anew at each start) and what all its associations share."""

    def __init__(self, clock: Clock) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self._key = key
        self._certificate = _self_signed(key, clock)
        self.der = self._certificate.public_bytes(serialization.Encoding.DER)
        self.fingerprint = digest(self._certificate, "sha-256")
        self.context = SSL.Context(SSL.DTLS_SERVER_METHOD)
        self.context.set_min_proto_version(_DTLS_1_2)
        self.context.set_max_proto_version(_DTLS_1_2)
        self.context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
        self.context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)  # for the sake of `dtls_settled`
        self.context.set_mode(_RELEASE_BUFFERS)
        self.context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        # Certificates are self-signed; what counts is the fingerprint, looked at when the handshake is done.
        self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        self.context.use_certificate(self._certificate)
        self.context.use_privatekey(key)
        self.context.set_cipher_list(_CIPHERS)
        self.context.set_tlsext_use_srtp(":".join(profile.name for profile in PROFILES).encode())

    def sign(self, data: bytes) -> bytes:
        """ECDSA with SHA-256, by the certificate's key."""
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))


class DtlsState(Enum):
    """Of one association; it only ever moves down this list."""

    HANDSHAKING = auto()
    CONNECTED = auto()
    CLOSED = auto()
    """The peer said goodbye, or we did."""
    FAILED = auto()
    """`DtlsServer.failure` says why."""


class DtlsServer:
    """One association. After each call, `take` what is to be sent and look at `state`.

    `fingerprints` are the peer's as (algorithm, value). Once CONNECTED, `profile` and `material` are for SRTP.
    """

    __slots__ = ("_connection", "_fingerprints", "failure", "material", "profile", "state")

    active = False

    def __init__(self, identity: Identity, fingerprints: tuple[tuple[str, str], ...]) -> None:
        self._connection = SSL.Connection(identity.context)
        self._connection.set_accept_state()
        self._connection.set_ciphertext_mtu(limits.DTLS_MTU)
        self._fingerprints = fingerprints
        self.state = DtlsState.HANDSHAKING
        self.failure = ""
        self.profile: Profile = PROFILES[0]
        self.material = b""

    def start(self) -> None:
        """Nothing: it is the peer that begins."""

    def receive(self, datagram: bytes) -> None:
        """Take a datagram from the peer; never raises on its contents."""
        if self.state is DtlsState.HANDSHAKING:
            self._connection.bio_write(datagram)
            self._shake_hands()
        elif self.state is DtlsState.CONNECTED:
            self._connection.bio_write(datagram)
            self._read()

    def wake(self) -> None:
        """The time that `wake_in` gave is over: repeat the last flight if it is lost."""
        if self.state is not DtlsState.HANDSHAKING:
            return
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(f"the handshake was given up: {_said(error)}")

    def wake_in(self) -> int | None:
        """When to call `wake`, in ns from now; None when there is nothing to repeat."""
        if self.state is not DtlsState.HANDSHAKING:
            return None
        seconds = self._connection.DTLSv1_get_timeout()
        return None if seconds is None else int(seconds * NS_PER_S)

    def close(self) -> None:
        """Say close_notify, if there is anybody to say it to."""
        if self.state is DtlsState.CONNECTED:
            try:
                self._connection.shutdown()
            except SSL.Error as error:
                self._fail(_said(error))
                return
        if self.state is not DtlsState.FAILED:
            self.state = DtlsState.CLOSED

    def take(self) -> list[bytes]:
        """The datagrams to send now."""
        flight = bytearray()
        try:
            while True:
                flight += self._connection.bio_read(65_536)
        except SSL.WantReadError:
            return datagrams(bytes(flight))

    def secrets(self) -> tuple[bytes, bytes, bytes] | None:
        """Its master secret, the client's random and the server's, once connected with the cipher whose records
        `dtls_wire` has, which is the first of ours and known to every browser. None with another.
        """
        if self.state is not DtlsState.CONNECTED or self._connection.get_cipher_name() != _SETTLING:
            return None
        made = self._connection
        master, client, server = made.master_key(), made.client_random(), made.server_random()
        return (master, client, server) if master and client and server else None

    def _shake_hands(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            self._fail(f"the handshake failed: {_said(error)}")
            return
        try:
            certificate = self._connection.get_peer_certificate(as_cryptography=True)
        except (ValueError, x509.InvalidVersion):  # what OpenSSL takes and `cryptography` does not
            self._fail("the certificate cannot be read")
            return
        if certificate is None or not matches(certificate, self._fingerprints):
            self._fail("the certificate is not the one whose fingerprint was signalled")
            return
        chosen = self._connection.get_selected_srtp_profile().decode("ascii", "replace")
        profile = next((known for known in PROFILES if known.name == chosen), None)
        if profile is None:
            self._fail("no SRTP profile in common")
            return
        self.profile = profile
        self.material = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", key_length(profile))
        self.state = DtlsState.CONNECTED
        self._read()

    def _read(self) -> None:
        """Nothing but alerts is expected; data channels are not negotiated, so their data is thrown away."""
        try:
            while True:
                self._connection.recv(2048)
        except SSL.WantReadError:
            return
        except SSL.ZeroReturnError:
            self.close()  # RFC 5246 §7.2.1: answered in kind
        except SSL.Error as error:
            self._fail(_said(error))

    def _fail(self, reason: str) -> None:
        self.state = DtlsState.FAILED
        self.failure = reason


def datagrams(flight: bytes) -> list[bytes]:
    """Cut what OpenSSL wrote at record boundaries, so that as many records as fit share a datagram of `DTLS_MTU`."""
    cuts: list[bytes] = []
    start = position = 0
    while position + _RECORD_HEADER <= len(flight):
        end = position + _RECORD_HEADER + int.from_bytes(flight[position + 11 : position + 13], "big")
        if end - start > limits.DTLS_MTU and position > start:
            cuts.append(flight[start:position])
            start = position
        position = end
    return [*cuts, flight[start:]] if start < len(flight) else cuts


def digest(certificate: x509.Certificate, algorithm: str) -> str:
    """A fingerprint's value (RFC 8122 section 5); KeyError for an algorithm that is not one of the SHA-2 family's."""
    return certificate.fingerprint(_HASHES[algorithm]()).hex(":").upper()


def matches(certificate: x509.Certificate, fingerprints: tuple[tuple[str, str], ...]) -> bool:
    """Whether one of the fingerprints with the strongest hash that we know is this certificate's (RFC 8122 section 5)."""
    for algorithm in _HASHES:
        values = [value.upper() for name, value in fingerprints if name.lower() == algorithm]
        if values:
            return digest(certificate, algorithm) in values
    return False


def _self_signed(key: ec.EllipticCurvePrivateKey, clock: Clock) -> x509.Certificate:
    now = datetime.fromtimestamp(clock.wall_ns() // NS_PER_S, UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "WebRTC")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALIDITY)
        .sign(key, hashes.SHA256())
    )


def _said(error: SSL.Error) -> str:
    """OpenSSL's own words: the last of its stack, or the name of the error."""
    stack = error.args[0] if error.args else None
    if isinstance(stack, list) and stack:
        return str(stack[-1][-1]) or "unknown"
    return type(error).__name__
