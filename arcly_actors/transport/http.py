"""`HttpSite`: an aiohttp application as an actor, behind our own acceptor, budget and time limits."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import Any

from aiohttp import web

from arcly_actors import limits
from arcly_actors.clock import NS_PER_S
from arcly_actors.runtime import LoopActor, System, receives
from arcly_actors.transport.acceptor import Acceptor
from arcly_actors.transport.addresses import Address
from arcly_actors.transport.budget import Budget, Complaint, Complaints, Permit
from arcly_actors.transport.gate import Gate, HttpTimes
from arcly_actors.transport.listener import WhereBound

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match, Link, Range",
    "Access-Control-Max-Age": "86400",
}
_EXPOSED = "Location, Link, ETag, Accept-Post, Accept-Patch, Retry-After, Content-Length"


@dataclass(frozen=True, slots=True)
class Drain:
    """Accept no more, let running requests finish (`limits.HTTP_DRAIN`), then stop."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """aiohttp has been set up."""


@dataclass(frozen=True, slots=True)
class _Drained:
    """aiohttp has been taken down."""


class HttpSite(LoopActor):
    """Serves `routes` while it lives; connections end with it, streams that were taken over do not.

    It listens from its start and accepts once aiohttp is set up. CORS: web pages of `allow_origins` may read the answers
    (``*``: of any; empty: only our own). A request whose client goes away is cancelled. An exception in a route is a 500
    and a complaint.
    """

    def __init__(
        self,
        system: System,
        addresses: Sequence[Address],
        routes: Sequence[web.AbstractRouteDef],
        *,
        budget: Budget,
        complain: Callable[[Complaint], None],
        tls: ssl.SSLContext | None = None,
        times: HttpTimes | None = None,
        allow_origins: Sequence[str] = ("*",),
        on_bound: Callable[[Sequence[Address]], None] | None = None,
    ) -> None:
        super().__init__(system)
        self._on_bound = on_bound
        self._times = times or HttpTimes()
        self._allow_origins = frozenset(allow_origins)
        self._gates: dict[Gate, None] = {}  # in the order in which they came, in which they are ended
        self.complaints = Complaints(system.clock, complain)
        self._acceptor = Acceptor(
            system.loop,
            addresses,
            self._gate,
            budget=budget,
            complaints=self.complaints,
            tls=tls,
            seams=system.seams,
        )
        application = web.Application(middlewares=[self._guard], client_max_size=limits.HTTP_BODY)
        application.add_routes(routes)
        if allow_origins:
            application.on_response_prepare.append(self._allow)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=False,  # the gate does it: aiohttp's way would cancel a route that takes over
            keepalive_timeout=self._times.keepalive / NS_PER_S,
            lingering_time=self._times.body / NS_PER_S,
            shutdown_timeout=limits.HTTP_DRAIN / NS_PER_S,
            max_line_size=limits.HTTP_LINE,
            max_field_size=limits.HTTP_LINE,
            max_headers=limits.HTTP_FIELDS,
        )

    def on_start(self) -> None:
        """Bind now (ConfigurationError when that fails), accept when aiohttp is ready."""
        self._acceptor.bind()
        if self._on_bound is not None:
            self._on_bound(self._acceptor.bound)
        self.spawn(self._runner.setup(), then=lambda _: _Ready())

    def on_stop(self) -> None:
        """Close everything at once; tell it `Drain` for a graceful end."""
        self._acceptor.close()
        for gate in tuple(self._gates):
            gate.abort()

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        """As `on_stop`."""
        self.on_stop()

    @receives(_Ready)
    def on_ready(self, _message: _Ready) -> None:
        """Let them in."""
        server = self._runner.server
        assert server is not None, "aiohttp is ready"
        server.request_factory = partial(self._runner.app._make_request, _cls=_signing(self._sign))  # noqa: SLF001 - see there
        self._acceptor.start()

    @receives(WhereBound)
    def on_where_bound(self, _message: WhereBound) -> tuple[Address, ...]:
        """See `WhereBound`."""
        return self._acceptor.bound

    @receives(Drain)
    def on_drain(self, _message: Drain) -> None:
        """See `Drain`."""
        self._acceptor.close()
        self.spawn(self._runner.cleanup(), then=lambda _: _Drained())

    @receives(_Drained)
    def on_drained(self, _message: _Drained) -> None:
        """Nothing is left to wait for."""
        self.stop_self("drained")

    def _gate(self, permit: Permit) -> Gate:
        server = self._runner.server
        assert server is not None, "accepting starts after aiohttp is ready"
        return Gate(self.system.loop, server(), permit, self._times, self._gates)

    @property
    def _guard(self) -> Any:
        site = self

        @web.middleware
        async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
            gate = request.transport.get_protocol() if request.transport is not None else None
            if not isinstance(gate, Gate):
                return web.Response(status=408, text="the client has gone\n")  # to nobody: aiohttp finds it closed
            if gate.permit.refused is not None:
                headers = {"Connection": "close", "Retry-After": "2"}
                return web.Response(status=503, text=f"{gate.permit.refused.detail}\n", headers=headers)
            gate.begin()
            try:
                return await site._respond(request, handler)
            finally:
                gate.finish()

        return guard

    async def _respond(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if "Access-Control-Request-Method" in request.headers and request.method == "OPTIONS" and self._allow_origins:
            return web.Response(status=204, headers=_PREFLIGHT)
        try:
            async with asyncio.timeout(self._times.body / NS_PER_S):
                if request.body_exists:
                    await request.read()  # kept by aiohttp: the route's own read() gives the same bytes
        except TimeoutError:
            return web.Response(status=408, headers={"Connection": "close"})
        try:
            return await handler(request)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - one request's defect is its own 500
            peer = Address.of_peer(request.transport.get_extra_info("peername")) if request.transport else None
            self.complaints.add(self._acceptor.bound[0], "route", f"{request.path}: {error!r}", peer)
            return web.Response(status=500, text="internal error\n")

    def _sign(self, response: web.StreamResponse) -> None:
        """By our own clock, and without telling which versions of what we run: aiohttp would read and tell its own."""
        response.headers["Date"] = formatdate(self.system.clock.wall_ns() // NS_PER_S, usegmt=True)
        response.headers["Server"] = "arcly_actors"

    async def _allow(self, request: web.Request, response: web.StreamResponse) -> None:
        origin = "*"
        if "*" not in self._allow_origins:
            response.headers["Vary"] = "Origin"
            origin = request.headers.get("Origin", "")
            if origin not in self._allow_origins:
                return
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED


def _signing(sign: Callable[[web.StreamResponse], None]) -> type[web.Request]:
    """Requests whose answers are signed, those too that no route gives: aiohttp answers by itself what it cannot read."""

    class Signed(web.Request):
        async def _prepare_hook(self, response: web.StreamResponse) -> None:
            await super()._prepare_hook(response)
            sign(response)

    return Signed
