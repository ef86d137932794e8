"""HTTP viewers of ours: one that takes HTTP-FLV apart as it comes, and a reader of playlists."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp

from arcly_actors.media.flv import FlvReader, Tag, TagType
from arcly_actors.protocols.rtmp.events import MediaReceived
from tests.support.rtmp_link import RtmpLink, pictures
from tests.support.waiting import Noticing

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10)
_KINDS = {TagType.VIDEO: "video", TagType.AUDIO: "audio"}


class FlvView(Noticing):
    """One response that goes on; `ended` says how it ended: "" while it has not."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        super().__init__()
        self._response = response
        self._reader = FlvReader()
        self.tags: list[Tag] = []
        self.ended = ""
        self.reading = asyncio.create_task(self._read())

    def __repr__(self) -> str:
        return f"FlvView({len(self.tags)} tags, ended={self.ended!r})"

    @property
    def media(self) -> list[MediaReceived]:
        """The tags as what an RTMP player would have received."""
        return [
            MediaReceived(1, "video" if tag.type is TagType.VIDEO else "audio", tag.timestamp_ms, tag.body)
            for tag in self.tags
            if tag.type in _KINDS
        ]

    async def _read(self) -> None:
        try:
            async for data in self._response.content.iter_any():
                self.tags += self._reader.feed(data)
                self.notice()
            self.ended = "properly"
        except aiohttp.ClientError as error:
            self.ended = f"broken: {error!r}"
        self.notice()


@contextlib.asynccontextmanager
async def viewing(url: str) -> AsyncIterator[FlvView]:
    """An HTTP-FLV viewer for the length of a block."""
    async with aiohttp.ClientSession(timeout=_NO_TIMEOUT) as session, session.get(url) as response:
        assert response.status == 200, await response.text()
        view = FlvView(response)
        try:
            yield view
        finally:
            view.reading.cancel()
            await asyncio.gather(view.reading, return_exceptions=True)


async def has_seen(viewer: FlvView | RtmpLink, count: int) -> None:
    """Return when the viewer has had at least so many pictures."""
    await viewer.until(lambda: len(pictures(viewer.media)) >= count)


async def fetch(url: str) -> tuple[int, str]:
    """Status and text of one GET."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()
