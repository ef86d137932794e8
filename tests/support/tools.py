"""Programs that are not ours: found, or the test is skipped with the reason (a failure where CI is set); run, and ended.

Every program leads a process group of its own, which is killed when the test is over, however that ends.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.waiting import Noticing

ROOT = Path(__file__).parents[2]
_PACKAGES = {"ffprobe": "ffmpeg", "srt-live-transmit": "srt-tools"}
_END = 10.0  # seconds that a killed program may take to be gone


def require_tool(name: str) -> str:
    """The path of a program; without it the test is skipped, and fails where CI is set."""
    path = shutil.which(name)
    if path is None:
        package = _PACKAGES.get(name, name)
        missing = f"{name} is missing: sudo apt-get install -y --no-install-recommends {package}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path


class Program(Noticing):
    """A running program: `output` and `errors` hold what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__()
        self._process = process
        self.written = bytearray()
        self._errors = bytearray()
        self._reading = [
            asyncio.create_task(self._collect(process.stdout, self.written)),
            asyncio.create_task(self._collect(process.stderr, self._errors)),
        ]

    def __repr__(self) -> str:
        return f"{len(self.written)} bytes written, {self.errors[-1000:]}"

    @property
    def output(self) -> str:
        """Standard output so far."""
        return self.written.decode(errors="replace")

    @property
    def errors(self) -> str:
        """Standard error so far."""
        return self._errors.decode(errors="replace")

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close_input(self) -> None:
        """End of file on its standard input: some programs take it for the order to stop."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def status(self, within: float = 20.0) -> int:
        """Its exit status, once it has ended by itself; TimeoutError says what it said when it has not."""
        try:
            async with asyncio.timeout(within):
                await asyncio.gather(*self._reading)
                return await self._process.wait()
        except TimeoutError:
            raise TimeoutError(f"it still runs after {within:g} s: {self.errors[-1000:]}") from None

    async def finish(self) -> None:
        """Kill what is left and collect it."""
        self.close_input()
        self.kill()
        async with asyncio.timeout(_END):
            await self._process.wait()
            await asyncio.gather(*self._reading)

    async def _collect(self, reader: asyncio.StreamReader | None, into: bytearray) -> None:
        while reader is not None and (data := await reader.read(65536)):
            into += data
            self.notice()


@contextlib.asynccontextmanager
async def running(*command: str) -> AsyncIterator[Program]:
    """A program for the length of a block; it is started from the project's root."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    )
    program = Program(process)
    try:
        yield program
    finally:
        await program.finish()


async def run(name: str, *arguments: str, seconds: float = 30.0) -> tuple[str, str]:
    """Run a program to its end on this loop; its output and what it complained of. Fails when it fails."""
    async with running(require_tool(name), *arguments) as program:
        status = await program.status(seconds)
    assert status == 0, program.errors
    return program.output, program.errors
