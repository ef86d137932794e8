"""Unpredictable bytes for an engine, which may not read any itself: all of them come from 32 that it is given."""

import hashlib


class Seed:
    """A stream of bytes from a secret `start`: SHA-256 of it and a counter."""

    def __init__(self, start: bytes) -> None:
        self._start = start
        self._count = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes, each call anew."""
        parts: list[bytes] = []
        for _ in range((count + 31) // 32):
            self._count += 1
            parts.append(hashlib.sha256(self._start + self._count.to_bytes(8)).digest())
        return b"".join(parts)[:count]

    def number(self, bits: int) -> int:
        """A number below 2 to the power of `bits`, and not 0."""
        return int.from_bytes(self.take(8)) % ((1 << bits) - 1) + 1
