"""The GOP cache: which part of the log a joiner may start from.

The frames stay where they are, in the shared log, once; the cache is the actor that decides where the joinable GOP
begins and whether it is still within its bound.
"""

from dataclasses import dataclass

from arcly_actors import limits
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.events import Events, GopOutgrown
from arcly_actors.bus.policy import GopBound
from arcly_actors.media.codec import VIDEO
from arcly_actors.media.frame import MediaFrame
from arcly_actors.runtime import LoopActor, System, receives
from arcly_actors.runtime.notify import notify


@dataclass(frozen=True, slots=True)
class FrameLogged:
    """The log has a frame that joiners may start at, or many that have not been counted."""


_FRAME_LOGGED = FrameLogged()


def opens_gop(frame: MediaFrame, *, with_video: bool) -> bool:
    """Whether a joiner may start at this frame."""
    return frame.keyframe and (not with_video or frame.track.codec.kind is VIDEO)


class GopCache:
    """The newest GOP, as a range of log positions. A GOP that outgrows its bound is dropped whole, never beheaded."""

    def __init__(self, bound: GopBound) -> None:
        self._bound = bound
        self._frames = 0
        self._size = 0
        self._first_dts = 0
        self.anchor: int | None = None
        self.outgrown = 0

    @property
    def frames(self) -> int:
        """Frames in the GOP so far."""
        return self._frames

    @property
    def size(self) -> int:
        """Payload bytes in the GOP so far."""
        return self._size

    def add(self, position: int, frame: MediaFrame, *, with_video: bool) -> bool:
        """Count a frame; True when this one made the GOP outgrow its bound.

        In a stream `with_video` a GOP begins at a video keyframe; without, every audio frame is a place to start.
        """
        if frame.keyframe and opens_gop(frame, with_video=with_video):
            self.anchor = position
            self._frames = self._size = 0
            self._first_dts = frame.dts
        if self.anchor is None:
            return False
        self._frames += 1
        self._size += len(frame.payload)
        bound = self._bound
        if self._frames > bound.frames or self._size > bound.size or frame.dts - self._first_dts > bound.duration_ns:
            self.anchor = None
            self.outgrown += 1
            return True
        return False


class GopCacheActor(LoopActor):
    """Follows one channel's feed and keeps its anchor. Restarted after a crash, it rebuilds itself from the log."""

    def __init__(self, system: System, channel: Channel, events: Events) -> None:
        super().__init__(system)
        self._channel = channel
        self._events = events
        self._cache = GopCache(channel.policy.gop)
        self._next = channel.log.tail

    def on_start(self) -> None:
        """Read what the log holds, then follow the feed."""
        self._channel.anchor_at(None)
        self._catch_up()
        ref, channel, log = self.actor_ref, self._channel, self._channel.log
        most = min(limits.GOP_COUNTED, max(1, channel.policy.gop.frames // 16))

        def logged(frame: MediaFrame) -> None:
            opens = frame.keyframe and opens_gop(frame, with_video=channel.has_video)
            if opens or log.head - self._next >= most:
                notify(ref, _FRAME_LOGGED)

        self._seat = self._channel.feed.subscribe(logged)

    def on_stop(self) -> None:
        """Leave the feed."""
        self._seat.dispose()

    def on_failure(self, *_: object) -> None:
        """Leave the feed, and let nobody join at a place that is no longer kept up."""
        self._seat.dispose()
        self._channel.anchor_at(None)

    @receives(FrameLogged)
    def catch_up(self, _: FrameLogged) -> None:
        """Count the frames that came since."""
        self._catch_up()

    def _catch_up(self) -> None:
        log, add, with_video = self._channel.log, self._cache.add, self._channel.has_video
        start = max(self._next, log.tail)
        for position, logged in enumerate(log.slice(start, log.head), start):
            if add(position, logged.frame, with_video=with_video):
                self._events.emit(GopOutgrown(self._channel.key, self._cache.frames, self._cache.size))
        self._next = log.head
        self._channel.anchor_at(self._cache.anchor)
