"""Spreading bursts: a keyframe of 200 kB sent at once overruns the buffers on the way to a player.

One plan serves all viewers of an outgoing stream, so its cost is not per viewer.
"""

from collections.abc import Sequence

from arcly_actors import limits
from arcly_actors.protocols.rtp.payload.unit import RtpChunk


def spread(chunks: Sequence[RtpChunk], until_next: int) -> list[Sequence[RtpChunk]]:
    """Cut a frame into parts that leave `limits.PACER_STEP` apart, the first one at once.

    A part has up to `limits.PACER_BURST` bytes, or as many more as it takes to have the whole frame out before the next
    one, which is due in `until_next` nanoseconds, and within `limits.PACER_DELAY`: so nothing ever piles up.
    """
    total = sum([len(payload) for payload, _, _ in chunks])
    if total <= limits.PACER_BURST:
        return [chunks]
    steps = max(1, min(until_next, limits.PACER_DELAY) // limits.PACER_STEP)
    size = max(limits.PACER_BURST, -(-total // steps))
    if total <= size:
        return [chunks]
    parts: list[Sequence[RtpChunk]] = []
    start = filled = 0
    for index, chunk in enumerate(chunks):
        if filled and filled + len(chunk.payload) > size and len(parts) < steps - 1:
            parts.append(chunks[start:index])
            start, filled = index, 0
        filled += len(chunk.payload)
    return [*parts, chunks[start:]]
