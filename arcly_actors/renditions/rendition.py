"""A rendition: the same stream made fit for a class of outputs. This is its durable part, as `Channel` is a stream's.

It reads the stream's log and says of each frame what becomes of it: it passes (the very same object, appended to the
rendition's own channel), it is dropped (B-frames), or it goes to a transcoder. The actor in `rendition_actor` does the
rest; when that crashes, its successor goes on here at the next frame, and viewers do not notice.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from arcly_actors import limits
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.events import BFramesDropped, BFramesRefused, Events
from arcly_actors.bus.timeline import STEP_NS
from arcly_actors.clock import NS_PER_S, Clock
from arcly_actors.errors import Refusal, Refused
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.renditions.bframes import Order, PictureOrder, in_order
from arcly_actors.renditions.video_transcoder import PictureShape, made_without_bframes, shape_of
from arcly_actors.renditions.wishes import BFrames, RenditionPolicy, Wish, plan

_DROPPING = (Order.PLAIN, BFrames.DROP)
# What is done about what was seen; nothing for the rest.
_REMEDIES: Mapping[tuple[Order, BFrames], BFrames] = MappingProxyType(
    {
        _DROPPING: BFrames.DROP,
        (Order.PYRAMID, BFrames.DROP): BFrames.TRANSCODE,
        (Order.PLAIN, BFrames.TRANSCODE): BFrames.TRANSCODE,
        (Order.PYRAMID, BFrames.TRANSCODE): BFrames.TRANSCODE,
        (Order.PLAIN, BFrames.REFUSE): BFrames.REFUSE,
        (Order.PYRAMID, BFrames.REFUSE): BFrames.REFUSE,
    }
)


class Rendition:
    """What of a stream's frames becomes what, for one wish.

    `channel` is the rendition's own; `targets` names, by the id of their source, the tracks that a transcoder makes;
    `shapes` the pictures among them. `dropped` counts frames by the reason that they are not in the channel. `refused` is
    set, and the channel's feed ended with it, when viewers must not see this stream.
    """

    def __init__(self, base: Channel, wish: Wish, policy: RenditionPolicy, events: Events, clock: Clock) -> None:
        self.base = base
        self.wish = wish
        self.channel = Channel(base.key, base.policy)
        self.targets: dict[int, Track] = {}
        self.shapes: dict[int, PictureShape] = {}
        self.dropped: Counter[str] = Counter()
        self.refused: Refused | None = None
        self.position = _start(base, wish)
        self._policy = policy
        self._events = events
        self._clock = clock
        self._source: tuple[Track, ...] | None = None
        self._orders: dict[int, PictureOrder] = {}
        self._last: dict[int, MediaFrame] = {}
        self._headless: set[int] = set()
        self._came = 0  # when the frame came that was read last: what is made of it is as old
        self._untold = 0
        self._told_at: int | None = None

    def begin(self) -> None:
        """Look at what the log holds, so that the tracks are right before the first viewer has them. Raises `Refused`.

        Where nothing has to be transcoded, the log's frames are taken over at once and can be joined.
        """
        works = self._look_ahead()
        if self.refused is not None:
            raise self.refused
        self._retrack(self.base.tracks)
        if not works:
            self.pass_on()
            self._retrack(self.base.tracks)

    def _look_ahead(self) -> bool:
        """Learn the order of the pictures in the log; whether any frame of it is for a transcoder."""
        log, works = self.base.log, False
        for position in range(self.position, log.head):
            logged = log[position]
            if logged.tracks is not self._source:
                self._retrack(logged.tracks)
            track = logged.frame.track.id
            if track in self._orders and track not in self.targets:
                self._look(logged.frame)
            works = works or track in self.targets
        for order in self._orders.values():
            order.rewind()
        return works

    def pass_on(self) -> None:
        """Take over what the log has more, when nothing of it is for a transcoder."""
        for frame, target in self.route():
            if target is None:
                self.append(frame)
            else:
                self.dropped["for a transcoder"] += 1
        log = self.channel.log
        self.channel.anchor_at(next((at for at in range(log.head - 1, log.tail - 1, -1) if self._opens(at)), None))

    def route(self) -> Iterator[tuple[MediaFrame, Track | None]]:
        """The stream's frames from where the last call ended: each with the track that a transcoder makes it into.

        None beside a frame that is to be appended as it is. A frame counts as taken before anything is done with it, so
        one that is somebody's undoing is not met again.
        """
        log = self.base.log
        if self.position < log.tail:
            self.dropped["log overrun"] += log.tail - self.position
            self.position = log.tail
            self._headless = {track.id for track in self._source or () if track.kind is Kind.VIDEO}
        while self.position < log.head and self.refused is None:
            logged, self._came = log[self.position], log.moment(self.position).at
            self.position += 1
            if logged.tracks is not self._source:
                self._retrack(logged.tracks)
            frame: MediaFrame | None = logged.frame
            if self._headless and not self._decodable(logged.frame):
                continue
            if self._orders:
                frame = self._ordered(logged.frame)
            if frame is not None:
                yield frame, self.targets.get(frame.track.id)

    def _decodable(self, frame: MediaFrame) -> bool:
        """Whether viewers have what a picture refers to: after a gap, from the next keyframe on."""
        track = frame.track.id
        if track in self._headless:
            if not frame.keyframe:
                self.dropped["waits for a keyframe"] += 1
                return False
            self._headless.discard(track)
        return True

    def append(self, frame: MediaFrame) -> None:
        """Log a frame. DTS rise in each track: sound that comes too late is dropped, a picture moved by a millisecond."""
        last = self._last.get(frame.track.id)
        if last is not None and frame.dts <= last.dts:
            if frame.track.kind is not Kind.VIDEO:
                self.dropped["sound overlaps"] += 1
                return
            dts = last.dts + STEP_NS
            frame = frame.at(pts=max(frame.pts, dts), dts=dts, discontinuity=frame.discontinuity)
        self._last[frame.track.id] = frame
        self.channel.append(frame, self._came)

    def take_made(self, source: Track, frames: Sequence[MediaFrame]) -> Sequence[MediaFrame]:
        """What a transcoder made of a source track, to be appended; nothing when that track is another one by now."""
        if not frames:
            return ()
        target, made = self.targets.get(source.id), frames[-1].track
        current = next((track for track in self._source or () if track.id == source.id), source)
        learns = made.kind is Kind.VIDEO and current.configuration == source.configuration
        if target is None or (made != target and not learns):
            self.dropped["track changed"] += len(frames)
            return ()
        if made != target:  # a size that only the pictures told
            self.targets[source.id] = made
            self._publish_tracks()
        return frames

    def last_pts(self, track: int) -> int | None:
        """The presentation time of the newest frame of a track that viewers have."""
        last = self._last.get(track)
        return last.pts if last is not None else None

    def gop(self, track: int) -> tuple[MediaFrame, ...]:
        """The source's frames of a video track from its newest keyframe to the last one that `route` gave."""
        log, frames = self.base.log, list[MediaFrame]()
        for position in range(self.position - 1, log.tail - 1, -1):
            frame = log[position].frame
            if frame.track.id == track:
                frames.append(frame)
                if frame.keyframe:
                    return tuple(reversed(frames))
        return ()

    def tell_dropped(self) -> None:
        """Say how many B-frames were dropped since it was said last."""
        if self._untold:
            self._events.emit(BFramesDropped(self.base.key, str(self.wish), self._untold))
            self._untold = 0
            self._told_at = self._clock.monotonic_ns()

    def end(self) -> None:
        """Nothing follows."""
        self.tell_dropped()
        self.channel.feed.complete()

    # -- pictures -----------------------------------------------------------------------------------------------------

    def _ordered(self, frame: MediaFrame) -> MediaFrame | None:
        """The frame with regard to B-frames: as it is, at its presentation time, or None when it is dropped."""
        track = frame.track.id
        order = self._orders.get(track)
        if order is None or track in self.targets or order.order is Order.NEVER:
            return frame
        disposable = self._look(frame)
        if self.refused is not None:
            return None
        if self._remedy(track) is not BFrames.DROP:
            return frame
        if disposable:
            self._count_dropped()
            return None
        return in_order(frame)

    def _look(self, frame: MediaFrame) -> bool:
        """Learn from a picture, and do what follows for its track; whether it is disposable."""
        track = frame.track
        disposable = self._orders[track.id].disposable(frame)
        remedy = self._remedy(track.id)
        if remedy is BFrames.TRANSCODE:
            self._transcode_pictures(track)
        elif remedy is BFrames.REFUSE and self.refused is None:
            self._refuse()
        return disposable

    def _remedy(self, track: int) -> BFrames | None:
        order = self._orders.get(track)
        return _REMEDIES.get((order.order, self._policy.bframes)) if order is not None else None

    def _refuse(self) -> None:
        detail = f"{self.base.key} has B-frames, which {self.wish} viewers cannot show, and the application refuses them"
        self.refused = Refused(Refusal.UNSUPPORTED, detail)
        self._events.emit(BFramesRefused(self.base.key, str(self.wish), detail))
        self.channel.feed.complete(self.refused)

    def _count_dropped(self) -> None:
        self.dropped["b-frames"] += 1
        self._untold += 1
        if self._told_at is None or self._clock.monotonic_ns() - self._told_at >= limits.BFRAMES_TOLD:
            self.tell_dropped()

    def _transcode_pictures(self, track: Track) -> None:
        self.shapes[track.id] = shape = shape_of(track, self._bit_rate(track.id))
        self.targets[track.id] = made_without_bframes(track, shape)
        self._publish_tracks()

    def _bit_rate(self, track: int) -> int:
        """Bits per second of a track over what the log holds; 0 with too little of it."""
        log = self.base.log
        frames = [log[position].frame for position in range(log.tail, log.head)]
        of_track = [frame for frame in frames if frame.track.id == track]
        span = of_track[-1].dts - of_track[0].dts if of_track else 0
        if span < NS_PER_S:
            return 0
        return sum(len(frame.payload) for frame in of_track) * 8 * NS_PER_S // span

    # -- tracks -------------------------------------------------------------------------------------------------------

    def _retrack(self, tracks: tuple[Track, ...]) -> None:
        """Plan anew. What is known of a picture track's order stays good as long as its configuration does."""
        known = {track.id: track for track in self._source or ()}
        self._source = tracks
        targets = dict(plan(tracks, self.wish, self._policy))
        orders: dict[int, PictureOrder] = {}
        for track in tracks if self.wish is Wish.WEBRTC else ():
            if track.codec is not CodecId.H264:
                continue
            before = known.get(track.id)
            if before is not None and (before.codec, before.configuration) == (track.codec, track.configuration):
                orders[track.id] = self._orders[track.id]
                if track.id in self.targets:
                    targets[track.id] = self.targets[track.id]
            else:
                orders[track.id] = PictureOrder(track)
        self._orders, self.targets = orders, targets
        self._publish_tracks()

    def _publish_tracks(self) -> None:
        self.channel.metadata = self.base.metadata
        tracks = tuple(self.targets.get(track.id, track) for track in self._source or ())
        if tracks != self.channel.tracks:
            self.channel.tracks = tracks

    def _opens(self, position: int) -> bool:
        frame = self.channel.log[position].frame
        return frame.keyframe and (frame.track.kind is Kind.VIDEO or not self.channel.has_video)


def _start(base: Channel, wish: Wish) -> int:
    """Where in the stream's log a rendition begins: at its newest keyframe, for HLS at its oldest (several segments).

    At the head when there is none: viewers wait for the next.
    """
    log = base.log
    positions = range(log.tail, log.head) if wish is Wish.HLS else range(log.head - 1, log.tail - 1, -1)
    for position in positions:
        frame = log[position].frame
        if frame.keyframe and (frame.track.kind is Kind.VIDEO or not base.has_video):
            return position
    return log.head
