"""HTTP on a network without sockets: what a sink asks goes to whoever listens there, another engine for one."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from arcly_actors.runtime.seams import Asked, NoAnswer, Place, Replied
from arcly_actors.transport.http_client import HttpCall, HttpReply, exchange

Dial = Callable[[Place, Callable[[], asyncio.Protocol]], Coroutine[Any, Any, None]]
"""Connects a protocol to who listens at a place."""


class _Connector(aiohttp.BaseConnector):
    """aiohttp's client over such a network; TLS is left out there."""

    def __init__(self, dial: Dial) -> None:
        super().__init__(force_close=True)
        self._dial = dial

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: Any,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's name
    ) -> ResponseHandler:
        del traces, timeout
        made = ResponseHandler(loop=asyncio.get_running_loop())
        await self._dial((req.url.host or "", req.url.port or 80), lambda: made)
        return made


async def ask(asked: Asked, dial: Dial) -> Replied:
    """See `runtime.seams.Network.ask`."""
    call = HttpCall(asked.method, asked.url, asked.headers, asked.body)
    reply = await exchange(call, connector=_Connector(dial))
    if isinstance(reply, HttpReply):
        return Replied(reply.status, reply.headers, reply.body)
    raise NoAnswer(reply.detail)
