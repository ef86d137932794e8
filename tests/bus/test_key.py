"""Stream keys: what a peer may name."""

import re
import string

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from arcly_actors.bus.key import StreamKey
from arcly_actors.errors import Refusal, Refused

START = string.ascii_letters + string.digits + "_~@+="
SEGMENT = st.builds(str.__add__, st.sampled_from(START), st.text(START + ".-", max_size=127))
APPLICATION = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)
FEW = settings(max_examples=120)


@given(APPLICATION, SEGMENT)
@FEW
def test_a_key_is_read_back_from_its_text(application: str, name: str) -> None:
    key = StreamKey(application, name)
    assert StreamKey.parse(str(key)) == key
    assert StreamKey.parse(f"/{key}/") == key


@given(st.text(max_size=40) | st.text("live/.-\0\n%", max_size=12))
@FEW
def test_any_text_is_a_safe_key_or_refused(text: str) -> None:
    try:
        key = StreamKey.parse(text)
    except Refused:
        return
    assert re.fullmatch(r"[A-Za-z0-9._~@+=/-]+", str(key))
    assert not any(part.startswith((".", "-")) or not part for part in str(key).split("/"))


@pytest.mark.parametrize(
    "text",
    ["", "live", "live/", "/cam", "live/..", "../live/cam", "live//cam", "live/-rf", "live/cam\n", "live/c m", "live/ä",
     "a/b/c/d/e/f", "live/" + "x" * 129, "live/%2e", "live/cam?x", "live\\cam"],
)  # fmt: skip
def test_these_are_no_keys(text: str) -> None:
    with pytest.raises(Refused) as refused:
        StreamKey.parse(text)
    assert refused.value.refusal is Refusal.BAD_REQUEST


def test_a_refusal_does_not_repeat_a_long_name() -> None:
    with pytest.raises(Refused) as refused:
        StreamKey.parse("live/" + "\0" * 100_000)
    assert len(refused.value.detail) < 1000


def test_keys_sort_and_hash() -> None:
    keys = {StreamKey("b", "a"), StreamKey("a", "b"), StreamKey("a", "b")}
    assert [str(key) for key in sorted(keys)] == ["a/b", "b/a"]
