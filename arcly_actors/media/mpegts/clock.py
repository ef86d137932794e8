"""The time of one programme: 33-bit PCR, PTS and DTS on one line that wraps, jumps and splices do not break.

All are ticks of 90 kHz. What is sent before a PCR that jumps belongs to the time before it (ISO/IEC 13818-1 §2.4.3.4), so
a PES packet is placed by the base that was in force when it began.
"""

from typing import Final

from arcly_actors import limits
from arcly_actors.media.timebase import from_ns

RATE: Final = 90_000
_RANGE: Final = 1 << 33
_HALF: Final = 1 << 32
_AHEAD: Final = from_ns(limits.TS_PCR_JUMP, RATE)
_GAP: Final = from_ns(limits.TS_PCR_GAP, RATE)
_REORDERED: Final = RATE // 10
_ANNOUNCED: Final = RATE


class _Epoch:
    """One time base: a value of its clock that was seen of late (with the bits above 33), and what to add to it."""

    __slots__ = ("near", "offset")

    def __init__(self, near: int, offset: int) -> None:
        self.near = near
        self.offset = offset

    def ticks(self, raw: int) -> int:
        """A 33-bit value on the line: the nearest that there is."""
        step = (raw - self.near) % _RANGE
        return self.near + (step - _RANGE if step > _HALF else step) + self.offset


class ProgramClock:
    """See the module. Without PCRs the DTS themselves are followed; their jumps are the stream's timeline to mend."""

    def __init__(self) -> None:
        self._epoch: _Epoch | None = None
        self._former: _Epoch | None = None
        self._has_pcr = False
        self._gap = _GAP
        self.bases = 0
        """How many bases there have been: what a PES packet notes when it begins."""

    @property
    def now(self) -> int | None:
        """Where the programme is: its newest PCR, or DTS where there is none; None before the first."""
        return None if self._epoch is None else self._epoch.near + self._epoch.offset

    def pcr(self, raw: int, *, announced: bool = False) -> bool:
        """A PCR's 33 bits; `announced`: the packet says that it is discontinuous. True when it began a new base."""
        epoch = self._epoch
        if epoch is None or not self._has_pcr:
            if epoch is None:
                self._epoch = _Epoch(raw, 0)
            else:
                epoch.near = epoch.ticks(raw) - epoch.offset
            self._has_pcr = True
            return False
        step = (raw - epoch.near) % _RANGE
        step -= _RANGE if step > _HALF else 0
        if -_REORDERED <= step <= (_ANNOUNCED if announced else _AHEAD):
            if 0 < step <= _GAP:
                self._gap = step
            epoch.near += step
            return False
        self._former = epoch
        self._epoch = _Epoch(raw, epoch.near + epoch.offset + self._gap - raw)
        self.bases += 1
        return True

    def place(self, raw: int, begun: int) -> int:
        """The ticks of a PTS or DTS of a PES packet that began when `bases` was `begun`."""
        epoch = self._epoch
        if epoch is None:
            epoch = self._epoch = _Epoch(raw, 0)
        former = self._former
        ticks = epoch.ticks(raw)
        if former is not None:
            first, other = (epoch, former) if begun == self.bases else (former, epoch)
            now = epoch.near + epoch.offset
            ticks = first.ticks(raw)
            if abs(ticks - now) > _AHEAD and abs(other.ticks(raw) - now) <= _AHEAD:
                ticks = other.ticks(raw)
        if not self._has_pcr:
            epoch.near = ticks - epoch.offset
        return ticks
