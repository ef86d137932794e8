"""Streams as files that go on for as long as they do: ``GET /{application}/{name}.flv``, and ``.ts``."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import hdrs, web

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.encoded import Encoder
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.egress import http_flv, ts
from arcly_actors.egress.byte_subscriber import Begin, NotSeated, Seated, ViewEnded, Viewing
from arcly_actors.egress.view import View
from arcly_actors.endpoints.http_peer import peer_of
from arcly_actors.endpoints.http_status import refusal
from arcly_actors.errors import Refusal, Refused
from arcly_actors.media.frame import Track
from arcly_actors.renditions import Renditions, Wish
from arcly_actors.runtime import ChildSpec, Exited, LoopActor, LoopFuture, Restart, StartChild, System, receives
from arcly_actors.runtime.notify import notify
from arcly_actors.transport.takeover import takeover
from arcly_actors.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class HttpFormat:
    """A format: `make_chunked` for HTTP/1.1 viewers, `make_plain` for those to whom the connection's end is the file's.

    `carries` says whether there is anything of a stream with these tracks that it can hold.
    """

    name: str
    protocol: str
    suffix: str
    content_type: str
    wish: Wish
    make_chunked: Callable[[], Encoder]
    make_plain: Callable[[], Encoder]
    carries: Callable[[Sequence[Track]], bool]


FLV = HttpFormat(
    "FLV",
    http_flv.FORMAT,
    ".flv",
    http_flv.CONTENT_TYPE,
    Wish.FLV,
    http_flv.make_chunked_encoder,
    http_flv.make_file_encoder,
    lambda _: True,
)
TS = HttpFormat(
    "MPEG-TS", "http-ts", ".ts", ts.CONTENT_TYPE, Wish.TS, ts.make_chunked_encoder, ts.make_encoder, ts.carries
)


@dataclass(frozen=True, slots=True)
class _Serve:
    """The head is sent: here is the connection."""

    wire: Wire


@dataclass(frozen=True, slots=True)
class _Gone:
    """The viewer closed the connection."""


class HttpStreamSession(LoopActor):
    """One viewer. `seated` settles when there is a seat, or with the `Refused`; its route may look when the session is
    over.
    """

    def __init__(
        self,
        system: System,
        bus: Bus,
        key: StreamKey,
        peer: str,
        form: HttpFormat,
        seated: LoopFuture[None],
        *,
        chunked: bool,
        renditions: Renditions | None = None,
    ) -> None:
        super().__init__(system)
        make = form.make_chunked if chunked else form.make_plain
        name = f"{form.protocol}/{'chunked' if chunked else 'plain'}"
        self._viewing = Viewing(key, form.protocol, peer, name, make, wish=form.wish)
        self._form = form
        self._renditions = renditions
        self._bus = bus
        self._view: View | None = None
        self._subscriber: Ref | None = None
        self._seated = seated
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
        if not self._seated.settled:
            self._seated.fail(Refused(Refusal.FAILED, "internal error"))

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        """Let the route send the head, if there is anything to send."""
        self._subscriber = seated.subscriber
        tracks = next((each.tracks for each in self._bus.reports() if each.key == self._viewing.key), ())
        if tracks and not self._form.carries(tracks) and not self._seated.settled:
            detail = f"{self._form.name} carries none of its tracks: {', '.join(track.codec for track in tracks)}"
            self._seated.fail(Refused(Refusal.UNSUPPORTED, detail))
            self.stop_self(detail)
            return
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


class HttpStreamRoutes:
    """The routes of one format; sessions are temporary children of what `supervisor()` names."""

    def __init__(
        self,
        system: System,
        bus: Bus,
        supervisor: Callable[[], Ref],
        form: HttpFormat,
        renditions: Renditions | None = None,
    ) -> None:
        self._form = form
        self._renditions = renditions
        self._system = system
        self._bus = bus
        self._supervisor = supervisor
        self._numbers = itertools.count(1)

    def definitions(self) -> list[web.RouteDef]:
        """GET and HEAD."""
        return [web.get("/{key:.+}" + self._form.suffix, self.get)]

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The stream: 200 once there is a seat, else the status of the refusal."""
        peer = peer_of(request)
        chunked = request.version >= (1, 1)
        opening = _Opening()
        try:
            key = StreamKey.parse(request.match_info["key"])
            session = await self._start(key, peer, opening, chunked=chunked)
            await opening.seated
        except Refused as refused:
            return refusal(refused)
        except asyncio.CancelledError:  # the client has gone, and whatever it waited for need not come
            opening.give_up()
            raise
        head_only = request.method == hdrs.METH_HEAD
        headers: dict[str, str] = {hdrs.CONTENT_TYPE: self._form.content_type, hdrs.CACHE_CONTROL: "no-store"}
        try:
            wire, response = await takeover(request, _Viewer(session), headers, head_only=head_only)
        except ConnectionResetError:
            session.stop(block=False)
            raise
        if head_only:
            session.stop(block=False)
        else:
            notify(session, _Serve(wire))
        return response

    async def _start(self, key: StreamKey, peer: str, opening: "_Opening", *, chunked: bool) -> Ref:
        def start() -> Ref:
            session = HttpStreamSession.start(
                self._system,
                self._bus,
                key,
                peer,
                self._form,
                opening.seated,
                chunked=chunked,
                renditions=self._renditions,
            )
            opening.began(session)
            return session

        name = f"{self._form.protocol}-{next(self._numbers)} {peer}"
        session: Ref = await self._supervisor().ask(
            StartChild(ChildSpec(name, start, restart=Restart.TEMPORARY)), block=False
        )
        return session


class _Opening:
    """A session from its route's point of view, until there is a seat."""

    def __init__(self) -> None:
        self.seated: LoopFuture[None] = LoopFuture()
        self._session: Ref | None = None
        self._gone = False

    def began(self, session: Ref) -> None:
        """It has been started."""
        self._session = session
        if self._gone:
            self.give_up()

    def give_up(self) -> None:
        """Nobody waits for it; it may not have begun."""
        self._gone = True
        if self._session is not None:
            self._session.stop(block=False)
