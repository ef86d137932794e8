"""SRTP as a viewer has it: profiles in order of preference, keys from DTLS, sessions of pylibsrtp."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pylibsrtp import Policy, Session

EXPORTER = b"EXTRACTOR-dtls_srtp"


@dataclass(frozen=True, slots=True)
class Profile:
    """One of RFC 5764 and RFC 7714: how OpenSSL and libsrtp call it, and the bytes of its salt (keys have 16)."""

    name: str
    openssl: bytes
    libsrtp: int
    salt: int

    @property
    def exported(self) -> int:
        """Bytes of keying material to export, for both ends."""
        return 2 * (16 + self.salt)


GCM = Profile("gcm", b"SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 12)
CM = Profile("cm", b"SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 14)
PROFILES = {"gcm": (GCM, CM), "cm": (CM,)}
"""What is offered: GCM first, or AES-CM alone."""


def split_keys(material: bytes, profile: Profile) -> tuple[bytes, bytes]:
    """The client's and the server's master key and salt (RFC 5764 §4.2)."""
    salts = 32 + profile.salt
    return material[:16] + material[32:salts], material[16:32] + material[salts:]


def receiving(key: bytes, profile: Profile = GCM) -> Session:
    """Decrypts what the other end sends with this master key."""
    policy = Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile.libsrtp)
    policy.window_size = 1024
    return Session(policy)


def sending(key: bytes, profile: Profile = GCM) -> Session:
    """Encrypts with this master key."""
    return Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile.libsrtp))


def session_keys(master: bytes) -> bytes:
    """The key and salt that AES-128-GCM really uses, 16 and 12 bytes, of a master key and salt (RFC 3711 §4.3.1)."""
    key, salt = master[:16], master[16:] + bytes(2)  # RFC 7714 §11: the salt is shifted to 112 bits
    return _derived(key, salt, 0, 16) + _derived(key, salt, 2, 12)


def _derived(key: bytes, salt: bytes, label: int, size: int) -> bytes:
    start = salt[:7] + bytes([salt[7] ^ label]) + salt[8:] + bytes(2)
    return Cipher(algorithms.AES(key), modes.CTR(start)).encryptor().update(bytes(size))
