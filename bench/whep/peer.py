"""One viewer's session: POST, ICE check, DTLS as the client, SRTP keys; then its socket is somebody else's to read.

Sequential and small: each step sends, and awaits the answer on the viewer's own UDP socket. DTLS is pyOpenSSL's, ICE
messages are aioice's, SRTP is pylibsrtp's; nothing of the package that is measured.
"""

import asyncio
import datetime as dt
import secrets
import socket
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from aioice import stun
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from pylibsrtp import Session

from bench.whep.sdp import Answer, offer, read_answer
from bench.whep.srtp import EXPORTER, GCM, Profile, receiving, sending, session_keys, split_keys

UDP_GRO, TIMESTAMPNS = 104, 35
"""Options of the kernel that Python has no names for: trains of packets in one read, and when each came."""
_PATIENCE, _AGAIN = 15.0, 0.5
_BUFFER = 1 << 22


class Identity:
    """The certificate that all viewers of this process share, as every tab of a browser has its own."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self.profiles = {profile.openssl: profile for profile in profiles}
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
        today = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(today - dt.timedelta(1)).not_valid_after(today + dt.timedelta(30))
        certificate = builder.sign(key, hashes.SHA256())
        self.fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        self.context = SSL.Context(SSL.DTLS_METHOD)
        self.context.use_certificate(certificate)
        self.context.use_privatekey(key)
        self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        self.context.set_tlsext_use_srtp(b":".join(self.profiles))


class Peer:
    """See the module. `posted_ns` is when it asked for the media (monotonic)."""

    def __init__(self) -> None:
        self.socket = _open()
        self.posted_ns = 0
        self.check = b""
        self.ssrcs: tuple[int, ...] = ()
        self.incoming: Session
        self.outgoing: Session | None = None

    async def join(self, url: str, identity: Identity) -> None:
        """Get as far as SRTP keys; OSError, ValueError or TimeoutError when that fails."""
        self.posted_ns = time.monotonic_ns()
        async with asyncio.timeout(_PATIENCE):
            if url.startswith("floor://"):
                await self._join_floor(url)
            else:
                await self._join_server(url, identity)

    async def _join_floor(self, url: str) -> None:
        """The floor takes a key in place of a handshake, and sends nothing before its next keyframe."""
        where = urlsplit(url)
        self.socket.connect((where.hostname, where.port))
        master = secrets.token_bytes(16 + GCM.salt)
        self.incoming = receiving(master)
        self.socket.send(session_keys(master))

    async def _join_server(self, url: str, identity: Identity) -> None:
        ufrag, pwd = secrets.token_hex(4), secrets.token_hex(12)
        where = urlsplit(url)
        answer = read_answer(await _post(url, offer(ufrag, pwd, identity.fingerprint)), where.hostname or "")
        self.ssrcs = answer.ssrcs
        self.socket.connect(answer.address)
        self.check = _check(ufrag, answer)
        while (await self._exchange(self.check))[:2] != b"\x01\x01":
            pass
        await self._shake_hands(identity, answer)

    async def _shake_hands(self, identity: Identity, answer: Answer) -> None:
        dtls = SSL.Connection(identity.context)
        dtls.set_connect_state()
        dtls.set_ciphertext_mtu(1200)
        while True:
            try:
                dtls.do_handshake()
            except SSL.WantReadError:
                datagram = await self._exchange(_flight(dtls))
                if 20 <= datagram[0] < 64:
                    dtls.bio_write(datagram)
            else:
                break
        _verify(dtls, answer)
        profile = identity.profiles[dtls.get_selected_srtp_profile()]
        ours, theirs = split_keys(dtls.export_keying_material(EXPORTER, profile.exported), profile)
        self.outgoing, self.incoming = sending(ours, profile), receiving(theirs, profile)

    async def _exchange(self, data: bytes) -> bytes:
        """Send, and what comes next; sent again while nothing does."""
        loop = asyncio.get_running_loop()
        while True:
            if data:
                self.socket.send(data)
            try:
                async with asyncio.timeout(_AGAIN):
                    return await loop.sock_recv(self.socket, 4096)
            except TimeoutError:
                continue


def _open() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    made.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, 1)
    made.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    return made


def _check(ufrag: str, answer: Answer) -> bytes:
    """A check that nominates; sent again every few seconds it keeps consent (RFC 7675)."""
    attributes = {"USERNAME": f"{answer.ufrag}:{ufrag}", "PRIORITY": 1, "ICE-CONTROLLING": 1, "USE-CANDIDATE": None}
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)
    message.add_message_integrity(answer.pwd.encode())
    return bytes(message)


def _flight(dtls: SSL.Connection) -> bytes:
    try:
        return dtls.bio_read(65_536)
    except SSL.WantReadError:
        return b""


def _verify(dtls: SSL.Connection, answer: Answer) -> None:
    certificate = dtls.get_peer_certificate()
    seen = certificate.digest("sha256").decode() if isinstance(certificate, crypto.X509) else ""
    if seen.upper() != answer.fingerprint.upper():
        raise ValueError(f"the certificate is {seen}, the answer said {answer.fingerprint}")


async def _post(url: str, body: str) -> str:
    """The body of a 201; OSError with what was said otherwise."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        head = f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n"
        kind = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + kind + body).encode())
        response = (await reader.read()).decode()
    finally:
        writer.close()
    status, _, rest = response.partition("\r\n")
    if " 201 " not in status + " ":
        raise ConnectionError(f"{status}: {rest.partition(chr(13) + chr(10) * 2)[2][-200:]}")
    return rest.partition("\r\n\r\n")[2]
