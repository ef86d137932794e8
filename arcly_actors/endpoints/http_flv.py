"""HTTP-FLV: ``GET /{application}/{name}.flv``, answered with a FLV file that goes on as long as the stream does."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import hdrs, web

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.egress import http_flv
from arcly_actors.egress.byte_subscriber import Begin, NotSeated, Seated, ViewEnded, Viewing
from arcly_actors.egress.view import View
from arcly_actors.endpoints.http_peer import peer_of
from arcly_actors.endpoints.http_status import refusal
from arcly_actors.errors import Refused
from arcly_actors.renditions import Renditions, Wish
from arcly_actors.runtime import ChildSpec, Exited, LoopActor, LoopFuture, Restart, StartChild, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.takeover import takeover
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class _Open:
    """Ask for a seat: answered when there is one, or with the `Refused`."""


@dataclass(frozen=True, slots=True)
class _Serve:
    """The head is sent: here is the connection."""

    wire: Wire


@dataclass(frozen=True, slots=True)
class _Gone:
    """The viewer closed the connection."""


class FlvSession(LoopActor):
    """One HTTP-FLV viewer."""

    def __init__(
        self,
        system: System,
        bus: Bus,
        key: StreamKey,
        peer: str,
        *,
        chunked: bool,
        renditions: Renditions | None = None,
    ) -> None:
        super().__init__(system)
        make = http_flv.make_chunked_encoder if chunked else http_flv.make_file_encoder
        name = f"{http_flv.FORMAT}/{'chunked' if chunked else 'plain'}"
        self._viewing = Viewing(key, "http-flv", peer, name, make, wish=Wish.FLV)
        self._renditions = renditions
        self._bus = bus
        self._view: View | None = None
        self._subscriber: Ref | None = None
        self._seated: LoopFuture[None] = LoopFuture()
        self._wire: Wire | None = None

    def on_start(self) -> None:
        """Ask for a seat."""
        self._view = View(self.system, self._bus, self.actor_ref, self._viewing, self._renditions)
        self.watch(self._view.start())

    def on_stop(self) -> None:
        """Nothing of the session outlives it."""
        self._close()

    def on_failure(self, *_: object) -> None:
        """Likewise."""
        self._close()

    def _close(self) -> None:
        if self._view is not None:
            self._view.stop()
        if self._wire is not None:
            self._wire.end()

    @receives(_Open)
    def open(self, _: _Open) -> LoopFuture[None]:
        """See `_Open`."""
        return self._seated

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        """Let the route send the head."""
        self._subscriber = seated.subscriber
        if not self._seated.settled:
            self._seated.set(None)

    @receives(NotSeated)
    def not_seated(self, answer: NotSeated) -> None:
        """Let the route say no."""
        if not self._seated.settled:
            self._seated.fail(Refused(answer.refusal, answer.detail))
        self.stop_self(answer.detail)

    @receives(_Serve)
    def serve(self, serve: _Serve) -> None:
        """Begin to send."""
        self._wire = serve.wire
        if self._subscriber is not None:
            notify(self._subscriber, Begin(serve.wire.outlet))

    @receives(_Gone)
    def gone(self, _: _Gone) -> None:
        """The viewer left."""
        self.stop_self("the viewer left")

    @receives(ViewEnded)
    def view_ended(self, ended: ViewEnded) -> None:
        """End the file, and with it the response."""
        if self._wire is not None:
            self._wire.outlet.write(ended.ending)
        self.stop_self(ended.detail)

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        """A subscriber that crashed is replaced, on the same connection."""
        if self._view is None or exited.error is None or not self._view.is_of(exited.ref):
            return
        restarted = self._view.restart(exited.error)
        if restarted is None:
            self.stop_self("its subscriber failed too often")
        else:
            self.watch(restarted)


class _Viewer:
    """What the connection tells: only that it is lost matters."""

    __slots__ = ("_session",)

    def __init__(self, session: Ref) -> None:
        self._session = session

    def received(self, data: bytes) -> None:
        """A viewer has nothing to say."""

    def half_closed(self) -> None:
        """It will say nothing more, and may go on to listen."""

    def lost(self, error: Exception | None) -> None:
        """It is gone."""
        del error
        notify(self._session, _Gone())


class FlvRoutes:
    """The routes; sessions are temporary children of what `supervisor()` names."""

    def __init__(
        self, system: System, bus: Bus, supervisor: Callable[[], Ref], renditions: Renditions | None = None
    ) -> None:
        self._renditions = renditions
        self._system = system
        self._bus = bus
        self._supervisor = supervisor
        self._numbers = itertools.count(1)

    def definitions(self) -> list[web.RouteDef]:
        """GET and HEAD."""
        return [web.get("/{key:.+}.flv", self.get)]

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The stream as FLV: 200 once there is a seat, else the status of the refusal."""
        peer = peer_of(request)
        chunked = request.version >= (1, 1)
        try:
            key = StreamKey.parse(request.match_info["key"])
            session = await self._start(key, peer, chunked=chunked)
            await session.ask(_Open(), block=False)
        except Refused as refused:
            return refusal(refused)
        head_only = request.method == hdrs.METH_HEAD
        headers: dict[str, str] = {hdrs.CONTENT_TYPE: http_flv.CONTENT_TYPE, hdrs.CACHE_CONTROL: "no-store"}
        try:
            wire, response = takeover(request, _Viewer(session), headers, head_only=head_only)
        except ConnectionResetError:
            session.stop(block=False)
            raise
        if head_only:
            session.stop(block=False)
        else:
            notify(session, _Serve(wire))
        return response

    async def _start(self, key: StreamKey, peer: str, *, chunked: bool) -> Ref:
        def start() -> Ref:
            return FlvSession.start(self._system, self._bus, key, peer, chunked=chunked, renditions=self._renditions)

        name = f"http-flv-{next(self._numbers)} {peer}"
        session: Ref = await self._supervisor().ask(
            StartChild(ChildSpec(name, start, restart=Restart.TEMPORARY)), block=False
        )
        return session
