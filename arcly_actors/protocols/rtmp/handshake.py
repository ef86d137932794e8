"""The RTMP handshake, simple (RTMP 1.0, section 5.2) and with digest, in both roles.

The digest form is not in the specification; Flash Player 9 brought it and FFmpeg still asks for it. The version field of
C1 is then not zero, and 32 bytes of C1 and S1 are an HMAC-SHA256 over the rest of them. Where those 32 bytes stand
is computed from four bytes of the packet; the two schemes differ in which four. S2 and C2 end in an HMAC that
proves that the digest of the other side was read.

Randomness is an argument: a seed of any length, stretched with SHAKE-256.
"""

import hashlib
import hmac
from typing import Final

from arcly_actors.errors import Malformed

VERSION: Final = b"\x03"
SIZE: Final = 1536
_DIGEST: Final = 32
_SCHEMES: Final = (8, 772)  # where the four offset bytes stand
_SALT: Final = bytes.fromhex("f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae")
_SERVER_KEY: Final = b"Genuine Adobe Flash Media Server 001" + _SALT
_CLIENT_KEY: Final = b"Genuine Adobe Flash Player 001" + _SALT
_SERVER_NAME: Final = _SERVER_KEY[:36]
_CLIENT_NAME: Final = _CLIENT_KEY[:30]
_SERVER_VERSION: Final = b"\x04\x05\x00\x01"  # FFmpeg reads a digest only from a server of version 3 or later
_CLIENT_VERSION: Final = b"\x09\x00\x7c\x02"  # Flash Player 9.0.124.2, as FFmpeg says


class ServerHandshake:
    """Takes C0 C1 C2 in any cut; `complete` once all are here, and `rest` is what came after them."""

    def __init__(self, seed: bytes) -> None:
        self.complete = False
        self.digest = False
        self.rest = b""
        self._seed = seed
        self._received = bytearray()
        self._answered = False

    def receive(self, data: bytes) -> bytes:
        """Bytes to send back, perhaps none; Malformed when the peer speaks something else than RTMP 3."""
        self._received += data
        _check_version(self._received)
        answer = b""
        if not self._answered and len(self._received) > SIZE:
            answer = self._answer(bytes(self._received[1 : 1 + SIZE]))
            self._answered = True
        if len(self._received) > 2 * SIZE:  # C2's content is not checked: too many clients send an own idea of it
            self.complete = True
            self.rest = bytes(self._received[1 + 2 * SIZE :])
            self._received.clear()
        return answer

    def _answer(self, c1: bytes) -> bytes:
        found = find_digest(c1, _CLIENT_NAME) if any(c1[4:8]) else None
        filler = _stretch(self._seed, 2 * SIZE)
        if found is None:
            return VERSION + bytes(8) + filler[: SIZE - 8] + c1
        self.digest = True
        scheme, digest = found
        s1 = sign(bytes(4) + _SERVER_VERSION + filler[: SIZE - 8], scheme, _SERVER_NAME)
        return VERSION + s1 + prove(filler[SIZE:], digest, _SERVER_KEY)


class ClientHandshake:
    """Sends C0 C1 (`start`), takes S0 S1 S2 in any cut, sends C2; `complete` and `rest` as in `ServerHandshake`."""

    def __init__(self, seed: bytes, *, digest: bool = True, scheme: int = _SCHEMES[0]) -> None:
        self.complete = False
        self.rest = b""
        filler = _stretch(seed, 2 * SIZE)
        self._c2_filler = filler[SIZE:]
        self._received = bytearray()
        self._digest = digest
        if digest:
            self._c1 = sign(bytes(4) + _CLIENT_VERSION + filler[: SIZE - 8], scheme, _CLIENT_NAME)
        else:
            self._c1 = bytes(8) + filler[: SIZE - 8]

    def start(self) -> bytes:
        """C0 and C1."""
        return VERSION + self._c1

    def receive(self, data: bytes) -> bytes:
        """C2 once S0 S1 S2 are here; Malformed when the server is none or fails the proof."""
        self._received += data
        _check_version(self._received)
        if len(self._received) <= 2 * SIZE:
            return b""
        received = bytes(self._received)
        self.complete = True
        self.rest = received[1 + 2 * SIZE :]
        return self._answer(received[1 : 1 + SIZE], received[1 + SIZE : 1 + 2 * SIZE])

    def _answer(self, s1: bytes, s2: bytes) -> bytes:
        server = find_digest(s1, _SERVER_NAME) if self._digest and any(s1[4:8]) else None
        own = find_digest(self._c1, _CLIENT_NAME)
        if server is None or own is None:
            return s1
        if s2 != prove(s2, own[1], _SERVER_KEY):
            raise Malformed("the server's S2 does not prove that it read the digest of C1")
        return prove(self._c2_filler, server[1], _CLIENT_KEY)


def find_digest(packet: bytes, name: bytes) -> tuple[int, bytes] | None:
    """The scheme and the digest of C1 or S1 when one of the schemes holds under the key `name`."""
    for scheme in _SCHEMES:
        at = _digest_position(packet, scheme)
        digest = packet[at : at + _DIGEST]
        if hmac.compare_digest(digest, _digest_of(packet, at, name)):
            return scheme, digest
    return None


def sign(packet: bytes, scheme: int, name: bytes) -> bytes:
    """C1 or S1 with its digest put in place."""
    at = _digest_position(packet, scheme)
    return packet[:at] + _digest_of(packet, at, name) + packet[at + _DIGEST :]


def prove(packet: bytes, digest: bytes, key: bytes) -> bytes:
    """S2 or C2: `packet` with its last 32 bytes replaced by the proof that the peer's `digest` was read."""
    body = packet[: SIZE - _DIGEST]
    return body + hmac.digest(hmac.digest(key, digest, "sha256"), body, "sha256")


def _digest_position(packet: bytes, scheme: int) -> int:
    return sum(packet[scheme : scheme + 4]) % 728 + scheme + 4


def _digest_of(packet: bytes, at: int, name: bytes) -> bytes:
    return hmac.digest(name, packet[:at] + packet[at + _DIGEST :], "sha256")


def _check_version(received: bytearray) -> None:
    if received and received[:1] != VERSION:
        raise Malformed(
            f"the first byte is {received[0]:#04x}; RTMP begins with 0x03 (RTMPE and plain HTTP are not taken)"
        )


def _stretch(seed: bytes, count: int) -> bytes:
    return hashlib.shake_256(seed).digest(count)
