"""Records the WebRTC scripts of ``specs/scripts``: ``python -m tests.support.record_webrtc [NAME ...]``.

As `record_scripts`, with Chromium (its fake camera, small and slow, on a page that is not the engine's) and FFmpeg 8's
WHIP muxer in PyAV as clients. Bad networks are `udp_relay`'s; crashes, and losses that nobody repairs, are made by
`script.edit` of what was recorded.
"""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import arcly_actors as arcly
from arcly_actors.clock import NS_PER_MS
from arcly_actors.loop import run
from arcly_actors.script import read_file
from arcly_actors.script.edit import apply, crash, loss
from arcly_actors.script.record import Script
from arcly_actors.topology import Application, Http, Srt, Topology
from arcly_actors.topology.application import GopCache
from tests.support.browser import FLAGS, Chromium, Tab, find_chromium, open_tab
from tests.support.loopback import ANY, LOOPBACK
from tests.support.record_scripts import SCRIPTS, SECOND, Ffmpeg, keep
from tests.support.udp_relay import Relay, relaying
from tests.support.virtual import pass_time
from tests.support.waiting import until

_PICTURES = "-c:v libx264 -preset ultrafast -tune zerolatency -g {gop} -crf 35 -pix_fmt yuv420p"
_SILENT = f"{_PICTURES} -an"
_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<!doctype html>"
_OPEN = """async ([url, kind, from, to]) => {
    const pc = window.pc = new RTCPeerConnection();
    if (kind === "whip") {
        const shape = { width: 160, height: 120, frameRate: 10 };
        const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: shape });
        pc.addTransceiver(media.getAudioTracks()[0], { direction: "sendonly" });
        const video = pc.addTransceiver(media.getVideoTracks()[0],
            { direction: "sendonly", sendEncodings: [{ maxBitrate: 60000 }] });
        video.setCodecPreferences(RTCRtpSender.getCapabilities("video").codecs
            .filter((each) => ["video/H264", "video/rtx"].includes(each.mimeType)));
    } else {
        const video = document.createElement("video");
        Object.assign(video, { muted: true, autoplay: true, srcObject: new MediaStream() });
        document.body.append(video);
        pc.ontrack = (event) => video.srcObject.addTrack(event.track);
        pc.addTransceiver("video", { direction: "recvonly" });
        pc.addTransceiver("audio", { direction: "recvonly" });
    }
    const offer = await pc.createOffer();
    const headers = { "Content-Type": "application/sdp" };
    const answered = await fetch(url, { method: "POST", headers, body: offer.sdp });
    window.session = new URL(answered.headers.get("Location"), url);
    await pc.setLocalDescription(offer);
    const sdp = (await answered.text()).replaceAll(` ${from} `, ` ${to} `);
    await pc.setRemoteDescription({ type: "answer", sdp });
    window.look = setInterval(async () => {
        for (const each of (await pc.getStats()).values())
            if (each.kind === "video" && ["inbound-rtp", "outbound-rtp"].includes(each.type)) window.seen = each;
    }, 50);
}"""
_CLOSE = """async () => {
    clearInterval(window.look);
    await fetch(window.session, { method: "DELETE" });
    pc.close();
}"""


@dataclass
class Stage:
    """An engine that is on tape, and who comes to it."""

    engine: arcly.Engine
    tab: Tab
    page: str

    def url(self, kind: str) -> str:
        return f"http://127.0.0.1:{self.engine.addresses['http'][0].port}/live/cam/{kind}"

    async def pictures(self) -> None:
        """Wait until there is a keyframe that a joiner would begin with."""
        bus = self.engine.built.bus
        await until(
            lambda: any((channel := bus.channel(each.key)) and channel.anchor is not None for each in bus.reports())
        )

    @contextlib.asynccontextmanager
    async def browser(self, kind: str, via: Relay | None = None, tab: Tab | None = None) -> AsyncIterator[Tab]:
        """A page that sends or watches, until the block ends and it says goodbye; `via` is a bad network."""
        page, port = tab or self.tab, self.engine.addresses["webrtc"][0].port
        await page.open(self.page)
        await page.evaluate(_OPEN, [self.url(kind), kind, port, via.port if via is not None else port])
        counted = "framesSent" if kind == "whip" else "framesDecoded"
        await page.until(f"(window.seen?.{counted} ?? 0) > 1")
        yield page
        await page.evaluate(_CLOSE)


async def whip(stage: Stage) -> None:
    async with stage.browser("whip"):
        await pass_time(2500 * NS_PER_MS)


