"""Peers within the program: `Engine.publish` and `Stream.frames`."""

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, ClassVar

from arcly_actors.bus.key import StreamKey
from arcly_actors.clock import NS_PER_MS
from arcly_actors.errors import Refused
from arcly_actors.ingest.in_process import PublishHandle
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.script.plain import track_fields
from arcly_actors.simulation.camera import Camera
from arcly_actors.simulation.peer import PublishingPeer, ViewingPeer
from arcly_actors.transport.addresses import Address

if TYPE_CHECKING:
    from arcly_actors.simulation.world import World


class InsidePublisher(PublishingPeer):
    """A program that publishes; it makes a keyframe when it is asked, after a while."""

    protocol = "python"
    answers = True
    faults: ClassVar[frozenset[str]] = frozenset({"cut", "silence", "picture", "time", "keyframes"})

    def __init__(self, world: "World", name: str, key: StreamKey, address: Address, camera: Camera) -> None:
        super().__init__(world, name, key, address, camera)
        self._handle: PublishHandle | None = None
        self._sent: tuple[Track, ...] = ()
        self.asked: list[int] = []
        self.answers_within = world.chance.whole(1, 400) * NS_PER_MS

    def start(self) -> None:
        """See `Peer`."""
        self.world.task(self._enter())

    async def _enter(self) -> None:
        handle = self.world.engine.publish(str(self.key), self.camera.tracks, keyframe_wanted=self._wanted)
        self._sent = self.camera.tracks
        self.world.note("publish", {"who": self.name, "key": str(self.key), "clock": "own"})
        try:
            await handle.__aenter__()
        except Refused as refused:
            self.end("engine", f"refused: {refused.refusal}")
            return
        self._handle = handle
        self._announced()
        if self.over:
            await handle.__aexit__(None, None, None)
        else:
            self.publish()

    def _wanted(self, full_intra: bool) -> None:
        del full_intra
        self.asked.append(self.world.now)
        self.world.later(self.answers_within, self.camera.ask)

    def look(self) -> None:
        """See `PublishingPeer`: whoever sends nothing learns, too, that the slot is lost."""
        if self._handle is not None and not self._handle.alive:
            self._leave()
            self.end("engine", "the slot is lost")

    def send(self, camera: Camera) -> None:
        """See `PublishingPeer`."""
        self.look()
        handle = self._handle
        if handle is None:
            return
        frames = camera.shoot()
        if camera.tracks != self._sent:
            handle.announce(camera.tracks)
            self._sent = camera.tracks
            self._announced()
        for frame in frames:
            handle.send(frame)
            self._noted(frame)

    def _announced(self) -> None:
        told = [track_fields(track) for track in self._sent]
        self.world.note("tracks", {"who": self.name, "key": str(self.key), "tracks": told})

    def _noted(self, frame: MediaFrame) -> None:
        key = {"keyframe": True} if frame.keyframe else {}
        told = {"who": self.name, "track": frame.track.id, "pts": frame.pts, "dts": frame.dts, **key}
        self.world.note("send", told, frame.payload)

    def leave(self) -> None:
        """See `Peer`."""
        self._leave()
        self.end("us", "left")

    def cut(self) -> None:
        """See `Peer`: a program has no connection that breaks; its task is gone."""
        self.leave()

    def _leave(self) -> None:
        if self._handle is not None:
            handle, self._handle = self._handle, None
            self.world.note("unpublish", {"who": self.name})
            self.world.task(handle.__aexit__(None, None, None))


class InsideViewer(ViewingPeer):
    """A program that reads frames; one that stalls does not ask for the next."""

    protocol = "python"
    faults: ClassVar[frozenset[str]] = frozenset({"cut", "stall"})

    def start(self) -> None:
        """See `Peer`."""
        self._reads = asyncio.Event()
        self._reads.set()
        self.world.note("view", {"who": self.name, "key": str(self.key)})
        self._task: asyncio.Task[None] | None = self.world.task(self._read())

    async def _read(self) -> None:
        stream = await self.world.engine.stream(str(self.key))
        self.watch()
        try:
            async with aclosing(stream.frames()) as frames:
                async for frame in frames:
                    self.see(frame.track.kind, frame.dts, frame.payload, keyframe=frame.keyframe)
                    if self.stalled:
                        await self._reads.wait()
        except Refused as refused:
            self.end("engine", f"refused: {refused.refusal}")
        else:
            self.end("engine", "the stream ended")

    def stall(self) -> None:
        """See `Peer`."""
        self.stalled = True
        self.stalls += 1
        self._reads.clear()
        self.world.note("pause", {"who": self.name})

    def resume(self) -> None:
        """See `Peer`."""
        self.stalled = False
        self._reads.set()
        self.world.note("resume", {"who": self.name})

    def leave(self) -> None:
        """See `Peer`."""
        self.end("us", "left")
        self.world.note("leave", {"who": self.name})
        if self._task is not None:
            self._task.cancel()
            self._task = None  # its exception holds on to what it was in

    def cut(self) -> None:
        """See `Peer`."""
        self.leave()
