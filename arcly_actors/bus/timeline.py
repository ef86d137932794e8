"""The timeline normaliser: one clock for a stream that several publishers with clocks of their own write to."""

from dataclasses import dataclass

from arcly_actors.clock import NS_PER_MS, NS_PER_S
from arcly_actors.media.frame import MediaFrame

STEP_NS = NS_PER_MS
"""The least distance of two DTS of one track: the millisecond is the coarsest clock among the outputs (RTMP, FLV)."""

JUMP_FORWARD_NS = 10 * NS_PER_S
"""A gap beyond this is a clock that was set, not silence: viewers would wait it out."""

JUMP_BACK_NS = 1 * NS_PER_S
"""Less than this backwards is reordering, which is repaired in place; more is a clock that started over."""

SEAM_NS = 40 * NS_PER_MS
"""The distance kept between the last frame before a seam and the first one after it: about one frame."""

REORDER_NS = 1 * NS_PER_S
"""A picture that is to be shown so much later than it is decoded is not waited for at a seam."""


@dataclass(slots=True)
class _Lane:
    """One track's place on the timeline: what to add to its clock, and its last DTS."""

    offset: int
    last: int


class Timeline:
    """Maps publishers' timestamps (ns) to the stream's: DTS strictly rises in each track while the stream lives.

    Each call of `begin` starts a new publisher; its first frame follows all of the publisher before, and the
    first of each of its tracks is marked as a discontinuity. A clock that jumps within one publisher is treated alike,
    and the other tracks take the same correction, so that sound and picture stay together. A track whose clock has
    nothing to do with its publisher's other clock is put beside it.
    """

    def __init__(self) -> None:
        self._lanes: dict[int, _Lane] = {}
        self._offset: int | None = None
        self._newest: int | None = None
        self._shown = 0  # the largest PTS, within bounds
        self._fresh: set[int] = set()
        self._resumed = False
        self.repaired = 0
        self.jumps = 0

    @property
    def newest(self) -> int | None:
        """The largest DTS given so far, in nanoseconds."""
        return self._newest

    def begin(self) -> None:
        """The next frame is a new publisher's."""
        self._offset = None
        self._fresh = set(self._lanes)
        self._resumed = self._newest is not None

    def keep(self) -> None:
        """The next publisher's timestamps are the stream's own: they were recorded there."""
        self._offset = 0

    def place(self, frame: MediaFrame) -> MediaFrame:
        """The frame on the stream's timeline; the payload is shared, not copied."""
        lane, seam = self._lanes.get(frame.track.id), False
        if lane is None or self._fresh or self._jumped(lane, frame.dts + lane.offset) or self._offset is None:
            lane, seam = self._lane(frame)
        offset, last = lane.offset, lane.last
        dts = frame.dts + offset
        if dts < last + STEP_NS:
            self.repaired += 1
            dts = last + STEP_NS
        pts = frame.pts + offset
        pts = max(pts, dts)
        lane.last = dts
        if self._newest is None or dts > self._newest:
            self._newest = dts
        if pts > self._shown:
            self._shown = max(self._shown, min(pts, dts + REORDER_NS))
        if pts == frame.pts and dts == frame.dts and not seam:
            return frame
        return frame.at(pts=pts, dts=dts, discontinuity=seam or frame.discontinuity)

    def _lane(self, frame: MediaFrame) -> tuple[_Lane, bool]:
        """The lane of a frame's track, with the offset that is right for it, and whether that is a new one."""
        track = frame.track.id
        if self._offset is None:
            self._offset = (0 if self._newest is None else self._shown + SEAM_NS) - frame.dts
        lane = self._lanes.get(track)
        if lane is None:
            lane = self._lanes[track] = _Lane(self._aligned(frame.dts), -STEP_NS)
            return lane, self._resumed
        if track in self._fresh:
            self._fresh.discard(track)
            lane.offset = self._aligned(frame.dts)
            return lane, True
        if self._jumped(lane, frame.dts + lane.offset):
            self._follow_jump(lane, frame.dts)
            return lane, True
        return lane, False

    def _aligned(self, dts: int) -> int:
        """The offset for a track that begins: the publisher's, unless this track's clock has nothing to do with it."""
        offset, newest = self._offset or 0, self._newest
        if newest is None or abs(dts + offset - newest) <= JUMP_FORWARD_NS:
            return offset
        self.jumps += 1
        return newest + SEAM_NS - dts

    def _jumped(self, lane: _Lane, dts: int) -> bool:
        last = lane.last
        return not last - JUMP_BACK_NS <= dts <= max(last, self._newest or 0) + JUMP_FORWARD_NS

    def _follow_jump(self, lane: _Lane, dts: int) -> None:
        """Take the correction another track has made if it fits here too; else make one."""
        self.jumps += 1
        for other in self._lanes.values():
            if other is not lane and not self._jumped(lane, dts + other.offset):
                lane.offset = other.offset
                return
        lane.offset = self._shown + SEAM_NS - dts
        self._offset = lane.offset
