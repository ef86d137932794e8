"""Transport-wide congestion feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): read, write, gather."""

from dataclasses import dataclass
from typing import ClassVar

from arcly_actors import limits
from arcly_actors.errors import Malformed, PeerLimit
from arcly_actors.media.cursor import Cursor
from arcly_actors.media.timebase import MILLISECOND, Unwrap

DELTA = 250_000
REFERENCE = 64 * MILLISECOND
_SMALL, _LARGE = 1, 2
_SPAN = 0x7FFF


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """When packets of a transport arrived. `first` is the transport-wide sequence number (16 bits) of the first of them.

    `reference` is a time of the receiver's in units of 64 ms (24 bits, signed), `number` counts the feedbacks modulo 256.
    `deltas` has one entry for each packet: the time since the one before that arrived (the first: since `reference`) in
    250 µs, or None for a packet that did not arrive.
    """

    TYPE: ClassVar[int] = 205
    FORMAT: ClassVar[int] = 15
    sender: int
    media: int
    first: int
    reference: int
    number: int
    deltas: tuple[int | None, ...]

    @property
    def lost(self) -> int:
        """How many of the packets did not arrive."""
        return self.deltas.count(None)


def read(sender: int, media: int, fci: bytes) -> TransportFeedback:
    """Read a feedback; `Malformed` when it is cut, `PeerLimit` beyond `limits.TRANSPORT_STATUSES` packets."""
    cursor = Cursor(fci, "transport feedback")
    first, count, reference, number = cursor.u16(), cursor.u16(), cursor.signed(3), cursor.u8()
    if count > limits.TRANSPORT_STATUSES:
        raise PeerLimit(f"transport feedback about {count} packets")
    symbols: list[int] = []
    while len(symbols) < count:
        symbols += _symbols(cursor.u16(), count - len(symbols))
    deltas: list[int | None] = []
    for symbol in symbols[:count]:
        if symbol == 3:
            raise Malformed("transport feedback with the reserved status")
        deltas.append(cursor.signed(2) if symbol == _LARGE else cursor.u8() if symbol == _SMALL else None)
    return TransportFeedback(sender, media, first, reference, number, tuple(deltas))


def write(feedback: TransportFeedback) -> bytes:
    """The feedback control information: runs where they are long, else vectors of two-bit statuses."""
    symbols = [0 if delta is None else _SMALL if 0 <= delta <= 0xFF else _LARGE for delta in feedback.deltas]
    parts = [feedback.first.to_bytes(2), len(symbols).to_bytes(2)]
    parts += [feedback.reference.to_bytes(3, signed=True), bytes((feedback.number,))]
    at = 0
    while at < len(symbols):
        run = _run(symbols, at)
        if run >= 7 or at + run == len(symbols):
            parts.append((symbols[at] << 13 | run).to_bytes(2))
            at += run
            continue
        chunk = 0b11 << 14
        for index, symbol in enumerate(symbols[at : at + 7]):
            chunk |= symbol << 12 - 2 * index
        parts.append(chunk.to_bytes(2))
        at += 7
    for delta, symbol in zip(feedback.deltas, symbols, strict=True):
        if delta is not None:
            parts.append(delta.to_bytes(2, signed=True) if symbol == _LARGE else bytes((delta,)))
    return b"".join(parts)


class TransportArrivals:
    """What a receiver notes of the packets of one transport, until it is told to the sender.

    Bounded: a feedback reaches over at most `limits.TRANSPORT_STATUSES` packets and what is older is not told any more.
    """

    def __init__(self) -> None:
        self._unwrap = Unwrap(16)
        self._arrivals: dict[int, int] = {}
        self._next: int | None = None
        self._number = 0

    def received(self, sequence: int, now: int) -> None:
        """A packet with this transport-wide sequence number arrived at `now` (monotonic nanoseconds)."""
        full = self._unwrap(sequence)
        if self._next is None:
            self._next = full
        if full < self._next or full in self._arrivals:
            return
        self._arrivals[full] = now
        if full - self._next >= limits.TRANSPORT_STATUSES:
            self._next = full - limits.TRANSPORT_STATUSES // 2  # half of them, so that it is not done for every packet
            self._arrivals = {number: at for number, at in self._arrivals.items() if number >= self._next}

    def feedback(self, sender: int, media: int) -> TransportFeedback | None:
        """What arrived since the last feedback, None for nothing. Packets missing at its end are left for the next."""
        if not self._arrivals or self._next is None:
            return None
        first, end = self._next, max(self._arrivals) + 1
        reference = self._arrivals[min(self._arrivals)] // REFERENCE
        deltas: list[int | None] = []
        before = reference * REFERENCE // DELTA
        for number in range(first, end):
            at = self._arrivals.get(number)
            if at is None:
                deltas.append(None)
                continue
            delta = at // DELTA - before
            if abs(delta) > _SPAN:  # more than 8 s apart: the rest belongs into a feedback with a reference of its own
                end = number
                break
            deltas.append(delta)
            before += delta
        self._arrivals = {number: at for number, at in self._arrivals.items() if number >= end}
        self._next = end
        signed = (reference + 0x800000) % 0x1000000 - 0x800000
        made = TransportFeedback(sender, media, first & 0xFFFF, signed, self._number, tuple(deltas))
        self._number = self._number + 1 & 0xFF
        return made


def _symbols(chunk: int, most: int) -> list[int]:
    if not chunk & 0x8000:
        if not chunk & 0x1FFF:
            raise Malformed("transport feedback with an empty run")
        return [chunk >> 13 & 3] * min(chunk & 0x1FFF, most)
    if chunk & 0x4000:
        return [chunk >> 12 - 2 * index & 3 for index in range(7)]
    return [chunk >> 13 - index & 1 for index in range(14)]


def _run(symbols: list[int], start: int) -> int:
    end = start
    while end < len(symbols) and symbols[end] == symbols[start] and end - start < 0x1FFF:
        end += 1
    return end - start
