"""`Consent`: a peer's good check, and what proves and answers the same one again (RFC 7675).

A crowd's peers send theirs every few seconds, and a new one differs from the last in its transaction alone. So it is
not read again, only proven, and the answer is laid out beforehand.
"""

import hashlib
import hmac
from functools import partial

from arcly_actors.protocols.webrtc import stun
from arcly_actors.protocols.webrtc.stun import Address, Attribute

_sha1 = partial(hashlib.sha1, usedforsecurity=False)  # which is what STUN has
_BLOCK = 64
_INTEGRITY, _FINGERPRINT = bytes.fromhex("00080014"), bytes.fromhex("80280004")
_FINGERPRINT_BYTES = 8
_INTEGRITY_BYTES = 24
_PROOF_BYTES = _INTEGRITY_BYTES + _FINGERPRINT_BYTES
_BODY = stun.HEADER_BYTES
_SUCCESS = bytes.fromhex("0101")


class Consent:
    """See the module. `check` was authentic, came from `source` and ends in MESSAGE-INTEGRITY and FINGERPRINT, else no
    check is the same again. `selected`: it nominates.
    """

    __slots__ = ("_answer", "_head", "_middle", "_outer", "_signed", "_signing", "_source", "_value", "selected")

    def __init__(self, check: bytes, source: Address, password: str, *, selected: bool) -> None:
        self.selected = selected
        self._source = source
        self._head, self._middle = check[:8], check[_BODY:-_PROOF_BYTES]
        inner, self._outer = _halves(password.encode())
        self._signed = inner.copy()
        self._signed.update(_head(check[:2], len(check) - _BODY - _FINGERPRINT_BYTES))
        # An address of IPv6 is hidden by the transaction as well, so its value is made for each answer.
        self._value = None if ":" in source[0] else _mapped(source, b"")
        size = 4 + (20 if self._value is None else 8) + _INTEGRITY_BYTES
        self._signing = inner.copy()
        self._signing.update(_head(_SUCCESS, size))
        self._answer = _head(_SUCCESS, size + _FINGERPRINT_BYTES)

    def answer(self, datagram: bytes, source: Address) -> bytes | None:
        """What is answered to this check again; None when it is any other datagram, or from elsewhere."""
        if datagram[:8] != self._head or datagram[_BODY:-_PROOF_BYTES] != self._middle or source != self._source:
            return None
        proof = datagram[-_PROOF_BYTES:]
        if proof[:4] != _INTEGRITY or proof[24:28] != _FINGERPRINT:
            return None
        if int.from_bytes(proof[28:]) != stun.fingerprint(datagram[:-_FINGERPRINT_BYTES]):
            return None
        if not hmac.compare_digest(self._mac(self._signed, datagram[8:-_PROOF_BYTES]), proof[4:24]):
            return None
        transaction = datagram[8:_BODY]
        said = transaction + (self._value or _mapped(source, transaction))
        signed = self._answer + said + _INTEGRITY + self._mac(self._signing, said)
        return signed + _FINGERPRINT + stun.fingerprint(signed).to_bytes(4)

    def _mac(self, begun: "hashlib._Hash", rest: bytes) -> bytes:
        inner, outer = begun.copy(), self._outer.copy()
        inner.update(rest)
        outer.update(inner.digest())
        return outer.digest()


def _halves(key: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """HMAC-SHA1 (RFC 2104) as far as the key alone decides it: `hmac` itself takes three times as long for a message."""
    padded = (_sha1(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return _sha1(bytes([each ^ 0x36 for each in padded])), _sha1(bytes([each ^ 0x5C for each in padded]))


def _head(kind: bytes, length: int) -> bytes:
    return kind + length.to_bytes(2) + stun.COOKIE.to_bytes(4)


def _mapped(source: Address, transaction: bytes) -> bytes:
    value = stun.mapped_address(source, transaction)
    return Attribute.XOR_MAPPED_ADDRESS.to_bytes(2) + len(value).to_bytes(2) + value
