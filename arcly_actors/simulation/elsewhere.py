"""A server elsewhere: another engine, which the one under test pulls a stream from and pushes streams to.

What lies between is refused, cut and silenced. The stream that is pulled has a key of its own, to which viewers come as
to any other; what is pushed is that of publishers, and is looked at where it arrives.
"""

import asyncio
import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from arcly_actors.bus.events import (
    Event,
    PublishEnded,
    PublishHeld,
    SinkFailed,
    SourceFailed,
    SubscriberEvicted,
    SubscriberJoined,
    SubscriberLeft,
)
from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_MS, NS_PER_S, SeededEntropy
from arcly_actors.engine import Engine
from arcly_actors.ingest.in_process import PublishHandle
from arcly_actors.media.frame import MediaFrame
from arcly_actors.runtime.seams import Place, Remote
from arcly_actors.script.datagrams import ScriptedDatagrams
from arcly_actors.script.network import ScriptedNetwork, ScriptedTransport
from arcly_actors.simulation.camera import PICTURES, SOUND, Camera, number_of
from arcly_actors.simulation.invariant import Invariant
from arcly_actors.topology import Topology
from arcly_actors.topology.remotes import SinkHandle, SourceHandle

if TYPE_CHECKING:
    from arcly_actors.simulation.world import World

HERE: Final = StreamKey("live", "far")
"""Where the engine under test publishes what it pulls."""

_SOURCES: Final = {
    ("rtmp://far.example:2935/live/film", "auto"): 2.0,
    ("rtsp://127.0.0.1:2554/live/film", "tcp"): 2.0,
    ("rtsp://127.0.0.1:2554/live/film", "udp"): 1.0,
    ("srt://127.0.0.1:2890?streamid=read:live/film", "auto"): 1.0,  # it looks at its deadlines a hundred times a second
}
_SINKS: Final = {
    "live/by-rtmp": "rtmp://far.example:2935/live/by-rtmp",
    "live/by-rtsp": "rtsp://127.0.0.1:2554/live/by-rtsp",
    "live/by-srt": "srt://127.0.0.1:2890?streamid=publish:live/by-srt",
}
_TOPOLOGY: Final = {
    "version": 1,
    # A joiner at the far end is shown no frame that another had before.
    "applications": {"live": {"subscriber": {"join": "live"}, "audio": "passthrough", "hold": "1s"}},
    "endpoints": {
        "rtmp": {"listen": "0.0.0.0:2935"},
        "rtsp": {"listen": "127.0.0.1:2554", "udp_ports": {"rtp": 2600, "rtcp": 2601}},
        "srt": {"listen": "127.0.0.1:2890"},
        "http": {"enabled": False},
        "webrtc": {"enabled": False},
    },
}
PATIENCE: Final = 20 * NS_PER_S
"""How long after the last trouble everything is connected: a stall is noticed, and the longest backoff is over."""


class Between(ScriptedNetwork):
    """The network: 5 ms long for what is dialled, which can be `refusing`, `silent` (datagrams get lost) and cut."""

    def __init__(self) -> None:
        super().__init__(delay=5 * NS_PER_MS)
        self.refusing = False
        self.silent = False
        self._pairs: list[tuple[ScriptedTransport, ScriptedTransport]] = []

    async def dial(self, to: Place, protocol: Callable[[], asyncio.Protocol], remote: Remote | None) -> None:
        """See `ScriptedNetwork.dial`."""
        if self.refusing:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        await super().dial(to, protocol, remote)

    def joined(self, one: ScriptedTransport, other: ScriptedTransport) -> None:
        """See `ScriptedNetwork.joined`."""
        self._pairs = [pair for pair in self._pairs if not pair[0].over]
        self._pairs.append((one, other))

    @property
    def standing(self) -> list[tuple[ScriptedTransport, ScriptedTransport]]:
        """Connections that were dialled, oldest first."""
        return [pair for pair in self._pairs if not any(end.over or end.is_closing() for end in pair)]

    def cut(self, number: int) -> None:
        """One of them breaks."""
        for end in self.standing[number]:
            asyncio.get_running_loop().call_soon(end.lose, ConnectionResetError("the simulation cut it"))

    def _carry(self, data: bytes, sender: ScriptedDatagrams, to: Place) -> None:
        if not self.silent or self._reached(self._bound, to) is None:
            super()._carry(data, sender, to)


