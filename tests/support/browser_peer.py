"""A page's RTCPeerConnections as WHEP viewers and WHIP senders: the browser negotiates and plays, the test does the HTTP.

So a test can have the answer say that the engine is elsewhere, as behind a relay.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

from tests.support.bars import shows_bars
from tests.support.browser import Tab
from tests.support.live import Live
from tests.support.signalling import by_way_of, post_offer, session_of

_SET_UP = """async ([name, direction, codec]) => {
    const peers = window.peers ??= {}, stats = window.stats ??= {};
    const pc = new RTCPeerConnection();
    const prefer = (transceiver, end) => transceiver.setCodecPreferences(
        end.getCapabilities("video").codecs.filter((each) => [`video/${codec}`, "video/rtx"].includes(each.mimeType)));
    if (direction === "recvonly") {
        const video = document.createElement("video");
        Object.assign(video, { id: name, muted: true, autoplay: true, srcObject: new MediaStream() });
        document.body.append(video);
        pc.ontrack = (event) => video.srcObject.addTrack(event.track);
        pc.addTransceiver("audio", { direction });
        prefer(pc.addTransceiver("video", { direction }), RTCRtpReceiver);
    } else {
        const shape = { width: 640, height: 360, frameRate: 30 };
        const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: shape });
        pc.addTransceiver(media.getAudioTracks()[0], { direction });
        prefer(pc.addTransceiver(media.getVideoTracks()[0], { direction }), RTCRtpSender);
    }
    const look = async () => {
        const found = { state: pc.connectionState };
        for (const each of (await pc.getStats()).values()) {
            if (each.kind === "video" && each.type.endsWith("bound-rtp")) Object.assign(found, each);
        }
        stats[name] = found;
    };
    peers[name] = { pc, looking: setInterval(look, 100) };
    await look();
    await pc.setLocalDescription();
    await new Promise((done) => {
        const check = () => pc.iceGatheringState === "complete" && done();
        pc.onicegatheringstatechange = check;
        check();
    });
    return pc.localDescription.sdp;
}"""
_ANSWER = '([name, sdp]) => peers[name].pc.setRemoteDescription({ type: "answer", sdp })'
_SHUT = "(name) => { clearInterval(peers[name].looking); peers[name].pc.close(); }"
_PICTURE = """(name) => {
    const video = document.getElementById(name);
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0);
    const pixel = (at) => context.getImageData(at * canvas.width / 14, canvas.height / 3, 1, 1).data;
    return [1, 3, 5, 7, 9, 11, 13].map((at) => [...pixel(at)].slice(0, 3));
}"""


async def open_origin(tab: Tab, server: Live) -> None:
    """A page of the engine with nothing on it: cameras are for secure origins only, and loopback is one."""
    await tab.page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    assert await tab.open(server.http("healthz")) == 200


class BrowserPeer:
    """One connection of a page. Its figures are WebRTC's own: of the picture's RTP stream, whichever way that goes."""

    def __init__(self, tab: Tab, name: str) -> None:
        self.tab = tab
        self.name = name

    async def figures(self) -> dict[str, Any]:
        """As of at most a tenth of a second ago."""
        found = await self.tab.evaluate(f"() => stats.{self.name}")
        assert isinstance(found, dict)
        return found

    async def until(self, condition: str, within: float = 15.0) -> dict[str, Any]:
        """The figures as soon as the condition (JavaScript, of `it`) holds."""
        await self.tab.until(f"((it) => {condition})(stats.{self.name})", within)
        return await self.figures()

    async def shows_bars(self) -> bool:
        """Whether the seven bars are where they belong."""
        return shows_bars(np.array([await self.tab.evaluate(_PICTURE, self.name)] * 3, np.uint8))


@contextlib.asynccontextmanager
async def browser_peer(
    tab: Tab, server: Live, name: str, *, kind: str = "whep", codec: str = "H264", path: str = "live/cam", via: int = 0
) -> AsyncIterator[BrowserPeer]:
    """A viewer (``whep``) or a sender (``whip``) for the length of a block; `via` is a relay's port."""
    direction = "recvonly" if kind == "whep" else "sendonly"
    offer = await tab.evaluate(_SET_UP, [name, direction, codec])
    answered = await post_offer(server.http(f"{path}/{kind}"), offer)
    async with session_of(answered):
        sdp = by_way_of(via, server, answered.sdp) if via else answered.sdp
        await tab.evaluate(_ANSWER, [name, sdp])
        yield BrowserPeer(tab, name)
        await tab.evaluate(_SHUT, name)
