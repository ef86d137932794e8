"""The two pages in a real browser: they load, play, show the figures, and complain about nothing."""

import asyncio
from pathlib import Path

import pytest

from arcly_actors.console.reports import StreamJson, TreeJson
from tests.browser.hls_site import Clip, LiveSite, make_clip, serve
from tests.support.browser import Tab

pytestmark = pytest.mark.browser

RED, BLUE, GREEN, YELLOW = (220, 20, 20), (20, 20, 220), (20, 200, 20), (220, 220, 20)
CENTRES = """() => {
    const video = document.getElementById("video");
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0);
    const pixel = (at) => context.getImageData(at * canvas.width, canvas.height / 3, 1, 1).data;
    return [0.25, 0.75].map((at) => [...pixel(at)].slice(0, 3));
}"""
DECODED = "window.arclyPlayer?.stats.decoded > 30"

STREAM: StreamJson = {
    "key": "live/test",
    "state": "live",
    "protocol": "rtmp",
    "since_s": 3725.0,
    "bitrate": 2_612_000.0,
    "fps": 29.97,
    "gop_s": 2.0,
    "viewers": 12,
    "tracks": [{"codec": "h264", "width": 1280, "height": 720}, {"codec": "aac", "sample_rate": 48000, "channels": 2}],
}
OTHER: StreamJson = {**STREAM, "key": "live/<b>held</b>", "state": "held", "fps": None, "bitrate": None, "viewers": 1}


def node(name: str, *children: TreeJson, state: str = "running", restarts: int = 0, error: str | None = None) -> TreeJson:
    return {"id": name, "state": state, "restarts": restarts, "last_error": error, "children": children}


TREE = node(
    "engine",
    node("bus", node("live/test", node("stream"), node("gop-cache", restarts=1, error="MemoryError: no room"))),
    node(
        "endpoints",
        node("rtmp"),
        node("http"),
        node("srt", state="degraded", restarts=5, error="OSError: address in use"),
    ),
    node("workers"),
    state="degraded",
)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clip]:
    folder = tmp_path_factory.mktemp("hls")
    return {
        "first": make_clip(folder, "first", size=(320, 180), colours=(RED, BLUE), seconds=5),
        "anew": make_clip(folder, "anew", size=(480, 270), colours=(GREEN, YELLOW), seconds=3, audio=False),
        "onward": make_clip(folder, "onward", size=(480, 270), colours=(GREEN, YELLOW), seconds=3, start_s=5),
        "long": make_clip(folder, "long", size=(640, 360), colours=(RED, BLUE), seconds=10),
    }


def close_to(colour: list[int], wanted: tuple[int, int, int]) -> bool:
    return all(abs(a - b) < 50 for a, b in zip(colour, wanted, strict=True))


async def assert_colours(tab: Tab, left: tuple[int, int, int], right: tuple[int, int, int]) -> None:
    shown = await tab.evaluate(CENTRES)
    assert close_to(shown[0], left), shown
    assert close_to(shown[1], right), shown


@pytest.mark.parametrize("second", ["anew", "onward"])
async def test_the_player_outlives_a_discontinuity_and_ends(tab: Tab, clips: dict[str, Clip], second: str) -> None:
    """A new initialisation segment, with timestamps that begin anew (and no audio any more) or that go on."""
    site = LiveSite([clips["first"], clips[second]], now=asyncio.get_running_loop().time)
    async with serve(site, tab) as address:
        assert await tab.open(f"{address}/live/test/?via=hls") == 200
        await tab.until(DECODED)
        await assert_colours(tab, RED, BLUE)
        await tab.until("document.getElementById('video').videoWidth === 480")
        await tab.until("window.arclyPlayer.state === 'ended'")
        await assert_colours(tab, GREEN, YELLOW)
        stats = await tab.evaluate("() => window.arclyPlayer.stats")
        assert stats["discontinuities"] == 1
        assert stats["decoded"] > 200
        assert stats["stalls"] <= 1
        assert await tab.evaluate("() => document.getElementById('video').buffered.length") == 1


async def test_a_held_stream_is_waited_for(tab: Tab, clips: dict[str, Clip]) -> None:
    """Nothing new for a while, and then no server: the player waits, and goes on by itself."""
    site = LiveSite([clips["first"], clips["onward"]], now=asyncio.get_running_loop().time)
    site.held_at = 3
    async with serve(site, tab) as address:
        await tab.open(f"{address}/live/test/?via=hls")
        await tab.until(DECODED)
        await tab.until("window.arclyPlayer.state === 'waiting'")
        site.broken = True
        await tab.until("window.arclyPlayer.stats.retries > 1")
        site.broken = False
        site.held_at = None
        await tab.until("window.arclyPlayer.state === 'playing'")
        await tab.until("window.arclyPlayer.state === 'ended'")
        assert (await tab.evaluate("() => window.arclyPlayer.stats"))["stalls"] >= 1
    tab.complaints[:] = [text for text in tab.complaints if "503" not in text]


async def test_an_unknown_stream_says_so(tab: Tab) -> None:
    async with serve(LiveSite([], now=asyncio.get_running_loop().time), tab) as address:
        await tab.open(f"{address}/live/absent/?via=hls")
        notice = await tab.until(
            "window.arclyPlayer?.state === 'waiting' && document.getElementById('notice').textContent"
        )
        assert "not live" in notice
    assert tab.complaints
    assert all("404" in text for text in tab.complaints)
    tab.complaints.clear()


async def test_the_console_shows_and_plays(tab: Tab, clips: dict[str, Clip], tmp_path: Path) -> None:
    site = LiveSite([clips["long"]], now=asyncio.get_running_loop().time, ends=False)
    site.streams = [STREAM, OTHER]
    site.tree = TREE
    async with serve(site, tab) as address:
        assert await tab.open(f"{address}/?via=hls") == 200
        await tab.until(DECODED)
        await assert_colours(tab, RED, BLUE)
        table = await tab.evaluate("() => document.querySelector('table').innerText")
        for text in (
            "live/test",
            "rtmp",
            "h264 1280×720 · aac 48 kHz",
            "2.61 Mb/s",
            "30.0",
            "1:02:05",
            "live/<b>held</b>",
            "held",
        ):
            assert text in table
        tree = await tab.evaluate("() => document.getElementById('tree').innerText")
        for text in ("gop-cache", "1 restart", "5 restarts", "OSError: address in use"):
            assert text in tree
        assert await tab.evaluate("() => document.getElementById('total-viewers').textContent") == "13"
        await tab.screenshot(tmp_path / "console.png")
        site.streams = []
        await tab.until("!document.getElementById('empty').hidden")


async def test_the_content_security_policy_is_in_force(tab: Tab) -> None:
    async with serve(LiveSite([], now=asyncio.get_running_loop().time), tab) as address:
        await tab.open(f"{address}/")
        blocked = await tab.evaluate("""() => new Promise((done) => {
            document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
            const script = Object.assign(document.createElement("script"), { textContent: "window.inline = true" });
            document.body.append(script);
        })""")
        assert blocked == "script-src-elem"
        assert await tab.evaluate("() => window.inline") is None
    tab.complaints.clear()
