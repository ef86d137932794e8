"""The other end of a `WebRtcPort`: ICE checks, DTLS and SRTP, as plain calls (`Peer`) or on a socket.

DTLS and SRTP are aiortc's certificate, pyOpenSSL and pylibsrtp's own `Session`, nothing of ours.
"""

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pylibsrtp
from aioice import stun
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    RTCCertificate,
    SRTPProtectionProfile,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL
from pylibsrtp import Policy

from arcly_actors.transport.dtls_srtp import DtlsSrtpTransport, Fingerprint, IceCredentials, RemoteParameters
from tests.support.waiting import Noticing

ALL_PROFILES = (SRTP_AEAD_AES_256_GCM, SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80)
_CERTIFICATE = RTCCertificate.generateCertificate()


class Peer(Noticing):
    """A WebRTC peer without a socket: what it wants to send goes to `out`. Set `transport` before anything else.

    It is the DTLS client, or with `passive` the server.
    """

    def __init__(
        self,
        *profiles: SRTPProtectionProfile,
        ufrag: str = "peer",
        pwd: str = "x" * 24,
        passive: bool = False,
        certificate: RTCCertificate = _CERTIFICATE,
        cookies: bool = False,
        ciphers: bytes = b"ECDHE+AESGCM",  # with certificates of every kind
    ) -> None:
        super().__init__()
        self.out: Callable[[bytes], None] = lambda _datagram: None
        self.credentials = IceCredentials(ufrag, pwd)
        self.transport: DtlsSrtpTransport
        self.profiles = profiles or ALL_PROFILES
        self.connected = self.closed = False
        self.answers: list[Any] = []
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.flights = 0
        self.refused = 0
        self.passive = passive
        self.certificate = certificate
        context = certificate._create_ssl_context(list(self.profiles))
        context.set_max_proto_version(0xFEFD)
        context.set_cipher_list(ciphers)
        if cookies:
            context.set_options(SSL.OP_COOKIE_EXCHANGE or 0)
            context.set_cookie_generate_callback(lambda _connection: b"cookie")
            context.set_cookie_verify_callback(lambda _connection, cookie: cookie == b"cookie")
        self._ssl = SSL.Connection(context)
        if passive:
            self._ssl.set_accept_state()
        else:
            self._ssl.set_connect_state()
        self._ssl.set_ciphertext_mtu(1200)
        self._in: Any = None
        self._out: Any = None

    def __repr__(self) -> str:
        return f"Peer(connected={self.connected}, closed={self.closed}, answers={len(self.answers)}, rtp={len(self.rtp)})"

    @property
    def parameters(self) -> RemoteParameters:
        """What its offer says."""
        prints = tuple(Fingerprint(one.algorithm, one.value) for one in self.certificate.getFingerprints())
        return RemoteParameters(self.credentials, prints, active=self.passive)

    def request(self, *, nominate: bool = True, pwd: str | None = None, ufrag: str | None = None) -> bytes:
        """An ICE check."""
        local = self.transport.local
        attributes: dict[str, Any] = {"USERNAME": f"{ufrag or local.ufrag}:{self.credentials.ufrag}", "PRIORITY": 1}
        if nominate:
            attributes["USE-CANDIDATE"] = None
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)
        message.add_message_integrity((pwd or local.pwd).encode())
        return bytes(message)

    def check(self, *, nominate: bool = True) -> None:
        """Send one."""
        self.out(self.request(nominate=nominate))

    def shake_hands(self) -> None:
        """Send the first flight (wait for it), or go on."""
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            self.flush()
            return
        self.flush()
        if not self.connected:
            self._set_up_srtp()

    def resend(self) -> None:
        """Repeat the last flight if OpenSSL thinks it is time."""
        self._ssl.DTLSv1_handle_timeout()
        self.flush()

    def receive(self, datagram: bytes) -> None:
        """Take what the port sent."""
        if datagram[0] < 4:
            self.answers.append(stun.parse_message(datagram))
        elif datagram[0] < 64:
            self.flights += 1
            self._ssl.bio_write(datagram)
            if self.connected:
                self._read()
            else:
                self.shake_hands()
        else:
            self._media(datagram)
        self.notice()

    def protect(self, plain: bytes) -> bytes:
        """As SRTP."""
        return bytes(self._out.protect(plain))

    def send_rtp(self, plain: bytes) -> None:
        self.out(self.protect(plain))

    def send_rtcp(self, plain: bytes) -> None:
        self.out(self._out.protect_rtcp(plain))

    def goodbye(self) -> None:
        """Send close_notify."""
        self._ssl.shutdown()
        self.flush()

    def flush(self) -> None:
        """Send what OpenSSL wrote; each flight of these tests fits one datagram."""
        try:
            self.out(self._ssl.bio_read(65_536))
        except SSL.WantReadError:
            return

    def _read(self) -> None:
        try:
            self._ssl.recv(2048)
        except SSL.WantReadError:
            return
        except SSL.ZeroReturnError:
            self.closed = True

    def _media(self, datagram: bytes) -> None:
        try:
            if 192 <= datagram[1] < 224:
                self.rtcp.append(self._in.unprotect_rtcp(datagram))
            else:
                self.rtp.append(self._in.unprotect(datagram))
        except pylibsrtp.Error:
            self.refused += 1

    def _set_up_srtp(self) -> None:
        name = self._ssl.get_selected_srtp_profile()
        profile = next(one for one in ALL_PROFILES if one.openssl_profile == name)
        material = self._ssl.export_keying_material(
            b"EXTRACTOR-dtls_srtp", 2 * (profile.key_length + profile.salt_length)
        )
        self._out = _session(profile, profile.get_key_and_salt(material, int(self.passive)), Policy.SSRC_ANY_OUTBOUND)
        self._in = _session(profile, profile.get_key_and_salt(material, int(not self.passive)), Policy.SSRC_ANY_INBOUND)
        self.connected = True


