"""`Gate`: what stands between the socket and aiohttp's request parser, and keeps the times that aiohttp does not.

aiohttp 3.14 bounds header sizes and idle kept-alive connections, but neither how long a header may dribble in nor a
client that stops taking its response. The gate is the transport's protocol and passes everything on. Because it is
ours, it can also be taken away: see `takeover`.
"""

import asyncio
from dataclasses import dataclass
from typing import cast

from aiohttp.web_protocol import RequestHandler

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.transport.budget import Permit


@dataclass(frozen=True, slots=True)
class HttpTimes:
    """How long a client may take, in ns; see `limits` for the reasons."""

    header: int = limits.HTTP_HEADER_TIMEOUT
    body: int = limits.HTTP_BODY_TIMEOUT
    keepalive: int = limits.HTTP_KEEPALIVE
    stall: int = limits.HTTP_STALL_TIMEOUT


class Gate(asyncio.Protocol):
    """See the module. Its permit goes back when the connection is lost, wherever it has been passed on to by then."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        inner: RequestHandler,
        permit: Permit,
        times: HttpTimes,
        gates: "dict[Gate, None]",
    ) -> None:
        self._loop = loop
        self.inner = inner
        self.permit = permit
        self._times = times
        self._gates = gates
        self._transport: asyncio.Transport | None = None
        self._serving: asyncio.Task[object] | None = None
        self._header: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._left = 0

    def begin(self) -> None:
        """A request has been read and is being answered."""
        self._serving = asyncio.current_task()
        self._header = _cancelled(self._header)

    def finish(self) -> None:
        """It has been."""
        self._serving = None

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def release(self) -> asyncio.Transport:
        """Let go of the transport for another protocol; aiohttp believes that the client has gone."""
        transport = self._transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        self._close()
        self.inner.transport = None  # or it would close it
        self.inner.connection_lost(None)
        return transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self._gates[self] = None
        self._expect_header()
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._serving is None and self._header is None:
            self._expect_header()
        self.inner.data_received(data)

    def eof_received(self) -> None:
        """See `asyncio.Protocol`."""
        self.inner.eof_received()

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.inner.pause_writing()
        self._watch_progress()

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._stall = _cancelled(self._stall)
        self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._close()
        self.permit.release()
        self.inner.connection_lost(exc)
        if self._serving is not None:
            self._serving.cancel()  # nobody waits for what the route is doing

    def _expect_header(self) -> None:
        self._header = self._loop.call_later(self._times.header / NS_PER_S, self.abort)

    def _watch_progress(self) -> None:
        if self._transport is not None:
            self._left = self._transport.get_write_buffer_size()
            self._stall = self._loop.call_later(self._times.stall / NS_PER_S, self._stalled)

    def _stalled(self) -> None:
        if self._transport is not None and self._transport.get_write_buffer_size() < self._left:
            self._watch_progress()
        else:
            self.abort()

    def _close(self) -> None:
        self._transport = None
        self._gates.pop(self, None)
        self._header = _cancelled(self._header)
        self._stall = _cancelled(self._stall)


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer is not None:
        timer.cancel()
    return None
