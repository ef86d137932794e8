"""A stream as RTP for many viewers: packetised, numbered and paced once, for the `Audience` to be sent."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Container, Sequence

from arcly_actors import limits
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.policy import Join
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.egress.rtp_audience import Audience, Leaving
from arcly_actors.egress.rtp_hold import SoundHold
from arcly_actors.egress.rtp_line import RtpLine
from arcly_actors.egress.rtp_slice import Slice
from arcly_actors.egress.rtp_track import RtpTrack
from arcly_actors.media.codec import VIDEO, CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime import System

_log = logging.getLogger(__name__)


class RtpFeed:
    """See the module. On the loop; `close` it when nobody is left."""

    def __init__(self, system: System, channel: Channel, codecs: Container[CodecId]) -> None:
        self._system = system
        self._codecs = codecs
        self.channel = channel
        with system.seams.drawing_for(channel.key):
            self.tracks = {kind: _new_track(system, kind) for kind in (Kind.VIDEO, Kind.AUDIO)}
        self._audience = Audience()
        self._known: tuple[Track, ...] = ()
        self._by_id: dict[int, RtpTrack] = {}
        self._pending: deque[tuple[int, RtpTrack, Slice]] = deque()
        self._hold = SoundHold()
        self._sounds: list[tuple[RtpTrack, Slice]] = []
        self._sounds_due: asyncio.TimerHandle | None = None
        self._pumping = False
        self.failed: Exception | None = None
        self._drift: int | None = None  # wall time at moment zero, smoothed
        self._held = 0  # time that the stream was held, which its timeline leaves out and RTP must not
        self._remember_gop()
        self._seat = channel.feed.subscribe(self._frame, self._fail)

    def close(self) -> None:
        """Follow the stream no more."""
        self._seat.dispose()
        self._pending.clear()
        self._sounds.clear()

    def follow(self) -> None:
        """Look at the stream's tracks: the first of each kind that viewers can take is the one that is sent."""
        if self.channel.tracks is self._known:
            return
        self._known = self.channel.tracks
        self._by_id = {}
        for kind, rtp in self.tracks.items():
            track = next((each for each in self._known if each.kind is kind and each.codec in self._codecs), None)
            rtp.follow(track)
            if track is not None:
                self._by_id[track.id] = rtp

    def moment(self, wall: int) -> int | None:
        """Where the feed stands at a wall time (ns): the stream's timeline and the times it was held; None at first."""
        return None if self._drift is None else wall - self._drift

    @property
    def crowd(self) -> int:
        """How many viewers get the very same packets."""
        return self._audience.live

    # -- viewers ------------------------------------------------------------------------------------------------------

    def join(self, line: RtpLine, join: Join) -> bool:
        """Let a viewer's line begin; False when it has to wait for a keyframe."""
        if line.track.kind is not Kind.VIDEO:
            line.join_live()
        else:
            gop = self.gop(join)
            if gop and line.can_show(gop):
                line.join_at(gop)
        self.attach(line)
        return not line.waiting

    def gop(self, join: Join = Join.INSTANT) -> list[Slice]:
        """What a joiner gets first: the pictures since the cached keyframe; empty when there is none."""
        start = self.channel.start(join)
        return list(self.tracks[Kind.VIDEO].since(start)) if start is not None else []

    def attach(self, line: RtpLine) -> None:
        """Send to this line from now on."""
        self._audience.add(line)
        if line.backlog:
            line.portion(limits.REPLAY_FIRST, *self._now())
        self._audience.settle(line)
        if line.backlog:
            self._start_pump()

    def detach(self, line: RtpLine) -> None:
        """Send it nothing more; its line keeps its place."""
        self._audience.remove(line)

    def part(self, line: RtpLine) -> None:
        """It gets packets of its own from now on."""
        self._audience.part(line)

    # -- frames -------------------------------------------------------------------------------------------------------

    def _frame(self, frame: MediaFrame) -> None:
        channel = self.channel
        if channel.tracks is not self._known:
            self.follow()
        rtp = self._by_id.get(frame.track.id)
        if rtp is None:
            return
        now, wall = self._now()
        self._keep_time(frame, wall)
        slices = rtp.cut(frame, channel.log.head - 1, self._held)
        if rtp.kind is VIDEO:
            self._hold.picture(frame.dts, now)
            self._send_paced(rtp, slices, now, wall)
        else:
            self._send_sound(rtp, slices, now, wall)
        rtp.trim(now, channel.anchor)

    def _send_paced(self, rtp: RtpTrack, slices: Sequence[Slice], now: int, wall: int) -> None:
        """The parts of a picture, apart from each other and behind what has not left yet."""
        for index, one in enumerate(slices):
            if index or self._pending:
                after = self._pending[-1][0] if self._pending else now
                due = after + limits.PACER_STEP if index else max(after, now)
                due = min(due, now + limits.PACER_DELAY)  # a burst of frames must not become lasting delay, nor pile up
                self._pending.append((due, rtp, one))
                if len(self._pending) == 1:
                    self._wake(limits.PACER_STEP)
            else:
                self._send(rtp, one, now, wall)

    def _send_sound(self, rtp: RtpTrack, slices: Sequence[Slice], now: int, wall: int) -> None:
        """With the next picture if that is near, and together with what waits for it."""
        self._sounds += [(rtp, one) for one in slices]
        wait = self._hold.wait(self._audience.live, now)
        if not wait:
            self._leave((), now, wall)
        elif self._sounds_due is None:
            self._sounds_due = self._system.timers.call_later(wait / NS_PER_S, self._run, self._sounds_are_due)

    def _fail(self, error: Exception) -> None:
        """No more frames come: a defect of ours. Its viewers' sessions look for it."""
        _log.error("%s cannot be made into packets", self.channel.key, exc_info=error)
        self.failed = error

    def _send(self, rtp: RtpTrack, one: Slice, now: int, wall: int) -> None:
        """A part of a picture, and the sound that waits for it."""
        self._leave(((rtp, one),), now, wall)

    def _leave(self, pictures: Leaving, now: int, wall: int) -> None:
        leaving = [*pictures, *self._sounds]
        self._sounds.clear()
        if self._sounds_due is not None:
            self._sounds_due.cancel()
            self._sounds_due = None
        for rtp, one in leaving:
            rtp.leaves(one, now, wall)
        self._audience.send(leaving, now)

    def _remember_gop(self) -> None:
        """What the log holds of the present GOP counts as sent: the first viewer joins at once, too."""
        channel = self.channel
        start = channel.anchor if channel.anchor is not None else channel.log.head
        self.follow()
        _, wall = self._now()
        for position in range(start, channel.log.head):
            frame = channel.log[position].frame
            rtp = self._by_id.get(frame.track.id)
            if rtp is not None:
                for one in rtp.cut(frame, position):
                    rtp.remember(one)
            if position == channel.log.head - 1:
                self._keep_time(frame, wall)

    def _keep_time(self, frame: MediaFrame, wall: int) -> None:
        """RTP time goes on while a stream is held: a player would take what comes then for late, and wait for more."""
        seen = wall - frame.dts - self._held
        if self._drift is None:
            self._drift = seen
        elif frame.discontinuity and seen > self._drift + _SEAM:
            self._held += seen - self._drift
        elif abs(seen - self._drift) > NS_PER_S:
            self._drift = seen
        else:
            self._drift += (seen - self._drift) // _SMOOTHING

    # -- what leaves later --------------------------------------------------------------------------------------------

    def _wake(self, delay: int) -> None:
        self._system.timers.call_later(delay / NS_PER_S, self._run, self._send_due)

    def _send_due(self) -> None:
        now, wall = self._now()
        while self._pending and self._pending[0][0] <= now + limits.PACER_STEP // 2:
            _, rtp, one = self._pending.popleft()
            self._send(rtp, one, now, wall)
        if self._pending:
            self._wake(max(0, self._pending[0][0] - now))

    def _sounds_are_due(self) -> None:
        """The picture that they waited for is late."""
        self._leave((), *self._now())

    def _start_pump(self) -> None:
        if not self._pumping:
            self._pumping = True
            self._system.timers.call_later(limits.PACER_STEP / NS_PER_S, self._run, self._send_portions)

    def _run(self, due: Callable[[], None]) -> None:
        """What a timer calls. A defect in it ends the feed as one in `_frame` does, which loses its seat by that."""
        if self.failed is not None:
            return
        try:
            due()
        except Exception as error:  # noqa: BLE001 - a timer has nobody to raise to; the sessions are told the reason
            self.close()
            self._fail(error)

    def _send_portions(self) -> None:
        """A portion of each backlog; together no more than the loop can spare in one turn."""
        self._pumping = False
        now, wall = self._now()
        left = limits.REPLAY_TURN
        for line in self._audience.behind:
            if left <= 0:
                break
            left -= line.portion(limits.REPLAY_PORTION, now, wall)
            self._audience.settle(line)  # or it goes behind those who had no portion in this turn
        if self._audience.behind:
            self._start_pump()

    def _now(self) -> tuple[int, int]:
        clock = self._system.clock
        return clock.monotonic_ns(), clock.wall_ns()


