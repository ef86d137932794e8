"""The HTTP side of a WHIP or WHEP client (RFC 9725): an offer for an answer and a session's address, and its end."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urljoin

import aiohttp

from tests.support.live import Live

_TIMEOUT = aiohttp.ClientTimeout(total=10)


class Declined(Exception):
    """The offer was not answered: its `status` and the text that came with it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back for an offer. `url` is the session's."""

    sdp: str
    url: str


async def post_offer(url: str, offer: str) -> Answered:
    """Raises `Declined`."""
    headers = {"Content-Type": "application/sdp"}
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as http, http.post(url, data=offer, headers=headers) as response:
        text = await response.text()
        if response.status != 201:
            raise Declined(response.status, text)
        return Answered(text, urljoin(url, response.headers["Location"]))


async def delete_session(url: str) -> int:
    """End a session; the HTTP status."""
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as http, http.delete(url) as response:
        return response.status


def by_way_of(port: int, server: Live, sdp: str) -> str:
    """An answer that says that the engine's media is at another port of loopback, where a relay listens."""
    return sdp.replace(f" {server.port('webrtc')} ", f" {port} ")


@contextlib.asynccontextmanager
async def session_of(answered: Answered) -> AsyncIterator[None]:
    """End a session after a block, if the engine still has it."""
    try:
        yield
    finally:
        await delete_session(answered.url)
