"""Asking for packets that are missing: once the reordering of an ordinary path is ruled out, then once per round trip."""

from arcly_actors import limits
from arcly_actors.media.timebase import MILLISECOND

_SHORTEST_RETRY = 20 * MILLISECOND


class NackGenerator:
    """Watches the sequence numbers of one SSRC. `rtt` (nanoseconds) is for the caller to keep up to date.

    With more than `limits.NACK_PACKETS` missing it forgets them all and `overflows` counts up: ask for a keyframe.
    """

    def __init__(self, rtt: int = 100 * MILLISECOND, tolerance: int = limits.NACK_TOLERANCE) -> None:
        self.rtt = rtt
        self._tolerance = tolerance
        self._highest: int | None = None
        # Full number -> when to ask next, how often it was asked for.
        # In the order of the numbers. Nothing is due before `_earliest`.
        self._missing: dict[int, tuple[int, int]] = {}
        self._earliest = 0
        self.overflows = 0
        self.given_up = 0

    def received(self, sequence: int, now: int) -> bool:
        """A packet arrived; True when it had been asked for. A jump beyond `limits.RTP_DROPOUT` starts over."""
        highest = self._highest
        if highest is None:
            self._highest = sequence
            return False
        step = (sequence - highest + 0x8000 & 0xFFFF) - 0x8000
        if abs(step) > limits.RTP_DROPOUT:
            self._highest = sequence
            self._missing.clear()
            return False
        if step <= 0:
            entry = self._missing.pop(highest + step, None)
            return entry is not None and entry[1] > 0
        self._highest = highest + step
        if len(self._missing) + step - 1 > limits.NACK_PACKETS:
            self._missing.clear()
            self.overflows += 1
            return False
        due = now + self._tolerance
        self._earliest = min(self._earliest, due) if self._missing else due
        for number in range(highest + 1, highest + step):
            self._missing[number] = (due, 0)
        return False

    def due(self, now: int) -> list[int]:
        """The sequence numbers (16 bits) to ask for now."""
        if not self._missing or now < self._earliest:
            return []
        asked: list[int] = []
        retry = now + max(self.rtt, _SHORTEST_RETRY)
        for number, (at, tries) in list(self._missing.items()):
            if at > now:
                continue
            if tries == limits.NACK_TRIES:
                del self._missing[number]
                self.given_up += 1
                continue
            self._missing[number] = (retry, tries + 1)
            asked.append(number & 0xFFFF)
        self._earliest = min((at for at, _ in self._missing.values()), default=0)
        return asked

    def forget_before(self, sequence: int) -> None:
        """What is before this number is of no use any more: the jitter buffer went on, or a keyframe came."""
        if self._highest is None:
            return
        first = self._highest + (sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        while self._missing and (number := next(iter(self._missing))) < first:
            del self._missing[number]

    @property
    def wake_at(self) -> int | None:
        """When to look whether something is `due`; None while nothing is missing."""
        return self._earliest if self._missing else None
