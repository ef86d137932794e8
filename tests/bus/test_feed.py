"""The feed: every observer for itself."""

from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from reactivex import abc, operators

from arcly_actors.bus.feed import Feed


class Witness:
    """An observer's three callbacks, written down."""

    def __init__(self, feed: Feed[int]) -> None:
        self.seen: list[object] = []
        self.seat = feed.subscribe(self.seen.append, self.seen.append, lambda: self.seen.append("done"))


def test_values_go_to_all_in_order_of_subscription() -> None:
    feed: Feed[int] = Feed()
    seen: list[str] = []
    feed.subscribe(lambda value: seen.append(f"a{value}"))
    feed.deliver(1)
    feed.subscribe(lambda value: seen.append(f"b{value}"))
    feed.deliver(2)
    assert seen == ["a1", "a2", "b2"]
    assert len(feed) == 2


def test_an_observer_that_raises_loses_its_own_seat_and_nobody_else_notices() -> None:
    feed: Feed[int] = Feed()
    before, fault = Witness(feed), ValueError("mine")
    errors: list[Exception] = []

    def fail(_: int) -> None:
        raise fault

    feed.subscribe(fail, errors.append)
    after = Witness(feed)
    feed.deliver(1)
    feed.deliver(2)
    assert before.seen == after.seen == [1, 2]
    assert errors == [fault]
    assert (len(feed), feed.failed_observers) == (2, 1)


def test_an_observer_that_fails_at_its_last_word_too_keeps_it_from_nobody() -> None:
    feed: Feed[int] = Feed()

    def fail(*_: object) -> None:
        raise ValueError

    feed.subscribe(fail, fail, fail)
    other = Witness(feed)
    feed.deliver(1)
    feed.subscribe(None, None, fail)
    feed.complete()
    assert other.seen == [1, "done"]
    assert feed.failed_observers == 3


def test_a_failing_observer_goes_even_when_another_changes_the_seats_in_the_same_delivery() -> None:
    feed: Feed[int] = Feed()
    errors: list[Exception] = []

    def fail(_: int) -> None:
        raise ValueError

    feed.subscribe(fail, errors.append)
    feed.subscribe(lambda _: seat.dispose())
    seat = feed.subscribe()
    feed.deliver(1)
    assert (len(errors), len(feed)) == (1, 1)


def test_an_observer_disposed_of_during_a_delivery_gets_nothing_more() -> None:
    feed: Feed[int] = Feed()
    feed.subscribe(lambda _: late.seat.dispose())
    late, last = Witness(feed), Witness(feed)
    feed.deliver(1)
    feed.deliver(2)
    assert late.seen == []
    assert last.seen == [1, 2]
    assert len(feed) == 2


def test_an_observer_may_dispose_of_itself_and_of_itself_again() -> None:
    feed: Feed[int] = Feed()
    seen: list[int] = []

    def once(value: int) -> None:
        seen.append(value)
        seat.dispose()
        seat.dispose()

    seat = feed.subscribe(once)
    other = Witness(feed)
    feed.deliver(1)
    feed.deliver(2)
    assert (seen, other.seen) == ([1], [1, 2])


def test_an_observer_that_joins_during_a_delivery_begins_with_the_next_value() -> None:
    feed: Feed[int] = Feed()
    joined: list[Witness] = []
    feed.subscribe(lambda _: joined.append(Witness(feed)) if not joined else None)
    feed.deliver(1)
    feed.deliver(2)
    assert joined[0].seen == [2]


def test_a_delivery_within_a_delivery_reaches_everybody_once() -> None:
    feed: Feed[int] = Feed()
    feed.subscribe(lambda value: feed.deliver(value + 1) if value == 1 else late.seat.dispose())
    late, last = Witness(feed), Witness(feed)
    feed.deliver(1)
    feed.deliver(5)
    assert late.seen == []
    assert last.seen == [2, 1, 5]
    assert len(feed) == 2


