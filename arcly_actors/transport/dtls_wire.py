"""DTLS 1.2 on the wire, as much as `dtls_client` and `dtls_settled` need: records (RFC 6347 §4.1), handshake messages
(§4.2), key schedule.

One cipher (AES-128-GCM, RFC 5288) and one hash (SHA-256). Reading ends in a value or in `Malformed`.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterator
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from arcly_actors import limits
from arcly_actors.errors import Malformed

DTLS_1_2, DTLS_1_0 = b"\xfe\xfd", b"\xfe\xff"
CHANGE_CIPHER, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
WARNING, FATAL, CLOSE_NOTIFY = 1, 2, 0
KEY, SALT, TAG, EXPLICIT = 16, 4, 16, 8
_RECORD = struct.Struct("!B2sQH")
_MESSAGE_HEADER = 12


class Reader:
    """Takes a message apart; `Malformed` where it is cut."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """So many bytes."""
        end = self._at + size
        if end > len(self._data):
            raise Malformed("a DTLS message is cut")
        found, self._at = self._data[self._at : end], end
        return found

    def number(self, size: int) -> int:
        """An unsigned number of so many bytes."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Bytes behind a length of `size` bytes (RFC 5246 §4.3)."""
        return self.take(self.number(size))

    def end(self) -> None:
        """`Malformed` unless everything was taken."""
        if self.left:
            raise Malformed("a DTLS message is longer than its contents")

    @property
    def position(self) -> int:
        """Bytes taken."""
        return self._at

    @property
    def left(self) -> bool:
        """Whether there is more."""
        return self._at < len(self._data)


def vector(size: int, data: bytes) -> bytes:
    """Bytes behind their length."""
    return len(data).to_bytes(size, "big") + data


class Record(NamedTuple):
    """One record. `number` is epoch and sequence together, as the nonce has it."""

    kind: int
    number: int
    body: bytes

    @property
    def epoch(self) -> int:
        """0 before the change of ciphers, 1 after it; a peer may write anything."""
        return self.number >> 48


def records(datagram: bytes) -> Iterator[Record]:
    """The records of a datagram; what is no record ends it (§4.1.2.7: silently)."""
    at = 0
    while at + _RECORD.size <= len(datagram):
        kind, version, number, size = _RECORD.unpack_from(datagram, at)
        at += _RECORD.size
        if version not in {DTLS_1_2, DTLS_1_0} or at + size > len(datagram):
            return
        yield Record(kind, number, datagram[at : at + size])
        at += size


def write_record(record: Record) -> bytes:
    """The bytes of a record."""
    return _RECORD.pack(record.kind, DTLS_1_2, record.number, len(record.body)) + record.body


class Direction:
    """The keys of one direction (RFC 5288 §3)."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        self._cipher = AESGCM(key)
        self._salt = salt

    def seal(self, record: Record) -> Record:
        """Encrypt; every number is for one record only."""
        nonce = record.number.to_bytes(EXPLICIT, "big")
        sealed = self._cipher.encrypt(self._salt + nonce, record.body, _bound(record, len(record.body)))
        return record._replace(body=nonce + sealed)

    def open(self, record: Record) -> Record | None:
        """Decrypt; None for what is not authentic."""
        size = len(record.body) - EXPLICIT - TAG
        if size < 0:
            return None
        nonce, sealed = record.body[:EXPLICIT], record.body[EXPLICIT:]
        try:
            return record._replace(body=self._cipher.decrypt(self._salt + nonce, sealed, _bound(record, size)))
        except InvalidTag:
            return None


def _bound(record: Record, size: int) -> bytes:
    """What is authenticated besides (RFC 5246 §6.2.3.3)."""
    return struct.pack("!QB2sH", record.number, record.kind, DTLS_1_2, size)


class Message(NamedTuple):
    """A handshake message: its type, its number among those of its sender, and its body."""

    kind: int
    number: int
    body: bytes

    @property
    def whole(self) -> bytes:
        """With the header that it has in one piece: so it is hashed (RFC 6347 §4.2.6)."""
        size = len(self.body).to_bytes(3, "big")
        return bytes((self.kind,)) + size + self.number.to_bytes(2, "big") + bytes(3) + size + self.body


def fragments(message: Message, most: int) -> list[bytes]:
    """The message in pieces whose bodies have at most `most` bytes."""
    whole = message.whole
    cuts = range(0, max(1, len(message.body)), most)
    return [
        whole[:6] + at.to_bytes(3, "big") + vector(3, message.body[at : at + most])
        for at in cuts
    ]  # fmt: skip


class _Parts:
    """A message of which some is here, in pieces that may overlap (RFC 6347 §4.2.3)."""

    __slots__ = ("_missing", "body", "kind")

    def __init__(self, kind: int, size: int) -> None:
        self.kind = kind
        self.body = bytearray(size)
        self._missing = (1 << size) - 1  # a bit for each byte

    @property
    def whole(self) -> bool:
        return not self._missing

    def put(self, offset: int, piece: bytes) -> None:
        self.body[offset : offset + len(piece)] = piece
        self._missing &= ~(((1 << len(piece)) - 1) << offset)


class Reassembly:
    """Puts a peer's messages together again, in order; what is ahead waits, within `limits.DTLS_AHEAD`."""

    def __init__(self) -> None:
        self.expected = 0
        self._waiting: dict[int, _Parts] = {}

    def add(self, body: bytes) -> None:
        """The body of a handshake record: one or more pieces. `Malformed` beyond the bounds."""
        reader = Reader(body)
        while reader.left:
            kind, size, number, offset = (reader.number(length) for length in (1, 3, 2, 3))
            piece = reader.vector(3)
            if size > limits.DTLS_MESSAGE or offset + len(piece) > size:
                raise Malformed(f"a handshake message of {size} bytes")
            if not self.expected <= number < self.expected + limits.DTLS_AHEAD:
                continue
            parts = self._waiting.get(number)
            if parts is None:
                parts = self._waiting[number] = _Parts(kind, size)
            if (parts.kind, len(parts.body)) != (kind, size):
                raise Malformed("pieces of a handshake message do not fit together")
            if piece:
                parts.put(offset, piece)

    def next(self) -> Message | None:
        """The next message in order, None while it is not whole."""
        parts = self._waiting.get(self.expected)
        if parts is None or not parts.whole:
            return None
        del self._waiting[self.expected]
        self.expected += 1
        return Message(parts.kind, self.expected - 1, bytes(parts.body))

    def forget(self) -> None:
        """What waits is not wanted any more."""
        self._waiting.clear()


def expand(secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    """The pseudorandom function of TLS 1.2 (RFC 5246 §5)."""
    seed = label + seed
    found, step = b"", seed
    while len(found) < size:
        step = hmac.digest(secret, step, hashlib.sha256)
        found += hmac.digest(secret, step + seed, hashlib.sha256)
    return found[:size]
