"""Programs with libsrt against our SRT: FFmpeg publishes and plays, srt-live-transmit carries, and says what is wrong."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from arcly_actors.media.mpegts.demuxer import TsDemuxer
from arcly_actors.media.mpegts.events import Unit
from arcly_actors.runtime import TreeNode
from tests.support.live import Live
from tests.support.publishers import accepted
from tests.support.tools import Program, require_tool, running

PASSPHRASE = "correct horse battery"


def srt(port: int, stream_id: str = "", /, host: str = "127.0.0.1", **options: object) -> str:
    """An SRT URL as FFmpeg (`latency` in µs) and srt-live-transmit (in ms) take it."""
    said = {"streamid": stream_id, **options} if stream_id else options
    return f"srt://{host}:{port}?{'&'.join(f'{name}={value}' for name, value in said.items())}"


@contextlib.asynccontextmanager
async def srt_publishes(server: Live, clip: str, url: str = "", *, wait: bool = True) -> AsyncIterator[Program]:
    """FFmpeg publishing a clip over and over in real time, once it has been accepted."""
    already = accepted(server)
    pace = ("-nostdin", "-v", "warning", "-re", "-stream_loop", "-1")
    to = url or srt(server.port("srt"), "publish:live/cam")
    async with running(require_tool("ffmpeg"), *pace, "-i", clip, "-c", "copy", "-f", "mpegts", to) as publisher:
        if wait:
            try:
                await server.until(lambda: accepted(server) > already)
            except TimeoutError as error:
                raise AssertionError(f"{publisher!r}; {server!r}") from error
        yield publisher


def transmit(source: str, target: str, *options: str) -> contextlib.AbstractAsyncContextManager[Program]:
    """srt-live-transmit from one URL to another; ``file://con`` is its standard output."""
    return running(require_tool("srt-live-transmit"), "-q", "-loglevel", "error", *options, source, target)


def nodes(node: TreeNode) -> list[TreeNode]:
    """A tree's nodes, in a row."""
    return [node, *(found for child in node.children for found in nodes(child))]


def counted(server: Live, number: int = 0) -> Mapping[str, int | float]:
    """The statistics of the only (or `number`-th) SRT connection, as the tree shows them."""
    found = [node.figures for node in nodes(server.engine.tree()) if node.figures]
    return found[number]


def unbroken(data: bytes) -> int:
    """How many units a transport stream holds, nothing of which may be missing."""
    demuxer = TsDemuxer()
    units = sum(isinstance(event, Unit) for event in demuxer.feed(data))
    assert not demuxer.counts["continuity"], demuxer.counts
    assert not demuxer.counts["damaged"], demuxer.counts
    return units
