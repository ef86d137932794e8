"""A WHIP server made of aiohttp and aiortc: full ICE, DTLS by OpenSSL in either role, decoders; nothing of ours."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.support.aiortc_peer import AiortcViewer


class WhipServer:
    """What it was asked, and what it has decoded. `calls` are method, path and Authorization of each request."""

    def __init__(self, *, passive: bool, answer: Callable[[str], str]) -> None:
        self.viewer = AiortcViewer()
        self.offers: list[str] = []
        self.calls: list[tuple[str, str, str]] = []
        self.peers: list[RTCPeerConnection] = []
        self.refusal: web.Response | None = None
        self.port = 0
        self._passive = passive
        self._answer = answer
        self._watching: list[asyncio.Task[None]] = []
        self._closing: dict[RTCPeerConnection, asyncio.Task[None]] = {}

    def url(self, path: str = "whip/studio") -> str:
        return f"whip:http://127.0.0.1:{self.port}/{path}"

    async def post(self, request: web.Request) -> web.Response:
        """The offer."""
        self._note(request)
        if self.refusal is not None:
            return self.refusal
        offer = await request.text()
        self.offers.append(offer)
        if self._passive:
            offer = offer.replace("a=setup:actpass", "a=setup:active")
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peers.append(peer)
        peer.on("track", lambda track: self._watching.append(asyncio.create_task(self.viewer.watch(track))))
        await peer.setRemoteDescription(RTCSessionDescription(offer, type="offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        headers = {"Location": f"../session/{len(self.peers)}", "ETag": '"one"'}
        sdp = self._answer(peer.localDescription.sdp)
        return web.Response(status=201, text=sdp, content_type="application/sdp", headers=headers)

    async def delete(self, request: web.Request) -> web.Response:
        """The end of a session."""
        self._note(request)
        await asyncio.shield(self._hang_up(self.peers[int(request.match_info["number"]) - 1]))
        return web.Response()

    def go_dark(self) -> None:
        """Its peers answer nothing any more and say no goodbye, as if the machine had lost its power."""
        for peer in self.peers:
            for transceiver in peer.getTransceivers():
                for protocol in transceiver.receiver.transport.transport._connection._protocols:
                    protocol.transport.abort()

    async def close(self) -> None:
        """Everybody out."""
        await asyncio.gather(*(self._hang_up(peer) for peer in self.peers))
        for watching in self._watching:
            watching.cancel()  # a track that never began does not end, either
        await asyncio.gather(*self._watching, return_exceptions=True)

    def _hang_up(self, peer: RTCPeerConnection) -> "asyncio.Task[None]":
        """Close it, once: aiortc waits for ever for the end of a close that was cancelled."""
        if peer not in self._closing:
            self._closing[peer] = asyncio.create_task(peer.close())
        return self._closing[peer]

    def _note(self, request: web.Request) -> None:
        self.calls.append((request.method, request.path, request.headers.get("Authorization", "")))
        self.viewer.notice()


@contextlib.asynccontextmanager
async def whip_server(
    *, passive: bool = False, answer: Callable[[str], str] = lambda sdp: sdp
) -> AsyncIterator[WhipServer]:
    """One that listens on a port of its own. `passive`: it waits for DTLS to begin; `answer` rewrites its answers."""
    server = WhipServer(passive=passive, answer=answer)
    site: Any = web.Application()
    site.add_routes([web.post("/whip/{name}", server.post), web.delete("/session/{number}", server.delete)])
    runner = web.AppRunner(site, shutdown_timeout=1)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()  # first: whoever is refused by its peers comes again at once
        await server.close()
