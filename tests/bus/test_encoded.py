"""Encoded feeds: entry p is frame p, made once, shared."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from arcly_actors.bus.channel import Channel
from arcly_actors.bus.policy import ApplicationPolicy, GopBound
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from tests.bus.fan import KEY, TokenEncoder, tokens
from tests.bus.frames import BOTH, VIDEO, pictures, video


def channel(**bound: int) -> Channel:
    made = Channel(KEY, ApplicationPolicy(gop=GopBound(**bound)))
    made.tracks = BOTH
    return made


@given(st.lists(st.integers(0, 900), max_size=60), st.integers(0, 60))
@settings(max_examples=80)
def test_entry_p_is_frame_p_whenever_the_feed_began(sizes: list[int], begun: int) -> None:
    made = channel(size=2000)
    feed = None
    for number, size in enumerate(sizes):
        if number == begun:
            feed = made.encoded("tokens", TokenEncoder)
        made.append(video(40 * number, key=number % 5 == 0, size=size), 50 * number)
    feed = feed or made.encoded("tokens", TokenEncoder)
    assert feed.head == made.log.head == len(sizes)
    assert feed.tail >= made.log.tail
    for position in range(feed.tail, feed.head):
        assert feed.joined(position, position + 1) == made.log[position].frame.payload
        assert feed.moment(position) == made.log.moment(position)
        assert tokens(feed.opening(position, {}))[1:] == ["<conf 0.0>", "<conf 1.0>"]
        assert tokens(feed.configurations(position)) == ["<conf 0.0>", "<conf 1.0>"]


def test_everybody_gets_the_same_object() -> None:
    made = channel()
    feed = made.encoded("tokens", TokenEncoder)
    assert made.encoded("tokens", TokenEncoder) is feed
    for frame in pictures(10):
        made.append(frame, frame.dts)
    assert feed.joined(2, 3) is feed.joined(2, 3)
    assert feed.joined(2, 9) is feed.joined(2, 9)
    assert feed.joined(2, 9) == b"".join(feed.joined(position, position + 1) for position in range(2, 9))
    for start in range(8):  # few joined buffers are kept
        feed.joined(start, 10)
    assert len(feed._joined) <= 4
    assert feed.encoded == 10


@pytest.mark.parametrize(("size", "reached"), [(0, 3), (1, 3), (1100, 3), (2300, 4), (10**9, 10)])
def test_it_says_how_far_a_write_reaches(size: int, reached: int) -> None:
    made = channel()
    feed = made.encoded("tokens", TokenEncoder)
    for frame in pictures(10, size=1000):
        made.append(frame, frame.dts)
    assert feed.reach(2, size) == reached
    assert feed.reach(10, size) == 10


def test_other_tracks_are_configured_where_they_begin_and_only_those() -> None:
    made = channel()
    feed = made.encoded("tokens", TokenEncoder)
    made.append(video(0, key=True), 0)
    made.tracks = (VIDEO, Track(1, CodecId.AAC, b"other", version=1), Track(2, CodecId.OPUS))
    made.append(video(40), 40)
    assert tokens(feed.joined(0, 2)) == ["K0", "<conf 1.1>", "<conf 2.0>", "p40"]
    assert tokens(feed.opening(0, {})) == ["<open 0>", "<conf 0.0>", "<conf 1.0>"]
    assert tokens(feed.configurations(1)) == ["<conf 0.0>", "<conf 1.1>", "<conf 2.0>"]
