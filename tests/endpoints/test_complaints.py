"""Complaints: one line per kind and address in an interval, nothing lost from the counts, bounded memory."""

from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.clock import NS_PER_S, VirtualClock
from arcly_actors.endpoints.complaints import Complaints, Suppressed

INTERVAL = 10 * NS_PER_S


def test_the_first_is_said_and_the_rest_are_counted() -> None:
    clock = VirtualClock()
    complaints = Complaints(clock, interval_ns=INTERVAL)
    assert [complaints.admit("malformed", "10.0.0.1") for _ in range(4)] == [0, None, None, None]
    clock.advance(INTERVAL - 1)
    assert complaints.admit("malformed", "10.0.0.1") is None
    clock.advance(1)
    assert complaints.admit("malformed", "10.0.0.1") == 4
    assert complaints.admit("malformed", "10.0.0.1") is None


def test_kinds_and_addresses_do_not_silence_each_other() -> None:
    complaints = Complaints(VirtualClock(), interval_ns=INTERVAL)
    said = [complaints.admit(kind, address) for kind in ("malformed", "timeout") for address in ("10.0.0.1", "10.0.0.2")]
    assert said == [0, 0, 0, 0]


def test_a_flood_of_addresses_shares_one_line_per_kind() -> None:
    clock = VirtualClock()
    complaints = Complaints(clock, interval_ns=INTERVAL, addresses=2)
    assert [complaints.admit("malformed", f"10.0.0.{host}") for host in range(6)] == [0, 0, 0, None, None, None]
    assert complaints.admit("timeout", "10.0.0.9") == 0
    assert complaints.admit("malformed", "10.0.0.0") is None  # its own window still counts for itself
    clock.advance(INTERVAL)
    assert sorted(complaints.settle(), key=str) == [
        Suppressed("malformed", "10.0.0.0", 1),
        Suppressed("malformed", None, 3),
    ]
    assert complaints.settle() == []


def test_an_address_gets_the_place_of_one_that_is_over() -> None:
    clock = VirtualClock()
    complaints = Complaints(clock, interval_ns=INTERVAL, addresses=1)
    assert [complaints.admit("malformed", "10.0.0.1") for _ in range(3)] == [0, None, None]
    clock.advance(INTERVAL)
    assert [complaints.admit("malformed", "10.0.0.2") for _ in range(2)] == [0, None]
    assert complaints.settle() == [Suppressed("malformed", None, 2)]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 5 * NS_PER_S)), max_size=80))
@settings(max_examples=120)
def test_every_complaint_is_said_or_counted_once(calls: list[tuple[str, int, int]]) -> None:
    clock = VirtualClock()
    complaints = Complaints(clock, interval_ns=INTERVAL, addresses=3)
    told = 0
    for kind, host, pause in calls:
        clock.advance(pause)
        suppressed = complaints.admit(kind, str(host))
        told += 0 if suppressed is None else 1 + suppressed
    clock.advance(INTERVAL)
    assert told + sum(each.count for each in complaints.settle()) == len(calls)
