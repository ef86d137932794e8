"""Encryption (draft-sharabayko-srt section 6): key material on the wire, and the two keys of a connection.

The passphrase and a salt make the key encryption key (PBKDF2), which wraps the stream encryption keys (RFC 3394). There
are two of these, even and odd, so that the next can be announced while the other is in use. The ciphers are injected.
"""

import struct
from dataclasses import dataclass
from typing import Protocol, Self

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.protocols.srt.seed import Seed

EVEN, ODD = 1, 2
KEY_SIZES = (16, 24, 32)
_SALT = 16
_MATERIAL = struct.Struct(">BHBIBBBBHBB")
_VERSION_AND_TYPE = 0x12
_SIGN = 0x2029
_AES_CTR = 2
_LIVE = 2
_IV = struct.Struct(">10xI2x")


class KeyState:
    """What a KMRSP of one word says (section 3.2.2 and libsrt's ``SRT_KM_STATE``)."""

    UNSECURED, SECURING, SECURED, NO_SECRET, BAD_SECRET = range(5)


class Cipher(Protocol):
    """AES in counter mode with one key."""

    def apply(self, iv: bytes, data: bytes) -> bytes:
        """Encrypt or decrypt, which is the same; `iv` has 16 bytes."""
        ...


class Ciphers(Protocol):
    """What the engine needs of a cryptographic library."""

    def derive(self, passphrase: bytes, salt: bytes, size: int) -> bytes:
        """PBKDF2 with HMAC-SHA1 and 2048 iterations (section 6.1.4)."""
        ...

    def wrap(self, kek: bytes, key: bytes) -> bytes:
        """AES key wrap (RFC 3394)."""
        ...

    def unwrap(self, kek: bytes, wrapped: bytes) -> bytes | None:
        """The same backwards; None when `kek` is not the right one."""
        ...

    def cipher(self, key: bytes) -> Cipher:
        """A cipher with this key."""
        ...


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """A key material message (section 3.2.2): which keys it has (`EVEN` | `ODD`), the salt, and both wrapped in one."""

    which: int
    salt: bytes
    key_size: int
    wrapped: bytes

    def encode(self) -> bytes:
        """As it lies on the wire."""
        head = _MATERIAL.pack(
            _VERSION_AND_TYPE, _SIGN, self.which, 0, _AES_CTR, 0, _LIVE, 0, 0, len(self.salt) // 4, self.key_size // 4
        )
        return head + self.salt + self.wrapped

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Malformed for anything that is not AES in counter mode with whole keys."""
        if len(content) < _MATERIAL.size:
            raise Malformed("a key material message is cut short")
        first, sign, which, _, cipher, _, _, _, _, salt_words, key_words = _MATERIAL.unpack_from(content)
        which &= 3
        size, salt_size = key_words * 4, salt_words * 4
        if first != _VERSION_AND_TYPE or sign != _SIGN or cipher != _AES_CTR or size not in KEY_SIZES or not which:
            raise Malformed("a key material message is none of AES in counter mode")
        end = _MATERIAL.size + salt_size
        wrapped = content[end : end + 8 + size * which.bit_count()]
        if salt_size != _SALT or len(wrapped) < 8 + size * which.bit_count():
            raise Malformed("a key material message is cut short")
        return cls(which, content[_MATERIAL.size : end], size, wrapped)


class Keys:
    """The keys of one connection, both ways. `announce` is a message for the peer, sent again until it is confirmed."""

    def __init__(
        self,
        ciphers: Ciphers,
        passphrase: str,
        seed: Seed,
        *,
        refresh: int = limits.SRT_KEY_REFRESH,
        ahead: int = limits.SRT_KEY_ANNOUNCE,
    ) -> None:
        self._ciphers = ciphers
        self._passphrase = passphrase.encode()
        self._seed = seed
        self._refresh = refresh
        self._ahead = min(ahead, (refresh - 1) // 2)
        self._kek = self._salt = self._their_salt = b""
        self._raw: dict[int, bytes] = {}
        self._ours: dict[int, Cipher] = {}
        self._theirs: dict[int, Cipher] = {}
        self._sent = 0
        self._next_made = False
        self.size = 0
        self.using = EVEN
        self.announce: bytes | None = None

    def create(self, size: int) -> bytes:
        """Make the first key, as a caller does; the message for the KMREQ extension."""
        self.size = size
        self._salt = self._seed.take(_SALT)
        self._kek = self._derive(self._salt, size)
        key = self._seed.take(size)
        self._raw = {EVEN: key}
        self._ours = {EVEN: self._ciphers.cipher(key)}
        self._theirs, self._their_salt = dict(self._ours), self._salt  # the peer answers with the caller's key
        return self._message(EVEN)

    def accept(self, content: bytes, *, first: bool = False) -> bool:
        """Take the peer's keys; False when the passphrase is another. `first`: ours are the same from here on.

        Malformed when it is no key material.
        """
        material = KeyMaterial.read(content)
        kek = self._derive(material.salt, material.key_size)
        plain = self._ciphers.unwrap(kek, material.wrapped)
        if plain is None or len(plain) != material.key_size * material.which.bit_count():
            return False
        found: dict[int, bytes] = {}
        for which in (EVEN, ODD):
            if material.which & which:
                found[which], plain = plain[: material.key_size], plain[material.key_size :]
        self._theirs.update((which, self._ciphers.cipher(key)) for which, key in found.items())
        self._their_salt = material.salt
        if first:
            self._salt, self._kek, self.size = material.salt, kek, material.key_size
            self._raw = dict(found)
            self._ours = {which: self._ciphers.cipher(key) for which, key in found.items()}
            self.using = EVEN if EVEN in found else ODD
        return True

    def encrypt(self, index: int, payload: bytes) -> bytes:
        """Encrypt the packet at `index` under the key in use, and see whether the next one is due."""
        self._sent += 1
        if self._sent >= self._refresh - self._ahead:
            self._turn()
        return self._ours[self.using].apply(_vector(self._salt, index), payload)

    def decrypt(self, which: int, index: int, payload: bytes) -> bytes | None:
        """The packet in the clear; None when its key never came."""
        cipher = self._theirs.get(which)
        return None if cipher is None else cipher.apply(_vector(self._their_salt, index), payload)

    def confirmed(self, content: bytes) -> None:
        """The peer's answer to `announce`."""
        if self.announce is not None and content[: len(self.announce)] == self.announce:
            self.announce = None

    def _turn(self) -> None:
        """Announce the next key, then use it (section 6.1.6), but not before the peer has it: it could not decrypt."""
        other = EVEN + ODD - self.using
        has_it = self.announce is None or self._sent >= limits.SRT_KEY_MOST
        if self._sent >= self._refresh and self._next_made and has_it:
            self.using, self._sent, self._next_made = other, 0, False
        elif not self._next_made and self._sent >= self._refresh - self._ahead:
            key = self._seed.take(self.size)
            self._raw[other] = key
            self._ours[other] = self._ciphers.cipher(key)
            self._next_made = True
            self.announce = self._message(EVEN | ODD)

    def _message(self, which: int) -> bytes:
        plain = b"".join(self._raw[each] for each in (EVEN, ODD) if which & each)
        return KeyMaterial(which, self._salt, self.size, self._ciphers.wrap(self._kek, plain)).encode()

    def _derive(self, salt: bytes, size: int) -> bytes:
        if salt == self._salt and self._kek and size == self.size:
            return self._kek
        return self._ciphers.derive(self._passphrase, salt[-8:], size)


def _vector(salt: bytes, index: int) -> bytes:
    """The counter's start: the salt's first 14 bytes, the packet's number in bytes 10 to 13, 0 (section 6.2.2)."""
    number = (index & 0x7FFF_FFFF) << 16
    return ((int.from_bytes(salt[:14]) << 16) ^ number).to_bytes(16)
