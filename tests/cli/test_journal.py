"""Events as log lines, and the figures of the status line."""

import logging

import pytest

from arcly_actors import limits
from arcly_actors.bus import events as bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.qos import StreamQos
from arcly_actors.bus.report import SeatReport, StreamReport
from arcly_actors.cli.announce import announcement, urls
from arcly_actors.cli.journal import Journal
from arcly_actors.cli.logging import line_of
from arcly_actors.cli.status import status_text
from arcly_actors.clock import NS_PER_S, VirtualClock
from arcly_actors.errors import ArclyError, Refusal
from arcly_actors.transport.addresses import Address

KEY = StreamKey("live", "cam")
EVENTS: tuple[tuple[bus.Event, str], ...] = (
    (bus.PublishStarted(KEY, "rtmp", "10.0.0.1:5"), "INFO    rtmp live/cam 10.0.0.1:5 published"),
    (bus.PublishHeld(KEY, "gone", 10 * NS_PER_S), "INFO    live/cam publisher gone (gone); viewers are held for 10s"),
    (bus.PublishResumed(KEY, "rtmp", "10.0.0.1:5"), "INFO    rtmp live/cam 10.0.0.1:5 resumed"),
    (bus.PublishEnded(KEY, "over"), "INFO    live/cam ended: over"),
    (
        bus.PublishRefused("live/cam", "rtmp", "10.0.0.1:5", Refusal.BUSY, "taken"),
        "WARNING rtmp live/cam 10.0.0.1:5 publisher refused (busy): taken",
    ),
    (
        bus.ConnectionRefused("10.0.0.1:5", Refusal.LIMIT, "too many"),
        "DEBUG   10.0.0.1:5 connection refused (limit): too many",
    ),
    (bus.SubscriberJoined(KEY, 3, "hls", "10.0.0.1:5"), "INFO    hls live/cam 10.0.0.1:5 viewer 3 joined"),
    (bus.SubscriberLeft(KEY, 3, "closed"), "INFO    live/cam viewer 3 left: closed"),
    (
        bus.SubscriberLagged(KEY, 3, 40),
        "WARNING live/cam viewer 3 is too slow: skipped 40 frames to the newest keyframe",
    ),
    (
        bus.SubscriberDegraded(KEY, 3, 512_345),
        "WARNING live/cam viewer 3 gets keyframes only: its path takes about 512 kb/s",
    ),
    (bus.SubscriberRecovered(KEY, 3, 2_000_000), "INFO    live/cam viewer 3 gets every picture again"),
    (bus.SubscriberEvicted(KEY, 3, Refusal.LAGGED, "5 s"), "WARNING live/cam viewer 3 evicted (lagged): 5 s"),
    (
        bus.SubscriberRefused("x/y", "rtmp", "10.0.0.1:5", Refusal.UNKNOWN_APPLICATION, "no x"),
        "WARNING rtmp x/y 10.0.0.1:5 viewer refused (unknown-application): no x",
    ),
    (bus.KeyframeRequested(KEY, full_intra=False), "DEBUG   live/cam keyframe requested"),
    (
        bus.GopOutgrown(KEY, 600, 9),
        "WARNING live/cam GOP too long for the cache (600 frames, 9 bytes): joiners wait",
    ),
    (
        bus.BFramesDropped(KEY, "webrtc", 7),
        "WARNING live/cam 7 B-frames dropped for webrtc: the encoder should send none",
    ),
    (bus.BFramesRefused(KEY, "webrtc", "no"), "WARNING live/cam webrtc viewers ended: no"),
    (
        bus.TranscodeStarted(KEY, "webrtc", 1, "aac", "opus"),
        "INFO    live/cam transcoding track 1 from aac to opus for webrtc",
    ),
    (
        bus.TranscodeStopped(KEY, "flv", 1, 50, 2, 1),
        "INFO    live/cam transcoding of track 1 for flv stopped: 50 frames made, 2 dropped, 1 damaged",
    ),
    (
        bus.TranscodeLagged(KEY, "webrtc", 0, 9),
        "WARNING live/cam transcoding of track 0 for webrtc too slow: 9 frames skipped",
    ),
    (
        bus.TranscodeFailed(KEY, "hls", 1, "OSError()", resting=False),
        "ERROR   live/cam transcoding of track 1 for hls failed (OSError()): started again",
    ),
    (
        bus.PacketsMissing(KEY, "udp://10.0.0.5", 3),
        "WARNING live/cam udp://10.0.0.5 packets missing (3 gaps)",
    ),
    (
        bus.StreamScrambled(KEY, "udp://10.0.0.5", 257),
        "WARNING live/cam udp://10.0.0.5 PID 257 is encrypted, and left out",
    ),
    (bus.SourceConnected(KEY, "rtsp://***@c/"), "INFO    live/cam source is live: rtsp://***@c/"),
    (
        bus.SourceStalled(KEY, "rtsp://c/", "no picture for 10 s"),
        "WARNING live/cam source stalled (no picture for 10 s): rtsp://c/",
    ),
    (bus.SourceFailed(KEY, "rtsp://c/", "no route"), "WARNING live/cam source failed (no route): rtsp://c/"),
    (
        bus.SourceIdled(KEY, "rtsp://c/", "no viewer for 10 s"),
        "INFO    live/cam source hung up (no viewer for 10 s): rtsp://c/",
    ),
    (
        bus.WorkerAbandoned(KEY, "rtsp://c/", 2),
        "ERROR   live/cam FFmpeg hangs, its thread is left behind (2 of this source are): rtsp://c/",
    ),
    (bus.SinkConnected(KEY, "rtmp://t/app/***"), "INFO    live/cam pushed to rtmp://t/app/***"),
    (
        bus.SinkConnected(KEY, "whip:http://t/***", "without H264"),
        "INFO    live/cam pushed to whip:http://t/*** without H264",
    ),
    (bus.SinkFailed(KEY, "rtmp://t/app/***", "no route"), "WARNING live/cam push failed (no route): rtmp://t/app/***"),
    (bus.SinkEnded(KEY, "rtmp://t/app/***", "over"), "INFO    live/cam push ended (over): rtmp://t/app/***"),
    (bus.TapeStarted("live/cam", "tapes/cam.jsonl"), "INFO    live/cam recording to tapes/cam.jsonl"),
    (
        bus.TapeEnded("live/cam", "tapes/cam.jsonl", 1_234_567, "recorded for 30s"),
        "INFO    live/cam recording ended (recorded for 30s): tapes/cam.jsonl, 1.2 MB",
    ),
    (bus.TapeEnded("*", "a reader", 0, ""), "INFO    * recording ended: a reader"),
    (
        bus.TapeFailed("live/cam", "tapes/cam.jsonl", "No space left on device"),
        "WARNING live/cam recording failed (No space left on device): tapes/cam.jsonl",
    ),
    (bus.FaultInjected("crash publisher@2s"), "WARNING FAULT ON PURPOSE crash publisher@2s"),
    (bus.ActorRestarted("bus/directory", 2), "WARNING bus/directory restarted (restart 2)"),
    (
        bus.ActorGaveUp("endpoints/rtmp", "OSError()", retried=True),
        "ERROR   endpoints/rtmp failed too often (OSError()): it stays down and is tried again now and then",
    ),
    (bus.Failed("bus/directory", "KeyError(1)"), "DEBUG   bus/directory failed: KeyError(1)"),
)