def rsa_certificate() -> RTCCertificate:
    """As GStreamer makes them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return RTCCertificate(key, made)  # type: ignore[arg-type]  # it is made for EC keys and passes any on to OpenSSL


def _session(profile: SRTPProtectionProfile, key: bytes, kind: int) -> pylibsrtp.Session:
    policy = Policy(key=key, ssrc_type=kind, srtp_profile=profile.libsrtp_profile)
    policy.window_size = 16_384
    return pylibsrtp.Session(policy)


class Wireless:
    """A socket for a peer; `move` gives it another one, as a phone that changes networks has."""

    def __init__(self, peer: Peer, host: str = "127.0.0.1", family: int = socket.AF_INET) -> None:
        self._peer = peer
        self._host = host
        self._family = family
        self._loop = asyncio.get_running_loop()
        self.socket = self._open()
        peer.out = self.send

    def _open(self) -> socket.socket:
        made = socket.socket(self._family, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        made.setblocking(False)
        candidate = self._peer.transport.candidates[0]
        made.connect((self._host, candidate.port))  # only answers from the address that was asked arrive
        self._loop.add_reader(made.fileno(), self._readable, made)
        return made

    def send(self, datagram: bytes) -> None:
        self.socket.send(datagram)

    def move(self) -> socket.socket:
        """Go on from another port; the old socket is returned and still heard."""
        old, self.socket = self.socket, self._open()
        return old

    def close(self, *others: socket.socket) -> None:
        for one in (self.socket, *others):
            self._loop.remove_reader(one.fileno())
            one.close()

    def _readable(self, made: socket.socket) -> None:
        while True:
            try:
                datagram = made.recv(65_536)
            except (BlockingIOError, ConnectionError):
                return
            self._peer.receive(datagram)


async def meet(peer: Peer, wireless: Wireless) -> None:
    """ICE and DTLS, from the peer's first check to its SRTP keys."""
    peer.check()
    await peer.until(lambda: peer.answers)
    if not peer.passive:
        peer.shake_hands()
    await peer.until(lambda: peer.connected)
