"""Clocks of a sender: its reports tie RTP ticks to wall time (RFC 3550 §6.4.1), which aligns its tracks."""

from arcly_actors import limits
from arcly_actors.errors import PeerLimit
from arcly_actors.media.timebase import MILLISECOND, SECOND, to_ns
from arcly_actors.protocols.rtp.reporting import SenderReport

_NTP_EPOCH = 2_208_988_800
_NTP_ERA = 1 << 32
_STEP = 5 * MILLISECOND


def to_ntp(wall: int) -> int:
    """Wall nanoseconds since 1970 as an NTP time of 64 bits."""
    return (wall + _NTP_EPOCH * SECOND << 32) // SECOND & 0xFFFFFFFF_FFFFFFFF


def from_ntp(ntp: int) -> int:
    """An NTP time of 64 bits as wall nanoseconds since 1970; one before 1968 is of the era from 2036 on."""
    seconds = ntp >> 32
    era = 0 if seconds & 0x80000000 else _NTP_ERA
    return (seconds + era - _NTP_EPOCH) * SECOND + ((ntp & 0xFFFFFFFF) * SECOND + (1 << 31) >> 32)


class SenderClock:
    """Wall time of the ticks of one SSRC, whose clock has `rate` ticks per second; good for 6 hours after a report.

    Ticks may be unwrapped or not: only their low 32 bits count, so a clock that wraps after 13 hours changes nothing.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._ticks = 0
        self._wall: int | None = None

    def heard(self, report: SenderReport) -> None:
        """A sender report; one without NTP time (0, RFC 3550 §6.4.1) says nothing."""
        if report.ntp:
            self._ticks, self._wall = report.timestamp, from_ntp(report.ntp)

    def wall(self, ticks: int) -> int | None:
        """Wall nanoseconds of the sender's clock at `ticks`; None before the first report."""
        if self._wall is None:
            return None
        return self._wall + to_ns((ticks - self._ticks + 0x80000000 & 0xFFFFFFFF) - 0x80000000, self.rate)


class AvSync:
    """Puts the tracks of one sender onto one timeline, nanoseconds of our monotonic clock.

    Until reports say better a track starts when its first unit arrived. The first track with a report is the reference,
    which is never moved; the others are moved when they are off by more than 5 ms, forwards or backwards.
    """

    def __init__(self) -> None:
        self._clocks: dict[int, SenderClock] = {}
        # What to add to nanoseconds of a track's own ticks.
        self._offsets: dict[int, int] = {}
        self._reference: int | None = None
        # The sender's wall time at zero of our timeline, by the reference.
        self._zero = 0

    def add(self, track: int, rate: int) -> None:
        """A track with a clock of `rate` ticks per second; `PeerLimit` beyond `limits.SYNC_TRACKS`."""
        if len(self._clocks) >= limits.SYNC_TRACKS:
            raise PeerLimit(f"more than {limits.SYNC_TRACKS} tracks to align")
        self._clocks[track] = SenderClock(rate)

    def restart(self, track: int) -> None:
        """A track's clock is another one from now on."""
        self._clocks[track] = SenderClock(self._clocks[track].rate)
        self._offsets.pop(track, None)

    def heard(self, track: int, report: SenderReport) -> None:
        """A sender report of a track's SSRC."""
        self._clocks[track].heard(report)

    def wall(self, track: int, ticks: int) -> int | None:
        """The sender's wall time, nanoseconds; None before the track's first report."""
        return self._clocks[track].wall(ticks)

    def place(self, track: int, ticks: int, now: int) -> int:
        """Where a unit with these unwrapped ticks, which arrived at `now`, stands."""
        return self.moment(track, ticks, now)[0]

    def moment(self, track: int, ticks: int, now: int) -> tuple[int, int | None]:
        """`place` and `wall` of a unit."""
        clock = self._clocks[track]
        own = to_ns(ticks, clock.rate)
        offset = self._offsets.setdefault(track, now - own)
        wall = clock.wall(ticks)
        if wall is None:
            return own + offset, None
        if self._reference is None:
            self._reference = track
        if track == self._reference:
            self._zero = wall - own - offset
        else:
            wanted = wall - self._zero - own
            if abs(wanted - offset) > _STEP:
                self._offsets[track] = offset = wanted
        return own + offset, wall
