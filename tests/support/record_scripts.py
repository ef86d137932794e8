"""Records the scripts of ``specs/scripts`` from real clients: ``python -m tests.support.record_scripts [NAME ...]``.

Each scenario is a real engine, ffmpeg as its clients and a tape; a scenario whose recording does not replay is not kept.
What is kept is settled: from then on a replay has to give the very same records, to the nanosecond. The crashes are
made of the first one by `script.edit`.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import aioice

import arcly_actors as arcly
from arcly_actors.loop import run
from arcly_actors.script import read_file, write_file
from arcly_actors.script.edit import apply, crash, disconnect, jitter
from arcly_actors.script.record import Script
from arcly_actors.script.replay import replay
from arcly_actors.topology import Application, Topology
from arcly_actors.topology.application import SrtSecurity, Subscriber
from arcly_actors.topology.endpoints import MpegTs
from arcly_actors.transport import acceptor, webrtc_dial
from arcly_actors.transport.wire import set_options
from tests.support.aiortc_whip_server import whip_server
from tests.support.hls_script import hls
from tests.support.loopback import LOOPBACK
from tests.support.udp_relay import relaying
from tests.support.virtual import pass_time

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"
SECOND = 1_000_000_000
PASSPHRASE = "correct-horse-battery"

_SOURCE = "-re -f lavfi -i testsrc=size=64x48:rate=25 -f lavfi -i sine=sample_rate=44100"
_CODED = "-c:v libx264 -preset ultrafast -tune zerolatency -g {gop} -crf 35 -pix_fmt yuv420p -c:a aac -b:a 24k -ac 1"

_SILENT = "-c:v libx264 -preset ultrafast -tune zerolatency -g {gop} -crf 35 -pix_fmt yuv420p -an"
_RICH = (
    "-vf noise=alls=20:allf=t -c:v libx264 -preset ultrafast -tune zerolatency -g {gop} -b:v 200k -pix_fmt yuv420p -an"
)


class Ffmpeg:
    """ffmpeg's processes at one engine; `ports` may lead elsewhere, `secret` is what SRT URLs have besides."""

    secret = ""

    def __init__(self, engine: arcly.Engine) -> None:
        self.ports = {name: where[0].port for name, where in engine.addresses.items()}
        self.engine = engine

    async def publish(
        self, seconds: float, *, over: str = "rtmp", gop: int = 25, coded: str = _CODED
    ) -> asyncio.subprocess.Process:
        form = {
            "rtmp": "-f flv",
            "rtsp": "-f rtsp -rtsp_transport tcp",
            "rtsp-udp": "-f rtsp -rtsp_transport udp",
            "srt": "-f mpegts",
            "mpegts": "-f mpegts",
        }[over]
        return await self.run(f"{_SOURCE} -t {seconds} {coded.format(gop=gop)} {form} {self.url(over, 'publish')}")

    async def play(self, seconds: float, *, over: str = "rtmp") -> asyncio.subprocess.Process:
        form = {"rtsp": "-rtsp_transport tcp", "rtsp-udp": "-rtsp_transport udp"}.get(over, "")
        form += " -probesize 32k -analyzeduration 200k" if over == "srt" else ""
        return await self.run(f"{form} -i {self.url(over, 'read')} -t {seconds} -c copy -f null -")

    def url(self, over: str, does: str) -> str:
        """Where a client of that protocol goes to publish or to read."""
        scheme = over.removesuffix("-udp")
        if over == "srt":
            return f"srt://127.0.0.1:{self.ports['srt']}?streamid={does}:live/cam&latency=60000{self.secret}"  # µs
        if over == "mpegts":
            return f"udp://127.0.0.1:{self.ports['mpegts']}?pkt_size=1316"
        return f"{scheme}://127.0.0.1:{self.ports[scheme]}/live/cam"

    async def live(self) -> None:
        """Wait until it is being published."""
        await self.engine.stream("live/cam")

    async def run(self, arguments: str) -> asyncio.subprocess.Process:
        """One more of them."""
        return await asyncio.create_subprocess_exec("ffmpeg", "-nostdin", "-v", "error", *arguments.split())