def test_the_same_function_may_have_two_seats() -> None:
    feed: Feed[int] = Feed()
    seen: list[int] = []
    first = feed.subscribe(seen.append)
    feed.subscribe(seen.append)
    feed.deliver(1)
    first.dispose()
    feed.deliver(2)
    assert seen == [1, 1, 2]


@pytest.mark.parametrize("error", [None, ValueError("over")])
def test_completion_is_told_to_all_and_to_those_who_come_later(error: Exception | None) -> None:
    feed: Feed[int] = Feed()
    early = Witness(feed)
    feed.complete(error)
    feed.complete(error)
    late = Witness(feed)
    feed.deliver(1)
    late.seat.dispose()
    assert early.seen == late.seen == ["done" if error is None else error]
    assert len(feed) == 0


def test_a_last_word_may_dispose_of_another_seat() -> None:
    feed: Feed[int] = Feed()

    def last_word() -> None:
        middle.seat.dispose()

    feed.subscribe(None, None, last_word)
    middle, last = Witness(feed), Witness(feed)
    feed.complete()
    assert (middle.seen, last.seen) == ([], ["done"])


def test_nothing_follows_a_completion_that_an_observer_brings_about() -> None:
    feed: Feed[int] = Feed()
    feed.subscribe(lambda _: feed.complete())
    late = Witness(feed)
    feed.deliver(1)
    assert late.seen == ["done"]


def ten_times(value: int) -> int:
    return 10 * value


def odd(value: int) -> bool:
    return value % 2 == 1


def into_one(value: int) -> int:
    return 1 // value


def total(sofar: int, value: int) -> int:
    return sofar + value


Piped = Callable[[Feed[int]], reactivex.Observable[Any]]


@pytest.mark.parametrize(
    ("pipe", "expected"),
    [
        (lambda feed: feed.pipe(operators.map(ten_times)), [0, 10, 20, 30, "done"]),
        (lambda feed: feed.pipe(operators.filter(odd)), [1, 3, "done"]),
        (lambda feed: feed.pipe(operators.take(2)), [0, 1, "done"]),
        (lambda feed: feed.pipe(operators.buffer_with_count(2)), [[0, 1], [2, 3], "done"]),
        (lambda feed: feed.pipe(operators.scan(total)), [0, 1, 3, 6, "done"]),
        (lambda feed: reactivex.merge(feed, feed), [0, 0, 1, 1, 2, 2, 3, 3, "done"]),
        (lambda feed: feed.pipe(operators.share()), [0, 1, 2, 3, "done"]),
    ],
    ids=["map", "filter", "take", "buffer", "scan", "merge", "share"],
)
def test_the_operators_of_reactivex_work_on_it(pipe: Piped, expected: list[object]) -> None:
    feed: Feed[int] = Feed()
    seen: list[object] = []
    pipe(feed).subscribe(seen.append, seen.append, lambda: seen.append("done"))
    for value in range(4):
        feed.deliver(value)
    feed.complete()
    assert seen == expected


def test_an_operator_that_has_enough_gives_its_seat_back() -> None:
    feed: Feed[int] = Feed()
    feed.pipe(operators.take(1)).subscribe(lambda _: None)
    feed.deliver(1)
    assert len(feed) == 0


def test_an_operator_that_raises_ends_its_own_pipe_only() -> None:
    feed: Feed[int] = Feed()
    seen: list[object] = []
    feed.pipe(operators.map(into_one)).subscribe(seen.append, lambda e: seen.append(type(e)))
    other = Witness(feed)
    for value in (1, 0, 1):
        feed.deliver(value)
    assert seen == [1, ZeroDivisionError]
    assert other.seen == [1, 0, 1]


def test_an_observer_object_may_be_subscribed() -> None:
    feed: Feed[int] = Feed()
    seen: list[object] = []

    class Written(abc.ObserverBase[int]):
        def on_next(self, value: int) -> None:
            seen.append(value)

        def on_error(self, error: Exception) -> None:
            seen.append(error)

        def on_completed(self) -> None:
            seen.append("done")

    feed.subscribe(Written())
    feed.deliver(7)
    feed.complete()
    assert seen == [7, "done"]
