"""Chromium on a bad network: what a viewer sees, what a sender gets through, and that others do not notice."""

import os
import random
import socket
from typing import Any

import pytest

from arcly_actors.bus.events import SubscriberDegraded, SubscriberLeft, SubscriberRecovered
from tests.support.bars import bars, broadcasting
from tests.support.browser import Tab
from tests.support.browser_peer import browser_peer, open_origin
from tests.support.live import live
from tests.support.udp_relay import Relay, relaying

pytestmark = pytest.mark.browser

BUSY = {"bit_rate": 1_500_000, "busy": True}


def told(before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
    """How much every figure that is a count grew; printed, for who wants to know how well it went."""
    grown = {
        name: value - before.get(name, 0) for name, value in after.items() if isinstance(value, int | float) and value
    }
    wanted = (
        "framesDecoded", "framesSent", "freezeCount", "totalFreezesDuration", "nackCount", "pliCount", "packetsLost",
        "packetsReceived", "retransmittedPacketsReceived", "retransmittedPacketsSent", "keyFramesDecoded",
    )  # fmt: skip
    if os.environ.get("ARCLY_FIGURES"):
        os.write(2, f"\n{ ({name: round(grown[name], 2) for name in wanted if name in grown}) }\n".encode())
    return grown


def foul(relay: Relay) -> None:
    """5 % lost, 1 % twice, and up to 50 ms late, so out of order: both ways."""
    for way in (relay.up, relay.down):
        way.loss, way.twice, way.jitter = 0.05, 0.01, 0.05


async def test_a_viewer_that_loses_packets_gets_them_again(tab: Tab) -> None:
    async with live() as server, broadcasting(server.engine, "live/cam", bars(**BUSY)):
        await open_origin(tab, server)
        async with relaying(server.port("webrtc")) as relay, browser_peer(tab, server, "bad", via=relay.port) as viewer:
            before = await viewer.until("it.framesDecoded > 30")
            foul(relay)
            after = await viewer.until(f"it.framesDecoded > {before['framesDecoded'] + 210}", 12)
            assert relay.down.counts["lost"] > 50
            grown = told(before, after)
            assert grown["nackCount"] > 0
            assert grown["retransmittedPacketsReceived"] > 50
            assert grown.get("totalFreezesDuration", 0) < 4
            assert server.events(SubscriberDegraded) == []
            relay.up.clear()
            relay.down.clear()
            settled = await viewer.until(f"it.framesDecoded > {after['framesDecoded'] + 15}")
            clean = await viewer.until(f"it.framesDecoded > {settled['framesDecoded'] + 30}")
            assert told(settled, clean).get("packetsLost", 0) <= 0
            assert await viewer.shows_bars()


async def test_a_sender_that_loses_packets_sends_them_again(tab: Tab) -> None:
    async with live() as server:
        await open_origin(tab, server)
        async with (
            relaying(server.port("webrtc")) as relay,
            browser_peer(tab, server, "sender", kind="whip", codec="VP8", via=relay.port) as sender,
        ):
            await sender.until("it.framesSent > 20")
            async with browser_peer(tab, server, "viewer", codec="VP8") as viewer:
                before, sent = await viewer.until("it.framesDecoded > 10"), await sender.figures()
                foul(relay)
                after = await sender.until(f"it.framesSent > {sent['framesSent'] + 120}")
                repaired = told(sent, after)
                seen = told(before, await viewer.figures())
                assert relay.up.counts["lost"] > 10
                assert repaired["nackCount"] > 0
                assert repaired["retransmittedPacketsSent"] > 0
                assert seen["framesDecoded"] > 0.7 * repaired["framesSent"]
                assert seen.get("packetsLost", 0) == 0


async def test_a_viewer_on_a_narrow_path_gets_keyframes_until_it_is_wider(tab: Tab) -> None:
    async with live() as server, broadcasting(server.engine, "live/cam", bars(gop=30, **BUSY)):
        await open_origin(tab, server)
        async with (
            relaying(server.port("webrtc")) as relay,
            browser_peer(tab, server, "narrow", via=relay.port) as narrow,
            browser_peer(tab, server, "other") as other,
        ):
            await narrow.until("it.framesDecoded > 30")
            before = await other.until("it.framesDecoded > 30")
            began = await narrow.figures()
            relay.down.rate = 900_000
            degraded = await server.event(SubscriberDegraded)
            assert 200_000 < degraded.estimate < 1_300_000
            start = await narrow.figures()
            throttled = await narrow.until(f"it.keyFramesDecoded > {start['keyFramesDecoded'] + 1}")
            relay.down.clear()
            recovered = await server.event(SubscriberRecovered)
            assert recovered.number == degraded.number
            told(began, throttled)
            at = await narrow.figures()
            await narrow.until(f"it.framesDecoded > {at['framesDecoded'] + 60}")
            assert await narrow.shows_bars()
            meanwhile = told(before, await other.figures())
            assert meanwhile.get("freezeCount", 0) <= 1  # both pictures are decoded on the machine that serves them
            assert meanwhile.get("packetsLost", 0) == 0
            assert {event.number for event in server.events(SubscriberDegraded)} == {degraded.number}


async def test_a_viewer_whose_address_changes_goes_on(tab: Tab) -> None:
    async with live() as server, broadcasting(server.engine, "live/cam", bars()):
        await open_origin(tab, server)
        async with relaying(server.port("webrtc")) as relay, browser_peer(tab, server, "nat", via=relay.port) as viewer:
            before = await viewer.until("it.framesDecoded > 30")
            relay.rebind()
            at = before["framesDecoded"]
            after = await viewer.until(f"it.framesDecoded > {at + 60} && it.state === 'connected'")
            told(before, after)
            assert await viewer.shows_bars()
            assert server.events(SubscriberLeft) == []
            assert server.seats("whep") == 1


async def test_strangers_and_rubbish_at_the_port_disturb_no_session(tab: Tab) -> None:
    async with live() as server, broadcasting(server.engine, "live/cam", bars()):
        await open_origin(tab, server)
        async with relaying(server.port("webrtc")) as relay, browser_peer(tab, server, "calm", via=relay.port) as viewer:
            before = await viewer.until("it.framesDecoded > 30")
            checks = relay.latest(lambda data: data[0] < 2)
            stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stranger.setblocking(False)
            stranger.connect(("127.0.0.1", server.port("webrtc")))
            for data in (*rubbish(), forged(checks)):
                stranger.send(data)  # from an address that is nobody's
                relay.inject(data)  # from the viewer's own
            after = await viewer.until(f"it.framesDecoded > {before['framesDecoded'] + 60}")
            with pytest.raises(BlockingIOError):
                stranger.recv(2048)
            stranger.close()
            grown = told(before, after)
            assert grown.get("freezeCount", 0) == 0
            assert grown.get("packetsLost", 0) == 0
            assert server.seats("whep") == 1
            assert server.lines("Traceback") == []


def rubbish() -> list[bytes]:
    """Datagrams of every kind that the port tells apart, none of them right."""
    chance = random.Random(7)
    firsts = (0, 1, 2, 20, 22, 23, 63, 64, 127, 128, 144, 191, 192, 255)
    sizes = (1, 2, 12, 19, 20, 100, 1200)
    return [bytes((first,)) + chance.randbytes(size - 1) for first in firsts for size in sizes for _ in range(3)]


def forged(check: bytes) -> bytes:
    """A viewer's own ICE check, but with its integrity broken."""
    return check[:20] + check[20:-20] + bytes(byte ^ 0x55 for byte in check[-20:])
