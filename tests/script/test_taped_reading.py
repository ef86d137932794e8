"""Sources that FFmpeg reads, on tapes: a replay has the same frames at the same times, and opens nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import arcly_actors as arcly
from arcly_actors.bus.events import SourceFailed, SourceIdled
from arcly_actors.clock import NS_PER_MS, NS_PER_S, SeededEntropy
from arcly_actors.loop import run
from arcly_actors.script import Script, edit, faults, read_file
from arcly_actors.script.masks import Mask
from arcly_actors.script.replay import Replayed, replay
from arcly_actors.script.virtual import run_engine
from arcly_actors.transport.urls import Url
from tests.script.clip import clip, sending
from tests.script.dialling import network
from tests.script.test_dialled import pictures
from tests.script.test_taped_dials import happened, kinds, of, secret_free
from tests.script.test_taped_rtsp_udp import until
from tests.support.files import file_site
from tests.support.loopback import LOOPBACK
from tests.support.virtual import pass_time

CLIP = Path(__file__).parents[1] / "data" / "media" / "h264_aac.flv"


@pytest.fixture
def unopened(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replays a script with an FFmpeg that opens nothing."""

    def again(script: Script) -> Replayed:
        def opened(*_: object, **__: object) -> None:
            raise AssertionError("a replay has opened a URL")

        with monkeypatch.context() as patched:
            patched.setattr("av.open", opened)
            return replay(script)

    return again


@asynccontextmanager
async def taped(path: Path, key: str | None = "live/here") -> AsyncIterator[arcly.Engine]:
    async with arcly.Engine(LOOPBACK) as engine, engine.tape(key, path), asyncio.timeout(20):
        yield engine


def recorded(path: Path, url: str, *, loop: bool) -> Script:
    """A source, until it is over or has begun anew."""

    async def scenario() -> None:
        async with file_site({"clip.flv": CLIP.read_bytes()}) as site, taped(path) as engine:
            over = asyncio.ensure_future(until(engine, SourceIdled))
            handle = await engine.pull("live/here", url.format(port=site.port), loop=loop)
            await (pictures(engine, "live/here", 60) if loop else over)
            over.cancel()
            await handle.stop()

    run(scenario())
    return read_file(path)


@pytest.mark.parametrize(
    ("url", "loop"),
    [(str(CLIP), False), (str(CLIP), True), ("http://user:pass@127.0.0.1:{port}/secret/clip.flv?token=hush-hush", False)],
    ids=["file", "looped", "http"],
)
def test_what_ffmpeg_reads_is_on_the_tape_and_replays(url: str, loop: bool, tmp_path: Path, unopened: Any) -> None:
    script = recorded(tmp_path / "read.jsonl", url, loop=loop)
    found = kinds(script)
    assert found["publish"] == 0
    assert found["dial"] == 1
    sent, frames = of(script, "send"), of(script, "frame")
    assert {each.who for each in (*sent, *of(script, "eof"))} == {"pull-1-1"}
    assert len(sent) > 30
    assert len(frames) > 30
    assert found["eof"] == (not loop)
    assert secret_free(tmp_path / "read.jsonl", script, "hush-hush", "user:pass")
    first, second = unopened(script), unopened(script)
    assert first.divergence is None, "\n".join(first.divergence.lines())
    assert first.records == second.records
    made = [(each.at, each.fields, each.data) for each in first.records if each.kind == "frame"]
    assert [fields for _, fields, _ in made] == [each.fields for each in frames]
    assert all(abs(at - each.at) < NS_PER_MS for (at, _, _), each in zip(made, frames, strict=True))
    assert unopened(first.settled()).divergence is None


def test_what_cannot_be_read_fails_as_often_in_the_replay(tmp_path: Path, unopened: Any) -> None:
    path = tmp_path / "missing.jsonl"

    async def scenario() -> None:
        async with file_site({}) as site, taped(path) as engine:
            await engine.pull("live/here", f"http://127.0.0.1:{site.port}/missing.flv?token=hush-hush")
            for _ in range(3):
                await until(engine, SourceFailed)

    run(scenario())
    script = read_file(path)
    assert [each.fields["why"] for each in of(script, "lost")] == ["Server returned 404 Not Found"] * 3
    assert secret_free(path, script, "hush-hush")
    assert unopened(script).divergence is None


