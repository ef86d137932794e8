"""Sequence numbers one after the other: in order, after a loss, late, or of a sender that started over (RFC 3550 A.1)."""

from arcly_actors import limits

LATE = -1


class Continuity:
    """Says for each sequence number how many before it are missing; for packets that are already in order."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: int | None = None

    def missing(self, sequence: int) -> int:
        """The packets missing right before this one, `LATE` for one behind the last or seen already.

        A number that is far behind is a sender that started over; what it had sent last is not known, so that counts as
        one missing packet.
        """
        step = 0 if self._next is None else sequence - self._next & 0xFFFF
        if step >= 0x10000 - limits.RTP_MISORDER:
            return LATE
        self._next = sequence + 1 & 0xFFFF
        return step if step < 0x8000 else 1