async def keyframe(engine: arcly.Engine) -> None:
    """Wait for a picture that joiners can start from."""
    stream = await engine.stream("live/cam")
    async for frame in stream.frames():
        if frame.keyframe and frame.track.kind is arcly.Kind.VIDEO:
            return


async def session(ffmpeg: Ffmpeg, over: str = "rtmp") -> None:
    """A publisher and a viewer."""
    publisher = await ffmpeg.publish(3, over=over)
    await keyframe(ffmpeg.engine)
    viewer = await ffmpeg.play(1.5, over=over)
    await viewer.wait()
    await publisher.wait()


async def srt(ffmpeg: Ffmpeg) -> None:
    publisher = await ffmpeg.publish(2, over="srt")
    await keyframe(ffmpeg.engine)
    viewer = await ffmpeg.play(0.6, over="srt")
    await viewer.wait()
    await publisher.wait()
    await pass_time(3 * SECOND // 10)


async def reconnect(ffmpeg: Ffmpeg) -> None:
    first = await ffmpeg.publish(2)
    await keyframe(ffmpeg.engine)
    viewer = await ffmpeg.play(3)
    await first.wait()
    second = await ffmpeg.publish(3)
    await viewer.wait()
    await second.wait()


async def mid_gop(ffmpeg: Ffmpeg) -> None:
    publisher = await ffmpeg.publish(4, gop=100)
    stream = await ffmpeg.engine.stream("live/cam")
    seen = 0
    async for frame in stream.frames():
        seen += frame.track.kind is arcly.Kind.VIDEO
        if seen == 20:
            break
    viewers = [await ffmpeg.play(1), await ffmpeg.play(1, over="rtsp")]
    for viewer in viewers:
        await viewer.wait()
    await publisher.wait()


async def takeover(ffmpeg: Ffmpeg) -> None:
    first = await ffmpeg.publish(4)
    await keyframe(ffmpeg.engine)
    viewer = await ffmpeg.play(2.5)
    second = await ffmpeg.publish(3)
    for each in (first, viewer, second):
        await each.wait()


async def srt_encrypted(ffmpeg: Ffmpeg) -> None:
    ffmpeg.secret = f"&passphrase={PASSPHRASE}&pbkeylen=16"
    await srt(ffmpeg)


async def srt_lossy(ffmpeg: Ffmpeg) -> None:
    """Through a network that loses, so that what is asked for again does come."""
    async with relaying(ffmpeg.ports["srt"], seed=3) as relay:
        relay.up.loss = relay.down.loss = 0.08
        ffmpeg.ports["srt"] = relay.port
        await srt(ffmpeg)


async def mpegts(ffmpeg: Ffmpeg) -> None:
    publisher = await ffmpeg.publish(2, over="mpegts")
    await keyframe(ffmpeg.engine)
    await publisher.wait()
    await pass_time(3 * SECOND // 2)  # until it counts as silent


async def pulled(ffmpeg: Ffmpeg) -> None:
    """Our engine is the client of ffmpeg's RTMP server, which comes, plays once, and comes again."""
    port = free_port()
    served = f"{_SOURCE} -t 1.2 {_CODED.format(gop=25)} -f flv -listen 1 rtmp://127.0.0.1:{port}/live/far"
    source = await ffmpeg.engine.pull("live/cam", f"rtmp://127.0.0.1:{port}/live/far?token={PASSPHRASE}")
    await pass_time(SECOND // 4)
    for _ in range(2):
        server = await ffmpeg.run(served)
        await keyframe(ffmpeg.engine)
        await server.wait()
    await source.stop()


async def called(ffmpeg: Ffmpeg) -> None:
    """Our source listens, encrypted, and ffmpeg calls it twice."""
    port, secret = free_port(socket.SOCK_DGRAM), f"passphrase={PASSPHRASE}&pbkeylen=24&streamid=door-four"
    source = await ffmpeg.engine.pull("live/cam", f"srt://127.0.0.1:{port}?mode=listener&latency=60&{secret}")
    for _ in range(2):
        to = f"srt://127.0.0.1:{port}?mode=caller&latency=60000&{secret}"
        caller = await ffmpeg.run(f"{_SOURCE} -t 1.2 {_CODED.format(gop=25)} -f mpegts {to}")
        await keyframe(ffmpeg.engine)
        await caller.wait()
        await pass_time(SECOND // 2)
    await source.stop()


async def whip_pushed(ffmpeg: Ffmpeg) -> None:
    """A server of aiortc's takes what ffmpeg publishes, and ends; it is dialled in vain then."""
    publisher = await ffmpeg.publish(5, coded=_SILENT)
    await keyframe(ffmpeg.engine)
    with only_loopback():
        async with whip_server() as server:
            sink = await ffmpeg.engine.push("live/cam", f"{server.url()}?key={PASSPHRASE}", token=PASSPHRASE)
            await server.viewer.until(lambda: server.viewer.decoded > 20)
        await pass_time(SECOND // 2)
        await sink.stop()
    publisher.terminate()
    await publisher.wait()


@contextlib.contextmanager
def only_loopback() -> Iterator[None]:
    """Neither end names other addresses of this machine."""
    ours = mock.patch.object(webrtc_dial, "host_addresses", return_value=())
    with ours, mock.patch.object(aioice.ice, "get_host_addresses", return_value=["127.0.0.1"]):
        yield


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """One that nobody has."""
    with socket.socket(type=kind) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def slow_viewer(ffmpeg: Ffmpeg) -> None:
    """Who reads less than comes: first it skips, at last it is sent away. Its kernel and ours hold little."""
    publisher = await ffmpeg.publish(2.5, coded=_RICH)
    await keyframe(ffmpeg.engine)
    with small_buffers():
        viewer = asyncio.ensure_future(read_slowly(ffmpeg.ports["http"]))
        await publisher.wait()
    await viewer


async def read_slowly(port: int) -> None:
    """An HTTP-FLV player whose network carries 8 kB/s, then less and less."""
    loop = asyncio.get_running_loop()
    with socket.socket() as player:
        player.setblocking(False)
        player.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        await loop.sock_connect(player, ("127.0.0.1", port))
        await loop.sock_sendall(player, b"GET /live/cam.flv HTTP/1.1\r\nHost: localhost\r\n\r\n")
        pause = SECOND // 8
        while await loop.sock_recv(player, 1024):
            await pass_time(pause)
            pause += pause // 32


@contextlib.contextmanager
def small_buffers() -> Iterator[None]:
    """Connections that are accepted meanwhile wait in our outlets, not in the kernel, which would take all of a clip."""

    def set_small(accepted: socket.socket) -> None:
        set_options(accepted)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    with mock.patch.object(acceptor, "set_options", set_small):
        yield


SCENARIOS: dict[str, Callable[[Ffmpeg], Awaitable[None]]] = {
    "ffmpeg-rtmp": session,
    "ffmpeg-rtsp-tcp": partial(session, over="rtsp"),
    "ffmpeg-rtsp-udp": partial(session, over="rtsp-udp"),
    "ffmpeg-srt": srt,
    "ffmpeg-srt-encrypted": srt_encrypted,
    "ffmpeg-srt-lossy": srt_lossy,
    "ffmpeg-mpegts": mpegts,
    "publisher-reconnect": reconnect,
    "pull-rtmp": pulled,
    "pull-srt-listener": called,
    "push-whip": whip_pushed,
    "mid-gop-join": mid_gop,
    "slow-viewer": slow_viewer,
    "takeover": takeover,
}


HOLDS = {"ffmpeg-srt": SECOND, "ffmpeg-srt-encrypted": SECOND, "ffmpeg-srt-lossy": SECOND, "ffmpeg-mpegts": SECOND}
"""How long a stream waits for its publisher, where that is not what is recorded."""


BESIDES = {
    "ffmpeg-srt-lossy": {"network": "a relay that loses 8 % each way"},
    "push-whip": {"clients": "ffmpeg 5.1 (Debian) publishes; the server is aiortc 1.16"},
    "slow-viewer": {"clients": "ffmpeg 5.1 (Debian) publishes; the viewer is a socket that reads 8 kB/s and less"},
}
"""What the head tells of where it comes from, besides what is so for all."""


async def record(name: str) -> Script:
    security = SrtSecurity(passphrase=PASSPHRASE if name == "ffmpeg-srt-encrypted" else "")
    subscriber = Subscriber(max_lag=SECOND) if name == "slow-viewer" else Subscriber()
    application = Application(
        subscriber=subscriber,
        on_conflict="takeover" if name == "takeover" else "reject",
        hold=HOLDS.get(name, 10 * SECOND),
        srt=security,
    )
    applications = {"live": application}
    feed = MpegTs(listen="udp://127.0.0.1:0", key="live/cam", silence=SECOND)
    feeds = (feed,) if name == "ffmpeg-mpegts" else ()
    endpoints = LOOPBACK.endpoints.model_copy(update={"mpegts": feeds})
    topology = Topology(applications=applications, endpoints=endpoints)
    path = SCRIPTS / f"{name}.jsonl"
    async with arcly.Engine(topology) as engine:
        clients = {"clients": "ffmpeg 5.1 (Debian)", "media": "made by the client itself (testsrc, sine)"} | BESIDES.get(
            name, {}
        )
        async with engine.tape("live/cam", path, payload=name != "slow-viewer", provenance=clients) as tape:
            await SCENARIOS[name](Ffmpeg(engine))
        assert not tape.lost, tape.lost
    return read_file(path)


def keep(name: str, script: Script) -> None:
    """Settle it and write it."""
    replayed = replay(script)
    if replayed.divergence is not None:
        sys.stdout.write("\n".join([f"{name} does not replay", *replayed.divergence.lines(), ""]))
    settled = replayed.settled()
    write_file(settled, SCRIPTS / f"{name}.jsonl")
    assert replay(settled).divergence is None
    sys.stdout.write(f"{name}: {len(settled.records)} records\n")


_EARLY = 6 * SECOND // 5
CRASHES = {
    **dict.fromkeys(("publisher", "subscriber", "stream", "gop", "connection"), ("ffmpeg-rtmp", _EARLY)),
    **dict.fromkeys(("rtmp-session", "listener", "directory", "supervisor"), ("ffmpeg-rtmp", _EARLY)),
    "rtsp-session": ("ffmpeg-rtsp-tcp", _EARLY),
    "rtp-ports": ("ffmpeg-rtsp-udp", _EARLY),
    "srt-session": ("ffmpeg-srt", _EARLY),
    "srt-port": ("ffmpeg-srt", _EARLY),
    "feed": ("ffmpeg-mpegts", _EARLY),
    "pull": ("pull-rtmp", _EARLY),
    "source": ("pull-rtmp", _EARLY),
    "rendition": ("chromium-whep", 5 * SECOND // 2),
    "webrtc-port": ("chromium-whep", 5 * SECOND // 2),
    **dict.fromkeys(("packager", "muxer", "site"), ("hls", 4 * SECOND)),
    "http-session": ("slow-viewer", _EARLY),
    **dict.fromkeys(("sink", "push"), ("push-whip", _EARLY)),
}
"""Kinds of actors, the script in the middle of which one fails, and when. WebRTC's sessions are recorded elsewhere."""


def main(names: list[str]) -> None:
    for name in names or [*SCENARIOS, "hls", "faults"]:
        if name in SCENARIOS:
            keep(name, run(record(name)))
        elif name == "hls":
            keep(name, hls())
        else:
            base = read_file(SCRIPTS / "ffmpeg-rtmp.jsonl")
            for actor, (of, at) in CRASHES.items():
                keep(f"crash-{actor}", apply(read_file(SCRIPTS / f"{of}.jsonl"), [crash(actor, at)]))
            keep("late-and-broken", apply(base, [jitter(SECOND // 25), disconnect(5 * SECOND // 2)], seed=7))


if __name__ == "__main__":
    main(sys.argv[1:])
