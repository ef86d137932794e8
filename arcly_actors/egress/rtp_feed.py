"""A stream as RTP for many viewers: packetised, numbered and paced once; each viewer costs one call per slice.

Viewers with the same `Layout` form a group. Those of it that are live get the very same packets in one plain loop; the
others (joining, waiting for a keyframe, degraded) are looked at singly.
"""

import logging
from collections import deque
from collections.abc import Callable, Container

from arcly_actors import limits
from arcly_actors.bus.channel import Channel
from arcly_actors.bus.policy import Join
from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.egress.rtp_line import RtpLine
from arcly_actors.egress.rtp_slice import Layout, Slice
from arcly_actors.egress.rtp_track import RtpTrack
from arcly_actors.media.codec import CodecId, Kind
from arcly_actors.media.frame import MediaFrame, Track
from arcly_actors.runtime import System
from arcly_actors.transport.dtls_srtp import DtlsSrtpTransport, TransportCrowd

_log = logging.getLogger(__name__)


class _Group:
    """The viewers of one layout at one port."""

    __slots__ = ("apart", "by_transport", "crowd", "layout", "live")

    def __init__(self, first: RtpLine) -> None:
        self.layout = first.layout
        self.crowd = first.transport.crowd
        self.live: list[DtlsSrtpTransport] = []
        self.by_transport: dict[DtlsSrtpTransport, RtpLine] = {}
        self.apart: dict[RtpLine, None] = {}

    @property
    def empty(self) -> bool:
        """Whether nobody is left."""
        return not self.live and not self.apart

    def send(self, one: Slice, now: int) -> None:
        """One slice to everyone."""
        if self.live:
            for transport in self.crowd.send(self.live, one.packets(self.layout)):
                self.by_transport[transport].unsent += len(one.chunks)
        for line in tuple(self.apart):
            line.take(one, now)
            self.settle(line)

    def settle(self, line: RtpLine) -> None:
        """It is live from now on if it can be."""
        if line.settled and line in self.apart:
            del self.apart[line]
            self.live.append(line.transport)
            self.by_transport[line.transport] = line
            line.go_live()

    def part(self, line: RtpLine) -> None:
        """It is live no longer."""
        self.live.remove(line.transport)
        del self.by_transport[line.transport]
        line.part()


_Key = tuple[Layout, TransportCrowd]


def _key(line: RtpLine) -> _Key:
    """Which group a line is of."""
    return line.layout, line.transport.crowd


class RtpFeed:
    """See the module. On the loop; `close` it when nobody is left."""

    def __init__(self, system: System, channel: Channel, codecs: Container[CodecId]) -> None:
        self._system = system
        self._codecs = codecs
        self.channel = channel
        self.tracks = {kind: _new_track(system, kind) for kind in (Kind.VIDEO, Kind.AUDIO)}
        self._groups: dict[_Key, _Group] = {}
        self._known: tuple[Track, ...] = ()
        self._by_id: dict[int, RtpTrack] = {}
        self._pending: deque[tuple[int, RtpTrack, Slice]] = deque()
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

    # -- viewers ------------------------------------------------------------------------------------------------------

    def join(self, line: RtpLine, join: Join) -> bool:
        """Let a viewer's line begin; False when it has to wait for a keyframe."""
        if line.track.kind is not Kind.VIDEO:
            line.join_live()
        else:
            gop = self.gop(join)
            if gop:
                line.join_at(gop)
        self.attach(line)
        return not line.waiting

    def gop(self, join: Join = Join.INSTANT) -> list[Slice]:
        """What a joiner gets first: the pictures since the cached keyframe; empty when there is none."""
        start = self.channel.start(join)
        return list(self.tracks[Kind.VIDEO].since(start)) if start is not None else []

    def attach(self, line: RtpLine) -> None:
        """Send to this line from now on."""
        group = self._groups.setdefault(_key(line), _Group(line))
        group.apart[line] = None
        if line.backlog:
            line.portion(limits.REPLAY_FIRST, *self._now())
        group.settle(line)
        if line.backlog:
            self._start_pump()

    def detach(self, line: RtpLine) -> None:
        """Send it nothing more; its line keeps its place."""
        group = self._groups.get(_key(line))
        if group is None:
            return
        group.apart.pop(line, None)
        if line.live:
            group.part(line)
        if group.empty:
            del self._groups[_key(line)]

    def part(self, line: RtpLine) -> None:
        """It gets packets of its own from now on."""
        group = self._groups.get(_key(line))
        if group is not None and line.live:
            group.part(line)
            group.apart[line] = None

    # -- frames -------------------------------------------------------------------------------------------------------

    def _frame(self, frame: MediaFrame) -> None:
        self.follow()
        rtp = self._by_id.get(frame.track.id)
        if rtp is None:
            return
        now, wall = self._now()
        self._keep_time(frame, wall)
        for index, one in enumerate(rtp.cut(frame, self.channel.log.head - 1, self._held)):
            if rtp.kind is Kind.VIDEO and (index or self._pending):
                after = self._pending[-1][0] if self._pending else now
                due = after + limits.PACER_STEP if index else max(after, now)
                due = min(due, now + limits.PACER_DELAY)  # a burst of frames must not become lasting delay, nor pile up
                self._pending.append((due, rtp, one))
                if len(self._pending) == 1:
                    self._wake(limits.PACER_STEP)
            else:
                self._send(rtp, one, now, wall)
        rtp.trim(now, self.channel.anchor)

    def _fail(self, error: Exception) -> None:
        """No more frames come: a defect of ours. Its viewers' sessions look for it."""
        _log.error("%s cannot be made into packets", self.channel.key, exc_info=error)
        self.failed = error

    def _send(self, rtp: RtpTrack, one: Slice, now: int, wall: int) -> None:
        rtp.leaves(one, now, wall)
        codec = rtp.track.codec if rtp.track else None
        for (layout, _), group in self._groups.items():
            if layout.ssrc == rtp.ssrc and layout.codec is codec:
                group.send(one, now)

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
        self._system.loop.call_later(delay / NS_PER_S, self._run, self._send_due)

    def _send_due(self) -> None:
        now, wall = self._now()
        while self._pending and self._pending[0][0] <= now + limits.PACER_STEP // 2:
            _, rtp, one = self._pending.popleft()
            self._send(rtp, one, now, wall)
        if self._pending:
            self._wake(max(0, self._pending[0][0] - now))

    def _start_pump(self) -> None:
        if not self._pumping:
            self._pumping = True
            self._system.loop.call_later(limits.PACER_STEP / NS_PER_S, self._run, self._send_portions)

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
        for group in tuple(self._groups.values()):
            for line in [each for each in group.apart if each.backlog]:
                if left <= 0:
                    break
                left -= line.portion(limits.REPLAY_PORTION, now, wall)
                del group.apart[line]  # behind those who had no portion in this turn
                group.apart[line] = None
                group.settle(line)
        if any(line.backlog for group in self._groups.values() for line in group.apart):
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
