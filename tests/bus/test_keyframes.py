"""The keyframe broker."""

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given, settings

from arcly_actors.bus.keyframes import KeyframeBroker
from arcly_actors.limits import KEYFRAME_PATIENCE, KEYFRAME_THROTTLE

PLI, FIR = False, True


def test_nothing_is_asked_when_nobody_wants_it() -> None:
    broker = KeyframeBroker()
    assert broker.due(0) is None
    assert broker.wake_in(0) is None


def test_many_requests_are_one_question() -> None:
    broker = KeyframeBroker()
    for _ in range(100):
        broker.request(1000)
    assert broker.wake_in(1000) == 0
    assert [broker.due(1000), broker.due(1001)] == [PLI, None]
    assert (broker.asked, broker.sent, broker.pending) == (100, 1, True)


def test_it_repeats_at_the_throttle_and_loses_patience() -> None:
    broker, asked = KeyframeBroker(), list[bool]()
    broker.request(0)
    now = 0
    while now <= KEYFRAME_PATIENCE + KEYFRAME_THROTTLE:
        full_intra = broker.due(now)
        assert full_intra is not None
        asked.append(full_intra)
        wait = broker.wake_in(now)
        assert wait == KEYFRAME_THROTTLE
        now += wait
    assert asked == [PLI, PLI, PLI, PLI, FIR, FIR]


def test_a_keyframe_serves_everybody() -> None:
    broker = KeyframeBroker()
    broker.request(0)
    broker.request(1)
    broker.due(1)
    broker.arrived()
    broker.arrived()
    assert (broker.served, broker.pending, broker.due(10**12)) == (1, False, None)


def test_the_next_request_is_throttled_and_patient_again() -> None:
    broker = KeyframeBroker()
    broker.request(0)
    broker.due(0)
    broker.arrived()
    broker.request(10)
    assert broker.due(10) is None
    assert broker.wake_in(10) == KEYFRAME_THROTTLE - 10
    assert broker.due(KEYFRAME_THROTTLE) is PLI


@given(st.lists(st.tuples(st.sampled_from(("want", "came", "look")), st.integers(0, KEYFRAME_THROTTLE)), max_size=80))
@settings(max_examples=120)
def test_questions_never_come_closer_than_the_throttle(script: list[tuple[str, int]]) -> None:
    broker, now, sent = KeyframeBroker(), 0, list[int]()
    for act, step in script:
        now += step
        if act == "want":
            broker.request(now)
        elif act == "came":
            broker.arrived()
        elif broker.due(now) is not None:
            sent.append(now)
        assert (broker.wake_in(now) is not None) == broker.pending
    assert all(later - earlier >= KEYFRAME_THROTTLE for earlier, later in pairwise(sent))
    assert broker.served <= broker.asked