async def whep(stage: Stage) -> None:
    publisher = await Ffmpeg(stage.engine).publish(8, coded=_SILENT)
    await stage.pictures()
    async with stage.browser("whep"):
        await pass_time(2000 * NS_PER_MS)
    publisher.terminate()
    await publisher.wait()


async def lossy(stage: Stage) -> None:
    async with relaying(stage.engine.addresses["webrtc"][0].port, seed=3) as relay, stage.browser("whip", relay):
        relay.up.loss = 0.2
        await pass_time(1500 * NS_PER_MS)
        relay.up.loss = 1
        await pass_time(3000 * NS_PER_MS)  # more than retransmissions can make up for
        relay.up.loss = 0.1
        await pass_time(1500 * NS_PER_MS)


async def mid_gop(stage: Stage) -> None:
    async with stage.tab.beside() as other, stage.browser("whip"):
        await pass_time(1500 * NS_PER_MS)
        async with stage.browser("whep", tab=other):
            await pass_time(1000 * NS_PER_MS)


async def muxer(stage: Stage) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clip = f"{folder}/clip.mp4"
        source = "-f lavfi -i testsrc=size=64x48:rate=25 -f lavfi -i sine=sample_rate=48000 -t 20"
        coded = (
            "-c:v libx264 -preset ultrafast -tune zerolatency -g 12 -crf 35 -pix_fmt yuv420p -c:a libopus -b:a 16k -ac 2"
        )
        made = await asyncio.create_subprocess_exec("ffmpeg", "-v", "error", *source.split(), *coded.split(), clip)
        await made.wait()
        program = [sys.executable, "-m", "tests.support.av_peer", "publish", stage.url("whip"), clip]
        publisher = await asyncio.create_subprocess_exec(*program, stdin=asyncio.subprocess.PIPE)
        await stage.pictures()
        await pass_time(2500 * NS_PER_MS)
        assert publisher.stdin is not None
        publisher.stdin.close()
        await publisher.wait()


SCENARIOS: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "chromium-whip": whip,
    "chromium-whep": whep,
    "lossy-whip": lossy,
    "whep-mid-gop": mid_gop,
    "pyav-whip": muxer,
}
_CLIENTS = {"pyav-whip": "FFmpeg 8.1 (PyAV 18.1)"}
FAULTS: dict[str, tuple[str, Callable[[Script], Script]]] = {
    "unrepaired-whip": ("chromium-whip", lambda script: apply(script, [loss(0.05)], seed=7)),
    "crash-whip": ("pyav-whip", lambda script: apply(script, [crash("publisher", 2 * SECOND)])),
    "crash-whep": ("chromium-whep", lambda script: apply(script, [crash("subscriber", 2 * SECOND)])),
}


async def record(name: str) -> Script:
    """What happens on the stage, as a tape had it."""
    # Without a cached GOP, who joins in the middle of one has to ask for a keyframe.
    cache = GopCache(frames=2) if name == "whep-mid-gop" else GopCache()
    endpoints = LOOPBACK.endpoints.model_copy(update={"http": Http(listen=ANY, cors=("*",)), "srt": Srt(enabled=False)})
    topology = Topology(applications={"live": Application(gop_cache=cache)}, endpoints=endpoints)
    path = SCRIPTS / f"{name}.jsonl"
    program = find_chromium()
    assert program is not None, "Chromium is not installed"
    chromium = Chromium([program, *FLAGS])
    elsewhere = await asyncio.start_server(_serve_page, "127.0.0.1", 0)
    page = f"http://127.0.0.1:{elsewhere.sockets[0].getsockname()[1]}/"
    try:
        async with open_tab(chromium) as tab, arcly.Engine(topology) as engine:
            client = {"clients": _CLIENTS.get(name, "Chromium 156 (Debian, headless)"), "media": "made by the clients"}
            async with engine.tape("live/cam", path, provenance=client) as tape:
                await SCENARIOS[name](Stage(engine, tab, page))
                await pass_time(200 * NS_PER_MS)
            assert not tape.lost, tape.lost
    finally:
        chromium.close()
        elsewhere.close()
    return read_file(path)


async def _serve_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_PAGE)
        await writer.drain()
    writer.close()


def main(names: list[str]) -> None:
    """Record those named, or all."""
    for name in names or [*SCENARIOS, *FAULTS]:
        if name in SCENARIOS:
            keep(name, run(record(name)))
        else:
            base, change = FAULTS[name]
            keep(name, change(read_file(SCRIPTS / f"{base}.jsonl")))


if __name__ == "__main__":
    main(sys.argv[1:])
