"""HLS over HTTP: one route for playlists and segments. CORS and time limits are the site's (`transport.http`)."""

from aiohttp import hdrs, web

from arcly_actors.egress.hls_origin import HlsOrigin
from arcly_actors.egress.hls_resources import Resource, read_path
from arcly_actors.endpoints.http_status import refusal
from arcly_actors.errors import Refused

ROUTE = r"/{key:[^/]+(?:/[^/]+)*}/{name:index\.m3u8|media\.m3u8|(?:init|segment)-\d+\.(?:mp4|m4s|ts)}"

_NO_CACHE = "no-cache"
_FOR_GOOD = "public, max-age=31536000, immutable"  # RFC 8246


class HlsRoutes:
    """The routes of all streams, under their own paths."""

    def __init__(self, origin: HlsOrigin) -> None:
        self._origin = origin

    def definitions(self) -> list[web.RouteDef]:
        """GET and HEAD of every HLS path."""
        return [web.get(ROUTE, self.get)]  # HEAD comes with it

    async def get(self, request: web.Request) -> web.StreamResponse:
        """A playlist, an initialisation segment or a segment (the latter two by ranges, too)."""
        viewer = f"{request.remote} {request.headers.get(hdrs.USER_AGENT, '')[:128]}"
        try:
            key, wanted = read_path(request.path, viewer)
            resource = await self._origin.fetch(key, wanted)
        except Refused as refused:
            return refusal(refused)
        return _partial(request, resource) if resource.immutable else _whole(resource, _NO_CACHE)


def _whole(resource: Resource, caching: str) -> web.Response:
    headers = {hdrs.CACHE_CONTROL: caching, hdrs.CONTENT_TYPE: resource.content_type}
    if resource.immutable:
        headers[hdrs.ACCEPT_RANGES] = "bytes"
    return web.Response(body=resource.body, headers=headers)


def _partial(request: web.Request, resource: Resource) -> web.Response:
    """The part that a Range header asks for (RFC 9110 §14): 206, 416 when there is no such part, else all of it.

    A Range that cannot be read, and one of several parts, is ignored, as the RFC allows.
    """
    total = len(resource.body)
    try:
        wanted = request.http_range
    except ValueError:
        wanted = slice(None)
    if wanted.start is None and wanted.stop is None:
        return _whole(resource, _FOR_GOOD)
    start, stop, _ = wanted.indices(total)
    headers = {hdrs.CACHE_CONTROL: _FOR_GOOD, hdrs.ACCEPT_RANGES: "bytes"}
    if start >= stop:
        headers[hdrs.CONTENT_RANGE] = f"bytes */{total}"
        return web.Response(status=416, text="no such range\n", headers={**headers, hdrs.CACHE_CONTROL: _NO_CACHE})
    headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{total}"
    headers[hdrs.CONTENT_TYPE] = resource.content_type
    return web.Response(status=206, body=resource.body[start:stop], headers=headers)
