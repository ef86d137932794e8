"""Record what real clients offer: ``python -m tests.support.record_sdp`` rewrites ``tests/data/webrtc/``.

Chromium and aiortc make their offers with nobody at the other end; FFmpeg's WHIP muxer posts its offer to a web server
that records the body and says no.
"""

import asyncio
import contextlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from aiortc import RTCPeerConnection

from tests.support.browser import FLAGS, Chromium, find_chromium, open_tab

OFFERS = Path(__file__).parents[1] / "data" / "webrtc"

_TRACKS = """
  const canvas = document.createElement("canvas");
  canvas.getContext("2d").fillRect(0, 0, 8, 8);
  const video = canvas.captureStream(5).getVideoTracks()[0];
  const audio = new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0];
"""
_GATHERED = """
  await pc.setLocalDescription();
  await new Promise((done) => {
    const check = () => pc.iceGatheringState === "complete" && done();
    pc.onicegatheringstatechange = check;
    check();
  });
  const sdp = pc.localDescription.sdp;
  pc.close();
  return sdp;
"""
_H264 = """
  const all = RTCRtpReceiver.getCapabilities("video").codecs;
  sender.setCodecPreferences(all.filter((codec) => /h264|rtx/i.test(codec.mimeType)));
"""
CHROMIUM = {
    "whip": _TRACKS
    + """
  pc.addTransceiver(audio, {direction: "sendonly", streams: [new MediaStream()]});
  pc.addTransceiver(video, {direction: "sendonly", streams: [new MediaStream()]});""",
    "whip-h264": _TRACKS
    + """
  pc.addTransceiver(audio, {direction: "sendonly"});
  const sender = pc.addTransceiver(video, {direction: "sendonly"});"""
    + _H264,
    "whip-simulcast": _TRACKS
    + """
  pc.addTransceiver(audio, {direction: "sendonly"});
  pc.addTransceiver(video, {direction: "sendonly", sendEncodings: [
    {rid: "q", scaleResolutionDownBy: 4}, {rid: "h", scaleResolutionDownBy: 2}, {rid: "f"}]});""",
    "whep": """
  pc.addTransceiver("video", {direction: "recvonly"});
  pc.addTransceiver("audio", {direction: "recvonly"});""",
    "whep-data-channel": """
  pc.addTransceiver("audio", {direction: "recvonly"});
  pc.addTransceiver("video", {direction: "recvonly"});
  pc.createDataChannel("events");""",
    "sendrecv": _TRACKS
    + """
  pc.addTrack(audio);
  pc.addTrack(video);""",
}

_FFMPEG = """
import sys, av, fractions, numpy
out = av.open(sys.argv[1], "w", format="whip")
video = out.add_stream("libx264", rate=15, options={"preset": "ultrafast", "profile": "baseline", "bf": "0"})
video.width, video.height, video.pix_fmt = 160, 90, "yuv420p"
audio = out.add_stream("libopus", rate=48000)
audio.layout = "stereo"
out.start_encoding()
"""

# For Debian's Python, which has the bindings. Packages: gstreamer1.0-plugins-base, -good and -bad, gstreamer1.0-nice,
# python3-gst-1.0, gir1.2-gst-plugins-bad-1.0.
_GSTREAMER = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstWebRTC", "1.0"); gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC
Gst.init(None)
loop, way = GLib.MainLoop(), GstWebRTC.WebRTCRTPTransceiverDirection
bin = "webrtcbin name=peer bundle-policy=max-bundle "
if sys.argv[1] == "whip":
    pipe = Gst.parse_launch(bin +
        "audiotestsrc is-live=true ! opusenc ! rtpopuspay pt=96 ! peer. "
        "videotestsrc is-live=true ! video/x-raw,width=160,height=90 ! vp8enc deadline=1 ! rtpvp8pay pt=97 ! peer.")
    peer = pipe.get_by_name("peer")
    for number in range(2):
        peer.emit("get-transceiver", number).set_property("direction", way.SENDONLY)
else:
    pipe = peer = Gst.parse_launch(bin)
    for caps in ("media=audio,encoding-name=OPUS,payload=96,clock-rate=48000,encoding-params=(string)2",
                 "media=video,encoding-name=H264,payload=97,clock-rate=90000"):
        peer.emit("add-transceiver", way.RECVONLY, Gst.Caps.from_string("application/x-rtp," + caps))