_SMOOTHING = 64
"""Frames over which the relation of timeline and wall time is averaged: publishers send in bursts, reports must not."""


_SEAM = 100 * NS_PER_MS
"""A discontinuity with less than this before it is a publisher that was replaced at once."""


def _new_track(system: System, kind: Kind) -> RtpTrack:
    random = system.entropy.random_bytes(16)
    ssrc, rtx = (int.from_bytes(random[at : at + 4]) | 1 for at in (0, 4))
    return RtpTrack(kind, ssrc, rtx if rtx != ssrc else rtx ^ 2, int.from_bytes(random[8:14]))


class RtpFeeds:
    """The feeds of an engine: one for each channel that has viewers. `codecs` are those that they can take."""

    def __init__(self, system: System, codecs: Container[CodecId]) -> None:
        self._system = system
        self._codecs = codecs
        self._feeds: dict[Channel, RtpFeed] = {}
        self._users: dict[RtpFeed, int] = {}

    def acquire(self, channel: Channel) -> RtpFeed:
        """The feed of a channel; `release` it after use."""
        feed = self._feeds.get(channel)
        if feed is None or feed.failed is not None:
            feed = self._feeds[channel] = RtpFeed(self._system, channel, self._codecs)
        self._users[feed] = self._users.get(feed, 0) + 1
        return feed

    def release(self, feed: RtpFeed) -> None:
        """Give it back; the last one's release ends it."""
        self._users[feed] -= 1
        if not self._users[feed]:
            del self._users[feed]
            if self._feeds.get(feed.channel) is feed:
                del self._feeds[feed.channel]
            feed.close()
