"""Keys of an encrypted SRT connection on a tape: wrapped with the passphrase's mask in place of the passphrase.

What is encrypted stays as it is, since its key is the same; but a replay, which knows the masked passphrase only, can
unwrap it (draft-sharabayko-srt section 6.1.5). The tape lets nobody guess the passphrase: nothing in it was made with it.
"""

from typing import Final

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.protocols.srt.handshake import SIZE, ExtensionType
from arcly_actors.protocols.srt.keys import Ciphers, KeyMaterial
from arcly_actors.protocols.srt.packet import CONTROL_BIT, HEADER_SIZE, ControlType

_MATERIALS: Final = frozenset({ExtensionType.KMREQ, ExtensionType.KMRSP})


class Rewrapping:
    """Puts key material under `mask` that is under `passphrase`; what is under neither is crossed out."""

    def __init__(self, ciphers: Ciphers, passphrase: str, mask: str) -> None:
        self._ciphers = ciphers
        self._passphrases = (passphrase.encode(), mask.encode())
        self._keks: dict[tuple[bytes, int], tuple[bytes, bytes]] = {}

    def __call__(self, data: bytes) -> bytes:
        """A datagram; most of them are none with keys."""
        if len(data) < HEADER_SIZE or data[0] < CONTROL_BIT >> 24:
            return data
        first = int.from_bytes(data[:4])
        kind = first >> 16 & 0x7FFF
        if kind == ControlType.EXTENDED and first & 0xFFFF in _MATERIALS:
            return data[:HEADER_SIZE] + self._material(data[HEADER_SIZE:])
        return self._in_handshake(data) if kind == ControlType.HANDSHAKE else data

    def _in_handshake(self, data: bytes) -> bytes:
        """Extensions follow each other to the end."""
        at = HEADER_SIZE + SIZE
        while at + 4 <= len(data):
            kind, start = int.from_bytes(data[at : at + 2]), at + 4
            at = start + 4 * int.from_bytes(data[at + 2 : start])
            if kind in _MATERIALS:
                data = data[:start] + self._material(data[start:at]) + data[at:]
        return data

    def _material(self, content: bytes) -> bytes:
        try:
            material = KeyMaterial.read(content)
        except Malformed:
            return content  # a state, or nothing
        keks = self._kek(material.salt, material.key_size)
        plain = self._ciphers.unwrap(keks[0], material.wrapped) if keks is not None else None
        wrapped = b"x" * len(material.wrapped) if keks is None or plain is None else self._ciphers.wrap(keks[1], plain)
        start = len(material.encode()) - len(wrapped)
        return content[:start] + wrapped + content[start + len(wrapped) :]

    def _kek(self, salt: bytes, size: int) -> tuple[bytes, bytes] | None:
        """Both keys that wrap; None when there were too many salts, each of which costs some milliseconds."""
        found = self._keks.get((salt, size))
        if found is None and len(self._keks) < limits.TAPE_SALTS:
            ours, theirs = (self._ciphers.derive(each, salt[-8:], size) for each in self._passphrases)
            found = self._keks[salt, size] = (ours, theirs)
        return found
