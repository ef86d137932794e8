"""What reports say: reception statistics (RFC 3550 A.3, A.8), our own sender reports, the round trip (§6.4.1)."""

from arcly_actors.media.timebase import SECOND, from_ns
from arcly_actors.protocols.rtp.outgoing import OutgoingStream
from arcly_actors.protocols.rtp.reporting import ReportBlock, SenderReport
from arcly_actors.protocols.rtp.sender_clock import to_ntp

_FRACTION = 1 << 16


class ReceptionStatistics:
    """Counts the packets of one SSRC, whose clock has `rate` ticks per second, for the blocks of receiver reports."""

    def __init__(self, ssrc: int, rate: int) -> None:
        self.ssrc = ssrc
        self._rate = rate
        self._first: int | None = None
        self._highest = 0
        self._received = 0
        self._expected_before = 0
        self._received_before = 0
        self._transit: int | None = None
        self._arrived = -1  # when the last packet came, in nanoseconds and in ticks: those of one read came together
        self._arrived_ticks = 0
        self._jitter = 0  # sixteenfold, as in A.8
        self._report = 0
        self._report_at = 0

    def received(self, sequence: int, timestamp: int, now: int) -> None:
        """A packet of the stream arrived at `now` (monotonic nanoseconds), retransmissions excepted."""
        self._received += 1
        if self._first is None:
            self._first = self._highest = sequence
        step = (sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        if step > 0:
            self._highest += step
        if now != self._arrived:
            self._arrived, self._arrived_ticks = now, from_ns(now, self._rate)
        transit = self._arrived_ticks - timestamp
        if self._transit is not None:
            change = (transit - self._transit + 0x80000000 & 0xFFFFFFFF) - 0x80000000
            self._jitter += (change if change >= 0 else -change) - (self._jitter + 8 >> 4)
        self._transit = transit

    def heard(self, report: SenderReport, now: int) -> None:
        """A sender report of this SSRC arrived: its sender measures the round trip by what our next block says of it."""
        self._report = report.ntp >> 16 & 0xFFFFFFFF
        self._report_at = now

    @property
    def jitter(self) -> int:
        """The inter-arrival jitter in ticks (§6.4.1)."""
        return self._jitter >> 4

    @property
    def lost(self) -> int:
        """Packets that did not arrive in all; below zero when duplicates outnumber them."""
        return self._expected() - self._received

    def block(self, now: int) -> ReportBlock:
        """The block for a report at `now`; the fraction lost is that since the last call."""
        expected, received = self._expected(), self._received
        due, came = expected - self._expected_before, received - self._received_before
        self._expected_before, self._received_before = expected, received
        fraction = min(255, (due - came) * 256 // due) if due > 0 and due > came else 0
        delay = (now - self._report_at) * _FRACTION // SECOND if self._report else 0
        return ReportBlock(self.ssrc, fraction, self.lost, self._highest, self.jitter, self._report, delay)

    def _expected(self) -> int:
        return 0 if self._first is None else self._highest - self._first + 1


def sender_report(stream: OutgoingStream, wall: int, ticks: int) -> SenderReport:
    """The report of a stream of ours: at `wall` nanoseconds since 1970 its clock stood at `ticks`."""
    return SenderReport(stream.ssrc, to_ntp(wall), ticks & 0xFFFFFFFF, stream.packets, stream.octets)


def round_trip(block: ReportBlock, wall: int) -> int | None:
    """Nanoseconds to the peer and back, by a block about our stream that arrived at `wall`; None when it cannot tell.

    `wall` must be the clock of the sender reports. A result below zero (clocks stepped) counts as none.
    """
    if not block.last_report:
        return None
    elapsed = (to_ntp(wall) >> 16) - block.last_report - block.delay & 0xFFFFFFFF
    return elapsed * SECOND // _FRACTION if elapsed < 0x80000000 else None
