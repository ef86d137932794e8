"""The second signal ends a program whose loop hangs; an echo of the first does not."""

import asyncio
import signal
import sys

import pytest

from arcly_actors.cli.exits import Exit

HANGS = """
import asyncio, os, sys
from arcly_actors import limits
from arcly_actors.cli.interrupts import Interrupts
from arcly_actors.clock import VirtualClock
from arcly_actors.loop import run

async def main():
    clock = VirtualClock()
    with Interrupts(clock, lambda: print("last words", flush=True)) as interrupts:
        print("ready", flush=True)
        await interrupts.asked.wait()
        print("asked", flush=True)
        if sys.argv[1] == "late":
            clock.advance(limits.SIGNAL_ECHO)
            os.write(1, b"hanging\\n")  # print() may not be interrupted by a signal that prints
            while True:
                pass
        sys.stdin.readline()
    print("clean", flush=True)

run(main())
"""


@pytest.mark.parametrize(("when", "said", "code"), [("late", "last words", Exit.FAILED), ("echo", "clean", Exit.OK)])
async def test_the_second_signal(when: str, said: str, code: Exit) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", HANGS, when, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"ready\n"
            process.send_signal(signal.SIGINT)
            assert await process.stdout.readline() == b"asked\n"
            if when == "late":
                assert await process.stdout.readline() == b"hanging\n"
            process.send_signal(signal.SIGTERM)
            process.stdin.write(b"\n")
            assert (await process.stdout.readline()).decode().strip() == said
            assert await process.wait() == code
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
