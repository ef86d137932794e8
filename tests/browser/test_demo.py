"""`arcly demo` as a person runs it: its pages play the built-in test pattern."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from arcly_actors.cli.app import app
from tests.support.browser import Tab

BUILT = any(command.name == "demo" for command in app.registered_commands)
pytestmark = [pytest.mark.browser, pytest.mark.skipif(not BUILT, reason="this version has no `arcly demo`")]

ARGUMENTS = ("demo", "--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0", "--rtsp", "127.0.0.1:0", "--webrtc", "127.0.0.1:0")
ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/")
DECODED = "window.arclyPlayer?.stats.decoded > 30"
SPREAD = """() => {
    const video = document.getElementById("video");
    const canvas = new OffscreenCanvas(64, 36);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0, 64, 36);
    const { data } = context.getImageData(0, 0, 64, 36);
    return new Set([...Array(64 * 36).keys()].map((at) => data.slice(4 * at, 4 * at + 3).map((v) => v >> 5).join())).size;
}"""


@contextlib.asynccontextmanager
async def demo(tab: Tab) -> AsyncIterator[str]:
    """The demo's address while it runs; it has to end by itself, with 0, when it is interrupted."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "arcly_actors", *ARGUMENTS),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(20):
            while not (match := ADDRESS.search(said[-1] if said else "")):
                line = await process.stdout.readline()
                assert line, f"the demo ended: {said}"
                said.append(line.decode())
        rest = asyncio.create_task(process.stdout.read())
        yield match[1]
        await tab.leave()
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            text = (await rest).decode()
            assert await process.wait() == 0, text
        assert "Traceback" not in text
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("path", ["/", "/live/demo/"])
async def test_the_demo_plays(tab: Tab, path: str) -> None:
    async with demo(tab) as address:
        assert await tab.open(address + path) == 200
        await tab.until(DECODED, within=25)
        assert await tab.evaluate(SPREAD) > 4  # a test pattern, not one colour
        shown = await tab.until("document.body.innerText.includes('live/demo') && document.body.innerText")
        assert "live/demo" in shown
        stats = await tab.evaluate("() => window.arclyPlayer.stats")
        assert stats["state"] == "playing"


async def test_the_console_knows_the_demo(tab: Tab) -> None:
    async with demo(tab) as address:
        await tab.open(f"{address}/")
        await tab.until("document.getElementById('total-streams').textContent === '1'")
        await tab.until("document.getElementById('health').textContent === 'running'")
        (stream,) = await tab.evaluate("async () => (await fetch('/api/v1/streams')).json()")
        assert (stream["key"], stream["state"]) == ("live/demo", "live")
        assert {track["codec"] for track in stream["tracks"]} >= {"h264"}
