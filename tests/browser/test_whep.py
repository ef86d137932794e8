"""The stream's page over WHEP: it plays at once, waits for what is not there, and changes to HLS where it has to."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from arcly_actors.ingest.pattern import PatternShape
from arcly_actors.ingest.picture import BARS
from tests.browser.looking import DECODED, close_to, figures, pixels, until_goes_on, until_smooth
from tests.support.browser import Tab
from tests.support.live import Live, live
from tests.support.tools import require_tool, running
from tests.support.waiting import until

pytestmark = pytest.mark.browser

SHAPE = PatternShape(gop=30)
HLS = {"segment": "1s"}


@contextlib.asynccontextmanager
async def pattern(tab: Tab, **settings: Any) -> AsyncIterator[Live]:
    """A server with the test pattern at ``live/cam``, for this tab to visit."""
    async with tab.visiting(live(**settings)) as server:
        await server.engine.start_pattern("live/cam", SHAPE)
        await server.engine.stream("live/cam")
        yield server


async def test_the_pattern_plays_over_whep_until_the_page_is_left(tab: Tab) -> None:
    async with pattern(tab) as server:
        assert await tab.open(server.http("live/cam/")) == 200
        await tab.until(DECODED)
        shown = await figures(tab)
        assert (shown["via"], shown["state"], shown["codecs"]) == ("webrtc", "playing", "opus · h264")
        assert (shown["width"], shown["height"]) == (SHAPE.width, SHAPE.height)
        assert 0 < shown["startup"] < 2000
        assert shown["packetsLost"] == 0
        places = [((bar + 0.5) / len(BARS), 0.3) for bar in range(len(BARS))]
        colours = await pixels(tab, *places)
        assert all(close_to(colour, bar) for colour, bar in zip(colours, BARS, strict=True)), colours
        await until_smooth(tab)
        later = await figures(tab)
        assert (later["packetsLost"], later["stalls"], later["retries"]) == (0, 0, 0)
        assert "WebRTC" in await tab.evaluate("() => document.getElementById('figures').innerText")
        assert server.seats("whep") == 1
        await tab.leave()
        await until(lambda: server.seats() == 0)
        assert not server.actors("WhepSession")


async def test_without_webrtc_it_plays_over_hls_and_says_why(tab: Tab) -> None:
    async with pattern(tab, webrtc={"enabled": False}, hls=HLS) as server:
        await tab.open(server.http("live/cam/"))
        await tab.until(DECODED)
        assert (await figures(tab))["via"] == "hls"
        why = await tab.evaluate("() => document.getElementById('why').innerText")
        assert why == "HLS, since WebRTC is not to be had: this server does not offer it"
    assert tab.complaints
    assert all("405" in text for text in tab.complaints)
    tab.complaints.clear()


async def test_where_no_udp_comes_through_it_plays_over_hls(tab: Tab) -> None:
    async with pattern(tab, webrtc={"advertise": ["192.0.2.1"]}, hls=HLS) as server:
        await tab.open(server.http("live/cam/"))
        await tab.until(DECODED)
        shown = await figures(tab)
        assert (shown["via"], shown["why"]) == ("hls", "the server cannot be reached over UDP")
        await until(lambda: server.seats("whep") == 0)


async def test_the_viewer_chooses_and_automatic_is_hls_for_what_webrtc_cannot_carry(tab: Tab) -> None:
    async with pattern(tab, hls=HLS) as server:
        await tab.open(server.http("live/cam/"))
        await tab.until("window.arclyPlayer?.state === 'playing'")
        for via in ("hls", "webrtc"):
            await tab.page.click(f"#via label:has([value={via}])")
            await tab.until(f"window.arclyPlayer.via === '{via}' && {DECODED}")
        assert await tab.evaluate("() => localStorage.getItem('arcly-via')") == "webrtc"
        await until(lambda: server.seats("whep") == 1)
        problem = '{"status": 422, "detail": "the player takes no h265"}'
        await tab.page.route(
            "**/whep", lambda route: route.fulfill(status=422, content_type="application/problem+json", body=problem)
        )
        await tab.page.click("#via label:has([value=auto])")
        await tab.until(f"window.arclyPlayer.via === 'hls' && {DECODED}")
        assert (await figures(tab))["why"] == "the player takes no h265"
    assert len(tab.complaints) == 1
    assert "422" in tab.complaints[0]
    tab.complaints.clear()


async def test_a_stream_that_is_not_live_yet_is_waited_for(tab: Tab) -> None:
    async with tab.visiting(live()) as server:
        await tab.open(server.http("live/cam/"))
        notice = await tab.until(
            "window.arclyPlayer?.state === 'waiting' && document.getElementById('notice').textContent"
        )
        assert "nobody publishes live/cam" in notice
        await server.engine.start_pattern("live/cam", SHAPE)
        await tab.until(DECODED)
        assert (await figures(tab))["via"] == "webrtc"
    assert all("409" in text for text in tab.complaints)
    tab.complaints.clear()


async def test_a_stream_that_ends_says_so_and_plays_again(tab: Tab) -> None:
    async with pattern(tab) as server:
        await tab.open(server.http("live/cam/"))
        await tab.until(DECODED)
        await tab.evaluate("""() => {
            window.states = [];
            window.arclyPlayer.addEventListener("state", () => window.states.push(window.arclyPlayer.detail));
        }""")
        server.engine.end_stream("live/cam")  # its source comes back by itself
        await tab.until("window.arclyPlayer.stats.sessions === 2")
        await until_goes_on(tab)
        assert "the server closed the connection" in await tab.evaluate("() => window.states")
    assert all("409" in text for text in tab.complaints)
    tab.complaints.clear()


PUBLISHER = (
    *("-nostdin", "-v", "warning", "-re", "-f", "lavfi", "-i", "smptebars=size=320x180:rate=30", "-c:v", "libx264"),
    *("-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "30", "-f", "flv"),
)


async def test_a_publisher_that_is_killed_and_comes_back_is_waited_for(tab: Tab) -> None:
    async with tab.visiting(live(hold="30s")) as server:
        async with running(require_tool("ffmpeg"), *PUBLISHER, server.rtmp()) as publisher:
            await server.engine.stream("live/cam")
            await tab.open(server.http("live/cam/"))
            await tab.until(DECODED)
            publisher.kill()
        await tab.until("window.arclyPlayer.state === 'waiting'")
        assert [report.state for report in server.engine.streams()] == ["held"]
        async with tab.beside() as late:
            await late.open(server.http("live/cam/"))
            await late.until("window.arclyPlayer?.state === 'waiting'")
            async with running(require_tool("ffmpeg"), *PUBLISHER, server.rtmp()):
                for viewer in (tab, late):
                    await until_goes_on(viewer)
                    shown = await figures(viewer)
                    assert (shown["connection"], shown["sessions"], shown["via"]) == ("connected", 1, "webrtc")
        assert (await figures(tab))["stalls"] >= 1


ICE_SERVERS = ({"url": "turn:127.0.0.1:9", "username": "u", "credential": "c"}, {"url": "stun:127.0.0.1:9"})
RESTART = """async () => {
    const { session } = window.arclyPlayer;
    const ufrag = () => session.connection.remoteDescription.sdp.match(/^a=ice-ufrag:(.*)$/m)[1].trim();
    const before = ufrag();
    await session.restart(new AbortController().signal);
    return [before, ufrag()];
}"""
SELECTED = """() => {
    const [{ transport }] = window.arclyPlayer.session.connection.getReceivers();
    return transport.iceTransport.getSelectedCandidatePair().remote.candidate;
}"""


async def test_ice_servers_reach_the_browser_and_ice_restarts_under_a_viewer(tab: Tab) -> None:
    async with pattern(tab, webrtc={"ice_servers": list(ICE_SERVERS)}) as server:
        await tab.open(server.http("live/cam/"))
        await tab.until(DECODED)
        found = await tab.evaluate("() => window.arclyPlayer.session.connection.getConfiguration().iceServers")
        assert [(each["urls"], each["username"], each["credential"]) for each in found] == [
            (["turn:127.0.0.1:9"], "u", "c"),
            (["stun:127.0.0.1:9"], "", ""),
        ]
        before, after = await tab.evaluate(RESTART)
        assert before != after
        await tab.until(f"({SELECTED})().includes('ufrag {after}')")
        await until_goes_on(tab)
        await until_smooth(tab)
        shown = await figures(tab)
        assert (shown["sessions"], shown["connection"], shown["stalls"]) == (1, "connected", 0)


JOINS = """async (joins) => {
    const player = window.arclyPlayer;
    const until = async (condition) => {
        const video = document.getElementById("video");
        while (!condition()) await new Promise((wake) => video.requestVideoFrameCallback(wake));
    };
    const times = [];
    for (let join = 0; join < joins; join++) {
        player.start();
        while (player.stats.startup === null) await new Promise((wake) => setTimeout(wake, 20));
        times.push(player.stats.startup);
        let pictures = 0;
        await until(() => pictures++ >= (11 * join) % 30);  // the next join is somewhere else in the GOP
    }
    return times;
}"""


async def test_a_viewer_sees_a_picture_at_once_wherever_in_the_gop_it_joins(tab: Tab) -> None:
    async with pattern(tab) as server:
        await tab.open(server.http("live/cam/"))
        await tab.until(DECODED)
        times = await tab.evaluate(JOINS, 10, 40)
        assert max(times) < 2000
