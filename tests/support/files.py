"""A small HTTP server for pulls to come from: bytes, statuses, passwords, and silence."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from aiohttp import web


class FileSite:
    """`files` are served by name; ``/secret/NAME`` wants user:pass; ``/silent`` never answers."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.port = 0
        self.gone = asyncio.Event()

    def url(self, path: str, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.port}/{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if path == "silent":
            await self.gone.wait()
        if path.startswith("secret/"):
            path = path.removeprefix("secret/")
            said = request.headers.get("Authorization", "")
            if said != "Basic dXNlcjpwYXNz":  # user:pass
                return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="files"'})
        data = self.files.get(path)
        return web.Response(status=404) if data is None else web.Response(body=data)


@contextlib.asynccontextmanager
async def file_site(files: Mapping[str, bytes]) -> AsyncIterator[FileSite]:
    """The server for the length of a block."""
    site = FileSite(files)
    application = web.Application()
    application.add_routes([web.get("/{path:.*}", site.answer)])
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    site.port = runner.addresses[0][1]
    try:
        yield site
    finally:
        site.gone.set()
        await runner.cleanup()
