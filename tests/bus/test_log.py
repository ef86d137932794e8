"""The shared log, against a model that keeps everything."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from arcly_actors.bus.log import LogBound, Moment, SharedLog

BOUND = LogBound(entries=300, size=5000, duration_ns=1000)
THOROUGH = settings(max_examples=50, stateful_step_count=40)


class Model(RuleBasedStateMachine):
    """Appends in bursts, so that the log compacts itself now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.log: SharedLog[int] = SharedLog(BOUND)
        self.all: list[tuple[int, int, int]] = []  # (dts, size, at)
        self.tail = 0

    @rule(count=st.integers(1, 200), size=st.integers(0, 60), step=st.integers(-2, 8), wait=st.integers(0, 8))
    def append(self, count: int, size: int, step: int, wait: int) -> None:
        for _ in range(count):
            last = self.all[-1] if self.all else (-step, 0, -wait)
            dts, at = last[0] + step, last[2] + wait
            assert self.log.append(len(self.all), dts=dts, size=size, at=at) == len(self.all)
            self.all.append((dts, size, at))
            while self.tail < len(self.all) - 1 and not self.fits(dts, at):
                self.tail += 1

    def fits(self, dts: int, at: int) -> bool:
        held = self.all[self.tail :]
        return (
            len(held) <= BOUND.entries
            and sum(size for _, size, _ in held) <= BOUND.size
            and min(dts - held[0][0], at - held[0][2]) <= BOUND.duration_ns
        )

    @rule(before=st.integers(-2, 3000), span=st.integers(0, 1200))
    def forget(self, before: int, span: int) -> None:
        horizon = self.all[-1][0] - span if self.all else 0
        self.log.forget(before, horizon)
        while self.tail < min(before, len(self.all)) and self.all[self.tail][0] < horizon:
            self.tail += 1

    @rule(position=st.integers(-2, 3000), length=st.integers(0, 50))
    def read(self, position: int, length: int) -> None:
        end = position + length
        if self.tail <= position < len(self.all):
            assert self.log[position] == position
            assert self.log.moment(position) == Moment(self.all[position][0], self.all[position][2])
            assert self.log.dts(position) == self.all[position][0]
        else:
            with pytest.raises(KeyError):
                self.log[position]
            with pytest.raises(KeyError):
                self.log.dts(position)
            with pytest.raises(KeyError):
                self.log.moment(position)
        if self.tail <= position and end <= len(self.all):
            assert list(self.log.slice(position, end)) == list(range(position, end))
        else:
            with pytest.raises(KeyError):
                self.log.slice(position, end)

    @invariant()
    def same(self) -> None:
        assert (self.log.tail, self.log.head) == (self.tail, len(self.all))
        assert len(self.log) == len(self.all) - self.tail
        assert self.log.size == sum(size for _, size, _ in self.all[self.tail :])


TestLog = Model.TestCase
TestLog.settings = THOROUGH


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=50))
def test_the_newest_item_stays_however_large_it_is(sizes: list[int]) -> None:
    log: SharedLog[int] = SharedLog(BOUND)
    for number, size in enumerate(sizes):
        log.append(number, dts=0, size=size, at=0)
        assert log[number] == number


def test_what_is_forgotten_is_let_go_of() -> None:
    log: SharedLog[bytes] = SharedLog(LogBound(entries=10, size=10**9, duration_ns=10**18))
    for number in range(10_000):
        log.append(b"%d" % number, dts=number, size=1, at=number)
    assert len(log) == 10
    assert len(log._items) <= 10 + 256
