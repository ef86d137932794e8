"""The programme's clock: wraps, jumps and splices, by hand and through the demultiplexer."""

from itertools import pairwise

import pytest

from arcly_actors.media.mpegts.clock import ProgramClock
from arcly_actors.media.mpegts.demuxer import TsDemuxer
from arcly_actors.media.mpegts.events import ClockJumped, Unit
from tests.support.transport_streams import Studio

MS = 90
SECOND = 90_000
WRAP = 1 << 33
PICTURE = b"\x00\x00\x01\x09\xf0picture"


def line(times: list[tuple[int, int]], *, announced: tuple[int, ...] = ()) -> tuple[list[int], int]:
    """(PCR, DTS) pairs to the DTS that come out, and the number of jumps told. `announced` are flagged."""
    studio, demuxer = Studio(), TsDemuxer()
    events = demuxer.feed(studio.tables())
    for number, (pcr, dts) in enumerate(times):
        events += demuxer.feed(studio.clock(pcr % WRAP, discontinuity=number in announced))
        events += demuxer.feed(studio.pes(PICTURE, dts % WRAP))
    found = [event.dts for event in events if isinstance(event, Unit) and event.dts is not None]
    return found, sum(isinstance(event, ClockJumped) for event in events)


def steady(start: int, count: int, lead: int = SECOND // 2) -> list[tuple[int, int]]:
    return [(start + number * 40 * MS, start + lead + number * 40 * MS) for number in range(count)]


def steps(found: list[int]) -> set[int]:
    return {later - earlier for earlier, later in pairwise(found)}


def test_times_go_on_over_the_wrap() -> None:
    found, jumps = line(steady(WRAP - SECOND, 60))
    assert len(found) == 60
    assert steps(found) == {40 * MS}
    assert jumps == 0
    assert found[-1] > WRAP


@pytest.mark.parametrize("to", [0, 5 * SECOND, 3600 * SECOND, WRAP - 7])
@pytest.mark.parametrize("announced", [True, False])
def test_a_clock_that_is_set_makes_no_hole(to: int, announced: bool) -> None:
    before, after = steady(100 * SECOND, 25), steady(to, 25)
    found, jumps = line(before + after, announced=(25,) if announced else ())
    assert len(found) == 50
    assert jumps == 1
    assert steps(found) == {40 * MS}


def test_a_short_step_forward_that_is_announced_is_a_jump_and_else_a_loss() -> None:
    before, after = steady(100 * SECOND, 10), steady(105 * SECOND, 10)
    found, jumps = line(before + after, announced=(10,))
    assert (steps(found), jumps) == ({40 * MS}, 1)
    found, jumps = line(before + after)
    assert jumps == 0
    assert max(steps(found)) == 5 * SECOND - 9 * 40 * MS


def test_a_flag_on_a_clock_that_goes_on_changes_nothing() -> None:
    found, jumps = line(steady(0, 20), announced=(5, 10))
    assert (steps(found), jumps) == ({40 * MS}, 0)


def test_what_began_before_the_jump_stays_there() -> None:
    clock = ProgramClock()
    clock.pcr(100 * SECOND)
    begun = clock.bases
    clock.pcr(100 * SECOND + 40 * MS)
    assert clock.pcr(7 * SECOND, announced=True)
    assert clock.place(100 * SECOND + 500 * MS, begun) == 100 * SECOND + 500 * MS
    assert clock.place(7 * SECOND + 500 * MS, clock.bases) == 100 * SECOND + 80 * MS + 500 * MS
    # Sound of the time before that comes after the jump is known by its place.
    assert clock.place(100 * SECOND + 520 * MS, clock.bases) == 100 * SECOND + 520 * MS


def test_without_pcrs_the_dts_are_followed_over_the_wrap() -> None:
    clock = ProgramClock()
    raw = [(WRAP - 2 * SECOND + number * SECOND) % WRAP for number in range(5)]
    placed = [clock.place(ticks, 0) for ticks in raw]
    assert steps(placed) == {SECOND}
    assert clock.now == placed[-1]


def test_pcrs_that_begin_late_change_no_times() -> None:
    clock = ProgramClock()
    first = clock.place(10 * SECOND, 0)
    assert not clock.pcr(10 * SECOND)
    assert clock.place(10 * SECOND + 40 * MS, 0) - first == 40 * MS
