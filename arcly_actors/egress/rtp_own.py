"""What one viewer alone was sent, for when it asks again: not the packets, but how each of them was made.

A GOP that a joiner is given has some 600 kB; a crowd of joiners would hold all of them for a second.
"""

from collections import deque
from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.egress.rtp_slice import Layout, Slice


@dataclass(frozen=True, slots=True)
class _Made:
    """A slice as it was sent at `now` (monotonic ns): under which numbers, at which ticks and wall time."""

    now: int
    one: Slice
    sequence: int
    ticks: int
    wall: int


class OwnPackets:
    """Remembers for `limits.HISTORY_TIME`, and `limits.HISTORY_PACKETS` at most."""

    __slots__ = ("_made", "_packets")

    def __init__(self) -> None:
        self._made: deque[_Made] = deque()
        self._packets = 0

    def add(self, one: Slice, sequence: int, ticks: int, wall: int, now: int) -> None:
        """This was sent."""
        self._made.append(_Made(now, one, sequence, ticks, wall))
        self._packets += len(one.chunks)
        self.forget(now)

    def find(self, sequence: int, layout: Layout, now: int) -> bytes | None:
        """The packet with this number (16 bits), byte for byte as it was sent; None when there is none or it is too old.

        An old one must not be sent: once 65,536 others followed, SRTP would encrypt it under another one's nonce.
        """
        self.forget(now)
        for made in reversed(self._made):
            index = sequence - made.sequence & 0xFFFF
            if index < len(made.one.chunks):
                return made.one.made(layout, made.sequence, made.ticks, made.wall)[index]
        return None

    def forget(self, now: int) -> None:
        """Let go of what is too old at `now`: for a time in which nothing is sent or asked for."""
        oldest = now - limits.HISTORY_TIME
        while self._made and (self._made[0].now < oldest or self._packets > limits.HISTORY_PACKETS):
            self._packets -= len(self._made.popleft().one.chunks)

    def __len__(self) -> int:
        return self._packets
