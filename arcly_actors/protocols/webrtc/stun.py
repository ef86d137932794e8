"""STUN messages (RFC 8489) as ICE uses them: binding requests, their answers, MESSAGE-INTEGRITY and FINGERPRINT."""

import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.media.cursor import Cursor

Address = tuple[str, int]
COOKIE = 0x2112A442
BINDING = 1
HEADER_BYTES = 20
_MAC_BYTES = 20
_FINGERPRINT_XOR = 0x5354554E


class Kind(IntEnum):
    """The class of a message (§5)."""

    REQUEST = 0
    INDICATION = 1
    SUCCESS = 2
    ERROR = 3


class Attribute(IntEnum):
    """The attributes that ICE needs (RFC 8489 §18.3, RFC 8445 §16.1); those below 0x8000 must be understood."""

    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    MESSAGE_INTEGRITY_SHA256 = 0x001C
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    SOFTWARE = 0x8022
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A


@dataclass(frozen=True, slots=True)
class StunMessage:
    """A message. `attributes` are in order, FINGERPRINT and MESSAGE-INTEGRITY left out; `protected` says how many bytes
    the integrity covers (None: there is none) and `mac` what it is."""

    kind: Kind
    transaction: bytes
    attributes: tuple[tuple[int, bytes], ...] = ()
    method: int = BINDING
    protected: int | None = None
    mac: bytes = b""

    def find(self, attribute: int) -> bytes | None:
        """The first value of an attribute."""
        return next((value for number, value in self.attributes if number == attribute), None)

    def not_understood(self) -> tuple[int, ...]:
        """The attributes that must be understood and are not (§6.3)."""
        known = set(Attribute)
        return tuple(number for number, _ in self.attributes if number < 0x8000 and number not in known)


def looks_like(data: bytes) -> bool:
    """Whether a datagram is STUN and not DTLS or RTP (RFC 7983 §7, RFC 8489 §5)."""
    return len(data) >= HEADER_BYTES and data[0] < 4 and data[4:8] == COOKIE.to_bytes(4)


def parse(data: bytes) -> StunMessage:
    """Read a message; `Malformed` when it is none or its FINGERPRINT is wrong, `PeerLimit` past a bound.

    What follows MESSAGE-INTEGRITY is not looked at, FINGERPRINT excepted (§14.5).
    """
    if len(data) > limits.STUN_BYTES:
        raise PeerLimit(f"a STUN message of {len(data)} bytes")
    cursor = Cursor(data, "STUN message")
    head, length, cookie, transaction = cursor.u16(), cursor.u16(), cursor.u32(), cursor.take(12)
    if head & 0xC000 or cookie != COOKIE or length % 4 or length != cursor.remaining:
        raise Malformed("not a STUN message")
    attributes: list[tuple[int, bytes]] = []
    protected, mac = None, b""
    while cursor.remaining:
        start = cursor.position
        number, value = _attribute(cursor)
        if number == Attribute.FINGERPRINT:
            _check_fingerprint(data[:start], value, cursor.remaining)
        elif protected is not None:
            continue
        elif number == Attribute.MESSAGE_INTEGRITY:
            if len(value) != _MAC_BYTES:
                raise Malformed(f"MESSAGE-INTEGRITY of {len(value)} bytes")
            protected, mac = start, value
        else:
            attributes.append((number, value))
            if len(attributes) > limits.STUN_ATTRIBUTES:
                raise PeerLimit(f"a STUN message of more than {limits.STUN_ATTRIBUTES} attributes")
    kind = Kind((head >> 7 & 2) | (head >> 4 & 1))
    method = (head & 0x000F) | (head >> 1 & 0x0070) | (head >> 2 & 0x0F80)
    return StunMessage(kind, transaction, tuple(attributes), method, protected, mac)


def _attribute(cursor: Cursor) -> tuple[int, bytes]:
    number, size = cursor.u16(), cursor.u16()
    value = cursor.take(size)
    cursor.skip(-size % 4)
    return number, value


def _check_fingerprint(before: bytes, value: bytes, after: int) -> None:
    if after or len(value) != 4 or int.from_bytes(value) != _fingerprint(before):
        raise Malformed("the FINGERPRINT is wrong or not last")


