"""A pull through FFmpeg: its pace, its window, and native calls that do not return."""

import asyncio
import itertools
import threading
from collections.abc import Iterator

import pytest

from arcly_actors import limits
from arcly_actors.bus.events import Events, SourceConnected, SourceFailed, WorkerAbandoned
from arcly_actors.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock, SystemEntropy
from arcly_actors.ingest.av_input import AvFailed, AvInput
from arcly_actors.ingest.av_pull import AvPull, AvPulls
from arcly_actors.ingest.pacing import Pacer
from arcly_actors.ingest.pull import PullEnded, PullFailed, PullFrames, PullRequest, PullTracks
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime import System
from arcly_actors.transport.urls import Url
from tests.bus.frames import BOTH, VIDEO, pictures, video
from tests.bus.stage import KEY, Stage
from tests.support.remotes import URL, Site
from tests.support.virtual import Probe, in_virtual_time, pass_time
from tests.support.waiting import until

REQUEST = PullRequest(KEY, Url.parse(URL))


class HandInput(AvInput):
    """An input that gives these frames, then fails or ends."""

    def __init__(
        self, frames: Iterator[MediaFrame | None], *, paced: bool = False, error: AvFailed | None = None
    ) -> None:
        self.paced = paced
        self.metadata = {"title": "a title"}
        self.read = 0
        self.closed = False
        self._frames = frames
        self._error = error
        self.told: tuple[Track, ...] = (VIDEO,)

    @property
    def tracks(self) -> tuple[Track, ...]:
        return self.told

    def frames(self) -> Iterator[MediaFrame | None]:
        for frame in self._frames:
            self.read += 1
            yield frame
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed = True


def pulled(system: System, given: HandInput) -> tuple[Probe, AvPull]:
    owner = Probe(system)
    ref = AvPull.start(system, REQUEST, owner.ref, lambda _request, _clock: given)
    actor: AvPull = ref.actor_inbox.actor  # type: ignore[attr-defined]
    return owner, actor


@in_virtual_time
async def test_live_frames_are_passed_on_at_once(system: System) -> None:
    given = HandInput(
        itertools.chain(pictures(20), [None], pictures(5, start_ms=800)), error=AvFailed("connection reset")
    )
    owner, _ = pulled(system, given)
    failed = await owner.next(PullFailed)
    assert owner.of(PullTracks) == [PullTracks((VIDEO,), {"title": "a title"})]
    assert len(owner.of(PullFrames)) == 25
    assert failed == PullFailed("connection reset")
    assert given.closed
    assert system.clock.monotonic_ns() < NS_PER_S


@in_virtual_time
async def test_the_end_of_a_live_stream_is_a_failure_and_that_of_a_file_is_none(system: System) -> None:
    owner, _ = pulled(system, HandInput(pictures(2)))
    assert await owner.next(PullFailed) == PullFailed("the server ended it")
    owner, _ = pulled(system, HandInput(pictures(2), paced=True))
    assert await owner.next(PullEnded) == PullEnded("it came to its end")
    assert len(owner.of(PullFrames)) == 2


@in_virtual_time
async def test_a_file_is_passed_on_in_real_time_and_read_little_ahead(system: System) -> None:
    given = HandInput(pictures(1000), paced=True)
    owner, _ = pulled(system, given)
    for second in range(10):
        await pass_time(NS_PER_S)
        sent = len(owner.of(PullFrames))
        assert abs(sent - (second + 1) * 25) <= 2
        assert given.read <= sent + limits.FFMPEG_PACKETS


@in_virtual_time
async def test_a_live_input_is_not_read_faster_than_it_is_taken(system: System) -> None:
    given = HandInput(pictures(10_000_000))
    _, actor = pulled(system, given)
    actor.watch(actor.actor_ref)  # anything: the actor has had no turn yet
    for _ in range(4):  # it asks first whether it may
        await asyncio.sleep(0)
    assert 0 < given.read <= 2 * limits.FFMPEG_PACKETS * limits.DRAIN_MESSAGES
    actor.actor_ref.stop(block=False)
    await pass_time(NS_PER_S)
    read = given.read
    await pass_time(NS_PER_S)
    assert given.read == read
    assert given.closed


