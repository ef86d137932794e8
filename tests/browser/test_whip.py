"""The publish page with Chromium's fake camera and microphone, and the stream's page beside it that plays it."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from arcly_actors.bus.events import ActorRestarted, PublishHeld
from arcly_actors.media.codec import CodecId
from tests.browser.looking import DECODED, figures, pixels, until_goes_on
from tests.support.browser import Tab
from tests.support.live import Live, live
from tests.support.waiting import until

pytestmark = pytest.mark.browser

CODECS = {"H264": CodecId.H264, "VP8": CodecId.VP8, "VP9": CodecId.VP9, "AV1": CodecId.AV1}
SIZES = {(640, 360), (480, 270), (320, 180)}  # a browser begins smaller where it does not trust the network yet
SENDS = "window.arclyPublisher?.state === 'publishing' && window.arclyPublisher.stats.encoded > 5"
HEARD = """() => {
    document.getElementById("video").muted = false;  // sound that nobody hears is not decoded
}"""


async def go_live(tab: Tab, server: Live, codec: str = "VP8", *, path: str = "live/cam", simulcast: bool = False) -> None:
    """Open the publish page and press its button."""
    await tab.open(server.http(f"{path}/publish"))
    await tab.page.select_option("#codec", f"video/{codec}")
    await tab.page.select_option("#height", "360")
    await tab.page.set_checked("#simulcast", simulcast)
    await tab.page.click("#go")


@contextlib.asynccontextmanager
async def watching(tab: Tab, server: Live) -> AsyncIterator[Tab]:
    """A page that plays the stream beside this one, which publishes it."""
    async with tab.beside() as viewer:
        await viewer.open(server.http("live/cam/"))
        await viewer.until(DECODED)
        yield viewer


async def assert_camera(viewer: Tab) -> None:
    """What is shown is the fake camera's: on a ground of (0, 135, 0), which needs the colour space that RTP tells."""
    for red, green, blue in await pixels(viewer, (0.1, 0.1), (0.9, 0.85)):
        assert red < 40
        assert abs(green - 135) <= 15, (red, green, blue)
        assert blue < 40


async def trouble(tab: Tab) -> str:
    """What the publish page says is wrong, once it says so."""
    await tab.until("window.arclyPublisher.state !== 'connecting' && !document.getElementById('trouble').hidden")
    text: str = await tab.evaluate("() => document.getElementById('trouble').innerText")
    return text


@pytest.mark.parametrize("codec", CODECS)
async def test_what_one_page_sends_another_plays(tab: Tab, codec: str) -> None:
    async with tab.visiting(live()) as server:
        await go_live(tab, server, codec)
        await tab.until(SENDS)
        async with watching(tab, server) as viewer:
            await viewer.evaluate(HEARD)
            await viewer.until("window.arclyPlayer.stats.energy > 0")
            shown = await figures(viewer)
            assert shown["codecs"] == f"opus · {codec.lower()}"
            assert (shown["width"], shown["height"]) in SIZES
            assert (shown["packetsLost"], shown["stalls"], shown["via"]) == (0, 0, "webrtc")
            await assert_camera(viewer)
            (report,) = server.engine.streams()
            assert {track.codec for track in report.tracks} == {CODECS[codec], CodecId.OPUS}
            assert report.protocol == "whip"
        if codec == "H264":
            await tab.page.click("#stop")
            await server.event(PublishHeld)
            await until(lambda: not server.actors("WhipPublisher", "WhepSession"))


async def test_whoever_watches_outlives_crashes_of_ours(tab: Tab) -> None:
    async with tab.visiting(live()) as server:
        await go_live(tab, server)
        await tab.until(SENDS)
        async with watching(tab, server) as viewer:
            for number, actor in enumerate(("WhepSession", "WhipPublisher", "StreamActor", "GopCacheActor"), start=1):
                server.crash(actor, everyone=True)  # a rendition has a GOP cache, too
                await server.event(ActorRestarted, number)
                await until_goes_on(viewer)
            shown = await figures(viewer)
            assert (shown["sessions"], shown["connection"]) == (1, "connected")
            sent = await tab.evaluate("() => window.arclyPublisher.stats")
            assert (sent["sessions"], sent["connection"], sent["state"]) == (1, "connected", "publishing")
            server.crash("WebRtcPort")  # with it go the keys of every connection: both pages make another by themselves
            await tab.until(f"window.arclyPublisher.stats.sessions === 2 && {SENDS}")
            await viewer.until("window.arclyPlayer.stats.sessions === 2")
            await until_goes_on(viewer)


async def test_a_page_that_comes_back_goes_on_where_it_was(tab: Tab) -> None:
    async with tab.visiting(live(hold="30s")) as server:
        await go_live(tab, server)
        await tab.until(SENDS)
        async with watching(tab, server) as viewer:
            await tab.leave()
            await server.event(PublishHeld)
            await viewer.until("window.arclyPlayer.state === 'waiting'")
            await go_live(tab, server)
            await until_goes_on(viewer)
            shown = await figures(viewer)
            assert (shown["sessions"], shown["connection"]) == (1, "connected")
            await assert_camera(viewer)


async def test_three_layers_and_another_session_when_the_stream_was_ended(tab: Tab) -> None:
    async with tab.visiting(live()) as server:
        await go_live(tab, server, simulcast=True)
        await tab.until(SENDS)
        async with watching(tab, server) as viewer:
            await assert_camera(viewer)
        keys = {str(report.key) for report in server.engine.streams()}
        assert keys >= {"live/cam", "live/cam~q"}
        server.engine.end_stream("live/cam")
        await tab.until(f"window.arclyPublisher.stats.sessions === 2 && {SENDS}")
        assert {str(report.key) for report in server.engine.streams() if report.state == "live"} >= {"live/cam"}


async def test_a_publisher_that_is_replaced_does_not_fight(tab: Tab) -> None:
    async with tab.visiting(live(on_conflict="takeover")) as server:
        await go_live(tab, server)
        await tab.until(SENDS)
        async with tab.beside() as other:
            await go_live(other, server)
            await other.until(SENDS)
            assert await trouble(tab) == "Somebody else publishes this stream now."
            await other.until("window.arclyPublisher.stats.encoded > 30")
            assert len(server.actors("WhipPublisher")) == 1


async def test_what_is_wrong_is_said_in_plain_words(tab: Tab) -> None:
    async with tab.visiting(live()) as server:
        await server.engine.start_pattern("live/cam")
        await server.engine.stream("live/cam")
        await go_live(tab, server)
        assert await trouble(tab) == "Somebody else publishes this stream."
        await go_live(tab, server, path="nowhere/cam")
        assert "does not know this application" in await trouble(tab)
        await tab.page.add_init_script("""
            if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = async () => {
                throw new DOMException("no", "NotAllowedError");
            };
        """)
        await go_live(tab, server, path="live/other")
        assert "was not allowed" in await trouble(tab)
    assert len(tab.complaints) == 2
    assert all("409" in text or "404" in text for text in tab.complaints)
    tab.complaints.clear()
