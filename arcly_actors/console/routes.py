"""The console's HTTP routes: three pages with their files, the REST API, and the health check.

The engine gives two functions; nothing here knows an actor. The files are read from the package once, sent with an
entity tag, and their Content-Security-Policy lets them load nothing from elsewhere and run no inline script.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import resources

from aiohttp import ETag, web

from arcly_actors.console.reports import StreamJson, TreeJson
from arcly_actors.console.tapes import Recording, tape_route

Respond = Callable[[web.Request], Awaitable[web.Response]]

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
CONTENT_TYPES: Mapping[str, str] = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_STREAM = "/{application}/{name:[^/]+(?:/[^/]+)*}/"
PAGES: Mapping[str, str] = {"/": "index.html", f"{_STREAM}publish": "publish.html", _STREAM: "stream.html"}


def console_routes(
    streams: Callable[[], Sequence[StreamJson]], tree: Callable[[], TreeJson], tape: Recording | None = None
) -> list[web.RouteDef]:
    """Every route of the console. Add them last: a page matches any ``/a/b/``."""
    files = _files()
    return [
        *([web.get("/api/v1/tape", tape_route(tape))] if tape is not None else ()),
        web.get("/api/v1/streams", _json(streams)),
        web.get("/api/v1/tree", _json(tree)),
        web.get("/healthz", _health(tree)),
        *(web.get(f"/static/{name}", respond) for name, respond in files.items() if not name.endswith(".html")),
        *(web.get(path, files[name]) for path, name in PAGES.items()),
        web.get("/{application}/{name:(?:[^/]+/)*[^/.]+}", _add_slash),
    ]


def _files() -> dict[str, Respond]:
    """How to answer for each file in ``static/``, by name."""
    folder = resources.files("arcly_actors.console") / "static"
    return {
        file.name: _file(file.read_bytes(), content_type)
        for file in folder.iterdir()
        if (content_type := CONTENT_TYPES.get(file.name[file.name.rfind(".") :]))
    }


def _file(body: bytes, content_type: str) -> Respond:
    tag = ETag(hashlib.sha256(body).hexdigest()[:16])

    async def respond(request: web.Request) -> web.Response:
        known = request.if_none_match is not None and any(each.value == tag.value for each in request.if_none_match)
        response = web.Response(status=304) if known else web.Response(body=body)
        response.headers.update(SECURITY_HEADERS)
        response.headers["Cache-Control"] = "no-cache"  # ask each time: the tag changes with the release
        response.etag = tag
        if not known:
            response.content_type = content_type
            response.charset = "utf-8"
        return response

    return respond


def _json(report: Callable[[], object]) -> Respond:
    async def respond(_: web.Request) -> web.Response:
        return _answer(report())

    return respond


def _health(tree: Callable[[], TreeJson]) -> Respond:
    """200 while the root runs, were it degraded: to be restarted would help nobody then; 503 in any other state."""

    async def respond(_: web.Request) -> web.Response:
        state = tree()["state"]
        return _answer({"status": state}, status=200 if state in ("running", "degraded") else 503)

    return respond


def _answer(value: object, status: int = 200) -> web.Response:
    headers = {**SECURITY_HEADERS, "Cache-Control": "no-store"}
    return web.Response(text=json.dumps(value), status=status, content_type="application/json", headers=headers)


async def _add_slash(request: web.Request) -> web.Response:
    """A stream's page has its HLS beside it, so its address ends in a slash."""
    name = request.rel_url.raw_path.rpartition("/")[2]  # relative to this server whatever it spells
    return web.Response(status=308, headers={"Location": f"./{name}/", **SECURITY_HEADERS})