def test_a_pacer_follows_the_clock_of_the_frames() -> None:
    pacer = Pacer()
    assert pacer.due(5 * NS_PER_S, now=100) == 100
    assert pacer.due(6 * NS_PER_S, now=200) == NS_PER_S + 100
    assert pacer.due(5 * NS_PER_S, now=300) == 100  # late: at once
    assert pacer.due(60 * NS_PER_S, now=400) == 400  # a jump is not waited for
    assert pacer.due(61 * NS_PER_S, now=400) == NS_PER_S + 400


class Hanging:
    """`AvInput`s that hang in a native call until they are let go; from then on they work."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.calls = 0
        self.opened: list[HandInput] = []

    def __call__(self, _request: PullRequest, _clock: Clock) -> AvInput:
        self.calls += 1
        self.go.wait(30)
        made = HandInput(pictures(1000), paced=True)
        self.opened.append(made)
        return made


async def test_a_native_call_that_hangs_is_abandoned_counted_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SOURCE_OPEN", 50 * NS_PER_MS)
    system = System(asyncio.get_running_loop(), SystemClock(), SystemEntropy())
    stage = Stage(system)
    hanging = Hanging()
    pulls = AvPulls(stage.events, hanging)
    site = Site(system, stage, pulls)
    await site.source()
    await until(lambda: len(stage.of(SourceFailed)) > limits.HUNG_WORKERS)
    assert hanging.calls == limits.HUNG_WORKERS == pulls.abandoned
    assert [event.count for event in stage.of(WorkerAbandoned)] == list(range(1, limits.HUNG_WORKERS + 1))
    assert stage.of(SourceFailed)[0].error == "no answer for 0.05 s"
    assert "hang in FFmpeg" in stage.of(SourceFailed)[-1].error
    assert stage.of(SourceConnected) == []

    hanging.go.set()
    await until(lambda: len(stage.of(SourceConnected)) == 1)
    # What those that came back late had opened is closed, and their frames went nowhere.
    await until(lambda: all(given.closed for given in hanging.opened[: limits.HUNG_WORKERS]))
    assert [given.read for given in hanging.opened[: limits.HUNG_WORKERS]] == [1] * limits.HUNG_WORKERS
    await site.supervisor.stop(block=False)
    await stage.root.stop(block=False)
    await until(lambda: not system.actors())


@in_virtual_time
async def test_a_worker_that_returns_in_time_is_not_counted(system: System) -> None:
    events = Events()
    seen: list[object] = []
    events.observable.subscribe(seen.append)
    pulls = AvPulls(events, lambda _request, _clock: HandInput(pictures(3)))
    for _ in range(5):
        owner = Probe(system)
        pulls(system, REQUEST, owner.ref)
        await owner.next(PullFailed)
        await pass_time(1)
    assert seen == []
    assert pulls.abandoned == 0


@in_virtual_time
async def test_tracks_that_are_not_known_yet_are_waited_for_and_what_came_before_is_kept(system: System) -> None:
    given = HandInput(iter(()))

    def frames() -> Iterator[MediaFrame]:
        given.told = ()
        yield from pictures(3)
        given.told = BOTH
        yield video(120)

    given._frames = frames()
    owner, _ = pulled(system, given)
    await owner.next(PullFailed)
    assert owner.of(PullTracks) == [PullTracks(BOTH, {"title": "a title"})]
    frames_told = [frame for told in owner.of(PullFrames) for frame in told.frames]
    assert [frame.dts // NS_PER_MS for frame in frames_told] == [0, 40, 80, 120]
