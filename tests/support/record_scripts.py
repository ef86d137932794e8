"""Records the scripts of ``specs/scripts`` from real clients: ``python -m tests.support.record_scripts [NAME ...]``.

Each scenario is a real engine, ffmpeg as its clients and a tape; a scenario whose recording does not replay is not kept.
What is kept is settled: from then on a replay has to give the very same records, to the nanosecond. The crashes are
made of the first one by `script.edit`.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import arcly_actors as arcly
from arcly_actors.loop import run
from arcly_actors.script import read_file, write_file
from arcly_actors.script.edit import apply, crash, disconnect, jitter
from arcly_actors.script.record import Script
from arcly_actors.script.replay import replay
from arcly_actors.topology import Application, Topology
from tests.support.loopback import LOOPBACK

SCRIPTS = Path(__file__).parents[2] / "specs" / "scripts"
SECOND = 1_000_000_000

_SOURCE = "-re -f lavfi -i testsrc=size={size}:rate=25 -f lavfi -i sine=sample_rate=44100"
_CODED = "-c:v libx264 -preset ultrafast -tune zerolatency -g {gop} -crf 35 -pix_fmt yuv420p -c:a aac -b:a 24k -ac 1"


class Ffmpeg:
    """ffmpeg's processes at one engine."""

    def __init__(self, engine: arcly.Engine) -> None:
        self._urls = {name: f"{name}://127.0.0.1:{engine.addresses[name][0].port}/live/cam" for name in ("rtmp", "rtsp")}
        self.engine = engine

    async def publish(
        self, seconds: float, *, over: str = "rtmp", gop: int = 25, size: str = "64x48", sound: bool = True
    ) -> asyncio.subprocess.Process:
        form = "-f flv" if over == "rtmp" else "-f rtsp -rtsp_transport tcp"
        silent = "" if sound else "-an"
        return await self._run(
            f"{_SOURCE.format(size=size)} -t {seconds} {_CODED.format(gop=gop)} {silent} {form} {self._urls[over]}"
        )

    async def play(self, seconds: float, *, over: str = "rtmp") -> asyncio.subprocess.Process:
        form = "" if over == "rtmp" else "-rtsp_transport tcp"
        return await self._run(f"{form} -i {self._urls[over]} -t {seconds} -c copy -f null -")

    async def live(self) -> None:
        """Wait until it is being published."""
        await self.engine.stream("live/cam")

    async def _run(self, arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec("ffmpeg", "-nostdin", "-v", "error", *arguments.split())


async def keyframe(engine: arcly.Engine) -> None:
    """Wait for a picture that joiners can start from."""
    stream = await engine.stream("live/cam")
    async for frame in stream.frames():
        if frame.keyframe and frame.track.kind is arcly.Kind.VIDEO:
            return


async def rtmp(ffmpeg: Ffmpeg) -> None:
    publisher = await ffmpeg.publish(3)
    await keyframe(ffmpeg.engine)
    viewer = await ffmpeg.play(1.5)
    await viewer.wait()
    await publisher.wait()


async def rtsp(ffmpeg: Ffmpeg) -> None:
    publisher = await ffmpeg.publish(3, over="rtsp")
    await keyframe(ffmpeg.engine)
    viewer = await ffmpeg.play(1.5, over="rtsp")
    await viewer.wait()
    await publisher.wait()


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


SCENARIOS: dict[str, Callable[[Ffmpeg], Awaitable[None]]] = {
    "ffmpeg-rtmp": rtmp,
    "ffmpeg-rtsp-tcp": rtsp,
    "publisher-reconnect": reconnect,
    "mid-gop-join": mid_gop,
    "takeover": takeover,
}


async def record(name: str) -> Script:
    applications = {"live": Application(on_conflict="takeover" if name == "takeover" else "reject")}
    topology = Topology(applications=applications, endpoints=LOOPBACK.endpoints)
    path = SCRIPTS / f"{name}.jsonl"
    async with arcly.Engine(topology) as engine:
        clients = {"clients": "ffmpeg 5.1 (Debian)", "media": "made by the client itself (testsrc, sine)"}
        async with engine.tape("live/cam", path, provenance=clients) as tape:
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


def main(names: list[str]) -> None:
    for name in names or [*SCENARIOS, "faults"]:
        if name in SCENARIOS:
            keep(name, run(record(name)))
        else:
            base = read_file(SCRIPTS / "ffmpeg-rtmp.jsonl")
            for actor in ("publisher", "subscriber", "stream", "gop", "connection"):
                keep(f"crash-{actor}", apply(base, [crash(actor, 6 * SECOND // 5)]))
            keep("late-and-broken", apply(base, [jitter(SECOND // 25), disconnect(5 * SECOND // 2)], seed=7))


if __name__ == "__main__":
    main(sys.argv[1:])
