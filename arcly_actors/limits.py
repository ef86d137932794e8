"""Every bound in one place, each with its reason. Sizes are bytes, times nanoseconds.

The ones an operator may want to move are also in the topology (`limits:` and the applications); these are their defaults.
"""

from arcly_actors.clock import NS_PER_MS, NS_PER_S

# -- bus ------------------------------------------------------------------------------------------------------------

MAX_PUBLISHERS = 1000
"""Streams at once: a fleet of encoders gone wild must not take the machine."""

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

# -- media ----------------------------------------------------------------------------------------------------------

FRAME_BYTES = 8 * 1024 * 1024
"""One frame or tag: a 4K intra picture at 100 Mb/s and 10 fps is 1.25 MB; the rest is room for lossless contribution."""

CONFIGURATION_BYTES = 64 * 1024
"""avcC, hvcC, OpusHead…: real ones stay below 4 kB, and every viewer is sent one."""

NAL_UNITS = 1500
"""Of one access unit: H.264 level 6.2 allows 600 slices; parameter sets, SEI and a second field come on top."""

OBUS = 1024
"""Of one AV1 temporal unit: 8 spatial layers of 128 tile groups; encoders make fewer than 20."""

SEI_MESSAGES = 64
"""Of one SEI unit: encoders put fewer than ten into one."""

PICTURE_SIDE = 16384
"""Pixels: no decoder that our protocols reach takes more, so a greater size is a damaged header."""
# -- runtime --------------------------------------------------------------------------------------------------------

MEDIA_LANE = 512
"""Media messages waiting in one actor's mailbox: about 10 s of 50 fps, past which they are too late to be of use."""

TURN_MESSAGES = 64
"""Messages one actor handles before the others have their turn: small enough for fairness, large enough to be cheap."""

DRAIN_MESSAGES = 1024
"""Messages handled before the event loop polls its sockets again: about 1-5 ms of work."""

VIRTUAL_ITERATIONS = 5_000_000
"""Turns of a virtual loop after which a scenario counts as running away: minutes of CPU, thousands of times a session."""


# -- HLS ------------------------------------------------------------------------------------------------------------

HLS_IDLE = 30 * NS_PER_S
"""Packaging stops when no playlist or segment was asked for this long: players ask every few seconds."""

HLS_WAIT = 10 * NS_PER_S
"""The longest a first request waits for a playable playlist: under the patience of players and proxies."""

HLS_LONGEST_SEGMENT = 30 * NS_PER_S
"""A GOP longer than this is cut off: players buffer whole segments, and the target duration follows the longest."""

HLS_LARGEST_SEGMENT = 64 * 1024 * 1024
"""Payload bytes of one segment: 30 s at 16 Mb/s."""

HLS_SHELF = 256 * 1024 * 1024
"""Segment bytes kept for one stream: a window and its grace at 2 s of 80 Mb/s."""

HLS_ENDED = 30 * NS_PER_S
"""How long the playlist of a stream that ended is still served: what slow players have yet to play."""

HLS_IN_FLIGHT = 8
"""Segments that may wait for the muxer: it takes milliseconds for each, so more means that it hangs."""

HLS_MUXER_FAILURES = 3
"""Muxer crashes in a row before the stream is given up: the same input will fail again."""

HLS_WAITERS = 1000
"""Requests that may wait for the first playlist of one stream."""
