"""Marble notation: read and drawn, through operators, through a whole engine, and in scripts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as ops

from arcly_actors.errors import ConfigurationError
from arcly_actors.media.frame import MediaFrame
from arcly_actors.script import read as read_script
from arcly_actors.script.check import check
from arcly_actors.script.marbles import Marbles, MarbleTest, Mark, drawn, read
from arcly_actors.topology import Application, GopCache, Subscriber, Topology


def test_characters_are_units_of_time() -> None:
    assert read("k--d -(ka)-|") == (
        Mark(0, "k"),
        Mark(3, "d"),
        Mark(5, "k"),
        Mark(5, "a"),
        Mark(10, "|"),
    )
    assert read("--(k,d)#") == (Mark(2, "k"), Mark(2, "d"), Mark(7, "#"))


@pytest.mark.parametrize("text", ["k--x", "k|d", "k#|", "(kd", "k)", "((k))", "(k-d)", "k,d"])
def test_what_is_none_is_told(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is no marble|after the end|is not closed"):
        read(text)


@settings(max_examples=100)
@given(st.text(alphabet="kda-| #(),x", max_size=20))
def test_any_text_is_read_or_told(text: str) -> None:
    try:
        marks = read(text)
    except ConfigurationError:
        return
    again = drawn(marks)
    assert "@" in again or read(again) == marks


def test_what_came_is_equal_to_its_text_and_printed_as_one() -> None:
    came = Marbles((Mark(0, "k"), Mark(4, "k"), Mark(4, "d"), Mark(9, "d")))
    assert came == "k---(kd)-d"
    assert came != "k---(kd)--d"
    assert repr(came) == "'k---(kd)-d'"
    assert repr(Marbles((Mark(1, "k"), Mark(1, "d"), Mark(3, "d")))) == "'-(kd) @3:d'"


def opens_gop(frame: MediaFrame) -> bool:
    return frame.keyframe


def test_operators_on_frames(marbles: MarbleTest) -> None:
    keyframes = marbles("k--d--d--k-d|").pipe(ops.filter(opens_gop))
    assert marbles.of(keyframes) == "k--------k--|"


def test_operators_in_time(marbles: MarbleTest) -> None:
    late = marbles("k--d#").pipe(ops.delay(2.0, scheduler=marbles.scheduler))
    assert marbles.of(late) == "--k-#"  # an error overtakes


def test_other_values(marbles: MarbleTest) -> None:
    made = marbles("1-2-x|", lookup={"1": "a", "2": "d", "x": "k"})
    assert marbles.of(made) == "a-d-k|"
    assert MarbleTest().of(MarbleTest()("k")) != "k"  # another's time does not pass


def test_a_viewer_from_the_beginning_sees_what_is_published(marbles: MarbleTest) -> None:
    assert marbles.watched("k--d-a-d--k-d|") == ["k--d-a-d--k-d|"]


def test_a_joiner_gets_the_cached_gop_at_once(marbles: MarbleTest) -> None:
    stream = "k-----d-----d-----k-----d|"
    assert marbles.watched(stream, "-------^", "--------------^", "^") == [
        "-------(kd)-d-----k-----d|",
        Marbles((*(Mark(14, each) for each in "kdd"), Mark(18, "k"), Mark(24, "d"), Mark(25, "|"))),
        stream,
    ]


def test_who_waits_for_live_begins_at_the_next_keyframe(marbles: MarbleTest) -> None:
    assert marbles.watched("k-----d-----d-----k-----d|", "-------^", join="live") == ["------------------k-----d|"]


def test_a_gop_that_outgrows_the_cache_is_not_joined(marbles: MarbleTest) -> None:
    small = Topology(applications={"live": Application(gop_cache=GopCache(frames=2))})
    assert marbles.watched("k--d--d--d--k--d|", "----------^", topology=small) == ["------------k--d|"]
    live = Topology(applications={"live": Application(subscriber=Subscriber(join="live"))})
    assert marbles.watched("k--d--k--d|", "-^-----!", topology=live) == ["------k"]


def test_a_publisher_that_fails_leaves_its_viewers(marbles: MarbleTest) -> None:
    (seen,) = marbles.watched("k--d--#")
    assert seen.marks == (Mark(0, "k"), Mark(3, "d"), Mark(256, "|"))  # ten seconds of hold


def script(*lines: str) -> list[bytes]:
    return [f"{line}\n".encode() for line in ('{"script": 1}', *lines)]


def test_marbles_in_a_script() -> None:
    replayed, unmet = check(
        read_script(
            script(
                '{"is": "view", "who": "v", "key": "live/a"}',
                '{"is": "publish", "key": "live/a", "marble": "k--d--d--k|", "step": "100ms"}',
                '{"expect": "frames", "who": "v", "count": 4, "monotonic": "dts"}',
                '{"at": "1s", "expect": "PublishHeld", "within": "1ms"}',
            )
        )
    )
    assert (replayed.divergence, unmet) == (None, [])
    assert [record.at for record in replayed.records if record.kind == "seen"] == [0, 3 * 10**8, 6 * 10**8, 9 * 10**8]


def test_wrong_marbles_in_a_script_are_told_with_their_line() -> None:
    lines = script('{"is": "publish", "key": "live/a", "marble": "k--z"}')
    with pytest.raises(ConfigurationError, match=r"^s\.jsonl:2: 'k--z': 'z' at 3 is no marble"):
        check(read_script(lines, "s.jsonl"))