@pytest.fixture
def journal(caplog: pytest.LogCaptureFixture) -> tuple[Journal, VirtualClock]:
    """A journal that logs everything."""
    caplog.set_level(logging.DEBUG, "arcly_actors")
    clock = VirtualClock()
    return Journal(clock), clock


@pytest.mark.parametrize(("event", "line"), EVENTS, ids=lambda value: type(value).__name__)
def test_each_event_is_a_line(
    journal: tuple[Journal, VirtualClock], caplog: pytest.LogCaptureFixture, event: bus.Event, line: str
) -> None:
    journal[0](event)
    (record,) = caplog.records
    assert line_of(record).plain.split(" ", 1)[1] == line


def test_every_event_has_a_line() -> None:
    assert {type(event) for event, _ in EVENTS} == set(bus.Event.__args__)


def test_a_crowd_becomes_a_number(journal: tuple[Journal, VirtualClock], caplog: pytest.LogCaptureFixture) -> None:
    write, clock = journal
    for number in range(limits.LOG_BURST + 7):
        write(bus.SubscriberJoined(KEY, number, "rtmp", "10.0.0.1:5"))
    write(bus.PublishEnded(KEY, "over"))
    write.tick()
    assert len(caplog.records) == limits.LOG_BURST + 1
    clock.advance(limits.LOG_WINDOW)
    write.tick()
    assert caplog.messages[-1] == "and 7 more viewers joined within 5 s"
    write(bus.SubscriberJoined(KEY, 99, "rtmp", "10.0.0.1:5"))
    assert caplog.messages[-1] == "viewer 99 joined"