def authentic(data: bytes, message: StunMessage, password: str) -> bool:
    """Whether the MESSAGE-INTEGRITY of `message`, read from `data`, was made with this password (§14.5, short-term)."""
    if message.protected is None:
        return False
    return hmac.compare_digest(_mac(data[: message.protected], password), message.mac)


def build(message: StunMessage, password: str | None = None) -> bytes:
    """The bytes of a message, with MESSAGE-INTEGRITY when there is a password, and always with FINGERPRINT."""
    kind, method = message.kind, message.method
    head = (method & 0x000F) | (method & 0x0070) << 1 | (method & 0x0F80) << 2 | (kind & 1) << 4 | (kind & 2) << 7
    body = b"".join(_written(number, value) for number, value in message.attributes)
    data = head.to_bytes(2) + len(body).to_bytes(2) + COOKIE.to_bytes(4) + message.transaction + body
    if password is not None:
        data += _written(Attribute.MESSAGE_INTEGRITY, _mac(data, password))
    return _lengthened(data + _written(Attribute.FINGERPRINT, _fingerprint(data).to_bytes(4)), 0)


def _written(number: int, value: bytes) -> bytes:
    return number.to_bytes(2) + len(value).to_bytes(2) + value + bytes(-len(value) % 4)


def _lengthened(data: bytes, more: int) -> bytes:
    """The message with a length field that counts `more` bytes after it."""
    return data[:2] + (len(data) - HEADER_BYTES + more).to_bytes(2) + data[4:]


def _mac(before: bytes, password: str) -> bytes:
    """HMAC-SHA1 over what comes before, its length counting the attribute itself (§14.5)."""
    return hmac.digest(password.encode(), _lengthened(before, 4 + _MAC_BYTES), hashlib.sha1)


def _fingerprint(before: bytes) -> int:
    return fingerprint(_lengthened(before, 8))


def fingerprint(before: bytes | memoryview) -> int:
    """The value of FINGERPRINT (§14.7) after these bytes of a message, whose length counts it already."""
    return binascii.crc32(before) ^ _FINGERPRINT_XOR


def mapped_address(address: Address, transaction: bytes) -> bytes:
    """The value of XOR-MAPPED-ADDRESS (§14.2); the address is numeric, and a zone (``%eth0``) is left out."""
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    mask = (COOKIE.to_bytes(4) + transaction)[: len(ip.packed)]
    hidden = bytes(left ^ right for left, right in zip(ip.packed, mask, strict=True))
    return bytes((0, 1 if ip.version == 4 else 2)) + (address[1] ^ COOKIE >> 16).to_bytes(2) + hidden


def read_mapped_address(value: bytes, transaction: bytes) -> Address:
    """The address in a XOR-MAPPED-ADDRESS; `Malformed` when it is none."""
    if len(value) not in {8, 20} or value[1] != (1 if len(value) == 8 else 2):
        raise Malformed("XOR-MAPPED-ADDRESS is no address")
    mask = COOKIE.to_bytes(4) + transaction
    shown = bytes(left ^ right for left, right in zip(value[4:], mask, strict=False))
    return str(ipaddress.ip_address(shown)), int.from_bytes(value[2:4]) ^ COOKIE >> 16


def error_code(code: int, reason: str) -> tuple[int, bytes]:
    """The ERROR-CODE attribute (§14.8)."""
    return Attribute.ERROR_CODE, bytes((0, 0, code // 100, code % 100)) + reason.encode()


def read_error(message: StunMessage) -> int:
    """The code of an error response, 0 without a proper one."""
    value = message.find(Attribute.ERROR_CODE) or b""
    return (value[2] & 7) * 100 + value[3] if len(value) >= 4 else 0


def unknown_attributes(numbers: Sequence[int]) -> tuple[int, bytes]:
    """The UNKNOWN-ATTRIBUTES attribute (§14.13)."""
    return Attribute.UNKNOWN_ATTRIBUTES, b"".join(number.to_bytes(2) for number in numbers)


def user_of(message: StunMessage) -> tuple[str, str] | None:
    """The two halves of USERNAME: the receiver's fragment and the sender's (RFC 8445 §7.2.2); None when it is no such."""
    value = message.find(Attribute.USERNAME)
    if value is None or len(value) > 513 or not value.isascii():
        return None
    ours, colon, theirs = value.decode().partition(":")
    return (ours, theirs) if colon else None
