"""Sources under their supervisor in virtual time, with pulls that a test plays by hand."""

import asyncio
from typing import Any

import pykka

from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref
from arcly_actors.clock import NS_PER_MS
from arcly_actors.ingest.pull import PullFactory, PullFailed, PullFrames, PullRequest, PullTracks
from arcly_actors.ingest.source import SourcePlan
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime import ChildSpec, LoopActor, Supervisor, System, TreeNode, tree
from arcly_actors.runtime.notify import notify
from arcly_actors.topology.remotes import Remotes, SourceHandle, remote_policy
from arcly_actors.topology.roster import Roster
from arcly_actors.transport.urls import Url
from tests.bus.frames import BOTH, STEP_MS, video
from tests.bus.stage import KEY, RESTARTS, Stage
from tests.support.virtual import pass_time

URL = "rtsp://user:pass@camera.example/stream?token=abcd"


class HandPull(LoopActor):
    """A pull that does what the test tells its owner in its name."""

    def __init__(self, system: System, request: PullRequest, owner: Ref) -> None:
        super().__init__(system)
        self.request = request
        self.owner = owner
        self.heard: list[Any] = []

    def on_receive(self, message: Any) -> Any:
        self.heard.append(message)


class Pull:
    """One pull that was started."""

    def __init__(self, ref: pykka.ActorRef[Any], owner: Ref) -> None:
        self.ref = ref
        self._owner = owner
        self.clock = 0

    @property
    def stopped(self) -> bool:
        return not self.ref.is_alive()

    async def tell(self, message: object) -> None:
        """Say it to the owner, if it is still there, and let it arrive."""
        notify(self._owner, message)
        for _ in range(5):
            await asyncio.sleep(0)

    async def connect(self, tracks: tuple[Track, ...] = BOTH) -> None:
        await self.tell(PullTracks(tracks))

    async def send(self, *frames: MediaFrame) -> None:
        await self.tell(PullFrames(frames))

    async def play(self, count: int, *, gop: int = 5) -> None:
        """Pictures, one each 40 ms."""
        for _ in range(count):
            await self.send(video(self.clock * STEP_MS, key=self.clock % gop == 0))
            self.clock += 1
            await pass_time(STEP_MS * NS_PER_MS)

    async def fail(self, detail: str = "no route to it") -> None:
        await self.tell(PullFailed(detail))


class Site:
    """A bus with a supervisor of sources."""

    def __init__(self, system: System, stage: Stage | None = None, pull: PullFactory | None = None) -> None:
        self.stage = stage or Stage(system)
        self.system = system
        self.pulls: list[Pull] = []
        self.remotes = Remotes(system, self.stage.bus, {"rtsp": pull or self._start}, {})
        told = self.stage.supervision.append

        def start(children: tuple[ChildSpec, ...]) -> Ref:
            return Supervisor.start(system, "sources", children=children, policy=remote_policy(RESTARTS), on_event=told)

        self.roster = Roster(start)
        self.supervisor = self.roster.start()
        system.run_queue.drain()

    def _start(self, system: System, request: PullRequest, owner: Ref) -> Ref:
        ref = HandPull.start(system, request, owner)
        self.pulls.append(Pull(ref, owner))
        return ref

    @property
    def node(self) -> TreeNode:
        """The only source in the supervision tree."""
        (node,) = tree(self.supervisor).children
        return node

    async def source(self, key: StreamKey = KEY, **options: Any) -> SourceHandle:
        """Start a source."""
        plan = SourcePlan(PullRequest(key, Url.parse(URL)), **options)
        spec, offer = self.remotes.source(plan)
        await self.roster.add(spec)
        return SourceHandle(self.remotes, self.stage.bus, self.roster, spec, offer, str(plan.request.url))

    async def pull(self, number: int) -> Pull:
        """The `number`-th pull, from 1, as soon as it was started."""
        for _ in range(10_000):
            if len(self.pulls) >= number:
                return self.pulls[number - 1]
            await pass_time(10 * NS_PER_MS)
        raise AssertionError(f"only {len(self.pulls)} pulls were started")
