"""Bounds of sources and sinks. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_S

SOURCE_WAIT = 10 * NS_PER_S
"""How long a viewer waits for a source that is not live yet: a camera dials and sends a keyframe well within it, and
players give up at about this time."""

SOURCE_OPEN = 15 * NS_PER_S
"""From dialling to the first tracks: FFmpeg's own bound for it is two thirds of this, so what passes it hangs."""

SOURCE_STALL = 10 * NS_PER_S
"""Without a byte, or without a picture that can be decoded, for this long a source is dialled anew: longer than the GOP
of a camera and the segment of a playlist."""

SOURCE_IDLE = 10 * NS_PER_S
"""How long a source on demand stays connected after its last viewer: a viewer that reloads finds it live."""

RECONNECT_CAP = 10 * NS_PER_S
"""The longest wait between two tries of a source or sink, if the topology's backoff is longer: viewers are waiting."""

EARLY_FRAMES = 512
"""Frames of a source kept until its publish slot is granted, which takes a turn or two of the loop."""

FFMPEG_PACKETS = 64
"""Packets read ahead of FFmpeg by a source: a second of picture and sound."""

FFMPEG_CONFIGURING = 256
"""Packets of a stream whose decoder configuration is waited for before the other tracks go on without it."""

HUNG_WORKERS = 4
"""Workers of one source that may hang in FFmpeg at once; until one returns no other is started."""

DIAL_TIMEOUT = 10 * NS_PER_S
"""From the name look-up to a connection that stands, TLS included: three retransmitted SYNs."""

SOURCES = 10_000
"""Sources, and as many sinks, in one topology: more than one process can serve."""

URL_CHARACTERS = 4096
"""Of a source's or sink's URL: signed ones have about 2000."""

TOKEN_CHARACTERS = 4096
"""Of a sink's bearer token: signed ones (JWT) have about 1000, and the server takes a header field of 8190 at most."""

SINK_PAUSE = 1 * NS_PER_S
"""Between the orderly end of a push and the next: tracks that change back and forth must not become a storm of dials."""
