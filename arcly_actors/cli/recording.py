"""Recording from a running server: its API gives a script line by line, which go to a file as they come."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import aiohttp

from arcly_actors.cli.interrupts import Interrupts
from arcly_actors.clock import NS_PER_S, SystemClock
from arcly_actors.loop import run
from arcly_actors.script.write import open_for_owner
from arcly_actors.topology.values import duration

_PATH = "/api/v1/tape"


def record_from(url: str, key: str, out: Path, length: str, *, payload: bool) -> tuple[int, str]:
    """Record until `length` (``30s``; empty: Ctrl-C) is over; the bytes written, and why not (empty: it went well)."""
    query = {"payload": "1" if payload else "0"}
    if key:
        query["key"] = key
    if length:
        query["seconds"] = f"{duration(length) / NS_PER_S:.3f}"
    size, why = run(_record(f"{url.rstrip('/')}{_PATH}", query, out))
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
            with open_for_owner(out) as file:
                async for chunk in response.content.iter_any():
                    file.write(chunk)
                    file.flush()
                    size += len(chunk)
    except aiohttp.ClientConnectorError as error:
        server = url.removesuffix(_PATH)
        return size, f"no server at {server} ({_reason(error)}): start one by `arcly run`, or tell its address by --url"
    except aiohttp.InvalidURL:
        return size, f"{url.removesuffix(_PATH)!r} is no address of a server: that is like http://127.0.0.1:8080"
    except (aiohttp.ClientError, TimeoutError) as error:
        return size, f"{url}: {str(error) or type(error).__name__}"
    except OSError as error:
        return size, f"{out}: {error.strerror or error}"
    return size, ""


def _reason(error: aiohttp.ClientConnectorError) -> str:
    number = error.os_error.errno
    return os.strerror(number).lower() if number is not None and number > 0 else str(error.os_error)
