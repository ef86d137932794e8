"""Sequence numbers for one viewer of shared packets: what is left out for it must not look like loss.

Packets are made once for all viewers. One that gets keyframes only (`bandwidth`) would see gaps, ask for them again and
report loss; so its copy of each packet is renumbered, and what it asks for is numbered back.
"""

from bisect import bisect_right

from arcly_actors import limits


class ViewerSequence:
    """How far one viewer's numbers are behind the stream's: nothing to do (`shift` 0) until something is left out."""

    __slots__ = ("_origins", "_shifts", "shift")

    def __init__(self) -> None:
        self.shift = 0
        # The viewer's full numbers at which a shift began, and those shifts, oldest first.
        self._origins: list[int] = []
        self._shifts: list[int] = []

    def leave_out(self, following: int, count: int) -> None:
        """`count` packets are left out; `following` is the stream's full (unwrapped) number of the next one."""
        if not self._origins:
            self._origins.append(following - count - 0x10000)
            self._shifts.append(0)
        self.shift += count
        start = following - self.shift
        if self._origins[-1] == start:
            self._shifts[-1] = self.shift
            return
        self._origins.append(start)
        self._shifts.append(self.shift)
        if len(self._origins) > limits.VIEWER_SHIFTS:
            del self._origins[0], self._shifts[0]

    def outgoing(self, full: int) -> int:
        """The 16 bits that the viewer sees of a full number of the stream, if it is from after the last gap."""
        return full - self.shift & 0xFFFF

    def original(self, sequence: int, following: int) -> int | None:
        """The stream's full number of what the viewer asks for; `following` is that of the stream's next packet.

        None when it is too old to be known.
        """
        last = following - self.shift - 1
        asked = last - (last - sequence & 0xFFFF)
        if not self._origins:
            return asked
        index = bisect_right(self._origins, asked) - 1
        return asked + self._shifts[index] if index >= 0 else None
