"""Loss as receiver reports tell it: of enough packets, and not of those that were only overtaken."""

from arcly_actors.media.timebase import MILLISECOND, SECOND
from arcly_actors.protocols.rtp.reported_loss import ReportedLoss
from arcly_actors.protocols.rtp.reporting import ReportBlock

MS = MILLISECOND


def block(highest: int, lost: int, fraction: int = 0) -> ReportBlock:
    return ReportBlock(7, fraction, lost, highest)


def test_a_share_is_told_every_half_second() -> None:
    loss = ReportedLoss()
    assert loss.heard(block(100, 0), 0) is None
    assert loss.heard(block(300, 10), SECOND) == 0.05
    assert loss.heard(block(400, 20), 1400 * MS) is None
    assert loss.heard(block(500, 40), 1500 * MS) == 0.15


def test_reports_beside_nacks_are_no_heavier_loss() -> None:
    loss = ReportedLoss()
    # Each covers the five packets since the one before, of which one is missing; the next finds it was only late.
    told = [loss.heard(block(5 * index, index % 2, fraction=51), index * 50 * MS) for index in range(60)]
    assert [share for share in told if share is not None] == [0.0] * 5


def test_few_packets_say_nothing_until_there_are_more() -> None:
    loss = ReportedLoss()
    assert loss.heard(block(0, 0), 0) is None
    assert loss.heard(block(5, 2), 5 * SECOND) is None
    assert loss.heard(block(20, 2), 6 * SECOND) == 0.1


def test_numbers_wrap_and_totals_fall() -> None:
    loss = ReportedLoss()
    assert loss.heard(block(2**32 - 10, 50), 0) is None
    assert loss.heard(block(30, 20), SECOND) == 0.0
    assert loss.heard(block(70, 1000), 2 * SECOND) == 1.0
