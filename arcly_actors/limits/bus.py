"""Bounds of the bus. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_MS, NS_PER_S

MAX_PUBLISHERS = 1000
"""Streams at once: a fleet of encoders gone wild must not take the machine."""

STREAM_LANE = 4096
"""Frames waiting for a stream's actor: several GOPs that a program sends at once; what is beyond is dropped, counted."""

GOP_COUNTED = 32
"""Frames that the GOP cache may be behind within a GOP: it is told of each start of one, and of so many others together,
which costs a message less for each frame. A GOP may outgrow its bound by as many, and by a sixteenth at most."""

UNWATCHED_HISTORY = 8 * NS_PER_S
"""What is kept of a stream that nobody watches, so that the first HLS playlist has three segments of 2 s at once, where
players begin (RFC 8216 6.3.3); without an HTTP endpoint only the newest GOP is."""

EVENT_BACKLOG = 1024
"""Events a slow async reader may leave unread before it loses the oldest: minutes of ordinary operation."""

MAX_TRACKS = 16
"""Elementary streams of one stream: far more than encoders send."""

KEYFRAME_THROTTLE = 500 * NS_PER_MS
"""The least time between two keyframe requests to one publisher: an IDR costs an encoder several frames of bits."""

KEYFRAME_PATIENCE = 2 * NS_PER_S
"""Unanswered PLIs for this long turn into FIRs."""

FIRST_WRITE = 256 * 1024
"""How much of a cached GOP goes out in one write at a join; the rest follows by turns, so that joiners do not wait
for each other's whole GOPs."""

MAX_WRITE = 4 * 1024 * 1024
"""The largest single write to a viewer that catches up; it is also what a viewer that stops reading can hold."""

REATTACH_DELAY = 50 * NS_PER_MS
"""How soon a publisher or viewer asks again for a stream actor that is being restarted."""

REATTACH_PATIENCE = 10 * NS_PER_S
"""How long they keep asking before they give up: longer than the restart backoff of a single crash."""

QOS_WINDOW = 1 * NS_PER_S
"""The window of the bit and frame rates, and how often holds and idle publishers are looked at."""

DESCRIBE_PATIENCE = 5 * NS_PER_S
"""How long a DESCRIBE waits for the tracks of a publisher that has just begun; its client waits for ten and more."""
