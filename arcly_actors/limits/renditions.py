"""Bounds of renditions. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_S

RENDITION_IDLE = 10 * NS_PER_S
"""How long a rendition goes on without a viewer: a page that is loaded again does not start the encoders again."""

RENDITION_CATCH_UP = 2 * NS_PER_S
"""How long a new rendition waits for the sound of the cached GOP: 10 s of it take 0.2 s to transcode on a slow core."""

RENDITION_RETRY = 10 * NS_PER_S
"""After a transcoder failed too often in a row, when it is tried again: the publisher may have mended what it sends."""

TRANSCODE_IN_FLIGHT = 64
"""Frames that may wait for one transcoder: 2 s of pictures, 1.3 s of sound. More means that it is too slow."""

TRANSCODE_STUCK = 10 * NS_PER_S
"""A transcoder that answers nothing for so long while frames wait is not slow, it hangs: it is replaced."""

TRANSCODE_DAMAGED = 50
"""Packets in a row that do not decode before a transcoder gives up: a second of sound, two of pictures."""

TRANSCODE_THREADS = 2
"""Threads of one video encoder: 1080p at 30 fps needs less, and other streams want cores, too."""

TRANSCODE_GOP = 1000
"""The most pictures between two keyframes of an encoder: the source's keyframes decide, long before this."""

TRANSCODE_LEAST_BITS = 300_000
"""Bits per second below which a picture is not worth having."""

TRANSCODE_MOST_BITS = 12_000_000
"""Bits per second above which a browser's viewer has no use for more: a sharp 4K picture."""

BFRAMES_TOLD = 60 * NS_PER_S
"""How often the number of dropped B-frames is told: an operator sees that it goes on, and the log stays readable."""