def created(promise, *_):
    promise.wait()
    reply = promise.get_reply()
    offer = reply.get_value("offer")
    peer.emit("set-local-description", offer, Gst.Promise.new())
def gathered(*_):
    if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
        sys.stdout.write(peer.get_property("local-description").sdp.as_text())
        loop.quit()
def needed(*_):
    peer.emit("create-offer", None, Gst.Promise.new_with_change_func(created, None))
peer.connect("notify::ice-gathering-state", gathered)
peer.connect("on-negotiation-needed", needed)
GLib.timeout_add_seconds(10, loop.quit)
pipe.set_state(Gst.State.PLAYING)
loop.run()
pipe.set_state(Gst.State.NULL)
"""


async def chromium() -> dict[str, str]:
    """One browser, one page, all its offers."""
    program = find_chromium()
    if program is None:
        return {}
    browser = Chromium([program, *FLAGS])
    try:
        async with open_tab(browser) as tab:
            version = await tab.evaluate("() => navigator.userAgent.match(/Chrome\\/(\\d+)/)[1]")
            return {
                f"chromium-{version}-{name}": await tab.evaluate(
                    "async () => { const pc = new RTCPeerConnection();" + made + _GATHERED + "}"
                )
                for name, made in CHROMIUM.items()
            }
    finally:
        browser.close()


async def aiortc() -> dict[str, str]:
    """What aiortc offers for each direction."""
    offers = {}
    for name, direction in (("whip", "sendonly"), ("whep", "recvonly")):
        pc = RTCPeerConnection()
        pc.addTransceiver("audio", direction=direction)
        pc.addTransceiver("video", direction=direction)
        await pc.setLocalDescription(await pc.createOffer())
        offers[f"aiortc-1.16-{name}"] = pc.localDescription.sdp
        await pc.close()
    return offers


class _Recorder(BaseHTTPRequestHandler):
    """Keeps the body of a POST in its server and declines it."""

    def do_POST(self) -> None:
        """Record and refuse."""
        size = int(self.headers.get("Content-Length", 0))
        self.server.bodies.append(self.rfile.read(size).decode())  # type: ignore[attr-defined]  # set by the owner
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextlib.contextmanager
def _recorder() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Recorder)
    server.bodies = []  # type: ignore[attr-defined]  # read by the handler
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ffmpeg() -> dict[str, str]:
    """What FFmpeg's muxer posts."""
    with _recorder() as server:
        url = f"http://127.0.0.1:{server.server_port}/live/cam/whip"
        subprocess.run([sys.executable, "-c", _FFMPEG, url], timeout=30, check=False, stderr=subprocess.PIPE)
        return {"ffmpeg-8-whip": server.bodies[0]}  # type: ignore[attr-defined]  # as above


def gstreamer() -> dict[str, str]:
    """What GStreamer's webrtcbin, inside its WHIP and WHEP elements, offers; nothing where it is not there."""
    offers = {}
    for name in ("whip", "whep"):
        call = ["/usr/bin/python3", "-c", _GSTREAMER, name]
        made = subprocess.run(call, timeout=30, check=False, capture_output=True, text=True)
        if made.stdout:
            offers[f"gstreamer-1.22-{name}"] = made.stdout.replace("\r", "").replace("\n", "\r\n")
    return offers


def without_the_machine(sdp: str) -> str:
    """Addresses of the recording machine become documentation addresses (RFC 5737, RFC 3849), and it has no name."""
    sdp = re.sub(r"(user\d+@)\S+", r"\g<1>host", sdp)
    sdp = re.sub(r"(c=IN IP4 )(?!127\.0\.0\.1|0\.0\.0\.0)\S+", r"\g<1>192.0.2.1", sdp)
    sdp = re.sub(r"(a=candidate:(?:\S+ ){4})\d+\.\S+(?= )", r"\g<1>192.0.2.1", sdp)
    return re.sub(r"(a=candidate:(?:\S+ ){4})\S+:\S+(?= )", r"\g<1>2001:db8::1", sdp)


async def main() -> None:
    """All of them."""
    offers = {**await chromium(), **await aiortc(), **ffmpeg(), **gstreamer()}
    OFFERS.mkdir(parents=True, exist_ok=True)
    for name, sdp in offers.items():
        (OFFERS / f"{name}.sdp").write_bytes(without_the_machine(sdp).encode())
        sys.stdout.write(f"{name}: {len(sdp)} characters\n")


if __name__ == "__main__":
    asyncio.run(main())
