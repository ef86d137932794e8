"""Datagrams of a feed: who may send, bare and in RTP, out of order, silence."""

import pytest

from arcly_actors import limits
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.ingest.ts_datagrams import TsDatagrams
from arcly_actors.ingest.ts_source import TsItem
from arcly_actors.media.frame import MediaFrame
from arcly_actors.protocols.rtp.packet import FIXED
from tests.support.transport_streams import read, recorded

DATA = recorded("h264_aac.ts")
DATAGRAMS = [DATA[at : at + 1316] for at in range(0, len(DATA), 1316)]
EXPECTED = [item for item in read(DATA) if isinstance(item, MediaFrame)]


def rtp(payload: bytes, number: int, *, ssrc: int = 7, kind: int = 33) -> bytes:
    return FIXED.pack(0x80, kind, number & 0xFFFF, number * 900, ssrc) + payload


def frames(items: list[tuple[int, TsItem]]) -> list[MediaFrame]:
    return [item for _, item in items if isinstance(item, MediaFrame)]


def payloads(made: list[MediaFrame]) -> list[bytes]:
    return [frame.payload for frame in made]


def play(feed: TsDatagrams, datagrams: list[bytes], source: str = "a", now: int = 1) -> list[MediaFrame]:
    return frames([item for data in datagrams for item in feed.receive(data, source, now)])


def test_bare_and_in_rtp_it_is_the_same() -> None:
    for datagrams in (DATAGRAMS, [rtp(data, 65_530 + number) for number, data in enumerate(DATAGRAMS)]):
        feed = TsDatagrams()
        made = play(feed, datagrams)
        made += frames(feed.wake(1 + limits.TS_SILENCE))
        assert payloads(made) == payloads(EXPECTED)


def test_rtp_is_put_in_order_and_told_once() -> None:
    feed = TsDatagrams()
    sent = [rtp(data, number) for number, data in enumerate(DATAGRAMS)]
    sent[2], sent[3] = sent[3], sent[2]
    sent.insert(6, sent[5])
    made = play(feed, sent) + frames(feed.wake(1 + limits.TS_SILENCE))
    assert payloads(made) == payloads(EXPECTED)
    assert feed.counts["late"] == 1
    assert "continuity" not in feed.counts


def test_a_datagram_that_never_comes_is_waited_for_no_longer_than_the_bound() -> None:
    feed = TsDatagrams()
    sent = [rtp(data, number) for number, data in enumerate(DATAGRAMS)]
    before = play(feed, sent[:4] + sent[5:], now=1)
    assert feed.wake_at == 1 + limits.REORDER_TIME
    made = before + frames(feed.wake(1 + limits.REORDER_TIME))
    assert 0 < len(made) < len(EXPECTED)
    assert feed.counts["continuity"] > 0


def test_the_first_that_sends_is_listened_to_until_it_is_silent() -> None:
    feed = TsDatagrams(silence=2 * NS_PER_S)
    assert feed.wake_at is None
    play(feed, DATAGRAMS[:3], "a", 0)
    assert play(feed, DATAGRAMS, "b", NS_PER_S) == []
    assert feed.counts["other-source"] == len(DATAGRAMS)
    assert feed.wake(2 * NS_PER_S - 1) == [] or feed.source == "a"
    feed.wake(2 * NS_PER_S)
    assert feed.source == ""
    assert payloads(play(feed, DATAGRAMS, "b", 3 * NS_PER_S)) == payloads(EXPECTED)[:-1]
    assert feed.source == "b"


def test_only_those_that_are_named_may_send() -> None:
    feed = TsDatagrams(sources=("10.0.0.5",))
    assert play(feed, DATAGRAMS, "10.0.0.6") == []
    assert feed.source == ""
    assert play(feed, DATAGRAMS, "10.0.0.5") != []


@pytest.mark.parametrize(
    "junk", [b"", b"\x00" * 1316, b"\x80\xc8" + bytes(200), b"GET / HTTP/1.1\r\n\r\n", rtp(b"\x00" * 400, 0, kind=0)]
)
def test_junk_does_not_become_the_source(junk: bytes) -> None:
    feed = TsDatagrams()
    assert feed.receive(junk, "a", 0) == []
    assert feed.source == ""
    assert feed.counts["not-ts"] == 1
    assert play(feed, DATAGRAMS, "b") != []
    assert feed.receive(junk, "b", 0) == []


def test_a_sender_that_started_over_goes_on() -> None:
    feed = TsDatagrams()
    first = [rtp(data, 100 + number) for number, data in enumerate(DATAGRAMS)]
    again = [rtp(data, 9 + number, ssrc=8) for number, data in enumerate(DATAGRAMS)]
    play(feed, first)
    assert len(play(feed, again, now=100 * NS_PER_MS)) > len(EXPECTED) // 2
