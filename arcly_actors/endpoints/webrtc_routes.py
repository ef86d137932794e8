"""WHIP and WHEP over HTTP: ``/{application}/{name}/whip`` and ``…/whep``, and a URL for each session below them."""

from collections.abc import Awaitable, Callable, Sequence
from types import MappingProxyType

from aiohttp import web

from arcly_actors.bus.key import StreamKey
from arcly_actors.endpoints.http_peer import peer_of
from arcly_actors.endpoints.webrtc_sessions import Session, WebRtcSessions
from arcly_actors.errors import ArclyError
from arcly_actors.protocols.webrtc import resource
from arcly_actors.protocols.webrtc.resource import Delete, HttpAnswer, HttpRequest, IceServer, Restart

Open = Callable[..., Awaitable[Session]]


class WebRtcRoutes:
    """The routes. CORS is the site's own (`transport.http`)."""

    def __init__(self, sessions: WebRtcSessions, servers: Sequence[IceServer]) -> None:
        self._sessions = sessions
        self._servers = servers

    def definitions(self) -> list[web.RouteDef]:
        """Every method of both endpoints and of their sessions."""
        return [
            web.route("*", "/{key:.+}/{kind:whip|whep}", self.endpoint),
            web.route("*", "/{key:.+}/{kind:whip|whep}/{session}", self.session),
        ]

    async def endpoint(self, request: web.Request) -> web.Response:
        """POST opens a session: 201 when its stream is there, or its publish slot is claimed."""
        wanted = resource.endpoint(await _read(request), self._servers)
        if isinstance(wanted, HttpAnswer):
            return _response(wanted)
        kind = request.match_info["kind"]
        open_session: Open = self._sessions.play if kind == "whep" else self._sessions.publish
        try:
            key = StreamKey.parse(request.match_info["key"])
            query = MappingProxyType(dict(request.query))
            session = await open_session(key, wanted.offer, peer_of(request), wanted.token, query)
        except ArclyError as error:
            return _response(resource.declined(error, resource.WHEP if kind == "whep" else resource.WHIP))
        opened = session.opened
        assert opened is not None
        location = f"{request.rel_url.raw_path}/{session.name}"
        return _response(resource.created(session.answer, location, opened.etag, self._servers))

    async def session(self, request: web.Request) -> web.Response:
        """PATCH trickles or restarts ICE, DELETE ends the session."""
        try:
            key = StreamKey.parse(request.match_info["key"])
        except ArclyError as error:
            return _response(resource.declined(error, resource.WHIP))
        name, kind = request.match_info["session"], request.match_info["kind"]
        session = self._sessions.find(name, kind, key, peer_of(request))
        wanted = resource.session(await _read(request), session.opened if session is not None else None)
        if isinstance(wanted, HttpAnswer):
            return _response(wanted)
        assert session is not None
        if isinstance(wanted, Delete):
            await self._sessions.end(session)
            return _response(resource.DELETED)
        if isinstance(wanted, Restart):
            return _response(resource.restarted(*session.restart(wanted.remote)))
        return _response(resource.TRICKLED)  # a lite agent learns its peer's addresses from the checks it is sent


async def _read(request: web.Request) -> HttpRequest:
    headers = {name.lower(): ", ".join(request.headers.getall(name)) for name in request.headers}
    return HttpRequest(request.method, headers, await request.read())


def _response(answer: HttpAnswer) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body or None)
    for name, value in answer.headers:
        response.headers.add(name, value)
    response.headers["Cache-Control"] = "no-store"
    return response
