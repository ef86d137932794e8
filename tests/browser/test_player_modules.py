"""The player's readers, where they run: playlists, codec names and times."""

import asyncio
import base64
from pathlib import Path

import pytest

from tests.browser.hls_site import LiveSite, make_clip, serve
from tests.support.browser import Tab

pytestmark = pytest.mark.browser

MEDIA = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:41
#EXT-X-MAP:URI="a/init.mp4"
#EXTINF:3.5,a title
a/41.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="/b/init.mp4?x=1,2"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z
#EXTINF:4,
https://cdn.example/42.m4s
"""
MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS="avc1.42c01e,mp4a.40.2",RESOLUTION=320x180
low.m3u8
#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=1,BANDWIDTH=900000
high.m3u8
"""
PARSE = """async (text) => {
    const { parsePlaylist } = await import("/static/playlist.js");
    try { return parsePlaylist(text, "http://h/live/cam/index.m3u8"); } catch (error) { return error.message; }
}"""
READ = """async ([init, segment]) => {
    const { readInit, startOf } = await import("/static/mp4.js");
    const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
    const cut = (at) => {
        try { return readInit(bytes(init).slice(0, at)).mime; } catch (error) { return error.message; }
    };
    const cuts = [0, 7, 40, 300].map(cut);
    const { mime, kinds, timescales } = readInit(bytes(init));
    return { mime, kinds, cuts, start: startOf(bytes(segment), timescales), none: startOf(bytes(init), timescales) };
}"""


async def test_playlists(tab: Tab) -> None:
    async with serve(LiveSite([], now=asyncio.get_running_loop().time), tab) as address:
        await tab.open(f"{address}/")
        media = await tab.evaluate(PARSE, MEDIA)
        assert (media["target"], media["ended"]) == (4, False)
        assert media["segments"] == [
            {
                "uri": "http://h/live/cam/a/41.m4s",
                "duration": 3.5,
                "sequence": 41,
                "map": "http://h/live/cam/a/init.mp4",
                "discontinuity": False,
            },
            {
                "uri": "https://cdn.example/42.m4s",
                "duration": 4,
                "sequence": 42,
                "map": "http://h/b/init.mp4?x=1,2",
                "discontinuity": True,
            },
        ]
        assert (await tab.evaluate(PARSE, MEDIA + "#EXT-X-ENDLIST\n"))["ended"] is True
        master = await tab.evaluate(PARSE, MASTER)
        assert [variant["uri"] for variant in master["variants"]] == [
            "http://h/live/cam/high.m3u8",
            "http://h/live/cam/low.m3u8",
        ]
        assert "not a playlist" in await tab.evaluate(PARSE, "<html>")


async def test_initialisation_segments(tab: Tab, tmp_path: Path) -> None:
    clip = make_clip(tmp_path, "clip", size=(320, 180), colours=((0, 0, 0), (0, 0, 0)), seconds=2, start_s=7)
    files = [base64.b64encode((clip.folder / name).read_bytes()).decode() for name in ("init.mp4", "1.m4s")]
    async with serve(LiveSite([], now=asyncio.get_running_loop().time), tab) as address:
        await tab.open(f"{address}/")
        read = await tab.evaluate(READ, files)
    assert read["kinds"] == "audio,video"
    assert read["mime"].startswith('video/mp4; codecs="avc1.42c0')
    assert read["mime"].endswith(',mp4a.40.2"')
    assert read["start"] == pytest.approx(8.0, abs=0.1)
    assert read["none"] is None or read["none"] != read["none"]  # NaN
    assert all("initialisation segment has no" in cut for cut in read["cuts"])


LINKS = """async (links) => (await import("/static/session.js")).iceServers(links)"""
RENEW = """async ([answer, fragment]) => (await import("/static/session.js")).renewed(answer, fragment)"""
ANSWER = (
    "v=0\r\na=group:BUNDLE 0 1\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n"
    "a=end-of-candidates\r\na=ice-ufrag:old\r\na=ice-pwd:oldsecret\r\na=mid:0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:old\r\na=ice-pwd:oldsecret\r\na=mid:1\r\n"
)
FRAGMENT = "a=ice-lite\r\na=ice-ufrag:new\r\na=ice-pwd:newsecret\r\na=candidate:2 1 udp 1 192.0.2.2 2 typ host\r\n"


async def test_what_signalling_reads(tab: Tab) -> None:
    """ICE servers of Link headers, and the fragment that answers an ICE restart."""
    async with serve(LiveSite([], now=asyncio.get_running_loop().time), tab) as address:
        await tab.open(f"{address}/")
        turn = '<turn:h:1?transport=udp>; rel="ice-server"; username="a;b,<c>"; credential="d"'
        assert await tab.evaluate(LINKS, f"<stun:h:2>;rel=ice-server, {turn}, </next>; rel=next") == [
            {"urls": "stun:h:2"},
            {"urls": "turn:h:1?transport=udp", "username": "a;b,<c>", "credential": "d"},
        ]
        for nothing in (None, "", "<stun:h", "rel=ice-server"):
            assert await tab.evaluate(LINKS, nothing) == []
        renewed = await tab.evaluate(RENEW, [ANSWER, FRAGMENT])
    assert "old" not in renewed
    assert renewed.count("a=ice-ufrag:new\r\n") == renewed.count("a=ice-pwd:newsecret\r\n") == 2
    assert renewed.count("a=candidate:") == renewed.count("192.0.2.2") == 1
    assert renewed.index("192.0.2.2") < renewed.index("m=audio")
