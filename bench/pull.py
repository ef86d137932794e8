"""`python -m bench.pull --sources 100`: what it costs to bring many streams in, 1 Mb/s each, by each kind of pull.

One engine in a process of its own publishes one stream; another pulls it N times under N keys, with nobody watching.
What is told is the CPU time of the pulling process for each source and second of media, and its memory for each source.
"""

import argparse
import asyncio
import multiprocessing
import multiprocessing.connection
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

import arcly_actors as arcly
from arcly_actors.bus.events import SourceConnected
from arcly_actors.loop import run
from bench.machine import this_machine
from bench.outcome import Outcome
from bench.proc import cpu_seconds, resident_bytes
from bench.tables import Column, Verdict, at_most, columns

_BIT_RATE, _FPS, _SAMPLE_RATE, _CLIP_SECONDS = 930_000, 30, 48_000, 8
_SETTLE_SECONDS = 5.0
_LOOPBACK = {name: {"listen": "127.0.0.1:0"} for name in ("rtmp", "http", "srt", "webrtc")} | {
    "rtsp": {"listen": "127.0.0.1:0", "udp_ports": {"rtp": 0, "rtcp": 0}}
}
_SHORT = {"gop_cache": {"duration": "3s"}, "subscriber": {"max_lag": "2s"}}
_NONE = {name: {"enabled": False} for name in ("rtmp", "rtsp", "http", "srt", "webrtc")}


CPU_MS, RSS_KIB = 6.0, 1024.0
"""What a source of 1 Mb/s may take: CPU per second, and memory."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to pull: its name, from where, and the options of the source."""

    name: str
    url: str
    options: Mapping[str, str] = field(default_factory=dict)
    application: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds per source and second, resident bytes per source, and media bits per second that were pulled."""

    kind: str
    sources: int
    cpu: float
    memory: float
    bit_rate: float


def encode(path: Path) -> None:
    """A clip of noise at about 1 Mb/s: H.264 at 30 pictures per second with a keyframe every 2 s, and AAC."""
    random = np.random.default_rng(7)
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "maxrate": str(_BIT_RATE), "bufsize": str(_BIT_RATE // 2), "bf": "0"}
        video = container.add_stream("libx264", rate=_FPS, options=options)
        video.width, video.height, video.pix_fmt, video.bit_rate = 320, 180, "yuv420p", _BIT_RATE
        video.gop_size = 2 * _FPS
        audio = container.add_stream("aac", rate=_SAMPLE_RATE, layout="mono")
        for number in range(_CLIP_SECONDS * _FPS):
            picture = av.VideoFrame.from_ndarray(random.integers(0, 255, (180, 320, 3), np.uint8), format="rgb24")
            picture.pts = number
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for number in range(_CLIP_SECONDS * _SAMPLE_RATE // 1024):
            noise = random.integers(-9000, 9000, (1, 1024), np.int16)
            sound = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
            sound.sample_rate, sound.pts = _SAMPLE_RATE, number * 1024
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def serve(ready: "multiprocessing.connection.Connection") -> None:
    """The process that is pulled from: tells its ports, and ends when the pipe does."""

    async def main(clip: Path) -> None:
        async with arcly.Engine(arcly.Topology.model_validate({"endpoints": _LOOPBACK})) as engine:
            await engine.pull("live/bench", str(clip))
            await engine.stream("live/bench")
            ready.send({name: found[0].port for name, found in engine.addresses.items()})
            await asyncio.get_running_loop().run_in_executor(None, ready.poll, None)

    with tempfile.TemporaryDirectory() as folder:
        encode(Path(folder) / "clip.mp4")
        run(main(Path(folder) / "clip.mp4"))


async def measure(kind: Kind, sources: int, seconds: float) -> Cost:
    """Pull so many times in this process, and look at what that takes."""
    topology = arcly.Topology.model_validate({"endpoints": _NONE, "applications": {"live": kind.application}})
    async with arcly.Engine(topology) as engine:
        live: set[str] = set()
        everyone = asyncio.Event()

        def notice(event: object) -> None:
            if isinstance(event, SourceConnected):
                live.add(str(event.key))
                if len(live) == sources:
                    everyone.set()

        engine.events.observable.subscribe(notice)
        before = resident_bytes(os.getpid())
        for number in range(sources):
            await engine.pull(f"live/copy{number}", kind.url, **kind.options)
        async with asyncio.timeout(60):
            await everyone.wait()
        await asyncio.sleep(_SETTLE_SECONDS)
        cpu, started = cpu_seconds(os.getpid()), time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - started
        spent = cpu_seconds(os.getpid()) - cpu
        memory = (resident_bytes(os.getpid()) - before) / sources
        bits = sum(report.qos.bit_rate for report in engine.streams())
        return Cost(kind.name, sources, spent / took / sources, memory, bits)


def in_own_process(kind: Kind, sources: int, seconds: float) -> Cost:
    """The same in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (kind, sources, seconds))


