"""`python -m bench.pull --sources 100`: what it costs to bring many streams in, 1 Mb/s each, by each kind of pull.

One engine in a process of its own publishes one stream; another pulls it N times under N keys, with nobody watching.
What is told is the CPU time of the pulling process for each source and second of media, and its memory for each source.
"""

import argparse
import asyncio
import multiprocessing
import multiprocessing.connection
import os
import time
from dataclasses import dataclass

import arcly_actors as arcly
from arcly_actors.bus.events import SourceConnected
from arcly_actors.ingest.pattern import PatternShape
from arcly_actors.loop import run
from bench.proc import cpu_seconds, resident_bytes

_BIT_RATE = 900_000
_SETTLE_SECONDS = 5.0
_LOOPBACK = {"rtmp": {"listen": "127.0.0.1:0"}, "http": {"listen": "127.0.0.1:0"}}


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds per source and second, resident bytes per source, and media bits per second that were pulled."""

    kind: str
    sources: int
    cpu: float
    memory: float
    bit_rate: float


def serve(ready: "multiprocessing.connection.Connection") -> None:
    """The process that is pulled from: tells its ports, and ends when the pipe does."""

    async def main() -> None:
        topology = arcly.Topology.model_validate({"endpoints": _LOOPBACK})
        async with arcly.Engine(topology) as engine:
            await engine.start_pattern("live/bench", PatternShape(bit_rate=_BIT_RATE, width=320, height=180))
            await engine.stream("live/bench")
            ready.send({name: found[0].port for name, found in engine.addresses.items()})
            await asyncio.get_running_loop().run_in_executor(None, ready.poll, None)

    run(main())


async def measure(kind: str, url: str, sources: int, seconds: float) -> Cost:
    """Pull `url` so many times in this process, and look at what that takes."""
    topology = arcly.Topology.model_validate({"endpoints": {"rtmp": {"enabled": False}, "http": {"enabled": False}}})
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
            await engine.pull(f"live/copy{number}", url)
        async with asyncio.timeout(60):
            await everyone.wait()
        await asyncio.sleep(_SETTLE_SECONDS)
        cpu, started = cpu_seconds(os.getpid()), time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - started
        spent = cpu_seconds(os.getpid()) - cpu
        memory = (resident_bytes(os.getpid()) - before) / sources
        bits = sum(report.qos.bit_rate for report in engine.streams())
        return Cost(kind, sources, spent / took / sources, memory, bits)


def _in_own_process(kind: str, url: str, sources: int, seconds: float) -> Cost:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (kind, url, sources, seconds))


def _measured(kind: str, url: str, sources: int, seconds: float) -> Cost:
    return run(measure(kind, url, sources, seconds))


def main() -> None:
    """Measure each kind of pull and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m bench.pull", description=__doc__)
    parser.add_argument("--sources", type=int, default=100, help="sources at once (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="the steady window (default: %(default)s)")
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    server = spawn.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    ports = ours.recv()
    urls = {
        "RTMP, our own client": f"rtmp://127.0.0.1:{ports['rtmp']}/live/bench",
        "HTTP-FLV, FFmpeg in a thread": f"http://127.0.0.1:{ports['http']}/live/bench.flv",
    }
    for kind, url in urls.items():
        cost = _in_own_process(kind, url, options.sources, options.seconds)
        print(
            f"{cost.kind}: {cost.sources} sources, {cost.bit_rate / 1e6:.1f} Mb/s in all: "
            f"{cost.cpu * 1000:.2f} ms CPU per source-second, {cost.memory / 1024:.0f} KiB per source"
        )
    ours.close()
    server.terminate()


if __name__ == "__main__":
    main()
