"""A bus with one stream, an HLS origin on it, and a publisher that sends real frames at their times."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import pykka
import pytest

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import Events
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Announce, Claim, KeyframeWanted, Lease, Push, Release
from arcly_actors.bus.policy import ApplicationPolicy
from arcly_actors.clock import NS_PER_S
from arcly_actors.egress.hls import HlsStream
from arcly_actors.egress.hls_origin import HlsOrigin
from arcly_actors.egress.hls_policy import HlsPolicy
from arcly_actors.egress.hls_resources import read_path
from arcly_actors.errors import Refusal, Refused
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.renditions import Renditions
from arcly_actors.runtime import LoopActor, Supervisor, System, receives, run_virtual
from arcly_actors.runtime.policy import RestartPolicy
from tests.support.streams import Clip
from tests.support.virtual import pass_time

T = TypeVar("T")
KEY = StreamKey("live", "cam")


class Source(LoopActor):
    """The publisher: it keeps what it is asked for."""

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self.wanted = 0

    @receives(KeyframeWanted)
    def wants(self, _: KeyframeWanted) -> None:
        self.wanted += 1

    def on_receive(self, message: Any) -> Any:
        """Take whatever else comes."""
        return super().on_receive(message) if isinstance(message, KeyframeWanted) else None


class Scene:
    """Everything at hand; times are seconds."""

    def __init__(self, system: System, policy: HlsPolicy, *, hold: float = 10.0) -> None:
        self.system = system
        self.events = Events()
        rules = ApplicationPolicy(hold_ns=int(hold * NS_PER_S))
        self.bus = Bus(system, {"live": rules}, self.events, lambda _, __: ())
        self.root = Supervisor.start(system, "bus")
        self.directory = self.bus.start_directory(self.root, RestartPolicy())
        self.renditions = Renditions(system, self.events, {}, lambda: self.root)
        self.origin = HlsOrigin(system, self.bus, {"live": policy}, self._start_packager)
        self.source = Source.start(system)
        self.lease: Lease | None = None

    def _start_packager(self, key: StreamKey, policy: HlsPolicy) -> pykka.ActorRef[HlsStream]:
        return HlsStream.start(self.system, self.origin._bus, key, policy, self.renditions)

    async def publish(self, tracks: tuple[Track, ...], *, answers_keyframes: bool = False) -> None:
        """Take the publish slot."""
        self.lease = await self.bus.claim(Claim(KEY, self.source, "test", "here", answers_keyframes))
        self.lease.stream.tell(Announce(self.lease.number, tracks))

    async def send(self, frames: Iterable[MediaFrame], *, paced: bool = True) -> None:
        """Push frames, each when its DTS says (from now on), or all at once."""
        assert self.lease is not None
        base, first = self.system.clock.monotonic_ns(), None
        for frame in frames:
            first = frame.dts if first is None else first
            due = base + frame.dts - first
            wait = due - self.system.clock.monotonic_ns()
            if paced and wait > 0:
                await pass_time(wait)
            arrival = frame.arrival or self.system.clock.monotonic_ns()
            self.lease.stream.tell(Push(self.lease.number, replace(frame, arrival=arrival)))
        await asyncio.sleep(0)

    async def play(self, made: Clip, seconds: float, *, paced: bool = True) -> None:
        """Send a clip for some time."""
        await self.send(made.play(seconds), paced=paced)

    async def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        await pass_time(round(seconds * NS_PER_S))

    def release(self) -> None:
        """The publisher leaves."""
        assert self.lease is not None
        self.lease.stream.tell(Release(self.lease.number, "done"))

    async def get(self, name: str, viewer: str = "someone") -> bytes:
        """A resource of the stream. Raises `Refused`."""
        key, request = read_path(f"/{KEY}/{name}", viewer)
        return (await self.origin.fetch(key, request)).body

    async def media(self) -> "Listing":
        """The media playlist, read."""
        return Listing((await self.get("media.m3u8")).decode())


class Listing:
    """A media playlist, as far as tests look at it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.splitlines()
        self.segments = [line for line in self.lines if line and not line.startswith("#")]
        self.inits = re.findall(r'#EXT-X-MAP:URI="([^"]+)"', text)
        self.durations = [float(value) for value in re.findall(r"#EXTINF:([\d.]+),", text)]
        self.discontinuities = self.lines.count("#EXT-X-DISCONTINUITY")
        self.sequence = int(self.value("#EXT-X-MEDIA-SEQUENCE") or 0)
        self.target = int(self.value("#EXT-X-TARGETDURATION") or 0)
        self.ended = "#EXT-X-ENDLIST" in self.lines

    def value(self, tag: str) -> str | None:
        """What stands after the tag's colon."""
        return next((line.partition(":")[2] for line in self.lines if line.startswith(f"{tag}:")), None)


Script = Callable[[Scene], Coroutine[Any, Any, T]]


def act(script: "Script[T]", policy: HlsPolicy | None = None, *, hold: float = 10.0) -> T:
    """Run a script in virtual time."""

    async def scenario(system: System) -> T:
        scene = Scene(system, policy or HlsPolicy(), hold=hold)
        try:
            return await script(scene)
        finally:
            scene.origin.close()

    return run_virtual(scenario)


def seconds(scene: Scene) -> float:
    """How late it is."""
    return scene.system.clock.monotonic_ns() / NS_PER_S


async def refusal_of(awaitable: "asyncio.Future[bytes] | object") -> Refusal:
    """What is refused."""
    with pytest.raises(Refused) as caught:
        await awaitable  # type: ignore[misc]  # any awaitable will do
    return caught.value.refusal
