"""The channel: a stream's durable part. It outlives the crash of any actor that works on it.

The stream actor appends; everyone else reads. All on one event loop, so no locks: a reader sees either all of an append
or nothing of it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from arcly_actors.bus.encoded import EncodedFeed, Encoder, Logged
from arcly_actors.bus.feed import Feed
from arcly_actors.bus.key import StreamKey
from arcly_actors.bus.log import LogBound, SharedLog
from arcly_actors.bus.offer import Offer
from arcly_actors.bus.policy import ApplicationPolicy, Join
from arcly_actors.bus.report import StreamReport
from arcly_actors.bus.slot import PublishSlot
from arcly_actors.bus.timeline import Timeline
from arcly_actors.media.codec import Kind
from arcly_actors.media.frame import MediaFrame, Track

_NO_METADATA: Mapping[str, str] = MappingProxyType({})


class Channel:
    """What a subscriber reads: `tracks`, the `log` of frames, the `feed` of frames as they come, and encoded feeds.

    `anchor` is the position of the keyframe a joiner starts from, kept by the GOP-cache actor; None when there is none.
    `has_video`: joining needs a video keyframe. `watched`: somebody may be reading; what is before the anchor is kept for
    those who fall behind, and only for them.
    """

    def __init__(self, key: StreamKey, policy: ApplicationPolicy) -> None:
        self.key = key
        self.policy = policy
        gop = policy.gop
        self._bound = LogBound(
            entries=2 * gop.frames + _SLACK_FRAMES,
            size=2 * gop.size,
            duration_ns=gop.duration_ns + policy.max_lag_ns,
        )
        self.log: SharedLog[Logged] = SharedLog(self._bound)
        self.feed: Feed[MediaFrame] = Feed()
        self.timeline = Timeline()
        self._tracks: tuple[Track, ...] = ()
        self.has_video = False
        self.metadata = _NO_METADATA
        self.report: Callable[[], StreamReport] | None = None  # the running stream actor's
        self.slot: PublishSlot | None = None  # the stream actor's, over all of its restarts
        self.generation = 0  # leases granted so far, over all restarts of the stream actor
        self.seats = 0  # seats given so far, likewise
        self.heralds: tuple[Callable[[], object], ...] = ()  # of tapes that record its frames, called before each
        self.offer: Offer | None = None  # of the configured source that publishes here
        self.segments: dict[int, int] = {}  # numbers of what was cut out of it (HLS), by the positions where each begins
        self.watched = True
        self._anchor: int | None = None
        self._encoded: dict[str, EncodedFeed] = {}
        self._feeds: tuple[EncodedFeed, ...] = ()  # the same, as they are gone through with each frame

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks in force."""
        return self._tracks

    @tracks.setter
    def tracks(self, tracks: tuple[Track, ...]) -> None:
        """Other tracks are in force from now on."""
        self._tracks = tracks
        self.has_video = any(track.kind is Kind.VIDEO for track in tracks)

    @property
    def anchor(self) -> int | None:
        """Where a joiner starts: the newest cached keyframe's position, None when no GOP is cached."""
        return self._anchor if self._anchor is not None and self._anchor >= self.log.tail else None

    def anchor_at(self, position: int | None) -> None:
        """Move the anchor (the GOP-cache actor's to call)."""
        self._anchor = position
        if position is not None and not self.watched and not self._encoded:
            log = self.log
            log.forget(position, log.dts(log.head - 1) - self.policy.unwatched_ns)

    def start(self, join: Join) -> int | None:
        """The position at which a joiner starts now, or None when it has to wait for the next keyframe."""
        return self.anchor if join is Join.INSTANT else None

    def append(self, frame: MediaFrame, at: int) -> int:
        """Add a frame that is already on the stream's timeline, and came `at` (monotonic ns); returns its position."""
        for herald in self.heralds:
            herald()
        logged = Logged(frame, self._tracks)
        position = self.log.append(logged, dts=frame.dts, size=len(frame.payload), at=at)
        for encoded in self._feeds:
            encoded.take(logged, at)
        self.feed.deliver(frame)
        return position

    def encoded(self, name: str, make: Callable[[], Encoder]) -> EncodedFeed:
        """The encoded feed of a format, started at its first use with what the log holds; `release` it after use."""
        feed = self._encoded.get(name)
        if feed is None or feed.failed is not None:

            def forget() -> None:
                if self._encoded.get(name) is feed:
                    del self._encoded[name]
                    self._feeds = tuple(self._encoded.values())

            feed = self._encoded[name] = EncodedFeed(make(), self.log, self._bound, forget)
            self._feeds = tuple(self._encoded.values())
        feed.users += 1
        return feed

    def formats(self) -> tuple[str, ...]:
        """The names of the formats that are being encoded now."""
        return tuple(self._encoded)


_SLACK_FRAMES = 512
"""Frames kept beyond two GOPs: what comes in while a viewer catches up (several seconds of picture and sound)."""
