"""The ciphers of SRT by ``cryptography`` (OpenSSL), as its engine asks for them: it imports none itself."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

_ITERATIONS = 2048


class CounterMode:
    """AES in counter mode: one context per key, whose counter is set for each packet."""

    __slots__ = ("_context",)

    def __init__(self, key: bytes) -> None:
        self._context: CipherContext = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()

    def apply(self, iv: bytes, data: bytes) -> bytes:
        """See `protocols.srt.keys.Cipher`."""
        self._context.reset_nonce(iv)
        return self._context.update(data)


class SrtCiphers:
    """See `protocols.srt.keys.Ciphers`."""

    def derive(self, passphrase: bytes, salt: bytes, size: int) -> bytes:
        """PBKDF2, about a millisecond."""
        return PBKDF2HMAC(hashes.SHA1(), size, salt, _ITERATIONS).derive(passphrase)  # noqa: S303 - the protocol's choice

    def wrap(self, kek: bytes, key: bytes) -> bytes:
        """RFC 3394."""
        return aes_key_wrap(kek, key)

    def unwrap(self, kek: bytes, wrapped: bytes) -> bytes | None:
        """RFC 3394; None when it was wrapped with another key, or is damaged."""
        try:
            return aes_key_unwrap(kek, wrapped)
        except InvalidUnwrap:
            return None

    def cipher(self, key: bytes) -> CounterMode:
        """A cipher with this key."""
        return CounterMode(key)