def test_faults_are_for_what_is_read_too(tmp_path: Path, unopened: Any) -> None:
    script = recorded(tmp_path / "read.jsonl", str(CLIP), loop=True)
    began = of(script, "tracks")[0].at
    at = f"@{began // NS_PER_MS + 300}ms"
    for text in (f"disconnect pull{at}", "loss 20%", "jitter 20ms", f"stall live/here{at}+200ms", "refuse pull@0s"):
        made = unopened(edit.apply(script, [edit.read_fault(text, script.duration_ns)], seed=7))
        assert unopened(made.settled()).records == made.records
        events = happened(made.records)
        assert ("SourceConnected" in events) == ("refuse" not in text)
        assert ("SourceFailed" in events) == (text.startswith(("disconnect", "refuse")))


def test_it_is_refused_on_purpose_and_in_virtual_time() -> None:
    async def scenario(engine: arcly.Engine) -> list[str]:
        errors: list[str] = []
        engine.events.observable.subscribe(
            lambda event: errors.append(event.error) if isinstance(event, SourceFailed) else None
        )
        engine.inject(faults.refuse("pull", length="1s"))
        await engine.pull("live/here", str(CLIP))
        await pass_time(NS_PER_S)
        await pictures(engine, "live/here", 20)
        return errors

    assert set(run_engine(scenario, LOOPBACK, seed=4)) == {"file: connection refused"}


def test_one_that_was_read_before_the_tape_is_by_frames(tmp_path: Path, unopened: Any) -> None:
    path = tmp_path / "later.jsonl"

    async def scenario() -> None:
        async with arcly.Engine(LOOPBACK) as engine:
            await engine.pull("live/here", str(CLIP))
            await pictures(engine, "live/here", 5)
            async with engine.tape("live/here", path):
                await pictures(engine, "live/here", 20)

    run(scenario())
    script = read_file(path)
    assert kinds(script)["remote"] == 0
    assert {each.who for each in of(script, "send")} == {"frames-1"}
    assert unopened(script).divergence is None


def test_urls_that_ffmpeg_reads_are_masked() -> None:
    def shown(url: str) -> str:
        return Mask(Url.parse(url)).url

    assert shown("http://tom:secret@far.example/a.m3u8?sig=abcd") == "http://xxx:xxxxxx@far.example/a.m3u8?sig=xxxx"
    assert shown("rtmp://tom:pass@far.example/live/cam") == "rtmp://xxx:xxxx@far.example/live/cam"
    assert shown("udp://127.0.0.1:1234?fifo_size=100") == "udp://127.0.0.1:1234?fifo_size=xxx"
    assert shown("/films/clip.mp4") == "/films/clip.mp4"


def test_a_tape_that_begins_with_the_engine_has_what_it_reads_and_listens_to(tmp_path: Path, unopened: Any) -> None:
    """Nothing is read, bound or asked before the tape."""
    path = tmp_path / "tape.jsonl"
    sources = [
        {"key": "live/here", "url": str(CLIP)},
        {"key": "live/field", "url": "srt://127.0.0.1:9001?mode=listener"},
        {"key": "live/feed", "url": "udp://127.0.0.1:9002"},
    ]
    told = {**LOOPBACK.model_dump(mode="json"), "sources": sources, "record": [{"key": "*", "to": str(path)}]}
    near = network()

    async def scenario(engine: arcly.Engine) -> None:
        server = arcly.Engine(
            arcly.Topology.model_validate(told), clock=engine.clock, entropy=SeededEntropy(7), network=near
        )
        async with server, sending(engine, "live/cam"):
            await engine.push("live/cam", "srt://127.0.0.1:9001")
            await engine.push("live/cam", "udp://127.0.0.1:9002")
            for key in ("live/here", "live/field", "live/feed"):
                await pictures(server, key, 20)

    clip()
    run_engine(scenario, LOOPBACK, network=near)
    script = read_file(path)
    assert [each.who for each in of(script, "dial")] == ["pull-1-1", "pull-2-1", "pull-3-1"]
    assert kinds(script)["publish"] == 0
    found = unopened(script).divergence
    assert found is None, "\n".join(found.lines())
