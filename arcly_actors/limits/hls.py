"""Bounds of HLS packaging. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_S

HLS_IDLE = 30 * NS_PER_S
"""Packaging stops when no playlist or segment was asked for this long: players ask every few seconds."""

HLS_WAIT = 15 * NS_PER_S
"""The longest a first request waits for a playable playlist: over the 10.4 s that x264 has between keyframes when left
at its own, under the patience of players (hls.js: 20 s) and proxies."""

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

HLS_CENSUS = 10_000
"""Viewers told apart when they are counted; more than connections allow would be made-up user agents."""

HLS_STREAMS = 1000
"""Streams packaged at once: as many as may be published."""
