"""Recording from a running server: its API gives a script line by line, which go to a file as they come."""

import asyncio
from contextlib import suppress
from pathlib import Path

import aiohttp

from arcly_actors.cli.interrupts import Interrupts
from arcly_actors.clock import NS_PER_S, SystemClock
from arcly_actors.loop import run
from arcly_actors.topology.values import duration


def record_from(url: str, key: str, out: Path, length: str, *, payload: bool) -> tuple[int, str]:
    """Record until `length` (``30s``; empty: Ctrl-C) is over; the bytes written, and why not (empty: it went well)."""
    query = {"payload": "1" if payload else "0"}
    if key:
        query["key"] = key
    if length:
        query["seconds"] = f"{duration(length) / NS_PER_S:.3f}"
    size, why = run(_record(f"{url.rstrip('/')}/api/v1/tape", query, out))
    return size or (out.stat().st_size if out.exists() and not why else 0), why


async def _record(url: str, query: dict[str, str], out: Path) -> tuple[int, str]:
    with Interrupts(SystemClock(), lambda: None) as interrupts:
        taking = asyncio.ensure_future(_take(url, query, out))
        asked = asyncio.ensure_future(interrupts.asked.wait())
        await asyncio.wait((taking, asked), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not taking.done():
            taking.cancel()
            with suppress(asyncio.CancelledError):
                await taking
            return 0, ""
        return taking.result()


async def _take(url: str, query: dict[str, str], out: Path) -> tuple[int, str]:
    size = 0
    try:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, params=query) as response:
            if response.status != 200:
                return 0, f"{url} says {response.status}: {(await response.text()).strip()[:200]}"
            with out.open("wb") as file:
                async for chunk in response.content.iter_any():
                    file.write(chunk)
                    file.flush()
                    size += len(chunk)
    except (aiohttp.ClientError, TimeoutError) as error:
        return size, f"{url}: {str(error) or type(error).__name__}"
    return size, ""
