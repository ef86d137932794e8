"""The console's routes: what they answer, and what they forbid the browser to do."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.qos import StreamQos
from arcly_actors.bus.report import SeatReport, StreamReport
from arcly_actors.clock import NS_PER_S
from arcly_actors.console.reports import StreamJson, TreeJson, stream_json
from arcly_actors.console.routes import SECURITY_HEADERS, console_routes
from arcly_actors.media.codec import CodecId
from arcly_actors.media.frame import Track
from arcly_actors.renditions import RenditionReport, Wish

Client = TestClient[web.Request, web.Application]

KEY = StreamKey("live", "cam")
REPORT = StreamReport(
    key=KEY,
    state="live",
    protocol="rtmp",
    peer="192.0.2.1:5000",
    age_ns=90 * NS_PER_S,
    tracks=(
        Track(1, CodecId.H264, width=1280, height=720),
        Track(2, CodecId.AAC, sample_rate=48000, channels=2),
    ),
    qos=StreamQos(bit_rate=2.5e6, frame_rate=30.0),
    seats=(SeatReport(1, "rtmp", "192.0.2.2:6000", NS_PER_S, 0),),
    dropped_frames=0,
    formats=(),
)
EXPECTED: StreamJson = {
    "key": "live/cam",
    "state": "live",
    "protocol": "rtmp",
    "since_s": 90.0,
    "bitrate": 2.5e6,
    "fps": 30.0,
    "gop_s": None,
    "viewers": 1,
    "tracks": [
        {"codec": "h264", "width": 1280, "height": 720},
        {"codec": "aac", "sample_rate": 48000, "channels": 2},
    ],
}
TREE: TreeJson = {"id": "engine", "state": "running", "restarts": 0, "last_error": None, "children": []}
PAGES = "console stream publish screen player common stats waiting"
MEDIA = "whep whip session connection encoding capture hls playlist mp4"
STATIC = (*(f"{name}.js" for name in f"{PAGES} {MEDIA}".split()), "style.css", "icon.svg")


@pytest.fixture
def tree() -> TreeJson:
    return TREE.copy()


@pytest.fixture
async def client(tree: TreeJson) -> AsyncIterator[Client]:
    app = web.Application()
    app.add_routes(console_routes(lambda: [stream_json(REPORT)], lambda: tree))
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_reports(client: Client) -> None:
    async with client.get("/api/v1/streams") as answer:
        assert await answer.json() == [EXPECTED]
        assert answer.headers["Cache-Control"] == "no-store"
    async with client.get("/api/v1/tree") as answer:
        assert await answer.json() == TREE


def test_a_stream_is_told_with_its_own_renditions() -> None:
    opus = Track(2, CodecId.OPUS, sample_rate=48000, channels=2)
    own = RenditionReport(KEY, Wish.WEBRTC, 3, (REPORT.tracks[0], opus), {"b-frames": 7})
    other = RenditionReport(StreamKey("live", "other"), Wish.HLS, 1, (opus,), {})
    assert stream_json(REPORT, (own, other)) == {
        **EXPECTED,
        "renditions": [
            {
                "output": "webrtc",
                "viewers": 3,
                "tracks": [EXPECTED["tracks"][0], {"codec": "opus", "sample_rate": 48000, "channels": 2}],
                "dropped": {"b-frames": 7},
            }
        ],
    }


@pytest.mark.parametrize(("state", "status"), [("running", 200), ("degraded", 200), ("stopping", 503), ("stopped", 503)])
async def test_health(client: Client, tree: TreeJson, state: str, status: int) -> None:
    tree["state"] = state
    async with client.get("/healthz") as answer:
        assert (answer.status, await answer.json()) == (status, {"status": state})


@pytest.mark.parametrize(
    "path", ["/", "/live/cam/", "/live/studio/cam/", "/live/cam/publish", *(f"/static/{name}" for name in STATIC)]
)
async def test_files_carry_the_headers_and_are_revalidated(client: Client, path: str) -> None:
    async with client.get(path) as answer:
        assert answer.status == 200
        assert SECURITY_HEADERS.items() <= answer.headers.items()
        assert "'unsafe" not in answer.headers["Content-Security-Policy"]
        assert await answer.read()
        tag = answer.headers["ETag"]
    async with client.get(path, headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
    async with client.get(path, headers={"If-None-Match": '"other"'}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("path", ["/", "/live/cam/", "/live/cam/publish"])
async def test_pages_have_no_inline_code_and_load_only_their_own(client: Client, path: str) -> None:
    async with client.get(path) as answer:
        page = await answer.text()
    assert answer.content_type == "text/html"
    assert "<script>" not in page
    assert "style=" not in page
    assert "http:" not in page
    assert "https:" not in page


@pytest.mark.parametrize(
    "path", ["/static/index.html", "/static/../routes.py", "/static/", "/static/none.js", "/a/", "/a//b/", "/a/b.flv"]
)
async def test_nothing_else_is_served(client: Client, path: str) -> None:
    async with client.get(path) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("path", "location"),
    [("/live/cam", "./cam/"), ("/live/a%20b", "./a%20b/"), ("/live/javascript:x", "./javascript:x/")],
)
async def test_a_stream_without_its_slash_is_sent_on(client: Client, path: str, location: str) -> None:
    async with client.get(path, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (308, location)
