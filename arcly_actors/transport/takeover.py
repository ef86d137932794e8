"""Streamed responses: after aiohttp has read the request, its connection becomes a `Wire` with an outlet.

Two ways were looked at. A custom ``AbstractStreamWriter`` (or ``StreamResponse.prepare`` and then
``request.transport``) keeps aiohttp's protocol, its task and the request alive for each viewer, some 20 kB, and leaves
flow control (``pause_writing``) and the client's disconnect with aiohttp, which tells of the latter only by cancelling
that task. ``transport.set_protocol`` is plain asyncio and leaves nothing: aiohttp is told that the connection is lost,
the route returns `TakenOver`, for which there is nothing to write, and its task ends. That is what is done here; it
needs the transport's protocol to be ours (`Gate`).
"""

import asyncio
from collections.abc import Mapping

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from arcly_actors import limits
from arcly_actors.transport.gate import Gate
from arcly_actors.transport.wire import Receiver, Wire


class TakenOver(web.StreamResponse):
    """What a route returns after `takeover`: aiohttp has nothing left to send."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Nothing to prepare."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing to end."""


class _Bounded:
    """A receiver for a client that has nothing more to say: a little is ignored, much ends the connection."""

    __slots__ = ("_inner", "_unasked", "_wire")

    def __init__(self, wire: Wire, inner: Receiver) -> None:
        self._wire = wire
        self._inner = inner
        self._unasked = 0

    def received(self, data: bytes) -> None:
        self._unasked += len(data)
        if self._unasked > limits.HTTP_UNASKED:
            self._wire.abort()

    def half_closed(self) -> None:
        self._inner.half_closed()

    def lost(self, error: Exception | None) -> None:
        self._inner.lost(error)


async def takeover(
    request: web.Request, receiver: Receiver, headers: Mapping[str, str], *, head_only: bool = False
) -> tuple[Wire, TakenOver]:
    """Send the head of a 200 response, with what the site adds to each, and give the connection away; the body is what
    `wire.outlet` is given until its `end`.

    HTTP/1.1 gets a chunked body, whose chunks, the last one too, the caller has framed: an encode-once format is framed
    once for all its viewers. HTTP/1.0 gets a bare body, which ends with the connection. `receiver` hears
    `lost` when the client goes (also when it half-closes); its `received` is never called. ConnectionResetError if it
    has gone already. TypeError outside an `HttpSite`. Call it last in the route: `return` the response right after,
    without an await.
    """
    told = web.StreamResponse(headers=headers)
    await request._prepare_hook(told)  # noqa: SLF001 - aiohttp calls it for what it sends itself, and this it does not
    transport = request.transport
    gate = transport.get_protocol() if transport is not None else None
    if transport is None:
        raise ConnectionResetError("the client has gone")
    if not isinstance(gate, Gate):
        raise TypeError("this request does not come from an HttpSite")
    chunked = request.version >= (1, 1)
    lines = [f"HTTP/{request.version.major}.{request.version.minor} 200 OK", "Connection: close"]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    for name, value in told.headers.items():
        if any(forbidden in f"{name}{value}" for forbidden in "\r\n"):
            raise ValueError(f"a line break in the header {name!r}")
        lines.append(f"{name}: {value}")
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    permit = gate.permit
    raw = gate.release()
    wire = Wire(
        asyncio.get_running_loop(),
        on_lost=permit.release,
    )
    raw.set_protocol(wire)
    wire.connection_made(raw)
    raw.write(head)
    wire.attach(_Bounded(wire, receiver))
    if head_only:
        wire.end()
    return wire, TakenOver()
