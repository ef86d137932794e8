"""A small site with the console's routes and a live HLS presentation that was made beforehand."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer

from arcly_actors.console.reports import StreamJson, TreeJson
from arcly_actors.console.routes import console_routes
from tests.support.browser import Tab

FPS = 30
RATE = 48_000
SEGMENT_S = 1

Colour = tuple[int, int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Clip:
    """One publisher's worth of fragmented MP4: its folder has ``init.mp4`` and ``0.m4s``, ``1.m4s``, …"""

    folder: Path
    name: str
    segments: int

    def lines(self, at: int) -> list[str]:
        return [f"#EXTINF:{SEGMENT_S}.000,", f"{self.name}/{at}.m4s"]


def picture(
    width: int, height: int, left: Colour, right: Colour, at: int
) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Two coloured halves, and a white block that walks along the bottom."""
    image = np.empty((height, width, 3), np.uint8)
    image[:, : width // 2] = left
    image[:, width // 2 :] = right
    block = width // 16
    x = at * 4 % (width - block)
    image[-block:, x : x + block] = 255
    return image


def make_clip(
    folder: Path,
    name: str,
    *,
    size: tuple[int, int],
    colours: tuple[Colour, Colour],
    seconds: int,
    audio: bool = True,
    start_s: int = 0,
) -> Clip:
    """Encode `seconds` of H.264 and AAC into segments of a second, the first of which begins at `start_s`."""
    target = folder / name
    target.mkdir(parents=True)
    options = {
        "hls_time": str(SEGMENT_S),
        "hls_segment_type": "fmp4",
        "hls_playlist_type": "vod",
        "hls_fmp4_init_filename": "init.mp4",
        "hls_segment_options": "movflags=+frag_discont",  # decode times as given, not from zero
        "hls_segment_filename": str(target / "%d.m4s"),
    }
    with av.open(str(target / "index.m3u8"), "w", format="hls", options=options) as container:
        video = container.add_stream(
            "libx264",
            rate=FPS,
            options={"preset": "ultrafast", "tune": "zerolatency", "g": str(FPS), "keyint_min": str(FPS)},
        )
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="mono") if audio else None
        for at in range(seconds * FPS):
            frame = av.VideoFrame.from_ndarray(picture(*size, *colours, at), format="rgb24")
            frame.pts = at + start_s * FPS
            frame.time_base = Fraction(1, FPS)
            container.mux(video.encode(frame))
            if sound is not None and at % FPS == 0:
                wave = np.sin(np.arange(RATE) * (2 * np.pi * 440 / RATE)).astype(np.float32)[np.newaxis] * np.float32(0.1)
                samples = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                samples.sample_rate = RATE
                samples.pts = (at // FPS + start_s) * RATE
                samples.time_base = Fraction(1, RATE)
                container.mux(sound.encode(samples))
        container.mux(video.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))
    return Clip(target, name, len(list(target.glob("*.m4s"))))


class LiveSite:
    """Serves `clips` one after the other as the live stream ``live/test``: a segment more each second from `begin` on."""

    def __init__(self, clips: list[Clip], *, ready: int = 3, ends: bool = True, now: Callable[[], float]) -> None:
        self.clips = clips
        self.ready = ready
        self.ends = ends
        self.now = now
        self.begun: float | None = None
        self.broken = False
        self.held_at: int | None = None
        self.streams: list[StreamJson] = []
        self.tree: TreeJson = {"id": "engine", "state": "running", "restarts": 0, "last_error": None, "children": []}

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/live/test/index.m3u8", self.master)
        app.router.add_get("/live/test/media.m3u8", self.media)
        app.router.add_get("/live/test/{clip}/{file}", self.file)
        app.router.add_routes(console_routes(lambda: self.streams, lambda: self.tree))
        return app

    async def master(self, _: web.Request) -> web.Response:
        text = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS="avc1.42c01e,mp4a.40.2"\nmedia.m3u8\n'
        return web.Response(text=text, content_type="application/vnd.apple.mpegurl")

    async def media(self, _: web.Request) -> web.Response:
        if self.broken:
            return web.Response(status=503)
        if self.begun is None:
            self.begun = self.now()
        count = self.ready + int((self.now() - self.begun) / SEGMENT_S)
        if self.held_at is not None:
            count = min(count, self.held_at)
        return web.Response(text=self.playlist(count), content_type="application/vnd.apple.mpegurl")

    def playlist(self, count: int) -> str:
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{SEGMENT_S}", "#EXT-X-MEDIA-SEQUENCE:0"]
        for number, clip in enumerate(self.clips):
            if count > 0:
                lines += ["#EXT-X-DISCONTINUITY"] * (number > 0)
                lines.append(f'#EXT-X-MAP:URI="{clip.name}/init.mp4"')
            for at in range(min(count, clip.segments)):
                lines += clip.lines(at)
            count -= clip.segments
        if count >= 0 and self.ends:
            lines.append("#EXT-X-ENDLIST")
        return "\n".join(lines) + "\n"

    async def file(self, request: web.Request) -> web.StreamResponse:
        clip = next(clip for clip in self.clips if clip.name == request.match_info["clip"])
        return web.FileResponse(clip.folder / request.match_info["file"], headers={"Content-Type": "video/mp4"})


@contextlib.asynccontextmanager
async def serve(site: LiveSite, tab: Tab) -> AsyncIterator[str]:
    """The site's address while it is up, for this tab to visit."""
    async with tab.visiting(TestServer(site.app())) as server:
        yield str(server.make_url("/")).rstrip("/")