class Elsewhere:
    """See the module. `troubled` is when something last went wrong on the way (ns), `came` when a push last arrived
    at one of its `targets`.
    """

    def __init__(self, world: "World", between: Between) -> None:
        self._world = world
        self.between = between
        self.troubled = world.now
        self.came: dict[str, int] = {}
        self.targets: tuple[str, ...] = ()
        self.silent = False
        self._far = Engine(
            Topology.model_validate(_TOPOLOGY), clock=world.clock, entropy=SeededEntropy(1), network=between
        )
        self._handles: list[SourceHandle | SinkHandle] = []
        self._publisher: PublishHandle | None = None
        self._looking: list[asyncio.Task[None]] = []
        chance = world.chance
        self._camera = Camera(
            "elsewhere", chance, world.journal.take_down, world.number, chance.one(PICTURES), SOUND,
            picture_every=333 * NS_PER_MS, sound_every=512 * NS_PER_MS, gop=chance.one((4, 10)),
        )  # fmt: skip

    async def start(self) -> None:
        """Be there, and have the engine under test dial."""
        world = self._world
        await self._far.__aenter__()
        self._publisher = self._far.publish("live/film", self._camera.tracks)
        await self._publisher.__aenter__()
        self._film()
        url, transport = world.chance.weighted(_SOURCES)
        self._handles.append(await world.engine.pull(str(HERE), url, transport=transport))
        self.targets = ("live/by-rtmp", world.chance.weighted({"live/by-rtsp": 2, "live/by-srt": 1}))
        for target in self.targets:
            self._handles.append(await world.engine.push(str(world.keys[0]), _SINKS[target]))
            self._looking.append(world.task(self._look(target)))

    async def stop(self) -> None:
        """Leave nothing behind."""
        for handle in self._handles:
            await handle.stop()
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            await publisher.__aexit__(None, None, None)
        for task in self._looking:
            task.cancel()
        await self._far.__aexit__(None, None, None)

    @property
    def over(self) -> bool:
        """Whether it is there no more."""
        return self._publisher is None

    def touch(self) -> None:
        """Something goes wrong on the way."""
        self.troubled = self._world.now

    def _film(self) -> None:
        if self._publisher is None:
            return
        if not self.silent and self._publisher.alive:
            for frame in self._camera.shoot():
                self._publisher.send(frame)
        self._world.later(self._camera.every, self._film)

    async def _look(self, key: str) -> None:
        """See what of a push arrives, for as long as it does and whenever it comes again."""
        while self._publisher is not None:
            stream = await self._far.stream(key)
            async for frame in stream.frames():
                self._arrived(key, frame)
            await asyncio.sleep(0.1)

    def _arrived(self, key: str, frame: MediaFrame) -> None:
        number = number_of(frame.payload)
        if number is None or number not in self._world.journal.shots:
            self._world.strange(f"{key} elsewhere has a frame that nobody published ({number})")
        self.came[key] = self._world.now


class Reached(Invariant):
    """A source and sinks are dialled for ever: when nothing is in the way any more, all of them are connected again."""

    text = "what is pulled comes back, and each push arrives"

    def __init__(self, elsewhere: Elsewhere, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type] # those of `Invariant`
        self._elsewhere = elsewhere
        self._lost = self._parted = 0
        self._pushes: set[tuple[StreamKey, int]] = set()

    def happened(self, event: Event) -> None:
        """See `Invariant`: a source that is not let in has nobody to blame on the way, and one may be lost by a crash."""
        contested = isinstance(event, SourceFailed) and event.error.startswith("its key was lost")
        if contested or (isinstance(event, PublishHeld | PublishEnded) and event.key == HERE):
            self._lost = self.world.now
        elif isinstance(event, SubscriberJoined) and event.protocol.startswith("push-"):
            self._pushes.add((event.key, event.number))
        elif isinstance(event, SubscriberLeft | SubscriberEvicted) and (event.key, event.number) in self._pushes:
            self._pushes.remove((event.key, event.number))
            self._parted = self.world.now
        if isinstance(event, SinkFailed | SourceFailed):
            self.world.count(f"{type(event).__name__} elsewhere")

    def check(self) -> None:
        """See `Invariant`."""
        world, elsewhere, now = self.world, self._elsewhere, self.world.now
        if elsewhere.over:
            return
        since = max(elsewhere.troubled, world.trouble(HERE), world.trouble(None), self._lost)
        if now - since > PATIENCE and world.holders.get(HERE) is None:
            self.broken(f"{HERE} is not there, though nothing was in its way for {(now - since) / NS_PER_S:.0f} s")
        key = world.keys[0]
        life = world.journal.current(key)
        touched = max(elsewhere.troubled, world.trouble(key), world.trouble(None), self._parted)
        if life is None or not life.entries or now - touched < PATIENCE or now - life.entries[0].at < PATIENCE:
            return
        recent = [at for at in life.keyframes if life.entries[at].at > now - PATIENCE]
        if not recent:
            return
        for target in elsewhere.targets:
            if elsewhere.came.get(target, 0) < now - PATIENCE:
                self.broken(f"nothing of {key} came to {target} for {PATIENCE / NS_PER_S:.0f} s")
