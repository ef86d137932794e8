"""Tapes of real WebRTC sessions, with their DTLS, replay; a replay pushes to a live server over WHIP."""

import asyncio
from collections import Counter
from pathlib import Path

import aioice.ice
import pytest

from arcly_actors.bus.events import PublishHeld, PublishStarted, SubscriberLeft
from arcly_actors.errors import ArclyError
from arcly_actors.media.codec import CodecId
from arcly_actors.script import read_file
from arcly_actors.script.edit import cut
from arcly_actors.script.packets import asks
from arcly_actors.script.replay import Replayed, replay
from arcly_actors.script.resend import resend
from tests.support.aiortc_peer import aiortc_publishes, aiortc_watches
from tests.support.bars import bars, broadcasting
from tests.support.live import live
from tests.support.waiting import until

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiortc offers this machine's other addresses no more than a browser does."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_families: ["127.0.0.1"])


async def replayed(path: Path) -> Replayed:
    """A replay has a loop of its own."""
    return await asyncio.to_thread(lambda: replay(read_file(path)))


@pytest.mark.interop
@pytest.mark.parametrize("payload", [True, False])
async def test_what_a_sender_sends_is_on_the_tape_decrypted(tmp_path: Path, *, payload: bool) -> None:
    path = tmp_path / "sent.jsonl"
    async with live() as server:
        async with server.engine.tape("live/cam", path, payload=payload) as tape:
            async with aiortc_publishes(server):
                await server.event(PublishStarted)
                await until(lambda: bool(server.engine.streams()) and len(server.engine.streams()[0].tracks) == 2)
                await server.until_pictures(10)
            await server.event(PublishHeld)
        assert not tape.lost
    made = await replayed(path)
    script = made.script
    kinds = Counter(record.kind for record in script.records)
    assert kinds["session"] == kinds["connected"] == 1
    assert kinds["rtp-in"] > 15
    assert {"open", "in", "out", "frame", "rtcp-out", "shut"} <= set(kinds)
    assert not {"send", "publish"} & set(kinds), "packets say it all"
    assert made.divergence is None
    frames = [record for record in made.records if record.kind == "frame"]
    assert len(frames) == kinds["frame"]
    again = await asyncio.to_thread(replay, made.settled())
    assert again.divergence is None


@pytest.mark.interop
async def test_what_a_viewer_is_sent_is_on_the_tape_decrypted(tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl"
    async with live() as server, broadcasting(server.engine, "live/cam", bars(CodecId.H264)):
        async with server.engine.tape("live/cam", path), aiortc_watches(server) as viewer:
            await viewer.until(lambda: viewer.barred >= 10)
        await server.event(SubscriberLeft)
    made = await replayed(path)
    kinds = Counter(record.kind for record in made.script.records)
    assert kinds["rtp-out"] > 10
    assert kinds["publish"] == 1, "the program's publisher is by its frames"
    assert not kinds["view"]
    sent = [record for record in made.records if record.kind == "rtp-out"]
    assert sent
    assert {record.who for record in sent} == {record.who for record in made.script.records if record.kind == "session"}


@pytest.mark.parametrize(("name", "told"), [("chromium-whip", []), ("ffmpeg-rtmp", ["aac is transcoded to opus"])])
async def test_a_replay_pushes_over_whip(name: str, told: list[str]) -> None:
    script = cut(read_file(SCRIPTS / f"{name}.jsonl"), 0, 2_000_000_000)
    notes: list[str] = []
    async with live() as server:
        count = await resend(script, f"whip:{server.http('live/copy/whip')}", tell=notes.append)
        assert count > 20
        assert notes == told
        (report,) = server.engine.streams()
        assert {track.codec for track in report.tracks} == {CodecId.H264, CodecId.OPUS}
        assert server.logged_pictures() >= 4
        assert (await server.event(PublishHeld)).reason == "the peer closed"


async def test_a_server_that_declines_is_told() -> None:
    script = cut(read_file(SCRIPTS / "chromium-whip.jsonl"), 0, 2_000_000_000)
    async with live() as server:
        with pytest.raises(ArclyError, match="404"):
            await resend(script, f"whip:{server.http('nowhere/copy/whip')}")


def test_the_requests_of_a_real_loss_are_in_the_library() -> None:
    script = read_file(SCRIPTS / "lossy-whip.jsonl")
    asked = {asks(record.data).split()[0] for record in script.records if record.kind == "rtcp-out" and asks(record.data)}
    assert asked == {"NACK", "PLI"}
