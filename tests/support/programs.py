"""Programs that are not ours: found, or the test is skipped with the reason (a failure where CI is set)."""

import asyncio
import os
import shutil

import pytest


def program(name: str) -> str:
    """The path of a program."""
    path = shutil.which(name)
    if path is None:
        missing = f"{name} is not installed (apt-get install ffmpeg)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path


async def run(name: str, *arguments: str, seconds: float = 30.0) -> tuple[str, str]:
    """Run a program to its end on this loop; its output and what it complained of. Fails when it fails."""
    process = await asyncio.create_subprocess_exec(
        program(name), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, errors.decode()
    return output.decode(), errors.decode()