def test_the_next_window_tells_of_the_last(
    journal: tuple[Journal, VirtualClock], caplog: pytest.LogCaptureFixture
) -> None:
    write, clock = journal
    for number in range(limits.LOG_BURST + 1):
        write(bus.SubscriberLeft(KEY, number, "closed"))
    clock.advance(limits.LOG_WINDOW)
    write(bus.SubscriberLeft(KEY, 99, "closed"))
    assert caplog.messages[-2:] == ["and 1 more viewers left within 5 s", "viewer 99 left: closed"]


def test_a_failure_has_its_traceback_unless_its_text_says_all() -> None:
    def shown(error: Exception) -> str:
        record = logging.LogRecord(
            *("pykka", logging.ERROR, "", 0, "Unhandled exception in Muxer (urn:uuid:0-f):", None),
            exc_info=(type(error), error, error.__traceback__),
        )
        return line_of(record).plain.split(" ", 1)[1]

    assert shown(KeyError("x")).splitlines() == ["ERROR   Muxer failed", "    KeyError: 'x'"]
    assert shown(ArclyError("it was told to")) == "ERROR   Muxer failed: it was told to"


def report(state: str, viewers: int, rate: float) -> StreamReport:
    """A stream as the status line sees it."""
    seats = tuple(SeatReport(number, "rtmp", "", 0, 0) for number in range(viewers))
    return StreamReport(KEY, state, "rtmp", "", 0, (), StreamQos(bit_rate=rate), seats, 0, ())


def test_the_status_line() -> None:
    assert status_text((), 0) == "0 streams · 0 viewers · 0.0 Mb/s in · up 0:00:00"
    text = status_text((report("live", 1, 2.55e6), report("held", 3, 9e6)), 3_725 * NS_PER_S)
    assert text == "2 streams (1 held) · 4 viewers · 2.5 Mb/s in · up 1:02:05"


def test_addresses_are_such_that_one_can_connect_to_them() -> None:
    bound = {"rtmp": (Address("0.0.0.0", 1935),), "http": (Address("::1", 443),)}
    assert urls(bound, "live/x", https=True) == [
        ("publish", "rtmp://127.0.0.1/live/x"),
        ("play", "rtmp://127.0.0.1/live/x"),
        ("play", "https://[::1]/live/x.flv"),
        ("play", "https://[::1]/live/x.ts"),
        ("play", "https://[::1]/live/x/index.m3u8"),
        ("page", "https://[::1]/"),
    ]


def test_what_is_open_to_others_is_told() -> None:
    bound = {"rtmp": (Address("0.0.0.0", 1935),)}
    lines = [line.plain for line in announcement(bound, ("live", "more"), https=False, pattern="", note="")]
    assert "  open to      other machines: rtmp listens on 0.0.0.0:1935" in lines
    assert "  applications live, more" in lines
    assert announcement({}, ("live",), https=False, pattern="", note="")[1].plain.strip() == "no endpoint is enabled"
