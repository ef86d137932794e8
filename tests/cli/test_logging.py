"""Log lines: their columns, what they hide, and what a peer cannot do with them."""

import datetime as dt
import io
import logging
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from arcly_actors import limits
from arcly_actors.cli.logging import PACKAGE, about, clean, masked, start_logging, stop_logging

log = logging.getLogger(f"{PACKAGE}.endpoints.rtmp")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as it would be in a pipe; the logging module is put back afterwards."""
    out = io.StringIO()
    root, package = logging.getLogger(), logging.getLogger(PACKAGE)
    levels = root.level, package.level
    started = start_logging(console=Console(file=out, width=40))
    yield out
    stop_logging(started)
    root.setLevel(levels[0])
    package.setLevel(levels[1])


def test_a_line_has_time_level_protocol_key_peer_and_message(lines: io.StringIO) -> None:
    log.info("publishing %s", "H.264 and AAC", extra=about(protocol="rtmp", key="live/cam", peer="10.0.0.1:5000"))
    time, rest = lines.getvalue().split(" ", 1)
    assert dt.time.fromisoformat(time).tzinfo is None
    assert rest == "INFO    rtmp live/cam 10.0.0.1:5000 publishing H.264 and AAC\n"


def test_what_is_not_known_leaves_no_gap(lines: io.StringIO) -> None:
    log.warning("no disk")
    assert lines.getvalue().endswith(" WARNING no disk\n")


def test_our_own_information_is_shown_and_that_of_libraries_is_not(lines: io.StringIO) -> None:
    log.debug("too fine")
    log.info("ours")
    logging.getLogger("aiohttp.access").info("theirs")
    logging.getLogger("aiohttp.server").warning("their warning")
    assert [line.split(" ", 2)[2].strip() for line in lines.getvalue().splitlines()] == ["ours", "their warning"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtmp://h/live/cam?token=abc&x=1", "rtmp://h/live/cam?token=***&x=1"),
        ("?access_token=abc", "?access_token=***"),
        ("srt://h:1?passphrase=a%20b&mode=caller", "srt://h:1?passphrase=***&mode=caller"),
        ("TOKEN=abc", "TOKEN=***"),
        ("{'token': 'a b', 'n': 1}", "{'token': ***, 'n': 1}"),
        ('{"password":"a\'b"}', '{"password":***}'),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("rtmp://user:word@h/live", "rtmp://***@h/live"),
        ("?token%3Dabc", "?token%3D***"),
        ("token=", "token="),
        ("the author=me and 3 tokens", "the author=me and 3 tokens"),
        ("http://h:80/a@b", "http://h:80/a@b"),
    ],
)
def test_secrets_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_secrets_are_masked_in_every_part_of_a_line(lines: io.StringIO) -> None:
    try:
        int("token=hush")
    except ValueError:
        log.exception("from token=%s", "hush", extra=about(key="live/cam?token=hush", peer="rtmp://u:hush@h"))
    assert "hush" not in lines.getvalue()
    assert "with base 10: 'token=***'" in lines.getvalue()


def test_a_peer_cannot_forge_a_line_or_drive_the_terminal(lines: io.StringIO) -> None:
    log.info("name %s", "a\n00:00:00.000 INFO forged\x1b[2J\u202e[red]", extra=about(peer="x\r\ny"))
    (line,) = lines.getvalue().splitlines()
    assert line.endswith(r"INFO    x\r\ny name a\n00:00:00.000 INFO forged\x1b[2J\u202e[red]")


@given(st.text(max_size=300))
@settings(max_examples=120)
def test_a_cleaned_text_is_printable(text: str) -> None:
    assert clean(text).isprintable() or not clean(text)


def test_a_line_is_bounded() -> None:
    assert clean("x" * (limits.LOG_CHARACTERS + 5)).endswith("x… (5 more)")


def test_a_broken_output_does_not_reach_the_caller(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    reported = io.StringIO()
    monkeypatch.setattr(sys, "stderr", reported)
    lines.close()
    log.info("into nothing")
    assert "I/O operation on closed file" in reported.getvalue()
