"""How much a peer says that it lost, over enough packets to mean something."""

from arcly_actors.media.timebase import SECOND
from arcly_actors.protocols.rtp.reporting import ReportBlock

_SPAN = SECOND // 2
_PACKETS = 20
"""Fewer say little: one of five is 20 %. libwebrtc judges over as many."""


class ReportedLoss:
    """One stream's loss from the totals of its receiver reports (RFC 3550 §6.4.1).

    Not from their `fraction_lost`: a browser reports with each NACK, too, so over the handful of packets of which it just
    missed one, and counts those as lost that are only overtaken. Of 5 % that are lost such fractions make 30 % and more.
    """

    def __init__(self) -> None:
        self._since: tuple[int, int, int] | None = None

    def heard(self, block: ReportBlock, now: int) -> float | None:
        """A report came: the share (0 to 1) of what was sent in the last half second or more, None while that lasts."""
        if self._since is None:
            self._since = (block.highest, block.lost, now)
            return None
        highest, lost, began = self._since
        expected = (block.highest - highest) & 0xFFFFFFFF
        if now - began < _SPAN or expected < _PACKETS:
            return None
        self._since = (block.highest, block.lost, now)
        return min(1.0, max(0, block.lost - lost) / expected)
