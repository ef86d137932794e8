"""A bus with renditions, in virtual time; workers run on the loop's own thread, so that everything has one order."""

import asyncio
from collections.abc import Iterable, Sequence

from arcly_actors.bus.channel import Channel
from arcly_actors.bus.messages import Ref
from arcly_actors.bus.policy import ApplicationPolicy
from arcly_actors.clock import NS_PER_S
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.renditions import RenditionPolicy, Renditions
from arcly_actors.runtime import Supervisor, System, TreeNode, tree
from tests.bus.stage import KEY, RESTARTS, Source, Stage
from tests.support.virtual import pass_time


class Scene(Stage):
    """The stage, with renditions."""

    def __init__(
        self, system: System, policy: RenditionPolicy | None = None, application: ApplicationPolicy | None = None
    ) -> None:
        super().__init__(system, application)
        policies = {"live": policy} if policy else {}
        self.shelf: Ref
        self.renditions = Renditions(system, self.events, policies, lambda: self.shelf, RESTARTS, self.supervision.append)
        self.start_shelf()

    def start_shelf(self) -> None:
        """Start what renditions live under (anew)."""
        self.shelf = Supervisor.start(
            self.system, "renditions", children=self.renditions.children(), policy=RESTARTS, on_event=None
        )
        self.system.run_queue.drain()

    @property
    def base(self) -> Channel:
        """The stream's own channel."""
        return self.bus._entries[KEY].channel

    def running(self) -> tuple[TreeNode, ...]:
        """The renditions that run."""
        return tree(self.shelf).children


class Show:
    """A publisher of clips: frames in the order of their DTS, sent when they are due."""

    def __init__(self, source: Source, *clips: Sequence[MediaFrame], begin_ns: int = 0) -> None:
        self._source = source
        self._frames = sorted((frame for clip in clips for frame in clip), key=lambda frame: frame.dts)
        self._now = begin_ns

    async def play(self, seconds: float) -> list[MediaFrame]:
        """Send what is due within this time."""
        sent = []
        end = self._now + int(seconds * NS_PER_S)
        while self._frames and self._frames[0].dts < end:
            frame = self._frames.pop(0)
            await pass_time(max(0, frame.dts - self._now))
            self._now = max(self._now, frame.dts)
            await self._source.send(frame)
            sent.append(frame)
        await pass_time(end - self._now)
        self._now = end
        await asyncio.sleep(0)
        return sent


async def on_air(scene: Scene, *clips: Sequence[MediaFrame]) -> Show:
    """A publisher of these clips, announced."""
    return Show(await scene.publish(tracks=tuple(clip[0].track for clip in clips)), *clips)


def logged(channel: Channel, kind: Kind | None = None) -> list[MediaFrame]:
    """What a channel's log holds, of one kind or all."""
    frames = [channel.log[position].frame for position in range(channel.log.tail, channel.log.head)]
    return [frame for frame in frames if kind is None or frame.track.kind is kind]


def times(frames: Iterable[MediaFrame]) -> list[int]:
    """DTS (ns)."""
    return [frame.dts for frame in frames]


def codecs(tracks: Iterable[Track]) -> list[str]:
    """The codecs of tracks."""
    return [str(track.codec) for track in tracks]
