"""The load client: N WebRTC viewers that join evenly within JOIN seconds and stay.

`python -m bench.whep.viewers CLIP URL N JOIN_S SETTLE_S STEADY_S PROFILES`; the URL is that of a WHEP endpoint or
`floor://HOST:PORT`. Handshakes, checks and reports are Python's; the media of a few sampled viewers is decrypted and
compared with the clip here, that of all others goes to `native/whep_reader.c`. Without a C compiler all are sampled.
Prints a line of JSON per event: steady, end (between the two the server's CPU is measured), result.
"""

import asyncio
import gc
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.checker import FAULTS, Reference
from bench.child import say
from bench.clip import FPS, load
from bench.native_tools import native
from bench.whep.crowd import NativeReader
from bench.whep.peer import Identity, Peer
from bench.whep.srtp import PROFILES
from bench.whep.upkeep import Upkeep
from bench.whep.watcher import Watcher, Window, wall_offset

SAMPLED = 8
_READ_SECONDS = 0.01
_FIRST_PICTURE_SECONDS = 20.0
_SLACK_PICTURES = 5
"""Pictures that a viewer may have fewer than the window has time for: the window's ends cut bursts."""


def sampled(count: int, most: int = SAMPLED) -> set[int]:
    """Which of the viewers are: spread over all in order of joining, the first and the last among them."""
    if count <= most:
        return set(range(count))
    return {round(place * (count - 1) / (most - 1)) for place in range(most)}


class Crowd:
    """All viewers of a run."""

    def __init__(self, clip: Path, url: str, count: int, profiles: str) -> None:
        self.window = Window()
        self.peers: list[Peer] = []
        self.watchers: dict[int, Watcher] = {}
        self.failures: list[str] = []
        self._url, self._count = url, count
        self._reference = Reference(load(clip))
        self._identity = Identity(PROFILES[profiles])
        program = native("whep_reader")
        self._sampled = sampled(count) if program else set(range(count))
        self._reader = NativeReader(program, count) if program and len(self._sampled) < count else None
        self._posted: dict[int, int] = {}
        self._all_watch = asyncio.Event()

    async def join(self, seconds: float) -> None:
        """Everybody, evenly; returns when each is watching or has failed."""
        joins = []
        for number in range(self._count):
            joins.append(asyncio.create_task(self._join(number)))
            await asyncio.sleep(seconds / self._count)
        await asyncio.gather(*joins)

    async def _join(self, number: int) -> None:
        peer = Peer()
        try:
            await peer.join(self._url, self._identity)
        except (OSError, ValueError, TimeoutError) as error:
            self.failures.append(f"viewer {number}: {type(error).__name__} {error}")
            return
        self._posted[number] = peer.posted_ns
        self.peers.append(peer)
        if number in self._sampled or self._reader is None:
            self.watchers[number] = Watcher(peer, self._reference, self.window)
        else:
            self._reader.take(peer, number)

    async def read(self) -> None:
        """Look into the sampled viewers' sockets, for ever: as `native/whep_reader.c` does, and for the same reason."""
        while True:
            await asyncio.sleep(_READ_SECONDS)
            for watcher in self.watchers.values():
                watcher.on_readable()
            if all(watcher.first_picture_ns for watcher in self.watchers.values()):
                self._all_watch.set()

    async def first_pictures(self) -> None:
        """Wait until each sampled viewer has a picture; the others joined among them."""
        self._all_watch.clear()  # it was true of those who had joined
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_PICTURE_SECONDS):
                await self._all_watch.wait()

    def measure(self, *, on: bool) -> None:
        """Open or close the steady window."""
        self.window.measuring = on
        if self._reader is not None:
            self._reader.begin() if on else self._reader.end()

    def result(self, seconds: float, cpu: float) -> dict[str, Any]:
        """The line that ends the run."""
        read = self._reader.finish() if self._reader is not None else _NOTHING_READ
        firsts = {number: one.first_picture_ns for number, one in self.watchers.items()}
        pictures = {number: one.pictures for number, one in self.watchers.items()}
        for number, (first, seen) in read["viewers"].items():
            firsts[int(number)], pictures[int(number)] = first, seen
        faults = {kind: sum(one.checker.faults[kind] for one in self.watchers.values()) for kind in FAULTS}
        for kind in ("missing", "repeated", "unexpected", "closed"):
            faults[kind] += read[kind]
        wanted = int(seconds * FPS) - _SLACK_PICTURES
        starved = sum(seen < wanted for seen in pictures.values())
        faults["missing"] += starved
        errors = [*self.failures, *(one.checker.first_error for one in self.watchers.values()), read["first_error"]]
        offset = wall_offset()
        return {
            "event": "result", "joined": sum(first > 0 for first in firsts.values()),
            "failed": self._count - sum(first > 0 for first in firsts.values()), "seconds": seconds,
            "packets": self.window.packets + read["packets"], "payload": self.window.bytes + read["bytes"],
            "frames": self.window.late.count, "sampled": len(self.watchers), "rtcp": self.window.rtcp,
            "cpu": cpu + read["cpu"], "reads": read["reads"], "errors": faults, "latency": dict(self.window.late.bins),
            "spread": max(pictures.values(), default=0) - min(pictures.values(), default=0),
            "first_keyframe_us": [(at - offset - self._posted[n]) // 1000 for n, at in firsts.items() if at],
            "first_error": next((text for text in errors if text), "") or (f"{starved} viewers starved" * bool(starved)),
        }  # fmt: skip

    def close(self) -> None:
        """Leave."""
        if self._reader is not None:
            self._reader.close()


_NOTHING_READ: dict[str, Any] = {
    "viewers": {}, "missing": 0, "repeated": 0, "unexpected": 0, "closed": 0, "packets": 0, "bytes": 0, "cpu": 0.0,
    "reads": 0, "first_error": "",
}  # fmt: skip


async def main(arguments: list[str]) -> None:
    """See the module."""
    clip, url, count = Path(arguments[0]), arguments[1], int(arguments[2])
    join, settle, steady = map(float, arguments[3:6])
    crowd = Crowd(clip, url, count, arguments[6])
    tasks = [asyncio.create_task(Upkeep(crowd.peers, crowd.window.highest).run()), asyncio.create_task(crowd.read())]
    try:
        await crowd.join(join)
        await crowd.first_pictures()
        gc.freeze()
        await asyncio.sleep(settle)
        say(event="steady")
        cpu, began = time.process_time(), time.monotonic_ns()
        crowd.measure(on=True)
        await asyncio.sleep(steady)
        crowd.measure(on=False)
        cpu, seconds = time.process_time() - cpu, (time.monotonic_ns() - began) / 1e9
        say(event="end")
        await asyncio.sleep(0.25)  # keeps reading while the server's CPU is read
        say(**crowd.result(seconds, cpu))
    finally:
        for task in tasks:
            task.cancel()
        crowd.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
