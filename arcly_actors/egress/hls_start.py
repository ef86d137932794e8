"""Where packaging begins: at which frame of the log, and with which number."""

from arcly_actors.bus.channel import Channel
from arcly_actors.media.codec import Kind


def beginning(channel: Channel, span_ns: int, now: tuple[int, int], segment_ns: int) -> tuple[int, int]:
    """The position of the first frame, within `span_ns` of the newest, and the number of the first segment.

    Where a packager has cut this channel before, it is a place where that one did: segments come out as they were, under
    the names that they had. `now` is the wall time, and what to add to monotonic time for it (ns).
    """
    position, cuts = first_position(channel, span_ns), channel.segments
    known = min((at for at in cuts if at >= position), default=None)
    if known is not None:
        return known, cuts[known]
    number = first_number(channel, position, *now, segment_ns)
    return position, max(number, max(cuts.values(), default=-1) + 1)


def first_position(channel: Channel, span_ns: int) -> int:
    """The oldest keyframe of the log within `span_ns` of its newest frame; its tail when there is no keyframe.

    Without video every sound frame will do.
    """
    log = channel.log
    if not len(log):
        return log.tail
    horizon = log.dts(log.head - 1) - span_ns
    for position in range(log.tail, log.head):
        frame = log[position].frame
        starts = frame.keyframe and (frame.track.kind is Kind.VIDEO or not channel.has_video)
        if starts and frame.dts >= horizon:
            return position
    return channel.anchor if channel.anchor is not None else log.tail


def first_number(channel: Channel, position: int, wall_ns: int, wall_offset_ns: int, segment_ns: int) -> int:
    """The number of the first segment: half target durations since 1970 at its first frame.

    Segments last longer than half the target, so numbers fall behind the clock while a packager runs, and one that
    starts later begins above every number used before: no name ever stands for two segments.
    """
    log = channel.log
    arrival = log[position].frame.arrival if log.tail <= position < log.head else 0
    wall = arrival + wall_offset_ns if arrival else wall_ns
    return wall // max(segment_ns // 2, 1)
