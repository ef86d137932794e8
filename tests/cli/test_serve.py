"""`arcly run` and `arcly demo` as programs: what they print, how they end, and what they exit with."""

import asyncio
import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from arcly_actors.cli.exits import Exit
from tests.support.loopback import TOPOLOGY_FILE

DEMO = (
    *("demo", "--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0", "--rtsp", "127.0.0.1:0", "--webrtc", "127.0.0.1:0"),
    *("--srt", "127.0.0.1:0"),
)
SOON = 20


class Program:
    """A running `arcly`; `said` has the lines of its output and of its log, in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def line(self, pattern: str) -> re.Match[str]:
        """Read on to the first line that contains `pattern`."""
        assert self.process.stdout is not None
        async with asyncio.timeout(SOON):
            while True:
                line = (await self.process.stdout.readline()).decode()
                assert line, f"it ended before it said {pattern!r}: {self.said}"
                self.said.append(line.rstrip("\n"))
                if match := re.search(pattern, line):
                    return match

    async def end(self, number: signal.Signals) -> int:
        """Send a signal, read the rest, and return the exit code."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        async with asyncio.timeout(SOON):
            self.said += (await self.process.stdout.read()).decode().splitlines()
            return await self.process.wait()


@contextlib.asynccontextmanager
async def arcly(arguments: Sequence[str], module: str = "arcly_actors") -> AsyncIterator[Program]:
    """Run `arcly` with its output in a pipe."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_demo_tells_where_to_look_and_ends_in_order(number: signal.Signals) -> None:
    async with arcly(DEMO) as program:
        await program.line("live/demo built-in published")
        assert await program.end(number) == Exit.OK
    text = "\n".join(program.said)
    assert re.search(r"^  publish +rtmp://127\.0\.0\.1:\d+/live/NAME$", text, re.MULTILINE)
    assert re.search(r"^  play +rtmp://127\.0\.0\.1:\d+/live/demo$", text, re.MULTILINE)
    assert re.search(r"^ +http://127\.0\.0\.1:\d+/live/demo/index\.m3u8$", text, re.MULTILINE)
    assert re.search(r"^  page +http://127\.0\.0\.1:\d+/$", text, re.MULTILINE)
    assert re.search(r"live/demo ended: the server is shutting down\n.*stopped$", text)
    assert not re.search(r"\x1b|Traceback|failed|WARNING|ERROR| streams? · ", text)


async def test_run_serves_what_the_topology_says(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(TOPOLOGY_FILE)
    async with arcly(("run", str(path)), "arcly_actors.cli") as program:
        port = int((await program.line(r"publish +rtmp://127\.0\.0\.1:(\d+)/live/NAME"))[1])
        await program.line("stop +Ctrl-C")
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        assert await program.end(signal.SIGTERM) == Exit.OK
    assert program.said[0].endswith(f"  {path}")
    assert program.said[-1].endswith("INFO    stopped")


async def test_the_log_level_is_obeyed() -> None:
    async with arcly((*DEMO, "--log-level", "warning")) as program:
        await program.line("stop +Ctrl-C")
        assert await program.end(signal.SIGINT) == Exit.OK
    assert program.said[-1].split() == ["stop", "Ctrl-C"]


@pytest.mark.parametrize("option", ["--rtmp", "--rtsp", "--http"])
async def test_an_address_that_is_taken_is_named_with_what_to_do(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with arcly((*DEMO, option, address)) as program:
            await program.line(f"cannot listen on {address}: .*arcly demo {option} 127.0.0.1:0")
            assert await program.process.wait() == Exit.UNAVAILABLE
    assert len(program.said) == 1


@pytest.mark.parametrize("arguments", [("demo", "--http", "8080"), ("demo", "--http", "h:1", "--rtmp", "h:1")])
def test_a_wrong_address_is_a_wrong_command_line(arguments: Sequence[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "arcly_actors", *arguments], capture_output=True, check=False)
    assert done.returncode == Exit.INVALID
    assert b"Traceback" not in done.stderr


def test_run_tells_the_mistakes_of_a_topology(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("version: 1\nlimit: {}\n")
    done = subprocess.run([sys.executable, "-m", "arcly_actors", "run", str(path)], capture_output=True, check=False)
    assert done.returncode == Exit.INVALID
    assert done.stderr.decode().splitlines() == [
        f"{path}:2:1: limit: unknown key (did you mean 'limits'?)",
        "1 mistake",
    ]


def test_nothing_heavy_is_imported_for_the_version() -> None:
    code = (
        "import sys\nsys.argv = ['arcly', '--version']\nfrom arcly_actors.cli import main\n"
        "try: main()\nexcept SystemExit: print({'av', 'numpy', 'aiohttp', 'pydantic', 'pykka'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[-1] == "set()"


async def test_on_a_terminal_there_is_a_status_line_and_it_leaves_nothing_behind() -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "arcly_actors", *DEMO),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = bytearray()
    live = asyncio.Event()

    def read() -> None:
        try:
            shown.extend(os.read(ours, 65536))
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(ours)
        if b"1 stream \xc2\xb7 0 viewers" in shown:
            live.set()

    asyncio.get_running_loop().add_reader(ours, read)
    try:
        await asyncio.wait_for(live.wait(), SOON)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), SOON) == Exit.OK
        read()
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = shown.decode()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is shown again
    last = text[text.rindex("\x1b[2K") :]
    assert "stopped" in last
    assert "viewers" not in last
