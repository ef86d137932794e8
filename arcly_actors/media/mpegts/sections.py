"""Sections (ISO/IEC 13818-1 §2.4.4): put together from packets, checked, and written."""

import struct
import zlib
from collections import Counter

from arcly_actors.errors import Malformed

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_LONGEST = 4096
_STUFFING = 0xFF


def crc32(data: bytes) -> int:
    """CRC-32/MPEG-2 (annex A): zlib's polynomial, bits in the other order."""
    reflected = zlib.crc32(data.translate(_REVERSED)) ^ 0xFFFFFFFF
    return int.from_bytes(reflected.to_bytes(4, "little").translate(_REVERSED))


def checked(section: bytes) -> bytes:
    """The section without its CRC; `Malformed` when that is wrong."""
    if len(section) < 7 or crc32(section):
        raise Malformed("section with a wrong CRC")
    return section[:-4]


def write_section(table: int, extension: int, version: int, body: bytes) -> bytes:
    """A long-form section, number 0 of 0, in force."""
    size = len(body) + 9
    head = struct.pack(">BHHBBB", table, 0xB000 | size, extension, 0xC1 | version << 1, 0, 0)
    return with_crc(head + body)


def with_crc(data: bytes) -> bytes:
    """A section with its CRC behind it."""
    return data + crc32(data).to_bytes(4)


class SectionAssembler:
    """The sections of one PID. `counts` is told of ``section-damaged``; a section may be 4096 bytes (§2.4.4.1)."""

    __slots__ = ("_buffer", "_counts", "_last", "_open")

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._buffer = b""
        self._open = False
        self._last: int | None = None

    def passes(self, counter: int) -> bool:
        """Whether a payload that has been taken before may be left out as long as no section is under way."""
        if not self._open:
            self._last = counter
        return not self._open

    def push(self, payload: bytes, counter: int, *, starts: bool) -> list[bytes]:
        """The payload of a packet with this continuity counter; the sections that it completes, unchecked."""
        last, self._last = self._last, counter
        if last == counter:
            return []
        if last is not None and counter != (last + 1) & 15:
            self._drop()
        if not starts:
            if not self._open:
                return []
            self._buffer += payload
            return self._take()
        found: list[bytes] = []
        pointer = payload[0] if payload else 0
        if 1 + pointer > len(payload):
            self._drop()
            return []
        if self._open:
            self._buffer += payload[1 : 1 + pointer]
            found = self._take()
            self._drop()
        self._buffer, self._open = payload[1 + pointer :], True
        return found + self._take()

    def _take(self) -> list[bytes]:
        found: list[bytes] = []
        data = self._buffer
        while len(data) >= 3 and data[0] != _STUFFING:
            end = 3 + ((data[1] & 15) << 8 | data[2])
            if end > _LONGEST:
                self._drop()
                return found
            if end > len(data):
                break
            found.append(data[:end])
            data = data[end:]
        self._buffer = data
        self._open = bool(data) and data[0] != _STUFFING
        if not self._open:
            self._buffer = b""
        return found

    def _drop(self) -> None:
        if self._open and self._buffer:
            self._counts["section-damaged"] += 1
        self._open, self._buffer = False, b""
