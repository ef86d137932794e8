"""The engine behind blocking calls: the same results, the same errors, and no thread left."""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import arcly_actors as arcly
from arcly_actors import limits
from arcly_actors.bus.events import PublishStarted
from arcly_actors.errors import ConfigurationError, Refusal
from arcly_actors.runtime.receiver import Kill
from arcly_actors.topology import Address, Application, Endpoints, GopCache, Http, Rtmp, Srt, Topology, WebRtc
from tests.bus.frames import VIDEO, pictures, video
from tests.support.loopback import ANY, ANY_RTSP, LOOPBACK
from tests.support.streams import encode

SOON = 20


FEW = Topology(endpoints=LOOPBACK.endpoints, applications={"live": Application(gop_cache=GopCache(frames=512))})
"""What is kept of a stream is fewer frames than the tests send."""


@pytest.fixture
def engine() -> Iterator[arcly.ThreadedEngine]:
    """A running one; at the end none of its threads is left."""
    before = set(threading.enumerate())
    with arcly.Engine.run_in_thread(FEW) as running:
        yield running
    for thread in set(threading.enumerate()) - before:
        thread.join(SOON)
        assert not thread.is_alive(), thread


def wait_for_no_seat(engine: arcly.ThreadedEngine) -> None:
    """Return when the only stream has no viewer; the test's own time limit is the patience."""
    while engine.streams()[0].seats:
        engine.tree()


def test_frames_go_in_and_come_out(engine: arcly.ThreadedEngine) -> None:
    with engine.publish("live/made", (VIDEO,)) as publisher:
        stream = engine.stream("live/made", timeout=SOON)
        frames = stream.frames(timeout=SOON)
        for frame in pictures(50, gop=50):
            publisher.send(frame)
        assert [next(frames).payload for _ in range(50)] == [frame.payload for frame in pictures(50, gop=50)]
        assert stream.tracks == (VIDEO,)
        (report,) = engine.streams()
        assert engine.renditions() == ()
        assert (report.state, len(report.seats)) == ("live", 1)
        frames.close()
        wait_for_no_seat(engine)
        assert list(frames) == []
    assert not publisher.alive
    with pytest.raises(arcly.Refused):
        publisher.send(video(0))


def test_a_timeout_loses_nothing(engine: arcly.ThreadedEngine) -> None:
    with engine.publish("live/made", (VIDEO,)):
        frames = engine.stream("live/made", timeout=SOON).frames(timeout=0.01)
        with pytest.raises(TimeoutError):
            next(frames)
    with engine.publish("live/made", (VIDEO,)) as publisher:
        publisher.send(video(0, key=True))
        while True:
            try:
                assert next(frames).payload == b"K0;"
                break
            except TimeoutError:
                continue


def test_a_slow_reader_holds_no_more_than_a_batch(engine: arcly.ThreadedEngine) -> None:
    total, gop = 2000, 100
    with engine.publish("live/made", (VIDEO,)) as publisher:
        frames = engine.stream("live/made", timeout=SOON).frames(timeout=SOON)
        made = list(pictures(total, gop=gop))
        publisher.send(made[0])
        assert next(frames).payload == made[0].payload
        read: list[bytes] = []
        for frame in made[1:]:
            publisher.send(frame)
            engine.streams()  # so that the publisher, who never waits, does not outrun its own actor
        while made[-1].payload not in read:
            read.append(next(frames).payload)
        assert len(read) < 2 * gop + 2 * limits.PULLED_BATCH
        order = {frame.payload: at for at, frame in enumerate(made)}
        places = [order[payload] for payload in read]
        skips = [later for earlier, later in itertools.pairwise(places) if later != earlier + 1]
        assert skips
        assert all(made[at].keyframe for at in skips)


def test_a_forgotten_iterator_gives_its_seat_back(engine: arcly.ThreadedEngine) -> None:
    engine.start_pattern("live/demo")
    stream = engine.stream("live/demo", timeout=SOON)
    for frame in stream.frames(timeout=SOON):
        assert frame.keyframe
        break
    wait_for_no_seat(engine)
    assert engine.streams()[0].state == "live"


def test_events_from_the_moment_they_are_asked_for(engine: arcly.ThreadedEngine) -> None:
    events = engine.events
    with engine.publish("live/made", (VIDEO,)):
        event = next(events)
    assert isinstance(event, PublishStarted)
    assert str(event.key) == "live/made"


