"""Scripts as files: whole, hand-written, wrong, truncated, and anything at all."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcly_actors.script import Head, Record, Script, ScriptError, read, read_file, write, write_file

HEAD = Head({"version": 1}, "live/cam", 5, 6, seed=7, provenance={"client": "ffmpeg"})
RECORDS = (
    Record(0, "draw", {"bytes": "00ff"}),
    Record(0, "open", {"who": "rtmp-1", "on": "rtmp", "peer": "192.0.2.1:5", "local": "192.0.2.2:1935"}),
    Record(5, "in", {"who": "rtmp-1"}, b"\x03\x00\xff"),
    Record(9, "out", {"who": "rtmp-1"}, b"\x03\x00\xff"),
    Record(9, "out", {"who": "rtmp-1", "size": 3, "hash": "ab"}),
    Record(10, "event", {"what": "PublishStarted", "with": {"a": [1, None]}}),
    Record(11, "expect", {"expect": "KeyframeRequested", "within": "500ms"}),
    Record(11, "end", {"reason": "asked to"}),
)


def lines(*texts: str) -> list[bytes]:
    return [f"{text}\n".encode() for text in texts]


def problem(*texts: str) -> str:
    with pytest.raises(ScriptError) as caught:
        read(lines(*texts), "s.jsonl")
    return str(caught.value)


def test_what_is_written_is_read() -> None:
    script = read(write(HEAD, RECORDS))
    assert (script.head, script.records, script.cut) == (HEAD, RECORDS, False)
    assert script.duration_ns == 11
    assert [record.line for record in script.records] == list(range(2, 10))


@pytest.mark.parametrize("side", [False, True])
def test_a_file_with_and_without_a_side_file(tmp_path: Path, side: bool) -> None:
    path = tmp_path / "session.jsonl"
    write_file(Script(HEAD, RECORDS), path, side=side)
    assert read_file(path).records == RECORDS
    assert (tmp_path / "session.bin").exists() is side
    if side:
        assert (tmp_path / "session.bin").read_bytes() == b"\x03\x00\xff"  # the same payload is there once


def test_a_hand_written_script() -> None:
    script = read(
        lines(
            "# comments and empty lines are for people",
            '{"script": 1}',
            "",
            '{"is": "publish", "key": "live/cam", "marble": "k--d|", "step": "40ms"}',
            '{"at": "1.5s", "expect": "no", "type": "SubscriberLeft"}',
            '{"is": "end"}',
        )
    )
    assert [(record.at, record.kind, record.line) for record in script.records] == [
        (0, "publish", 4),
        (1_500_000_000, "expect", 5),
        (1_500_000_000, "end", 6),
    ]


@pytest.mark.parametrize("cut", [1, 3, 20])
def test_a_truncated_last_line_is_left_out(cut: int) -> None:
    whole = b"".join(write(HEAD, RECORDS))
    script = read(whole[:-cut].splitlines(keepends=True))
    if cut == 1:  # only the line feed is missing: the record is whole
        assert (script.records, script.cut) == (RECORDS, False)
    else:
        assert (script.records, script.cut) == (RECORDS[:-1], True)


def test_every_truncation_is_read_or_says_that_there_is_no_head() -> None:
    whole = b"".join(write(HEAD, RECORDS))
    first = whole.index(b"\n")
    for size in range(len(whole)):
        part = whole[:size].splitlines(keepends=True)
        if size < first:
            with pytest.raises(ScriptError, match=r"^<script>:1: "):
                read(part)
        else:
            records = read(part).records
            assert records == RECORDS[: len(records)]


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ((), "s.jsonl:1: not JSON: "),
        (("{}",), 's.jsonl:1: the first line says no version: it begins with {"script": 1, ...}'),
        (('{"script": 2}',), "s.jsonl:1: the first line is of version 2"),
        (('{"script": 1, "sead": 4}',), "s.jsonl:1: the head has no 'sead'"),
        (('{"script": 1, "seed": "4"}',), "s.jsonl:1: 'seed' is a whole number, not \"4\""),
        (('{"script": 1, "side": "../x"}',), "s.jsonl:1: the side file '../x' is not beside the script"),
        (('{"script": 1}', "", "[]"), "s.jsonl:3: not an object"),
        (('{"script": 1}', '{"is": "opne"}'), "s.jsonl:2: 'opne' is no kind of record (did you mean 'open'?)"),
        (('{"script": 1}', '{"is": "eof"}'), "s.jsonl:2: a record 'eof' has 'who', which is missing"),
        (('{"script": 1}', '{"is": "in", "who": "a", "data": "é"}'), "s.jsonl:2: 'data' is not base64"),
        (('{"script": 1}', '{"is": "in", "who": "a"}'), "s.jsonl:2: a record 'in' has 'data' (base64)"),
        (('{"script": 1}', '{"is": "in", "who": "a", "part": [0, 1]}'), "s.jsonl:2: there is a 'part' here, and no"),
        (('{"script": 1}', '{"is": "draw"}'), "s.jsonl:2: a record 'draw' has either 'bytes' or 'number'"),
        (('{"script": 1}', '{"is": "draw", "bytes": "0"}'), "s.jsonl:2: '0' is not hexadecimal"),
        (('{"script": 1}', '{"at": "5", "is": "end"}'), "s.jsonl:2: 'at': '5' is not a duration"),
        (('{"script": 1}', '{"at": -5, "is": "end"}'), "s.jsonl:2: 'at' is ns, or a duration as 500ms"),
        (('{"script": 1}', '{"at": NaN, "is": "end"}'), "s.jsonl:2: not JSON: NaN is not a number of JSON"),
        (('{"script": 1}', '{"at": 5, "is": "end"}', '{"at": 4, "is": "end"}'), "s.jsonl:3: 4 ns is before the"),
        (('{"script": 1}', '{"expect": "no", "within": "x"}'), "s.jsonl:2: 'within': 'x' is not a duration"),
        (('{"script": 1}', "[" * 100_000), "s.jsonl:2: not JSON: nested too deeply"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(texts: tuple[str, ...], told: str) -> None:
    assert problem(*texts).startswith(told)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ScriptError, match=r"^nowhere\.jsonl: No such file"):
        read_file("nowhere.jsonl")


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9), st.lists, max_leaves=4)
FIELD = st.sampled_from(["is", "at", "who", "data", "part", "bytes", "expect", "within", "key", "hash", "size", "step"])
KIND = st.sampled_from(["in", "out", "draw", "open", "expect", "frame", "publish", "end"])
LINE = st.one_of(
    st.binary(max_size=40),
    st.dictionaries(FIELD, JSON, max_size=6).map(lambda value: json.dumps(value).encode() + b"\n"),
    st.tuples(KIND, st.dictionaries(FIELD, JSON, max_size=6)).map(
        lambda pair: json.dumps({**pair[1], "is": pair[0]}).encode() + b"\n"
    ),
)


@settings(max_examples=100)
@given(st.lists(LINE, max_size=5), st.booleans())
def test_any_bytes_are_read_or_told(content: list[bytes], headed: bool) -> None:
    given_lines = [b'{"script": 1}\n', *content] if headed else content
    script = read_or_told(given_lines)
    if script is not None:
        assert read(write(script.head, script.records)).records == script.records


def read_or_told(given_lines: list[bytes]) -> Script | None:
    with suppress(ScriptError):
        return read(given_lines)
    return None


def test_what_many_were_sent_is_one_line_and_a_record_for_each() -> None:
    script = read(
        lines(
            '{"script": 1}',
            '{"at": 5, "is": "out", "who": "a", "also": ["b", "c"], "data": "AAEC"}',
            '{"at": 6, "is": "shut", "who": "b"}',
        )
    )
    sent = [(record.who, record.data, record.line) for record in script.records[:3]]
    assert sent == [(who, b"\x00\x01\x02", 2) for who in "abc"]
    assert all("also" not in record.fields for record in script.records)
    assert problem('{"script": 1}', '{"is": "out", "who": "a", "also": [3], "data": ""}') == (
        "s.jsonl:2: 'also' is a list of names"
    )
