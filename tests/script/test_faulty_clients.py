"""Faults on purpose with a real WebRTC sender: its packets get lost once they are decrypted, and its session breaks."""

from pathlib import Path

import pytest

from arcly_actors.bus.events import FaultInjected, PublishHeld, PublishStarted
from arcly_actors.script import faults, read_file
from arcly_actors.script.packets import asks
from tests.support.aiortc_peer import aiortc_publishes
from tests.support.live import live
from tests.support.waiting import until


@pytest.mark.interop
async def test_a_sender_is_asked_again_for_what_is_lost_and_ends_when_it_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "lossy.jsonl"
    async with live() as server:
        server.engine.inject(faults.loss("20%", on="whip", seed=5))
        async with server.engine.tape("live/cam", path), aiortc_publishes(server):
            await server.event(PublishStarted)
            await until(lambda: bool(server.engine.streams()) and len(server.engine.streams()[0].tracks) == 2)
            await server.until_pictures(10)
            server.engine.inject(faults.disconnect("live/cam"))
            held = await server.event(PublishHeld)
        told = await server.event(FaultInjected)
    assert held.reason == "the peer is silent"
    assert told.what.startswith("is on: loss 20%")
    script = read_file(path)
    sent = [asks(record.data) for record in script.records if record.kind == "rtcp-out"]
    assert any("NACK" in each for each in sent)