def test_what_the_engine_refuses_is_raised_here(engine: arcly.ThreadedEngine) -> None:
    with pytest.raises(arcly.Refused) as caught:
        engine.stream("nope/cam", timeout=SOON)
    assert caught.value.refusal is Refusal.UNKNOWN_APPLICATION
    with pytest.raises(TimeoutError):
        engine.stream("live/nobody", timeout=0.01)
    with engine.publish("live/made", (VIDEO,)), pytest.raises(arcly.Refused), engine.publish("live/made", (VIDEO,)):
        pass


def test_sources_and_sinks_are_started_and_stopped(engine: arcly.ThreadedEngine, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(encode())
    source = engine.pull("live/film", str(tmp_path / "clip.mp4"))
    port = engine.addresses["rtmp"][0].port
    sink = engine.push("live/film", f"rtmp://127.0.0.1:{port}/live/copy")
    with engine.stream("live/copy", timeout=SOON).frames(timeout=SOON) as frames:
        assert next(frames).keyframe
    assert sink.url == f"rtmp://127.0.0.1:{port}/live/***"
    sink.stop()
    source.stop()
    source.stop()
    branches = {node.id: node for node in engine.tree().children}
    sources, sinks = branches["sources"], branches["sinks"]
    assert (sources.id, sources.children) == ("sources", ())
    assert (sinks.id, sinks.children) == ("sinks", ())
    with pytest.raises(ConfigurationError, match="unknown key"):
        engine.pull("live/film", "clip.mp4", lop=True)


def test_several_threads_share_it(engine: arcly.ThreadedEngine) -> None:
    def publish_and_read(number: int) -> list[bytes]:
        with engine.publish(f"live/{number}", (VIDEO,)) as publisher:
            frames = engine.stream(f"live/{number}", timeout=SOON).frames(timeout=SOON)
            for frame in pictures(20, gop=20):
                publisher.send(frame)
            return [next(frames).payload for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(publish_and_read, range(8)))
    assert results == [[frame.payload for frame in pictures(20, gop=20)]] * 8
    assert {str(report.key) for report in engine.streams()} == {f"live/{number}" for number in range(8)}


def test_the_end_of_the_engine_ends_what_waits() -> None:
    with arcly.Engine.run_in_thread(LOOPBACK) as engine, ThreadPoolExecutor(2) as pool:
        events = pool.submit(list, engine.events)
        nobody = pool.submit(engine.stream, "live/nobody")
        engine.tree()
        engine.stop()
        assert events.result(SOON) == []
        with pytest.raises(ConfigurationError, match="not running"):
            nobody.result(SOON)
    with pytest.raises(ConfigurationError, match="not running"):
        engine.streams()


def test_a_call_from_the_engines_own_thread_is_refused(engine: arcly.ThreadedEngine) -> None:
    async def ask() -> object:
        return engine.streams()

    with pytest.raises(ConfigurationError, match="cannot come from it"):
        engine.call(ask())


def test_an_address_that_is_taken_is_raised_on_entering(engine: arcly.ThreadedEngine) -> None:
    (taken,) = engine.addresses["rtmp"]
    other = Topology(
        endpoints=Endpoints(
            rtmp=Rtmp(listen=Address(taken.host, taken.port)),
            rtsp=ANY_RTSP,
            http=Http(listen=ANY),
            webrtc=WebRtc(listen=ANY),
            srt=Srt(listen=ANY),
        )
    )
    with pytest.raises(arcly.AddressUnavailable, match=str(taken)), arcly.Engine.run_in_thread(other):
        pass


def test_an_interrupted_body_still_stops_the_engine() -> None:
    before = threading.active_count()

    def interrupted() -> None:
        with arcly.Engine.run_in_thread(LOOPBACK) as engine:
            assert engine.tree().state == "running"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert threading.active_count() == before


def test_the_failure_of_the_engine_is_told_to_who_calls_and_who_leaves() -> None:
    def failing() -> None:
        with arcly.Engine.run_in_thread(LOOPBACK) as engine:
            engine._engine._running.root.tell(Kill())
            engine._thread.join(SOON)
            with pytest.raises(arcly.ArclyError, match="the engine failed"):
                engine.streams()

    with pytest.raises(arcly.ArclyError, match="the engine failed"):
        failing()
