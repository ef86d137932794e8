"""The route by which ``arcly script record`` records from a running server: a script, line by line, while it happens.

A tape has everything that a peer sent, passwords and stream keys too. So only programs on this machine get it: not what
came through a proxy, nor a browser, where a page from elsewhere could ask for it.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from ipaddress import ip_address
from typing import Protocol

from aiohttp import web

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.errors import Refused

_FOREIGN = ("Origin", "Sec-Fetch-Site", "Forwarded", "X-Forwarded-For", "Via")
_SECONDS = re.compile(r"\d{1,5}(\.\d{1,3})?", re.ASCII)


class Recording(Protocol):
    """Starts a tape and gives its lines; raises `Refused` for a key that is none."""

    def __call__(self, key: str | None, duration_ns: int | None, *, payload: bool) -> AsyncGenerator[bytes, None]:
        """`duration_ns` None: until the reader goes."""
        ...


def tape_route(record: Recording) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """``GET /api/v1/tape?key=live/cam&seconds=30&payload=0``: 200 with JSON Lines, 403 for who is not of this machine,
    503 when too many record.
    """

    running: set[AsyncGenerator[bytes, None]] = set()

    async def respond(request: web.Request) -> web.StreamResponse:
        if not _local(request):
            return web.Response(status=403, text="tapes are for programs on this machine, without a proxy\n")
        seconds = request.query.get("seconds")
        if seconds is not None and not _SECONDS.fullmatch(seconds):
            return web.Response(status=400, text="seconds is a number\n")
        duration = round(float(seconds) * NS_PER_S) if seconds is not None else None
        try:
            lines = record(request.query.get("key"), duration, payload=request.query.get("payload") != "0")
        except Refused as refused:
            return web.Response(status=400, text=f"{refused.detail}\n")
        if len(running) >= limits.TAPES_AT_ONCE:
            return web.Response(status=503, text=f"{len(running)} tapes are being recorded: more at once are not\n")
        running.add(lines)
        try:
            return await _send(request, lines)
        finally:
            running.discard(lines)

    return respond


async def _send(request: web.Request, lines: AsyncGenerator[bytes, None]) -> web.StreamResponse:
    async with aclosing(lines):
        response = web.StreamResponse(headers={"Cache-Control": "no-store"})
        response.content_type = "application/jsonl"
        await response.prepare(request)
        with suppress(ConnectionResetError):  # the reader has enough
            async for line in lines:
                await response.write(line)
        return response


def _local(request: web.Request) -> bool:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    if not isinstance(peer, tuple) or any(name in request.headers for name in _FOREIGN):
        return False
    try:
        return ip_address(str(peer[0]).removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False
