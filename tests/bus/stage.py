"""A whole bus under a supervisor, in virtual time, with publishers and viewers that are real actors."""

import asyncio
from collections.abc import Iterable
from typing import Any, TypeVar, cast

import pykka

from arcly_actors.bus.bus import Bus
from arcly_actors.bus.events import Event, Events
from arcly_actors.bus.fanout import WriteAll
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.messages import Ref, Subscribe, Subscription
from arcly_actors.bus.policy import ApplicationPolicy, Join
from arcly_actors.clock import NS_PER_MS
from arcly_actors.egress.byte_subscriber import Begin, NotSeated, Seated, ViewEnded, Viewing
from arcly_actors.egress.view import View
from arcly_actors.ingest.in_process import InProcessPublisher, Tracks
from arcly_actors.ingest.publisher import KeyframeNeeded, PublishAccepted, Publishing, PublishLost
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.renditions import Renditions
from arcly_actors.runtime import ChildSpec, Exited, LoopActor, RestartPolicy, Supervisor, System, TreeNode, receives, tree
from arcly_actors.runtime.policy import Backoff, Intensity
from arcly_actors.runtime.receiver import Crash
from arcly_actors.transport.outlet import write_all
from tests.bus.fan import TokenEncoder, tokens
from tests.bus.frames import BOTH, STEP_MS, video
from tests.support.outlets import MemoryOutlet
from tests.support.virtual import Probe, pass_time

E = TypeVar("E")
KEY = StreamKey("live", "cam")
RESTARTS = RestartPolicy(intensity=Intensity(5, 10**10), backoff=Backoff(100 * NS_PER_MS, 10**9, 0.0))


class Injected(Exception):
    """An injected failure."""


class Stage:
    """The bus with one application, ``live``."""

    def __init__(
        self,
        system: System,
        policy: ApplicationPolicy | None = None,
        *,
        most: int = 10,
        restarts: RestartPolicy = RESTARTS,
    ) -> None:
        self.system = system
        self.events = Events()
        self.seen: list[Event] = []
        self.events.observable.subscribe(self.seen.append)
        self.supervision: list[object] = []
        write = cast("WriteAll", write_all)
        self.bus = Bus(system, {"live": policy or ApplicationPolicy()}, self.events, write, most)

        def start() -> Ref:
            return self.bus.start_directory(self.root, restarts, self.supervision.append)

        system.run_queue.drain()  # the loop's thread is known from here on
        self.root: Ref = Supervisor.start(
            system, "bus", children=(ChildSpec("directory", start),), policy=restarts, on_event=self.supervision.append
        )
        system.run_queue.drain()

    def of(self, kind: type[E]) -> list[E]:
        """The events of this type so far."""
        return [event for event in self.seen if isinstance(event, kind)]

    def names(self) -> list[str]:
        """The types of all events so far."""
        return [type(event).__name__ for event in self.seen]

    def node(self, *path: str) -> TreeNode:
        """A node of the supervision tree."""
        node = tree(self.root)
        for name in path:
            node = next(child for child in node.children if child.id == name)
        return node

    def actor(self, kind: str) -> Ref:
        """The living actor of this class."""
        return next(ref for ref in self.system.actors() if ref.actor_class.__name__ == kind)

    def actors(self, kind: str) -> list[Ref]:
        """All living actors of this class."""
        return [ref for ref in self.system.actors() if ref.actor_class.__name__ == kind]

    def crash(self, ref: Ref) -> None:
        """Make an actor fail with `Injected`, as a defect in a message's method would."""
        ref.tell(Crash(Injected("injected")))

    async def publish(
        self, *, key: StreamKey = KEY, tracks: tuple[Track, ...] = BOTH, keyframes: bool = False
    ) -> "Source":
        """A publisher with the slot."""
        source = Source(self, key, keyframes=keyframes)
        await source.owner.next(PublishAccepted)
        source.announce(tracks)
        await asyncio.sleep(0)
        return source

    async def view(self, *, key: StreamKey = KEY, join: Join | None = None, room: int | None = None) -> "Viewer":
        """A viewer that has begun."""
        viewer = Viewer(self, key, join, room)
        await viewer.probe.next(Seated)
        await pass_time(1)
        return viewer

    async def seat(self, probe: Probe, *, key: StreamKey = KEY, join: Join | None = None) -> Subscription:
        """A bare seat for a probe."""
        return await self.bus.subscribe(Subscribe(key, probe.ref, "test", "there", join))