def _measured(kind: Kind, sources: int, seconds: float) -> Cost:
    return run(measure(kind, sources, seconds))


def kinds(ports: Mapping[str, int]) -> list[Kind]:
    """Every kind of pull, from a server with these ports."""
    rtsp = f"rtsp://127.0.0.1:{ports['rtsp']}/live/bench"
    return [
        Kind("RTSP over TCP", rtsp, {"transport": "tcp"}),
        Kind("RTSP over UDP", rtsp, {"transport": "udp"}),
        Kind("RTSP over TCP, log of 5 s", rtsp, {"transport": "tcp"}, _SHORT),
        Kind("RTMP", f"rtmp://127.0.0.1:{ports['rtmp']}/live/bench"),
        Kind("HTTP-FLV, FFmpeg in a thread", f"http://127.0.0.1:{ports['http']}/live/bench.flv"),
    ]


_COLUMNS: Sequence[Column[Cost]] = (
    ("pull", lambda cost: cost.kind),
    ("sources", lambda cost: str(cost.sources)),
    ("Mb/s in all", lambda cost: f"{cost.bit_rate / 1e6:.1f}"),
    ("CPU ms / source-s", lambda cost: f"{cost.cpu * 1000:.2f}"),
    ("core %", lambda cost: f"{cost.cpu * cost.sources * 100:.0f}"),
    ("RSS KiB / source", lambda cost: f"{cost.memory / 1024:.0f}"),
)


def verdicts(costs: Sequence[Cost]) -> list[Verdict]:
    """The targets of the kinds that are our own clients' of cameras."""
    found = []
    for cost in costs:
        if cost.kind.startswith("RTSP"):
            found.append(at_most(f"{cost.kind}: CPU per source-second", cost.cpu * 1000, CPU_MS, "ms"))
            found.append(at_most(f"{cost.kind}: RSS per source", cost.memory / 1024, RSS_KIB, "KiB"))
    return found


def main() -> None:
    """Measure each kind of pull and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.pull", description=__doc__)
    parser.add_argument("--sources", type=int, default=100, help="sources at once (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="the steady window (default: %(default)s)")
    parser.add_argument("--only", default="", help="kinds whose name begins so")
    parser.add_argument("--save", action="store_true", help="write the results and the table in README.md")
    options = parser.parse_args()
    started, machine = time.monotonic(), this_machine()
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    server = spawn.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    costs = []
    for kind in kinds(ours.recv()):
        if kind.name.startswith(options.only):
            costs.append(in_own_process(kind, options.sources, options.seconds))
            print(columns(_COLUMNS, costs[-1:]).splitlines()[-1], flush=True)
    ours.close()
    server.terminate()
    outcome = Outcome("pull", costs, columns(_COLUMNS, costs), verdicts(costs), machine, time.monotonic() - started)
    print(f"\n{outcome.document()}")
    if options.save:
        outcome.save()


if __name__ == "__main__":
    main()
