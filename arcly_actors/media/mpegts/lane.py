"""One elementary stream while its PES packets are put together."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from arcly_actors import limits
from arcly_actors.errors import Malformed
from arcly_actors.media.mpegts.clock import ProgramClock
from arcly_actors.media.mpegts.events import Unit
from arcly_actors.media.mpegts.pes import pes_size, read_pes
from arcly_actors.media.mpegts.tables import ElementaryStream

BODY: Final = 184
_MOST: Final = limits.FRAME_BYTES // BODY
_NOTHING: Final = -1
FOLLOWING: Final = tuple(0x10 | (counter + 1) & 15 for counter in range(16))
"""By a packet's counter: the fourth byte of the next one, if that is an ordinary one."""


class Lane:
    """The payloads of a PID since its PES packet began.

    `following` is the fourth byte that the next packet has if it is an ordinary one (payload only, in order), and
    `due` the number of payloads at which there is something to look at: up to there `take` has ordinary ones in any
    number. `last` is the newest continuity counter.
    """

    __slots__ = (
        "_bases",
        "_begun",
        "_counted",
        "_counts",
        "_lost",
        "_now",
        "_size",
        "_tail",
        "_total",
        "clock",
        "due",
        "following",
        "last",
        "open",
        "parts",
        "program",
        "scrambled",
        "stream",
    )  # fmt: skip

    def __init__(self, program: int, stream: ElementaryStream, clock: ProgramClock, counts: Counter[str]) -> None:
        self.program = program
        self.stream = stream
        self.clock = clock
        self.parts: list[bytes] = []
        self.following = _NOTHING
        self.due = 1
        self.last = _NOTHING
        self.open = False
        self.scrambled = False
        self._counts = counts
        self._counted = self._size = 0
        self._total: int | None = 0
        self._begun, self._bases = clock.bases, clock.bases
        self._now = clock.now
        self._tail = b""
        self._lost = False

    @property
    def held(self) -> int:
        """Bytes of the unfinished packet, to the next 184."""
        return len(self.parts) * BODY if self.open else 0

    def repeats(self, payload: bytes) -> bool:
        """Whether this is the payload before once more (§2.4.3.3 allows it once)."""
        return payload == (self.parts[-1] if self.parts else self._tail)

    def begin(self, payload: bytes) -> list[Unit]:
        """A PES packet begins with this payload, so the one before is at its end. What is complete now, of both."""
        before = self.finish()
        self.open = True
        self._begun, self._now = self.clock.bases, self.clock.now
        self.parts.append(payload)
        self._size, self._counted, self._total = len(payload), 1, None
        return [unit for unit in (before, self.review()) if unit is not None]

    @property
    def room(self) -> int:
        """How many ordinary payloads can be taken at once."""
        return self.due - len(self.parts)

    def take(self, payloads: Sequence[bytes], control: int) -> Unit | None:
        """Ordinary ones, of which the last has this fourth byte."""
        self.following = FOLLOWING[control & 15]
        self.parts += payloads
        return self.review() if len(self.parts) == self.due else None

    def review(self) -> Unit | None:
        """Look at what is there: the unit if it is complete. To be called at `due`, and after `extend`."""
        return self.finish() if self._whole() else None

    def extend(self, payload: bytes) -> Unit | None:
        """A payload of an unusual length."""
        if not self.open:
            return None
        self.parts.append(payload)
        self._size = self._bytes() - BODY + len(payload)
        self._counted = len(self.parts)
        return self.review()

    def finish(self) -> Unit | None:
        """The end of the PES packet, as far as it came; None when there is none."""
        parts, opened = self.parts, self.open
        self._settle()
        if not opened:
            return None
        data = b"".join(parts)
        return self._unit(data[: self._total] if self._total and len(data) > self._total else data)

    def damage(self) -> None:
        """Something of the packet is missing: it is dropped, up to where the next begins."""
        if self.open:
            self._counts["damaged"] += 1
        self._lost = True
        self._settle()

    def _settle(self) -> None:
        if self.parts:
            self._tail = self.parts[-1]
        self.parts = []
        self.open, self.due = False, 1  # whatever comes is looked at

    def _bytes(self) -> int:
        return self._size + BODY * (len(self.parts) - self._counted)

    def _whole(self) -> bool:
        """Whether the packet is complete; sets `due` if not."""
        if not self.open:
            self._settle()
            return False
        size = self._bytes()
        if self._total is None:
            try:
                self._total = pes_size(self.parts[0] if len(self.parts[0]) >= 6 else b"".join(self.parts[:6]))
            except Malformed:
                self._counts["no-pes"] += 1
                self._settle()
                return False
            if self._total is None:
                self.due = len(self.parts) + 1
                return False
        if size > limits.FRAME_BYTES:
            self._counts["too-large"] += 1
            self._settle()
            return False
        if not self._total:
            self.due = len(self.parts) + _MOST
            return False
        missing = self._total - size
        self.due = len(self.parts) + -(-missing // BODY)
        return missing <= 0

    def _unit(self, data: bytes) -> Unit | None:
        try:
            header = read_pes(data)
        except Malformed:
            self._counts["no-pes"] += 1
            return None
        place, begun = self.clock.place, self._begun
        dts = None if header.dts is None else place(header.dts, begun)
        pts = dts if header.pts == header.dts else None if header.pts is None else place(header.pts, begun)
        broken, self._bases = begun != self._bases, begun
        lost, self._lost = self._lost, False
        return Unit(self.program, self.stream, data[header.start :], pts, dts, self._now, broken, bool(self._total), lost)
