"""One PID's packets (ISO/IEC 13818-1 §2.4.3): payloads cut to 184 bytes, counted, stuffed."""

import struct
from typing import Final

from arcly_actors.media.mpegts.sync import PACKET, SYNC

_BODY: Final = PACKET - 4
_BODIES: Final = struct.Struct(f"{_BODY}s")
_RANDOM_ACCESS, _DISCONTINUITY, _PCR = 0x40, 0x80, 0x10


class Packetiser:
    """The packets of one PID; their continuity counter goes on for as long as this lives."""

    __slots__ = ("_counter", "_first", "_heads", "pid")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._counter = 15
        self._heads = tuple(struct.pack(">BHB", SYNC, pid, 0x10 | counter) for counter in range(16))
        self._first = struct.pack(">BH", SYNC, 0x4000 | pid)

    def pes(self, data: bytes, pcr: int | None = None, *, random_access: bool = False) -> bytes:
        """A whole PES packet. `pcr` (ticks of 90 kHz) goes in front of it; `random_access`: decoding can start here."""
        field = b""
        if pcr is not None or random_access:
            flags = (_RANDOM_ACCESS if random_access else 0) | (0 if pcr is None else _PCR)
            field = bytes((flags,)) + (b"" if pcr is None else _write_pcr(pcr))
        counter = self._counter + 1 & 15
        room = _BODY - (1 + len(field) if field else 0)
        if len(data) < room:
            self._counter = counter
            return self._first + _stuffed(counter, field, data)
        first = bytes((0x30 | counter, len(field))) + field if field else bytes((0x10 | counter,))
        out = [self._first, first, data[:room]]
        heads, whole = self._heads, room + (len(data) - room) // _BODY * _BODY
        for (body,) in _BODIES.iter_unpack(data[room:whole]):
            counter = counter + 1 & 15
            out += (heads[counter], body)
        if whole < len(data):
            counter = counter + 1 & 15
            out += (heads[0][:3], _stuffed(counter, b"", data[whole:]))
        self._counter = counter
        return b"".join(out)

    def clock(self, pcr: int, *, discontinuity: bool = False) -> bytes:
        """A packet with a PCR and no payload, which is not counted; `discontinuity`: the clock was elsewhere before."""
        field = bytes((_BODY - 1, _PCR | (_DISCONTINUITY if discontinuity else 0))) + _write_pcr(pcr)
        return self._heads[0][:3] + bytes((0x20 | self._counter,)) + field + b"\xff" * (_BODY - len(field))

    def section(self, section: bytes) -> bytes:
        """A section, in packets of its own."""
        data = b"\x00" + section
        out: list[bytes] = []
        for at in range(0, len(data), _BODY):
            self._counter = self._counter + 1 & 15
            head = bytes((0x10 | self._counter,))
            out += (self._heads[0][:3] if at else self._first, head, data[at : at + _BODY].ljust(_BODY, b"\xff"))
        return b"".join(out)


def _stuffed(counter: int, field: bytes, data: bytes) -> bytes:
    """Flags, an adaptation field that fills the packet, and fewer than 184 bytes."""
    size = _BODY - 1 - len(data)
    if size and not field:
        field = b"\x00"
    return bytes((0x30 | counter, size)) + field + b"\xff" * (size - len(field)) + data


def _write_pcr(ticks: int) -> bytes:
    """program_clock_reference (§2.4.3.5): its extension, which counts between two ticks, is 0."""
    return ((ticks & (1 << 33) - 1) << 15 | 0x7E00).to_bytes(6)