class Source:
    """A publisher actor and its owner, a probe."""

    def __init__(self, stage: Stage, key: StreamKey = KEY, *, keyframes: bool = False) -> None:
        self.owner = Probe(stage.system)
        self.clock = 0
        publishing = Publishing(key, "test", "here", answers_keyframes=keyframes)
        self.ref = InProcessPublisher.start(stage.system, stage.bus, publishing, self.owner.ref)

    @property
    def lost(self) -> list[PublishLost]:
        """What it was told when it lost the slot."""
        return self.owner.of(PublishLost)

    @property
    def wanted(self) -> list[bool]:
        """The keyframes asked for; True by FIR."""
        return [needed.full_intra for needed in self.owner.of(KeyframeNeeded)]

    def announce(self, tracks: tuple[Track, ...]) -> None:
        self.ref.tell(Tracks(tracks))

    async def send(self, *frames: MediaFrame) -> None:
        """Send frames, and let them arrive."""
        for frame in frames:
            self.ref.tell(frame)
        await asyncio.sleep(0)

    async def play(self, count: int, *, gop: int = 5) -> list[str]:
        """Send pictures, one each 40 ms; their tokens."""
        sent = []
        for _ in range(count):
            frame = video(self.clock * STEP_MS, key=self.clock % gop == 0)
            self.clock += 1
            sent += tokens(frame.payload)
            await self.send(frame)
            await pass_time(STEP_MS * NS_PER_MS)
        return sent

    async def leave(self) -> None:
        """Stop in order."""
        await self.ref.stop(block=False)


class _Session(LoopActor):
    """Owns one view, as an endpoint's session does: begins it, and restarts what crashes."""

    def __init__(self, system: System, viewer: "Viewer") -> None:
        super().__init__(system)
        self._viewer = viewer

    def on_start(self) -> None:
        self._viewer.view = View(
            self.system, self._viewer.bus, self.actor_ref, self._viewer.viewing, self._viewer.renditions
        )
        self.watch(self._viewer.view.start())

    @receives(Seated)
    def seated(self, seated: Seated) -> None:
        self._viewer.probe.ref.tell(seated)
        seated.subscriber.tell(Begin(self._viewer.outlet))

    @receives(NotSeated, ViewEnded)
    def ended(self, ended: NotSeated | ViewEnded) -> None:
        self._viewer.probe.ref.tell(ended)

    @receives(Exited)
    def exited(self, exited: Exited) -> None:
        if exited.error is not None:
            again = self._viewer.view.restart(exited.error)
            if again is not None:
                self.watch(again)


class Viewer:
    """A viewer with an outlet; `probe` hears what its session is told."""

    view: View

    def __init__(
        self,
        stage: Stage,
        key: StreamKey,
        join: Join | None,
        room: int | None,
        viewing: Viewing | None = None,
        renditions: Renditions | None = None,
    ) -> None:
        self.bus = stage.bus
        self.renditions = renditions
        self.probe = Probe(stage.system)
        self.outlet = MemoryOutlet(room)
        self.viewing = viewing or Viewing(key, "test", "there", "tokens", TokenEncoder, join)
        self.session: pykka.ActorRef[Any] = _Session.start(stage.system, self)

    @property
    def subscriber(self) -> Ref:
        """The present subscriber actor."""
        assert self.view._subscriber is not None
        return self.view._subscriber

    @property
    def tokens(self) -> list[str]:
        """What it got."""
        return tokens(self.outlet.received)

    @property
    def frames(self) -> list[str]:
        """The frames it got."""
        return [token for token in self.tokens if not token.startswith("<")]

    @property
    def ended(self) -> list[ViewEnded]:
        """How it ended."""
        return self.probe.of(ViewEnded)


def times(frames: Iterable[MediaFrame]) -> list[float]:
    """DTS in milliseconds."""
    return [frame.dts / NS_PER_MS for frame in frames]
